package opfs

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/holdfast-fs/holdfast/memfs"
)

// No bytes make the decoders panic, and what they accept they encode again to the same bytes or meaning.
func FuzzRecords(f *testing.F) {
	s := superblock{segment: defaultSegment, generation: 3, checkpoint: headerSize, seq: 1}
	f.Add(s.encode())
	p := point{seq: 4, parent: 2, created: -5, label: "x", prev: memfs.Ref{Off: 9, Len: 8, Sum: 7}, drops: []uint64{3}, root: []byte{1, 2}}
	f.Add(p.encode())
	h := header{at: headerSize, kind: commitRecord, pointLen: 3, seq: 2, prev: 1, body: 100}
	b := make([]byte, headerSize)
	h.encode(b, UUID{})
	f.Add(b)
	segmentHeader{at: defaultSegment, next: 3, size: defaultSegment}.encode(b, UUID{})
	f.Add(b)
	m := fileMap{pointAt: memfs.Ref{Off: 9, Len: 8, Sum: 7}, history: []entry{{seq: 1, kept: true}, {seq: 4, created: 5}}, extents: []extent{{64, logStart + 640, 128}, {640, logStart, 64}}}
	f.Add(m.encode())
	f.Add(appendRuns(nil, m.extents))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s superblock
		if s.decode(b) == nil && !bytes.Equal(s.encode()[:76], b[:76]) {
			t.Fatal("superblock")
		}
		var p point
		if p.decode(b) == nil {
			var q point
			if err := q.decode(p.encode()); err != nil || q.seq != p.seq || q.label != p.label {
				t.Fatal("point", err)
			}
		}
		var m fileMap
		if m.decode(b) == nil {
			var n fileMap
			if err := n.decode(m.encode()); err != nil || !reflect.DeepEqual(m, n) {
				t.Fatal("map", err)
			}
		}
		var h header
		h.decode(b, 0)
		var g segmentHeader
		g.decode(b)
		if runs, ok := runsOf(b); ok && len(runs) > len(b) {
			t.Fatal("runs", runs)
		}
	})
}
