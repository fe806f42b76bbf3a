package opfs

import (
	"fmt"
	"slices"
	"time"

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
	err := s.eachPoint(len(out), func(p *point) bool {
		out = append(out, s.public(p, true))
		return true
	})
	return out, err
}

// eachPoint calls fn for every durable point that the history lists, newest first, until it returns false.
// listed is how many points of the history are not durable yet.
func (s *Store) eachPoint(listed int, fn func(*point) bool) error {
	for i := len(s.kept) - 1; i >= 0; i-- {
		if !fn(&s.kept[i].point) {
			return nil
		}
	}
	if s.last.seq == 0 {
		return nil
	}
	p := s.point
	oldest := s.o.Now() - int64(s.o.MaxAge)
	for {
		recent := listed < s.o.Keep && (s.o.MaxAge == time.Duration(0) || p.created >= oldest)
		if recent || p.label != "" || p.seq == s.point.seq {
			if !fn(&p) {
				return nil
			}
			listed++
		}
		next := p.prev
		if !recent {
			next = p.prevLabel
		}
		if next.Len == 0 {
			return nil
		}
		was := p.seq
		var err error
		if p, err = s.readPoint(next); err != nil {
			return err
		}
		if p.seq >= was {
			return corrupt("history", int64(next.Off), "point %d stands before point %d", p.seq, was)
		}
	}
}

func (s *Store) readPoint(at memfs.Ref) (point, error) {
	var p point
	b := make([]byte, at.Len)
	if err := s.ReadBlock(at, b); err != nil {
		return p, err
	}
	if err := p.decode(b); err != nil {
		return p, &Error{Op: "history", Off: int64(at.Off), Err: err, Hint: hintCorrupt}
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
	var found *point
	err := s.eachPoint(len(s.pending), func(p *point) bool {
		if pointID(p.seq) == id {
			c := *p
			found = &c
		}
		return found == nil
	})
	if err != nil {
		return nil, 0, err
	}
	if found == nil {
		return nil, 0, &Error{Op: op, Off: -1, Err: fmt.Errorf("%w: %q", ErrNotFound, id), Hint: "list the history: older points without a label are dropped"}
	}
	snap, err := s.fs.LoadSnapshot(found.root)
	if err != nil {
		return nil, 0, corruptRoot(op, s.pointAt, err)
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
