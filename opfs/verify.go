package opfs

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
)

// verifyStep is how many bytes Verify reads between two calls of progress.
const verifyStep = 1 << 20

// Verify reads the whole file: both superblocks, every commit record with its checksum, and every block of every point of the
// history, and checks that each point is a filesystem. It changes nothing, and commits may go on meanwhile. progress, which may be
// nil, is called about once a MiB with the bytes read and an estimate of all that there is to read; it may block.
// The error wraps ErrCorrupt and says where the damage is, or is ctx's.
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) error {
	points, tail, err := s.verifiable()
	if err != nil || s.f == nil {
		return err
	}
	var done, reported int64
	total := 2 * (tail - logStart) // once as records, once as blocks
	step := func(at int64) error {
		if done = at; done-reported >= verifyStep && progress != nil {
			reported = done
			progress(done, max(done, total))
		}
		return ctx.Err()
	}
	for slot := range int64(2) {
		b := make([]byte, superSize)
		_, _ = s.f.ReadAt(b, slot*slotSize)
		var sb superblock
		if sb.decode(b) != nil || sb.uuid != s.super.uuid {
			return corrupt("verify", slot*slotSize, "superblock %d is not whole; the other one is", slot)
		}
	}
	if err := s.verifyRecords(tail, step); err != nil {
		return err
	}
	records := done
	v := s.fs.NewVerifier(func(bytes int64) error { return step(records + bytes) })
	for i := range points {
		if err := v.Check(ctx, points[i].root); err != nil {
			if errors.Is(err, memfs.ErrBadNode) {
				err = &Error{Op: "verify", Off: -1, Err: fmt.Errorf("%w: point %s: %w", ErrCorrupt, pointID(points[i].seq), err), Hint: hintCorrupt}
			}
			return err
		}
	}
	if progress != nil {
		progress(done, done)
	}
	return nil
}

// verifiable returns the durable points and the end of the log as they are now.
func (s *Store) verifiable() (points []point, tail int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, 0, &Error{Op: "verify", Off: -1, Err: ErrClosed}
	}
	err = s.eachPoint(len(s.pending), func(p *point) bool {
		points = append(points, *p)
		return true
	})
	return points, s.tail, err
}

func (s *Store) verifyRecords(tail int64, step func(int64) error) error {
	var prev uint64
	for at := int64(logStart); at < tail; {
		h, ok, err := s.readHeader(at, tail)
		if err != nil {
			return err
		}
		if !ok || h.prev != prev {
			return corrupt("verify", at, "a commit record has a damaged header")
		}
		whole, err := s.wholeBody(h, tail)
		if err != nil {
			return err
		}
		if !whole {
			return corrupt("verify", at, "the record of commit %d has another checksum", h.seq)
		}
		prev, at = h.seq, h.end()
		if err := step(at - logStart); err != nil {
			return err
		}
	}
	return nil
}
