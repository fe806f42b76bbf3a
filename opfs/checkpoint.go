package opfs

import "github.com/zeebo/xxh3"

// A checkpoint is written after so many bytes, so that open has little to read: or more, when the map is large.
const (
	checkpointBytes = 1 << 20
	checkpointMaps  = 16
)

// checkpointDue reports whether the log has become long since the last checkpoint.
func (s *Store) checkpointDue() bool {
	return s.sinceCheckpoint >= max(checkpointBytes, checkpointMaps*s.mapBytes)
}

// unsettled says how far the superblocks are behind the newest map. A checkpoint takes no flush of its own: each step but the first comes
// after a flush that a commit has made anyway.
type unsettled uint8

const (
	settled       unsettled = iota
	secondWritten           // both lead to the map, the second one from the next flush on
	firstWritten            // one of them does, and the map is there, from the next flush on
	mapWritten              // none does
)

// checkpoint writes a map of all that open needs to know, and lets a superblock lead to it; the next commits do the rest (advance). Then slots that became
// free since the last checkpoint can be used again, and what is past the last one in use is cut off the file.
// Wherever it is interrupted, a superblock that is whole leads to a map that is whole, and nothing that this map counts on was touched.
func (s *Store) checkpoint() error {
	if s.unsettled != settled {
		if err := s.settle(); err != nil {
			return err
		}
	}
	back := s.leap()
	w := &s.w
	w.reset(s, mapRecord)
	m := fileMap{pointAt: s.pointAt, history: s.history.all()}
	for _, e := range s.space.extents {
		if e.at < s.space.begin(w.at) {
			m.extents = append(m.extents, e)
		}
	}
	b := m.encode()
	w.sum = xxh3.Hash(b)
	err := w.stream(b)
	var end uint64
	if err == nil {
		_, end, err = w.finish(s.point.seq, s.point.seq)
	}
	if err != nil {
		if back != nil {
			back()
		}
		return err
	}
	// The map stays where it is, whatever becomes of the superblocks: one of them may lead to it.
	s.tail = end
	s.space.grow(w.opened, w.next)
	s.sinceCheckpoint, s.mapBytes = 0, int64(len(b))
	s.mapAt, s.mapSlot, s.mapSeq = w.at, w.first, s.point.seq
	s.unsettled = mapWritten
	s.space.leave()
	// If the map does not arrive, open finds the commit behind it in the rest of the segment, and nowhere else.
	s.alone = back != nil || len(w.opened) > 0 || end%uint64(s.space.segment) == 0
	if s.alone || s.long {
		return s.settle()
	}
	return s.advance()
}

// advance takes the next step of a checkpoint. What was written before must be durable, but for the map that no superblock leads to yet.
func (s *Store) advance() error {
	switch s.unsettled {
	case mapWritten, firstWritten:
		next := s.super
		next.checkpoint, next.slot, next.seq = s.mapAt, s.mapSlot, s.mapSeq
		if err := s.writeSuperblock("checkpoint", next); err != nil {
			return err
		}
		s.unsettled--
	case secondWritten:
		s.unsettled, s.alone = settled, false
		s.space.rebase(s.mapAt)
		s.space.release()
		return s.shorten()
	}
	return nil
}

// settle takes all the steps that are left of a checkpoint, with flushes of its own.
func (s *Store) settle() error {
	for s.unsettled != settled {
		if s.unsettled != mapWritten {
			if err := s.flush("checkpoint"); err != nil {
				return err
			}
		}
		if err := s.advance(); err != nil {
			return err
		}
	}
	return nil
}

// flush makes durable what was written, a superblock included. What was written before a flush that failed may be lost although a later one does not fail: so a superblock
// is written again, and a map given up, unless the log cannot go on without it.
func (s *Store) flush(op string) error {
	s.flushes++
	err := s.f.Flush()
	switch {
	case err == nil:
		if s.superWritten {
			s.super = s.written
		}
	case s.unsettled == secondWritten:
		s.unsettled = firstWritten
	case s.unsettled == settled:
	case s.alone:
		s.unsettled = mapWritten
	default:
		s.unsettled, s.sinceCheckpoint = settled, max(checkpointBytes, checkpointMaps*s.mapBytes)
	}
	if s.superWritten = false; err != nil {
		return failed(op, -1, err)
	}
	return nil
}

// mayLeap returns a free slot that is lower than where the log is or will go on, when that is beyond what the file should be long.
func (s *Store) mayLeap() (slot uint32, ok bool) {
	sp := &s.space
	if len(sp.chain) == 0 || s.tail%uint64(sp.segment) == 0 {
		return 0, false
	}
	high := max(sp.chain[len(sp.chain)-1], sp.next)
	if int64(high) < s.cleaner.wanted() {
		return 0, false
	}
	slot = min(sp.free(nil), sp.next)
	return slot, slot < high
}

// leap lets the log go on in a lower slot. That takes a checkpoint: superblocks can lead anywhere, whereas the header of the last segment has promised
// where the log goes on. It returns what takes it back, nil when there was no reason.
func (s *Store) leap() (back func()) {
	sp := &s.space
	slot, ok := s.mayLeap()
	if !ok {
		return nil
	}
	tail, next := s.tail, sp.next
	last := &sp.extents[len(sp.extents)-1]
	whole := last.n
	last.n = int64(s.tail-last.at+unit-1) / unit * unit // the rest was never written
	s.tail, sp.next = sp.begin(s.tail)+uint64(sp.segment), slot
	return func() {
		s.tail, sp.next = tail, next
		last.n = whole
	}
}

// writeSuperblocks replaces both superblocks, the first durably before the second. It begins with the one that is older, or was not written whole.
func (s *Store) writeSuperblocks(op string, next superblock) error {
	for range 2 {
		if err := s.writeSuperblock(op, next); err != nil {
			return err
		}
		if err := s.flush(op); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) writeSuperblock(op string, next superblock) error {
	next.generation = s.super.generation + 1
	if err := writeAll(s.f, op, next.encode(), int64(next.generation%2)*slotSize); err != nil {
		return err
	}
	s.written, s.superWritten = next, true
	return nil
}

// spareSlots is how many free slots at its end the file keeps: the log will soon need them, and growing makes flushes slower.
const spareSlots = 4

// shorten cuts off the end of the file when a good part of it is not in use.
func (s *Store) shorten() error {
	_, _, slots := s.space.slots()
	want := s.space.base(uint32(slots) + spareSlots)
	size, err := s.f.Size()
	if err != nil || size-want < max(s.space.segment, size/16) {
		return err
	}
	s.space.size = want
	return s.f.Truncate(want)
}

// readMap reads the map that a superblock leads to. It is false when not all of it is there.
func (s *Store) readMap(sb *superblock, size int64) (m fileMap, ok bool, err error) {
	sp := &s.space
	sp.chainAt, sp.chain, sp.next = sp.begin(sb.checkpoint), nil, sb.slot
	if ok, err = s.enter(size); !ok {
		return m, false, err
	}
	h, ok, err := s.readHeader(sb.checkpoint, size)
	if err != nil || !ok || h.kind != mapRecord || h.seq != sb.seq || h.body > uint64(size) {
		return m, false, err
	}
	b, ok, err := s.readMapBody(h, size)
	if err != nil || !ok || m.decode(b) != nil {
		return m, false, err
	}
	for _, e := range m.extents {
		if e.phys+e.n > size {
			return m, false, nil
		}
	}
	s.mapBytes = int64(len(b))
	return m, true, nil
}
