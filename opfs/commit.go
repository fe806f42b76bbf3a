package opfs

import (
	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// Commit says what a commit did.
type Commit struct {
	Point
	BytesWritten int64
	Flushes      int
}

// Commit makes the live tree, and the snapshots taken since the last commit, durable: when it returns without an error they survive
// a power cut. Without a change and without a label it writes nothing and returns the last commit. On an error the durable state is the one
// before, memory keeps everything, and the next Commit tries again.
func (s *Store) Commit(label string) (Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written, flushes, err := s.commit(label)
	if err != nil {
		return Commit{}, err
	}
	return Commit{Point: s.public(&s.point, true), BytesWritten: written, Flushes: flushes}, nil
}

// commit makes the live tree and what is pending the newest point.
func (s *Store) commit(label string) (written int64, flushes int, err error) {
	if s.closed.Load() {
		return 0, 0, &Error{Op: "commit", Off: -1, Err: ErrClosed}
	}
	if s.readOnly {
		return 0, 0, &Error{Op: "commit", Off: -1, Err: ErrReadOnly, Hint: "copy or publish what is here, then start a new volume"}
	}
	if len(label) > MaxLabel {
		return 0, 0, &Error{Op: "commit", Off: -1, Err: ErrLabel, Hint: errtext.Sprintf("use at most %d bytes", MaxLabel)}
	}
	if label == "" && !s.dirty() && s.point.seq != 0 {
		return 0, 0, nil
	}
	if s.f == nil {
		s.commitInMemory(label)
		return 0, 0, nil
	}
	if err := s.fenced("commit"); err != nil {
		return 0, 0, err
	}
	flushes = s.flushes
	if s.alone {
		if err := s.settle(); err != nil {
			return 0, 0, err
		}
	}
	w := &s.w
	w.reset(s, commitRecord)
	live := point{seq: s.seq + 1, parent: s.base, created: s.o.Now(), label: label}
	added := s.added[:0]
	var end uint64
	snaps := make([]*memfs.Snapshot, len(s.pending))
	for i := range s.pending {
		snaps[i] = s.pending[i].snap
	}
	err = s.fs.Persist(w, snaps, func(roots [][]byte) error {
		var err error
		if live.moved, err = s.cleaner.move(w, int64(w.pos()-w.at)); err != nil {
			return err
		}
		prev := s.pointAt
		write := func(p *point, root []byte) error {
			p.root, p.prev, p.notes = root, prev, s.notes
			s.encoded = p.append(s.encoded[:0])
			at, err := w.WriteBlock(s.encoded)
			if err != nil {
				return err
			}
			prev = at
			added = append(added, entry{seq: p.seq, created: p.created, kept: p.label != "", at: at})
			return nil
		}
		for i := range s.pending {
			if err := write(&s.pending[i].point, roots[i]); err != nil {
				return err
			}
		}
		live.drops = s.drops
		if err := write(&live, roots[len(roots)-1]); err != nil {
			return err
		}
		if _, end, err = w.finish(live.seq, s.point.seq); err != nil {
			return err
		}
		return s.flush("commit")
	})
	if err != nil {
		return 0, 0, err
	}
	for i := range s.pending {
		s.pending[i].snap.Release()
	}
	s.pending, s.drops = nil, nil
	written = int64(end - w.at)
	s.space.grow(w.opened, w.next)
	s.tail, s.point, s.pointAt = end, live, added[len(added)-1].at
	s.history.add(added...)
	s.added = added
	s.seq, s.base = live.seq, live.seq
	s.sinceCheckpoint += written
	s.long = written >= s.space.segment
	// The commit stands, whatever becomes of the housekeeping: what fails of it is done again.
	_ = s.advance()
	s.tend(written)
	return written, s.flushes - flushes, nil
}
