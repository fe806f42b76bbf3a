package opfs

import (
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

func (s *Store) public(p *point, durable bool) Point {
	return Point{ID: pointID(p.seq), Seq: p.seq, CreatedAt: p.created, Label: p.label, ParentID: pointID(p.parent), Durable: durable}
}

// Snapshot keeps the live tree as it is now, at a cost that does not depend on its size. It can be restored at once,
// and becomes durable with the next commit.
func (s *Store) Snapshot(label string) (Point, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return Point{}, &Error{Op: "snapshot", Off: -1, Err: ErrClosed}
	}
	if len(label) > MaxLabel {
		return Point{}, &Error{Op: "snapshot", Off: -1, Err: ErrLabel, Hint: errtext.Sprintf("use at most %d bytes", MaxLabel)}
	}
	s.seq++
	p := pending{point: point{seq: s.seq, parent: s.base, created: s.o.Now(), label: label}, snap: s.fs.Snapshot()}
	s.pending = append(s.pending, p)
	s.base = s.seq
	return s.public(&p.point, false), nil
}

// Points lists what can be restored, newest first: the newest Keep points, and every labelled one.
func (s *Store) Points() ([]Point, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, &Error{Op: "history", Off: -1, Err: ErrClosed}
	}
	var out []Point
	for i := len(s.pending) - 1; i >= 0; i-- {
		out = append(out, s.public(&s.pending[i].point, false))
	}
	err := s.eachPoint(func(p *point) bool {
		out = append(out, s.public(p, true))
		return true
	})
	return out, err
}

// eachPoint calls fn for every point that the history lists, newest first, until it returns false.
func (s *Store) eachPoint(fn func(*point) bool) error {
	for _, e := range slices.Backward(s.retained()) {
		p, err := s.pointOfEntry(&e)
		if err != nil {
			return err
		}
		if !fn(&p) {
			return nil
		}
	}
	return nil
}

func (s *Store) pointOfEntry(e *entry) (point, error) {
	if e.mem != nil {
		return e.mem.point, nil
	}
	p, err := s.readPoint(e.at)
	if err == nil && p.seq != e.seq {
		err = corrupt("history", s.fileOffset(e.at.Off), "point %d where point %d belongs", p.seq, e.seq)
	}
	return p, err
}

// drop takes points out of the history. The newest goes when there is a newer one.
func (s *Store) drop(seqs []uint64) {
	newest := s.history.last()
	if newest != nil && slices.Contains(seqs, newest.seq) {
		newest.deleted = true
		seqs = slices.DeleteFunc(slices.Clone(seqs), func(seq uint64) bool { return seq == newest.seq })
	}
	if len(seqs) > 0 {
		s.history.remove(seqs)
	}
}

// Delete takes a point out of the history, whether or not it has a label. That becomes durable with the next commit, and the space that only
// this point needed comes back with the commits after it. The newest commit stays listed until there is a newer one.
func (s *Store) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return &Error{Op: "delete", Off: -1, Err: ErrClosed}
	}
	seq := pointSeq(id)
	if i, ok := s.pendingPoint(seq); ok {
		s.pending[i].snap.Release()
		s.pending = slices.Delete(s.pending, i, i+1)
		return nil
	}
	e := s.durable(seq)
	if e == nil {
		return noPoint("delete", id)
	}
	if e.mem != nil {
		e.mem.point.label = ""
	} else {
		if len(s.drops) >= maxDrops {
			return &Error{Op: "delete", Off: -1, Err: ErrNotFound, Hint: "commit first: too many were deleted since the last commit"}
		}
		s.drops = append(s.drops, seq)
	}
	s.drop([]uint64{seq})
	return nil
}

func noPoint(op, id string) error {
	return &Error{Op: op, Off: -1, Err: errtext.Errorf("%w: %q", ErrNotFound, id), Hint: "list the history: older points without a label are dropped"}
}

func (s *Store) readPoint(at memfs.Ref) (point, error) {
	var p point
	b := make([]byte, at.Len)
	if err := s.ReadBlock(at, b); err != nil {
		return p, err
	}
	if err := p.decode(b); err != nil {
		return p, &Error{Op: "history", Off: s.fileOffset(at.Off), Err: err, Hint: hintCorrupt}
	}
	return p, nil
}

// Load opens a point of the history, read-only. Release the snapshot when it is no longer needed.
func (s *Store) Load(id string) (*memfs.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, _, err := s.load("read", id)
	return snap, err
}

func (s *Store) load(op, id string) (*memfs.Snapshot, uint64, error) {
	if s.closed.Load() {
		return nil, 0, &Error{Op: op, Off: -1, Err: ErrClosed}
	}
	seq := pointSeq(id)
	if i, ok := s.pendingPoint(seq); ok {
		return s.pending[i].snap.Clone(), seq, nil
	}
	e := s.durable(seq)
	if e == nil {
		return nil, 0, noPoint(op, id)
	}
	if e.mem != nil {
		return e.mem.snap.Clone(), seq, nil
	}
	p, err := s.pointOfEntry(e)
	if err != nil {
		return nil, 0, err
	}
	snap, err := s.fs.LoadSnapshot(p.root)
	if err != nil {
		return nil, 0, corruptRoot(op, err)
	}
	return snap, seq, nil
}

// Restore makes the live tree equal to a point of the history. That becomes durable with the next commit.
func (s *Store) Restore(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap, seq, err := s.load("restore", id)
	if err != nil {
		return err
	}
	defer snap.Release()
	if err := s.fs.Restore(snap); err != nil {
		return err
	}
	s.base = seq
	return nil
}
