package s3publish

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/holdfast-fs/holdfast/memfs"
)

// The snapshot object; see LAYOUT.md, Snapshot object.
const (
	snapshotMagic   = "HOLDSNAP"
	snapshotVersion = 1
	snapshotFixed   = 108
	packEntrySize   = 76

	maxPacks    = 1 << 16
	maxLabel    = 4096
	maxOrigin   = 128
	maxSnapshot = snapshotFixed + maxLabel + maxOrigin + maxPacks*packEntrySize
)

type snapshotObject struct {
	root    memfs.Hash
	parent  ID
	created int64
	files   int64
	bytes   int64
	label   string
	origin  string
	packs   []packEntry
}

// packEntry is what a snapshot says about a pack.
type packEntry struct {
	id        ID
	indexHash [32]byte
	size      uint32
	indexOff  uint32
	blobs     uint32
}

func (e packEntry) validate() error {
	if e.size < minPack || e.size > maxPack {
		return corrupt("pack %s: size %d", e.id, e.size)
	}
	if e.indexOff < packHeaderSize || e.indexOff > e.size-packTrailerSize {
		return corrupt("pack %s: index offset %d of %d", e.id, e.indexOff, e.size)
	}
	if e.blobs < 1 || e.blobs > maxPackBlobs {
		return corrupt("pack %s: %d blobs", e.id, e.blobs)
	}
	return nil
}

// Info describes a published snapshot.
type Info struct {
	ID        ID
	Parent    ID // zero when there is none
	Root      memfs.Hash
	CreatedAt int64 // nanoseconds since 1970
	Label     string
	Origin    string // the local volume that published it
	Files     int64  // as the publisher counted them, 0 when not known
	Bytes     int64  // likewise
	Packs     int
	PackBytes int64 // what a pull of everything fetches
}

func (s *snapshotObject) info(id ID) Info {
	in := Info{
		ID: id, Parent: s.parent, Root: s.root, CreatedAt: s.created, Label: s.label, Origin: s.origin,
		Files: s.files, Bytes: s.bytes, Packs: len(s.packs),
	}
	for _, p := range s.packs {
		in.PackBytes += int64(p.size)
	}
	return in
}

// encodeSnapshot fails with ErrInvalid when a field is past its limit.
func encodeSnapshot(s *snapshotObject) ([]byte, error) {
	switch {
	case len(s.label) > maxLabel || !utf8.ValidString(s.label):
		return nil, fmt.Errorf("%w: a label is UTF-8 of at most %d bytes", ErrInvalid, maxLabel)
	case len(s.origin) > maxOrigin || !utf8.ValidString(s.origin):
		return nil, fmt.Errorf("%w: an origin is UTF-8 of at most %d bytes", ErrInvalid, maxOrigin)
	case s.files < 0 || s.bytes < 0:
		return nil, fmt.Errorf("%w: negative count", ErrInvalid)
	case len(s.packs) == 0 || len(s.packs) > maxPacks:
		return nil, fmt.Errorf("%w: a snapshot has 1 to %d packs, not %d", ErrInvalid, maxPacks, len(s.packs))
	}
	le := binary.LittleEndian
	b := make([]byte, 0, snapshotFixed+len(s.label)+len(s.origin)+packEntrySize*len(s.packs))
	b = append(b, snapshotMagic...)
	b = le.AppendUint16(b, snapshotVersion)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, uint32(len(s.packs)))
	b = append(b, s.root[:]...)
	b = append(b, s.parent[:]...)
	b = le.AppendUint64(b, uint64(s.created))
	b = le.AppendUint64(b, uint64(s.files))
	b = le.AppendUint64(b, uint64(s.bytes))
	b = le.AppendUint16(b, uint16(len(s.label)))
	b = le.AppendUint16(b, uint16(len(s.origin)))
	b = append(b, s.label...)
	b = append(b, s.origin...)
	for _, p := range s.packs {
		b = append(b, p.id[:]...)
		b = append(b, p.indexHash[:]...)
		b = le.AppendUint32(b, p.size)
		b = le.AppendUint32(b, p.indexOff)
		b = le.AppendUint32(b, p.blobs)
	}
	return b, nil
}

// decodeSnapshot trusts nothing: b may come from anyone.
func decodeSnapshot(b []byte) (*snapshotObject, error) {
	le := binary.LittleEndian
	if len(b) < snapshotFixed || string(b[:8]) != snapshotMagic {
		return nil, corrupt("not a snapshot object")
	}
	if v := le.Uint16(b[8:]); v != snapshotVersion {
		return nil, fmt.Errorf("%w: snapshot object of version %d", ErrVersion, v)
	}
	if f := le.Uint16(b[10:]); f != 0 {
		return nil, fmt.Errorf("%w: snapshot object with flags %#x", ErrVersion, f)
	}
	packs := le.Uint32(b[12:])
	label, origin := int(le.Uint16(b[104:])), int(le.Uint16(b[106:]))
	if packs < 1 || packs > maxPacks || label > maxLabel || origin > maxOrigin {
		return nil, corrupt("%d packs, label of %d bytes, origin of %d bytes", packs, label, origin)
	}
	if want := snapshotFixed + label + origin + packEntrySize*int(packs); len(b) != want {
		return nil, corrupt("%d bytes where %d were announced", len(b), want)
	}
	s := &snapshotObject{created: int64(le.Uint64(b[80:]))}
	copy(s.root[:], b[16:])
	copy(s.parent[:], b[48:])
	files, bytes := le.Uint64(b[88:]), le.Uint64(b[96:])
	if files > math.MaxInt64 || bytes > math.MaxInt64 {
		return nil, corrupt("%d files, %d bytes", files, bytes)
	}
	s.files, s.bytes = int64(files), int64(bytes)
	b = b[snapshotFixed:]
	s.label, s.origin, b = string(b[:label]), string(b[label:label+origin]), b[label+origin:]
	if !utf8.ValidString(s.label) || !utf8.ValidString(s.origin) {
		return nil, corrupt("label or origin is not UTF-8")
	}
	s.packs = make([]packEntry, packs)
	seen := make(map[ID]bool, packs)
	for i := range s.packs {
		p := &s.packs[i]
		copy(p.id[:], b)
		copy(p.indexHash[:], b[32:])
		p.size, p.indexOff, p.blobs = le.Uint32(b[64:]), le.Uint32(b[68:]), le.Uint32(b[72:])
		if err := p.validate(); err != nil {
			return nil, err
		}
		if seen[p.id] {
			return nil, corrupt("pack %s is listed twice", p.id)
		}
		seen[p.id] = true
		b = b[packEntrySize:]
	}
	return s, nil
}
