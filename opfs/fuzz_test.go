package opfs

import (
	"bytes"
	"testing"

	"github.com/holdfast-fs/holdfast/memfs"
)

// No bytes make the decoders panic, and what they accept they encode again to the same bytes or meaning.
func FuzzRecords(f *testing.F) {
	s := superblock{generation: 3, checkpoint: logStart, seq: 1}
	f.Add(s.encode())
	p := point{seq: 4, parent: 2, created: -5, label: "x", prev: memfs.Ref{Off: 9, Len: 8, Sum: 7}, root: []byte{1, 2}}
	f.Add(p.encode())
	h := header{off: logStart, pointLen: 3, seq: 2, prev: 1, body: 100}
	b := make([]byte, headerSize)
	h.encode(b, UUID{})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var s superblock
		if s.decode(b) == nil && !bytes.Equal(s.encode()[:80], append(bytes.Clone(b[:12]), append(make([]byte, 4), b[16:80]...)...)) {
			t.Fatal("superblock")
		}
		var p point
		if p.decode(b) == nil {
			var q point
			if err := q.decode(p.encode()); err != nil || q.seq != p.seq || q.label != p.label {
				t.Fatal("point", err)
			}
		}
		var h header
		h.decode(b, logStart, UUID{})
	})
}
