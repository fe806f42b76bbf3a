package opfs

import "github.com/holdfast-fs/holdfast/memfs"

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
	for _, p := range append(s.pending, p) {
		s.history.add(entry{seq: p.point.seq, created: p.point.created, kept: p.point.label != "", mem: &p})
	}
	s.pending, s.point, s.base = nil, p.point, s.seq
	s.history.prune(s.o.Keep, s.oldest())
}
