package s3publish

import (
	"encoding/hex"
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
)

// ID names a snapshot object or a pack: the SHA-256 of its bytes. The zero ID names nothing.
type ID [32]byte

// String is 64 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero tells if the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads what String writes, nothing else.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("%w: an id has 64 hex digits, not %d characters", ErrInvalid, len(s))
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ID{}, fmt.Errorf("%w: an id has lower-case hex digits only", ErrInvalid)
		}
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("%w: %v", ErrInvalid, err)
	}
	return id, nil
}

const maxVolumeName = 128

// ValidateVolume tells if a volume can be published under this name: 1 to 128 characters, ASCII
// letters, digits, dot, underscore and hyphen, beginning with a letter or a digit.
func ValidateVolume(name string) error {
	if name == "" || len(name) > maxVolumeName {
		return fmt.Errorf("%w: a volume's name has 1 to %d characters", ErrInvalid, maxVolumeName)
	}
	for i, c := range []byte(name) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return fmt.Errorf("%w: volume name %q: only ASCII letters, digits, '.', '_' and '-' are allowed, the first a letter or digit", ErrInvalid, name)
		}
	}
	return nil
}

const (
	headPrefix     = "heads/"
	snapshotPrefix = "snapshots/"
	packPrefix     = "packs/"
	checkPrefix    = "checks/" // objects of Check and Prune that live for a moment
)

func headKey(volume string) string { return headPrefix + volume }
func snapshotKey(id ID) string     { return snapshotPrefix + id.String() }
func packKey(id ID) string         { return packPrefix + id.String() }

func hashString(h memfs.Hash) string { return hex.EncodeToString(h[:]) }
