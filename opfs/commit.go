package opfs

import (
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/zeebo/xxh3"
)

const (
	writeChunk = 4 << 20 // bytes of a long commit that are written at a time

	// A superblock is written after so many commits or bytes, so that open has little to read.
	checkpointCommits = 64
	checkpointBytes   = 1 << 20
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
	if s.closed.Load() {
		return Commit{}, &Error{Op: "commit", Off: -1, Err: ErrClosed}
	}
	if s.readOnly {
		return Commit{}, &Error{Op: "commit", Off: -1, Err: ErrReadOnly, Hint: "copy or publish what is here, then start a new volume"}
	}
	if len(label) > MaxLabel {
		return Commit{}, &Error{Op: "commit", Off: -1, Err: ErrLabel, Hint: fmt.Sprintf("use at most %d bytes", MaxLabel)}
	}
	if label == "" && !s.dirty() && s.point.seq != 0 {
		return Commit{Point: s.public(&s.point, true)}, nil
	}
	if s.f == nil {
		return s.commitInMemory(label), nil
	}
	if err := s.fenced("commit"); err != nil {
		return Commit{}, err
	}
	s.w.reset(s.f, s.tail)
	live := point{seq: s.seq + 1, parent: s.base, created: s.o.Now(), label: label}
	var c Commit
	var h header
	var at memfs.Ref
	snaps := make([]*memfs.Snapshot, len(s.pending))
	for i := range s.pending {
		snaps[i] = s.pending[i].snap
	}
	err := s.fs.Persist(&s.w, snaps, func(roots [][]byte) error {
		prev, prevLabel := s.pointAt, s.point.prevLabel
		if s.point.label != "" {
			prevLabel = s.pointAt
		}
		write := func(p *point, root []byte) error {
			p.root, p.prev, p.prevLabel, p.notes = root, prev, prevLabel, s.notes
			var err error
			if at, err = s.w.WriteBlock(p.encode()); err != nil {
				return err
			}
			prev = at
			if p.label != "" {
				prevLabel = at
			}
			return nil
		}
		for i := range s.pending {
			if err := write(&s.pending[i].point, roots[i]); err != nil {
				return err
			}
		}
		if err := write(&live, roots[len(roots)-1]); err != nil {
			return err
		}
		h = header{off: s.tail, pointLen: at.Len, seq: live.seq, prev: s.last.seq}
		if err := s.w.finish(&h, s.super.uuid); err != nil {
			return err
		}
		if err := s.f.Flush(); err != nil {
			return failed("commit", -1, err)
		}
		return nil
	})
	if err != nil {
		return Commit{}, err
	}
	for i := range s.pending {
		s.pending[i].snap.Release()
	}
	s.pending = nil
	s.last, s.tail, s.point, s.pointAt = h, h.end(), live, at
	s.seq, s.base = live.seq, live.seq
	s.since++
	c = Commit{Point: s.public(&live, true), BytesWritten: h.end() - h.off, Flushes: 1}
	// The commit stands, whatever becomes of the superblock: it only makes the next open quicker.
	if long := h.body > checkpointBytes; long || s.since >= checkpointCommits {
		if s.checkpoint(long) == nil && long {
			c.Flushes++
		}
	}
	return c, nil
}

// checkpoint writes a superblock that says that the last record is durable, which it must be.
func (s *Store) checkpoint(flush bool) error {
	next := s.super
	next.generation++
	next.checkpoint, next.seq = uint64(s.last.off), s.last.seq
	if err := writeAll(s.f, "checkpoint", next.encode(), int64(next.generation%2)*slotSize); err != nil {
		return err
	}
	if flush {
		if err := s.f.Flush(); err != nil {
			return failed("checkpoint", -1, err)
		}
	}
	s.super, s.since = next, 0
	return nil
}

// recordWriter gathers the body of a record and writes it, in one piece as long as it is short.
type recordWriter struct {
	f       File
	buf     []byte // begins with room for the header
	off     int64  // of the record
	written int64  // bytes of the body written already
	sum     *xxh3.Hasher
}

func (w *recordWriter) reset(f File, off int64) {
	if cap(w.buf) > 2*writeChunk {
		w.buf = nil
	}
	var room [headerSize]byte
	w.f, w.off, w.written, w.sum = f, off, 0, nil
	w.buf = append(w.buf[:0], room[:]...)
}

// WriteBlock implements memfs.BlockWriter.
func (w *recordWriter) WriteBlock(p []byte) (memfs.Ref, error) {
	if len(p) == 0 || len(p) > memfs.MaxBlock {
		return memfs.Ref{}, &Error{Op: "commit", Off: -1, Err: fmt.Errorf("%w: block of %d bytes", ErrIO, len(p))}
	}
	if len(w.buf)+len(p) > writeChunk {
		if err := w.spill(); err != nil {
			return memfs.Ref{}, err
		}
	}
	r := memfs.Ref{Off: uint64(w.off + w.written + int64(len(w.buf))), Len: uint32(len(p)), Sum: xxh3.Hash(p)}
	w.buf = append(w.buf, p...)
	return r, nil
}

// spill writes what a long body has so far. The header is written last.
func (w *recordWriter) spill() error {
	if w.sum == nil {
		w.sum = xxh3.New()
	}
	body := w.buf[headerSize:]
	_, _ = w.sum.Write(body)
	if err := writeAll(w.f, "commit", body, w.off+headerSize+w.written); err != nil {
		return err
	}
	w.written += int64(len(body))
	w.buf = w.buf[:headerSize]
	return nil
}

// finish writes what is left, with the header.
func (w *recordWriter) finish(h *header, id UUID) error {
	if w.sum != nil {
		if err := w.pad(h); err != nil {
			return err
		}
		h.sum = w.sum.Sum64()
		h.encode(w.buf, id)
		return writeAll(w.f, "commit", w.buf[:headerSize], w.off)
	}
	h.body = uint64(len(w.buf) - headerSize)
	h.sum = xxh3.Hash(w.buf[headerSize:])
	h.encode(w.buf, id)
	var zeros [recordAlign]byte
	w.buf = append(w.buf, zeros[:align(int64(len(w.buf)))-int64(len(w.buf))]...)
	return writeAll(w.f, "commit", w.buf, w.off)
}

// pad writes the rest of a long body, and zeros up to the next record.
func (w *recordWriter) pad(h *header) error {
	if err := w.spill(); err != nil {
		return err
	}
	h.body = uint64(w.written)
	end := w.off + headerSize + w.written
	var zeros [recordAlign]byte
	if n := align(end) - end; n > 0 {
		return writeAll(w.f, "commit", zeros[:n], end)
	}
	return nil
}
