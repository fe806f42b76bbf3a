package opfs

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/zeebo/xxh3"
)

// Open opens the volume in a file, or creates one in an empty file. What it reads does not grow with the volume. On an error the file is
// as it was, and still open. A file that holds anything unreadable is never taken for an empty one.
func Open(f File, o Options) (*Store, error) {
	s := &Store{f: f, o: o.withDefaults(), tail: logStart}
	size, err := f.Size()
	if err != nil {
		return nil, failed("open", -1, err)
	}
	if size < logStart {
		err = s.create()
	} else {
		err = s.recover(size)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Keep <= 0 {
		o.Keep = 50
	}
	return o
}

// create writes both superblocks, the first of which is durable before the file is as long as both: so a file that is shorter was never
// acknowledged, and one that is not has a superblock, wherever creation was cut short.
func (s *Store) create() error {
	s.super = superblock{uuid: newUUID(), generation: 2, created: s.o.Now()}
	first := s.super
	first.generation = 1
	for slot, sb := range []*superblock{&s.super, &first} {
		b := make([]byte, slotSize)
		copy(b, sb.encode())
		if err := writeAll(s.f, "create", b, int64(slot)*slotSize); err != nil {
			return err
		}
		if err := s.f.Flush(); err != nil {
			return failed("create", -1, err)
		}
	}
	s.fs = memfs.New(memfs.Options{Now: s.o.Now, Created: s.super.created, Reader: s})
	return nil
}

func (s *Store) recover(size int64) error {
	if err := s.readSuperblocks(); err != nil {
		return err
	}
	adopted, err := s.rollForward(size)
	if err != nil {
		return err
	}
	if s.last.seq == 0 { // created, and nothing ever committed
		s.fs = memfs.New(memfs.Options{Now: s.o.Now, Created: s.super.created, Reader: s})
		return s.fence()
	}
	if s.fs, err = memfs.Load(memfs.Options{Now: s.o.Now, Reader: s}, s.point.root); err != nil {
		return corruptRoot("open", s.pointAt, err)
	}
	s.seq, s.base, s.notes = s.point.seq, s.point.seq, s.point.notes
	if adopted > 0 {
		// The records found may be in a cache only. They must be durable before a superblock says that they are.
		if err := s.f.Flush(); err != nil {
			return failed("open", -1, err)
		}
	}
	return s.fence()
}

// fence raises the epoch, so that whoever had the file open before is refused at its next commit.
func (s *Store) fence() error {
	s.super.epoch++
	return s.checkpoint(true)
}

// fenced reports that the volume was opened again since: the superblock that was written over has a later epoch.
func (s *Store) fenced(op string) error {
	if s.f == nil || s.readOnly {
		return nil
	}
	var b [superSize]byte
	var sb superblock
	if n, err := s.f.ReadAt(b[:], int64((s.super.generation+1)%2)*slotSize); n < len(b) && err != nil && err != io.EOF {
		return failed(op, 0, err)
	}
	if sb.decode(b[:]) == nil && (sb.epoch > s.super.epoch || sb.uuid != s.super.uuid) {
		return &Error{Op: op, Off: -1, Err: ErrFenced, Hint: hintFenced}
	}
	return nil
}

// corruptRoot reports a root whose block was whole and that still cannot be decoded.
func corruptRoot(op string, at memfs.Ref, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return corrupt(op, int64(at.Off), "%v", err)
}

func (s *Store) readSuperblocks() error {
	var best *superblock
	unreadable := ErrNotVolume
	for slot := range 2 {
		b := make([]byte, superSize)
		if _, err := s.f.ReadAt(b, int64(slot)*slotSize); err != nil && err != io.EOF {
			return failed("open", int64(slot)*slotSize, err)
		}
		var c superblock
		switch err := c.decode(b); {
		case errors.Is(err, ErrVersion):
			return &Error{Op: "open", Off: int64(slot) * slotSize, Err: err, Hint: "open it with a newer version of Holdfast"}
		case errors.Is(err, ErrCorrupt):
			unreadable = ErrCorrupt
		case err == nil && (best == nil || c.generation > best.generation):
			best = &c
		}
	}
	switch {
	case best != nil:
		s.super = *best
		return nil
	case unreadable == ErrCorrupt:
		return corrupt("open", 0, "neither superblock is whole")
	}
	return &Error{Op: "open", Off: 0, Err: ErrNotVolume, Hint: "the file holds something else and was left alone: choose another name or remove it"}
}

// rollForward finds the last whole record and the end of the log. It returns how many records it found past the checkpoint.
func (s *Store) rollForward(size int64) (int, error) {
	at := int64(logStart)
	if c := int64(s.super.checkpoint); c != 0 {
		h, ok, err := s.readHeader(c, size)
		if err != nil {
			return 0, err
		}
		if !ok || h.seq != s.super.seq || h.end() > size {
			return 0, corrupt("open", c, "commit %d, which is durable, is not there", s.super.seq)
		}
		s.last, at = h, h.end()
	}
	var found []header
	prev := s.last.seq
	for {
		h, ok, err := s.readHeader(at, size)
		if err != nil {
			return 0, err
		}
		if !ok || h.prev != prev {
			break
		}
		found = append(found, h)
		prev, at = h.seq, h.end()
	}
	// Only the last record can be torn: each was flushed before the next was written.
	torn := false
	if k := len(found) - 1; k >= 0 {
		whole, err := s.wholeBody(found[k], size)
		if err != nil {
			return 0, err
		}
		if !whole {
			at, found, torn = found[k].off, found[:k], true
		}
	}
	if k := len(found) - 1; k >= 0 {
		s.last = found[k]
	}
	s.tail = at
	from := at
	if torn {
		from += recordAlign
	}
	if later, err := s.laterRecord(from, size); err != nil {
		return 0, err
	} else if later != 0 {
		return 0, corrupt("open", at, "the log breaks off here, and goes on at offset %d", later)
	}
	if s.last.seq == 0 {
		return 0, nil
	}
	var err error
	if s.point, s.pointAt, err = s.pointOf(s.last); err != nil {
		return 0, err
	}
	return len(found), nil
}

// readHeader reads the record header at an offset; false is none.
func (s *Store) readHeader(off, size int64) (h header, ok bool, err error) {
	if off < logStart || off+headerSize > size {
		return h, false, nil
	}
	b := make([]byte, headerSize)
	if n, err := s.f.ReadAt(b, off); n < len(b) && err != nil && err != io.EOF {
		return h, false, failed("open", off, err)
	}
	ok = h.decode(b, off, s.super.uuid)
	return h, ok, nil
}

// wholeBody reports whether a record's body is there with its checksum.
func (s *Store) wholeBody(h header, size int64) (bool, error) {
	if h.off+headerSize+int64(h.body) > size {
		return false, nil
	}
	sum := xxh3.New()
	b := make([]byte, min(h.body, writeChunk))
	for off, left := h.off+headerSize, int64(h.body); left > 0; {
		b = b[:min(int64(len(b)), left)]
		n, err := s.f.ReadAt(b, off)
		if n < len(b) && err != nil && err != io.EOF {
			return false, failed("open", off, err)
		}
		if n < len(b) {
			return false, nil
		}
		_, _ = sum.Write(b)
		off, left = off+int64(n), left-int64(n)
	}
	return sum.Sum64() == h.sum, nil
}

// laterRecord looks for a record past the end of the log that could only be there if the log was once longer. The search
// reads what is left of the file: after a crash, one torn record.
func (s *Store) laterRecord(from, size int64) (int64, error) {
	b := make([]byte, max(0, min(size-from, 1<<20)))
	for off := from; off+headerSize <= size; {
		n, err := s.f.ReadAt(b[:min(int64(len(b)), size-off)], off)
		if err != nil && err != io.EOF {
			return 0, failed("open", off, err)
		}
		if n < headerSize {
			break
		}
		for i := 0; i+headerSize <= n; i += recordAlign {
			var h header
			if h.decode(b[i:n], off+int64(i), s.super.uuid) && h.seq > s.last.seq {
				return off + int64(i), nil
			}
		}
		off += align(int64(n))
	}
	return 0, nil
}

// pointOf reads the point that a record ends with.
func (s *Store) pointOf(h header) (point, memfs.Ref, error) {
	off := h.off + headerSize + int64(h.body) - int64(h.pointLen)
	b := make([]byte, h.pointLen)
	if n, err := s.f.ReadAt(b, off); n < len(b) {
		if err != nil && err != io.EOF {
			return point{}, memfs.Ref{}, failed("open", off, err)
		}
		return point{}, memfs.Ref{}, corrupt("open", off, "the file ends inside a point")
	}
	var p point
	err := p.decode(b)
	if err == nil && p.seq != h.seq {
		err = fmt.Errorf("%w: point %d in commit %d", ErrCorrupt, p.seq, h.seq)
	}
	if err != nil {
		return p, memfs.Ref{}, &Error{Op: "open", Off: off, Err: err, Hint: hintCorrupt}
	}
	return p, memfs.Ref{Off: uint64(off), Len: h.pointLen, Sum: xxh3.Hash(b)}, nil
}
