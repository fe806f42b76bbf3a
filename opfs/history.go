package opfs

import (
	"fmt"
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
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
		return Point{}, &Error{Op: "snapshot", Off: -1, Err: ErrLabel, Hint: fmt.Sprintf("use at most %d bytes", MaxLabel)}
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

// eachPoint calls fn for every durable point that the history lists, newest first, until it returns false.
func (s *Store) eachPoint(fn func(*point) bool) error {
	for i := len(s.kept) - 1; i >= 0; i-- {
		if !fn(&s.kept[i].point) {
			return nil
		}
	}
	for _, e := range slices.Backward(s.retained()) {
		p, err := s.readPoint(e.at)
		if err != nil {
			return err
		}
		if p.seq != e.seq {
			return corrupt("history", s.fileOffset(e.at.Off), "point %d where point %d belongs", p.seq, e.seq)
		}
		if !fn(&p) {
			return nil
		}
	}
	return nil
}

// retained returns the points that the policy keeps, oldest first: the newest, the newest Keep (of which those in memory count), and all with a label.
func (s *Store) retained() []entry { return s.keep(slices.Clone(s.history)) }

// keep is retained, in place.
func (s *Store) keep(history []entry) []entry {
	oldest := s.o.Now() - int64(s.o.MaxAge)
	newer := len(s.pending)
	first := len(history)
	for i, e := range slices.Backward(history) {
		recent := newer < s.o.Keep && (s.o.MaxAge == 0 || e.created >= oldest)
		if i == len(history)-1 || !e.deleted && (recent || e.kept) {
			first--
			history[first] = e
			newer++
		}
	}
	return history[:copy(history, history[first:])]
}

// drop takes points out of the history. The newest goes when there is a newer one.
func (s *Store) drop(seqs []uint64) {
	newest := len(s.history) - 1
	if newest >= 0 && slices.Contains(seqs, s.history[newest].seq) {
		s.history[newest].deleted = true
	}
	s.history = slices.DeleteFunc(s.history, func(e entry) bool {
		return e.seq != s.history[newest].seq && slices.Contains(seqs, e.seq)
	})
}

// Delete takes a point out of the history, whether or not it has a label. That becomes durable with the next commit, and the space that only
// this point needed comes back with the commits after it. The newest commit stays listed until there is a newer one.
func (s *Store) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return &Error{Op: "delete", Off: -1, Err: ErrClosed}
	}
	gone := func(p pending) bool { return pointID(p.point.seq) == id }
	if i := slices.IndexFunc(s.pending, gone); i >= 0 {
		s.pending[i].snap.Release()
		s.pending = slices.Delete(s.pending, i, i+1)
		return nil
	}
	if i := slices.IndexFunc(s.kept, gone); i >= 0 {
		if i < len(s.kept)-1 {
			s.kept[i].snap.Release()
			s.kept = slices.Delete(s.kept, i, i+1)
		} else {
			s.kept[i].point.label, s.kept[i].deleted = "", true
		}
		return nil
	}
	for _, e := range s.retained() {
		if pointID(e.seq) != id {
			continue
		}
		if len(s.drops) >= maxDrops {
			return &Error{Op: "delete", Off: -1, Err: ErrNotFound, Hint: "commit first: too many were deleted since the last commit"}
		}
		s.drops = append(s.drops, e.seq)
		s.drop([]uint64{e.seq})
		return nil
	}
	return noPoint("delete", id)
}

func noPoint(op, id string) error {
	return &Error{Op: op, Off: -1, Err: fmt.Errorf("%w: %q", ErrNotFound, id), Hint: "list the history: older points without a label are dropped"}
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
	for _, p := range slices.Concat(s.pending, s.kept) {
		if pointID(p.point.seq) == id {
			return p.snap.Clone(), p.point.seq, nil
		}
	}
	var found point
	for _, e := range s.retained() {
		if pointID(e.seq) == id {
			var err error
			if found, err = s.readPoint(e.at); err != nil {
				return nil, 0, err
			}
		}
	}
	if found.seq == 0 {
		return nil, 0, noPoint(op, id)
	}
	snap, err := s.fs.LoadSnapshot(found.root)
	if err != nil {
		return nil, 0, corruptRoot(op, err)
	}
	return snap, found.seq, nil
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
