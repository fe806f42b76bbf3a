package opfs

import (
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
)

// How open reads the end of the log: from the checkpoint on, record by record, and from segment to segment as their headers say.

// rollForward finds the last whole record and the end of the log, and takes over what the map and the records say.
func (s *Store) rollForward(m *fileMap, size int64) error {
	sp := &s.space
	var start uint64
	if s.super.checkpoint != 0 {
		h, _, err := s.readHeader(s.super.checkpoint, size)
		if err != nil {
			return err
		}
		start = s.endOf(h)
	}
	type record struct {
		header
		from uint64 // where the one before it ended
		segs int    // how many segments of the chain came before it
	}
	var found []record
	var last uint64 // point that is durable
	for at, seq := start, s.super.seq; ; {
		torn := false
		for {
			segs := len(sp.chain)
			h, ok, err := s.nextRecord(at, size)
			if err != nil {
				return err
			}
			if !ok || h.prev != seq {
				sp.cut(segs)
				break
			}
			found = append(found, record{h, at, segs})
			if ok, err = s.reach(s.endOf(h), size); err != nil {
				return err
			} else if !ok {
				torn = true // a segment that it goes on in never arrived
				break
			}
			seq, at = h.seq, s.endOf(h)
		}
		// Only the last record can be torn: each was flushed before the next was written, but for maps that no superblock leads to.
		if k := len(found) - 1; k >= 0 {
			whole := false
			if !torn {
				var err error
				if whole, err = s.isWhole(found[k].header, size); err != nil {
					return err
				}
			}
			if torn = !whole; torn {
				at = found[k].from
				sp.cut(found[k].segs)
				found = found[:k]
			}
		}
		s.tail, last = at, s.super.seq
		if k := len(found) - 1; k >= 0 {
			last = found[k].seq
		}
		later, off, err := s.laterRecord(last, torn, size)
		if err != nil {
			return err
		}
		if off == 0 {
			break
		}
		if !s.behindLostMap(later, last) {
			return corrupt("open", s.fileOffset(at), "the log breaks off here, and goes on at offset %d", off)
		}
		at, seq = later.at, last
	}
	// Blocks are where the map says, and the rest where it was written.
	sp.mu.Lock()
	sp.extents = nil
	for i, slot := range sp.chain {
		sp.extents = append(sp.extents, extent{at: sp.chainAt + uint64(i)*uint64(sp.segment), phys: sp.base(slot), n: sp.segment})
	}
	sp.insert(m.extents)
	whole := sp.check()
	sp.mu.Unlock()
	if !whole {
		return corrupt("open", s.fileOffset(s.super.checkpoint), "the map contradicts itself")
	}
	s.history, s.pointAt = timeline{recent: m.history}, m.pointAt
	for _, r := range found {
		if err := s.adopt(r.header); err != nil {
			return err
		}
	}
	if s.pointAt.Len != 0 && s.point.seq == 0 {
		var err error
		if s.point, err = s.readPoint(s.pointAt); err != nil {
			return err
		}
	}
	if s.point.seq != last {
		return corrupt("open", s.fileOffset(s.tail), "point %d at the end of commit %d", s.point.seq, last)
	}
	s.sinceCheckpoint = int64(s.tail - start)
	return nil
}

// adopt adds the points of a record to the history.
func (s *Store) adopt(h header) error {
	if h.kind == mapRecord {
		return nil
	}
	s.pointAt = s.pointOf(h)
	var added []entry
	for at := s.pointAt; at.Len != 0; {
		p, err := s.readPoint(at)
		if err != nil {
			return err
		}
		if p.seq <= h.prev {
			break
		}
		if k := len(added) - 1; k >= 0 && p.seq >= added[k].seq || k < 0 && p.seq != h.seq {
			return corrupt("open", s.fileOffset(at.Off), "point %d stands in commit %d", p.seq, h.seq)
		}
		if len(added) == 0 {
			s.point = p
		}
		added = append(added, entry{seq: p.seq, created: p.created, kept: p.label != "", at: at})
		at = p.prev
	}
	slices.Reverse(added)
	s.history.add(added...)
	s.drop(s.point.drops)
	return nil
}

// nextRecord reads the header of the record that begins where the one before ended.
func (s *Store) nextRecord(at uint64, size int64) (h header, ok bool, err error) {
	if at%uint64(s.space.segment) == 0 {
		if ok, err := s.enter(size); !ok {
			return h, false, err
		}
		at += headerSize
	}
	return s.readHeader(at, size)
}

// readHeader reads the record header at a position; false is none.
func (s *Store) readHeader(at uint64, size int64) (h header, ok bool, err error) {
	off, n := s.space.tailPlace(at)
	if n < headerSize || off+headerSize > size {
		return h, false, nil
	}
	var b [headerSize]byte
	if ok, err = readFull(s.f, "open", b[:], off); !ok {
		return h, false, err
	}
	ok = h.decode(b[:], s.super.uuid.seed()) && h.at == at
	return h, ok, nil
}

// endOf is where the record after another begins.
func (s *Store) endOf(h header) uint64 {
	return uint64(align(int64(s.space.advance(h.at+headerSize, h.body))))
}

// pointOf is the point that a commit's record ends with.
func (s *Store) pointOf(h header) memfs.Ref {
	return memfs.Ref{Off: s.space.advance(h.at+headerSize, h.body) - uint64(h.pointLen), Len: h.pointLen, Sum: h.pointSum}
}

// scanBytes is how much of the file is searched at a time.
const scanBytes = 64 << 10

// maxAhead bounds how many slots past the end of the file the log may promise to go on in: the file may have been cut off since.
const maxAhead = 1 << 20

// enter adds the next segment to the chain, if it is there.
func (s *Store) enter(size int64) (bool, error) {
	sp := &s.space
	off := sp.base(sp.next)
	if off+headerSize > size {
		return false, nil
	}
	var b [headerSize]byte
	if ok, err := readFull(s.f, "open", b[:], off); !ok {
		return false, err
	}
	var h segmentHeader
	seed, ok := h.decode(b[:])
	if !ok || seed != s.super.uuid.seed() || h.at != sp.chainAt+uint64(len(sp.chain))*uint64(sp.segment) || int64(h.next) > size/sp.segment+maxAhead {
		return false, nil
	}
	sp.chain, sp.next = append(sp.chain, sp.next), h.next
	return true, nil
}

// reach enters segments up to a position.
func (s *Store) reach(end uint64, size int64) (bool, error) {
	for s.space.chainAt+uint64(len(s.space.chain))*uint64(s.space.segment) < end {
		if ok, err := s.enter(size); !ok {
			return false, err
		}
	}
	return true, nil
}

// behindLostMap reports whether a record can be a commit that was written behind a map before either was flushed. Nothing leads to the
// map, which is in the rest of the segment; so the log goes on with the commit.
func (s *Store) behindLostMap(h header, seq uint64) bool {
	return h.kind == commitRecord && h.prev == seq && h.at > s.tail && s.space.begin(h.at) == s.space.begin(s.tail) && s.tail%uint64(s.space.segment) != 0
}

// laterRecord looks past the end of the log for a record that could only be there if the log was once longer: in the rest of the last segment,
// and in those that it would have gone on in. It returns it and its offset in the file, 0 for none.
func (s *Store) laterRecord(seq uint64, torn bool, size int64) (later header, off int64, err error) {
	sp := &s.space
	at, slot := s.tail, sp.next
	if at%uint64(sp.segment) != 0 {
		slot = sp.chain[len(sp.chain)-1]
	}
	skip := at                      // the torn record's own header
	if at%uint64(sp.segment) == 0 { // or one that arrived without the header of its segment
		skip, torn = at+headerSize, true
	}
	b := make([]byte, scanBytes+headerSize)
	for range 1 << 20 {
		begin := sp.begin(at)
		base := sp.base(slot)
		end := min(sp.segment, size-base)
		var next segmentHeader
		goesOn := false
		for from := int64(at - begin); from < end; from += scanBytes {
			n := min(int64(len(b)), end-from)
			if ok, err := readFull(s.f, "open", b[:n], base+from); !ok {
				return later, 0, err
			}
			if from == 0 {
				seed, ok := next.decode(b[:n])
				goesOn = ok && seed == s.super.uuid.seed() && next.at == begin
			}
			for i := int64(0); i < min(n, scanBytes); i += headerSize {
				var h header
				if (from+i)%recordAlign != 0 && from+i != headerSize || !h.decode(b[i:n], s.super.uuid.seed()) || h.at != begin+uint64(from+i) {
					continue
				}
				// What was written after a point has no earlier one before it: else it is of a commit that was lost before that point was made.
				if h.seq <= seq || h.prev < seq || torn && h.at == skip {
					continue
				}
				if s.behindLostMap(h, seq) {
					segs := len(sp.chain)
					whole, err := s.isWhole(h, size)
					sp.cut(segs)
					if err != nil {
						return later, 0, err
					}
					if !whole { // never acknowledged
						continue
					}
				}
				return h, base + from + i, nil
			}
		}
		if at != begin { // its header was read before
			next.next, goesOn = sp.next, true
		}
		if !goesOn {
			return later, 0, nil
		}
		at, slot = begin+uint64(sp.segment), next.next
	}
	return later, 0, nil
}

// fileOffset is where a position is in the file, for messages; -1 when nowhere.
func (s *Store) fileOffset(at uint64) int64 {
	off, n := s.space.tailPlace(at)
	if n == 0 {
		off, n = s.space.place(at)
	}
	if n == 0 {
		return -1
	}
	return off
}
