package opfs

import (
	"errors"
	"io"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Open opens the volume in a file, or creates one in an empty file. What it reads does not grow with the files in it. From then on, whoever
// had the file open before is refused at the next commit with ErrFenced. On an error the file is as it was, and still open.
// A file that holds anything unreadable is never taken for an empty one.
func Open(f File, o Options) (*Store, error) {
	s := &Store{f: f, o: o.withDefaults()}
	s.cleaner.store = s
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
		o.Now = memfs.Now
	}
	if o.Keep <= 0 {
		o.Keep = 50
	}
	if o.Segment < minSegment || o.Segment > maxSegment || o.Segment%recordAlign != 0 {
		o.Segment = defaultSegment
	}
	if o.CleanEvery <= 0 {
		o.CleanEvery = cleanEvery
	}
	return o
}

// create writes both superblocks, the first of which is durable before the file is as long as both: so a file that is shorter was never
// acknowledged, and one that is not has a superblock, wherever creation was cut short.
func (s *Store) create() error {
	s.super = superblock{uuid: newUUID(), segment: s.o.Segment, generation: 2, created: s.o.Now()}
	s.space.segment = s.o.Segment
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
	supers, err := s.readSuperblocks()
	if err != nil {
		return err
	}
	m, err := s.chooseMap(supers, size)
	if err != nil {
		return err
	}
	if err := s.rollForward(&m, size); err != nil {
		return err
	}
	if s.point.seq == 0 { // created, and nothing ever committed
		s.fs = memfs.New(memfs.Options{Now: s.o.Now, Created: s.super.created, Reader: s})
	} else if s.fs, err = memfs.Load(memfs.Options{Now: s.o.Now, Reader: s}, s.point.root); err != nil {
		return corruptRoot("open", err)
	}
	s.seq, s.base, s.notes = s.point.seq, s.point.seq, s.point.notes
	// What was found may be in a cache only. It must be durable before both superblocks count on it, or anything is written behind it.
	if err := s.f.Flush(); err != nil {
		return failed("open", -1, err)
	}
	next := s.super
	next.epoch++
	return s.writeSuperblocks("open", next)
}

// chooseMap takes the newest superblock whose map is whole: it may have been written before its map arrived.
func (s *Store) chooseMap(supers []superblock, size int64) (m fileMap, err error) {
	newest := supers[0].generation
	for _, sb := range supers {
		s.super, s.space = sb, space{segment: sb.segment, size: size}
		ok := true
		if sb.checkpoint != 0 {
			if m, ok, err = s.readMap(&sb, size); err != nil {
				return m, err
			}
		}
		if ok {
			s.super.generation = newest // what is written next must win over both
			s.sinceCheckpoint = 0
			return m, nil
		}
	}
	return m, corrupt("open", s.space.base(s.super.slot), "the map of commit %d, which is durable, is not whole", s.super.seq)
}

// fenced reports that the volume was opened again since: another superblock has a later epoch.
func (s *Store) fenced(op string) error {
	if s.f == nil || s.readOnly {
		return nil
	}
	next := s.super.generation + 1
	if s.superWritten {
		next++
	}
	b := make([]byte, superSize)
	if _, err := readFull(s.f, op, b, int64(next%2)*slotSize); err != nil {
		return err
	}
	var sb superblock
	if sb.decode(b) == nil && (sb.epoch > s.super.epoch || sb.uuid != s.super.uuid) {
		return &Error{Op: op, Off: -1, Err: ErrFenced, Hint: hintFenced}
	}
	return nil
}

// corruptRoot reports a root whose block was whole and that still cannot be decoded.
func corruptRoot(op string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	return corrupt(op, -1, "%v", err)
}

// readSuperblocks returns the superblocks that are whole, the newest first: at least one.
func (s *Store) readSuperblocks() ([]superblock, error) {
	var whole []superblock
	unreadable := ErrNotVolume
	for slot := range 2 {
		b := make([]byte, superSize)
		if _, err := s.f.ReadAt(b, int64(slot)*slotSize); err != nil && err != io.EOF {
			return nil, failed("open", int64(slot)*slotSize, err)
		}
		var c superblock
		switch err := c.decode(b); {
		case errors.Is(err, ErrVersion):
			return nil, &Error{Op: "open", Off: int64(slot) * slotSize, Err: err, Hint: "open it with the version of Holdfast that wrote it"}
		case errors.Is(err, ErrCorrupt):
			unreadable = ErrCorrupt
		case err == nil && len(whole) > 0 && c.generation > whole[0].generation:
			whole = append([]superblock{c}, whole...)
		case err == nil:
			whole = append(whole, c)
		}
	}
	switch {
	case len(whole) > 0:
		return whole, nil
	case unreadable == ErrCorrupt:
		return nil, corrupt("open", 0, "neither superblock is whole")
	}
	return nil, &Error{Op: "open", Off: 0, Err: ErrNotVolume, Hint: "the file holds something else and was left alone: choose another name or remove it"}
}
