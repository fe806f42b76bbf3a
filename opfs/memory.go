package opfs

import (
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

// NewMemory returns a volume without a file: a commit keeps a snapshot, which costs the same for any size, and nothing outlives the
// program. Points that the history drops give their memory back.
func NewMemory(o Options) *Store {
	s := &Store{o: o.withDefaults()}
	s.super = superblock{uuid: newUUID(), created: s.o.Now()}
	s.fs = memfs.New(memfs.Options{Now: s.o.Now, Created: s.super.created})
	return s
}

func (s *Store) commitInMemory(label string) {
	s.seq++
	p := pending{point: point{seq: s.seq, parent: s.base, created: s.o.Now(), label: label}, snap: s.fs.Snapshot()}
	s.fs.Settle()
	s.kept = append(append(s.kept, s.pending...), p)
	s.pending, s.point, s.base = nil, p.point, s.seq
	s.dropOld()
}

// dropOld releases the points without a label that the history no longer lists.
func (s *Store) dropOld() {
	oldest := s.o.Now() - int64(s.o.MaxAge)
	kept := s.kept[:0]
	for i, p := range s.kept {
		newer := len(s.kept) - 1 - i
		recent := newer < s.o.Keep && (s.o.MaxAge == time.Duration(0) || p.point.created >= oldest)
		if newer == 0 || !p.deleted && (recent || p.point.label != "") {
			kept = append(kept, p)
		} else {
			p.snap.Release()
		}
	}
	clear(s.kept[len(kept):])
	s.kept = kept
}
