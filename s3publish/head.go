package s3publish

import "strings"

// The head's text; see LAYOUT.md, Head.
const (
	headMagic = "holdfast-head 1\n"
	headSize  = len(headMagic) + 64 + 1
)

func encodeHead(id ID) []byte {
	return []byte(headMagic + id.String() + "\n")
}

func decodeHead(b []byte) (ID, error) {
	if !strings.HasPrefix(string(b), headMagic) {
		if strings.HasPrefix(string(b), "holdfast-head ") {
			return ID{}, ErrVersion
		}
		return ID{}, corrupt("not a head")
	}
	if len(b) != headSize || b[headSize-1] != '\n' {
		return ID{}, corrupt("a head has %d bytes, not %d", headSize, len(b))
	}
	id, err := ParseID(string(b[len(headMagic) : headSize-1]))
	if err != nil || id.IsZero() {
		return ID{}, corrupt("no snapshot id in it")
	}
	return id, nil
}
