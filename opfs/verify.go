package opfs

import (
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// verifyStep is how many bytes Verify reads between two calls of progress.
const verifyStep = 1 << 20

// Verify reads everything that the volume needs: both superblocks, the map, the records since it with their checksums, and every block of every
// point of the history, and checks that each point is a filesystem. It changes nothing, and commits may go on meanwhile; space is not
// given back until it ends. progress, which may be nil, is called about once a MiB with the bytes read and an estimate of all that there
// is to read; it may block. The error wraps ErrCorrupt and says where the damage is, or is that of stop.
func (s *Store) Verify(stop memfs.Stopper, progress func(done, total int64)) error {
	v, err := s.beginVerify()
	if err != nil || s.f == nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pins--
	}()
	var done, reported int64
	step := func(at int64) error {
		if done = at; done-reported >= verifyStep && progress != nil {
			reported = done
			progress(done, max(done, v.total))
		}
		return stop.Err()
	}
	if err := step(0); err != nil {
		return err
	}
	w := s.fs.NewVerifier(step)
	for _, e := range v.points {
		p, err := s.readPoint(e.at)
		if err == nil {
			err = w.Check(stop, p.root)
		}
		if errors.Is(err, memfs.ErrBadNode) {
			err = &Error{Op: "verify", Off: -1, Err: errtext.Errorf("%w: point %s: %w", ErrCorrupt, pointID(e.seq), err), Hint: hintCorrupt}
		}
		if err != nil {
			return err
		}
	}
	if progress != nil {
		progress(done, done)
	}
	return nil
}

type verifying struct {
	points []entry
	total  int64
}

// beginVerify checks what a commit may change at once, and keeps the rest from being given up. What it reads is short: the end of the log.
func (s *Store) beginVerify() (v verifying, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return v, &Error{Op: "verify", Off: -1, Err: ErrClosed}
	}
	if s.f == nil {
		return v, nil
	}
	v.points = s.retained()
	for _, e := range s.space.extents {
		v.total += e.n
	}
	if s.salvaged == nil {
		err = s.verifyLog()
	}
	if err == nil {
		s.pins++
	}
	return v, err
}

// verifyLog opens the file again, as after a crash, and compares what it finds with what is in memory.
func (s *Store) verifyLog() error {
	size, err := s.f.Size()
	if err != nil {
		return failed("verify", -1, err)
	}
	again := &Store{f: s.f, o: s.o}
	supers, err := again.readSuperblocks()
	if err != nil {
		return err
	}
	if len(supers) < 2 || supers[0].uuid != s.super.uuid || supers[1].uuid != s.super.uuid || s.unsettled == settled && supers[0].checkpoint != supers[1].checkpoint {
		return corrupt("verify", 0, "one of the superblocks is not whole; the other one is")
	}
	m, err := again.chooseMap(supers, size)
	if err != nil {
		return err
	}
	if err := again.rollForward(&m, size); err != nil {
		return err
	}
	if again.point.seq != s.point.seq || again.tail != s.tail {
		return corrupt("verify", s.fileOffset(again.tail), "commit %d is the last that can be read, and %d was written", again.point.seq, s.point.seq)
	}
	return nil
}
