package opfs

import (
	"cmp"
	"slices"
	"sort"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs/order"
)

// The log has positions that only ever grow; a position keeps its content for as long as anything refers to it. The file has slots
// of one segment each, which are used again. extents say where in the file a part of the log is. So cleaning can
// move what is still needed of a segment without changing a single reference to it.

// Space says what the bytes of a volume's file are used for.
type Space struct {
	File    int64 // length of the file
	Free    int64 // in slots that can be used again
	Needed  int64 // by the live tree and the history, as far as it was counted: 0 until a first cycle of cleaning is through
	Moved   int64 // by cleaning, since the volume was opened
	Cleaned int64 // in slots that cleaning gave back, since the volume was opened
}

// Space returns the figures as they are now; all are 0 for a volume in memory.
func (s *Store) Space() Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil || s.closed.Load() {
		return Space{}
	}
	size, _ := s.f.Size()
	return Space{File: size, Free: max(0, s.space.room()), Needed: s.cleaner.live, Moved: s.cleaner.bytesMoved, Cleaned: s.space.cleaned}
}

// extent says that n bytes of the log from a position on are at a place in the file, in one slot.
type extent struct {
	at      uint64
	phys, n int64
}

func (e extent) end() uint64 { return e.at + uint64(e.n) }

// noSlot is the slot of no segment.
const noSlot = ^uint32(0)

// hold says that a slot became free, and that a superblock in the file may still count on it.
type hold uint8

const (
	notHeld hold = iota
	held         // since the newest map
	leaving      // the newest map does not have it any more: free once both superblocks lead there
)

// space knows what is where, and which slots are free.
type space struct {
	mu      sync.RWMutex // also held while reading, so that no slot is given away under a reader
	segment int64
	extents []extent // by position; no two share a position or a place
	uses    []int32  // by slot: how many extents it holds
	held    []hold   // by slot
	sums    *sums    // of these two, nil when they changed since
	cleaned int64    // bytes in slots that became free
	size    int64    // of the file, as far as it is known: it may be longer

	// The end of the log, from the segment of the last checkpoint on: nothing of it is moved, so that open can read it.
	chainAt uint64
	chain   []uint32 // slots
	next    uint32   // the slot that the log goes on in
}

func (sp *space) base(slot uint32) int64   { return logStart + int64(slot)*sp.segment }
func (sp *space) slotAt(phys int64) uint32 { return uint32((phys - logStart) / sp.segment) }

// begin returns the position at which the segment of a position begins.
func (sp *space) begin(at uint64) uint64 { return at - at%uint64(sp.segment) }

// advance returns the position n bytes of records after another, over the headers of the segments between. The end of a segment
// is the beginning of the next.
func (sp *space) advance(at uint64, n uint64) uint64 {
	seg := uint64(sp.segment)
	if n == 0 {
		return at
	}
	if at%seg == 0 {
		at += headerSize
	}
	if room := seg - at%seg; n > room {
		n -= room
		whole := (n - 1) / (seg - headerSize)
		n -= whole * (seg - headerSize)
		at = sp.begin(at) + (whole+1)*seg + headerSize
	}
	return at + n
}

// place returns where a position is in the file, and how many bytes from it on are there in one piece; 0 when it is nowhere.
func (sp *space) place(at uint64) (phys, n int64) {
	i := sort.Search(len(sp.extents), func(i int) bool { return sp.extents[i].end() > at })
	if i == len(sp.extents) || sp.extents[i].at > at {
		return 0, 0
	}
	e := sp.extents[i]
	d := int64(at - e.at)
	return e.phys + d, e.n - d
}

// tailPlace is place for the end of the log, where records are read as they were written.
func (sp *space) tailPlace(at uint64) (phys, n int64) {
	if at < sp.chainAt {
		return 0, 0
	}
	i := (at - sp.chainAt) / uint64(sp.segment)
	if i >= uint64(len(sp.chain)) {
		return 0, 0
	}
	d := int64(at % uint64(sp.segment))
	return sp.base(sp.chain[i]) + d, sp.segment - d
}

// grow adds segments at the end of the log, and says where it will go on.
func (sp *space) grow(slots []uint32, next uint32) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for _, slot := range slots {
		at := sp.chainAt + uint64(len(sp.chain))*uint64(sp.segment)
		sp.chain = append(sp.chain, slot)
		e := extent{at: at, phys: sp.base(slot), n: sp.segment}
		sp.extents = append(sp.extents, e)
		sp.count(e, 1)
	}
	sp.next = next
}

// cut forgets the segments of the chain but the first n.
func (sp *space) cut(n int) {
	if len(sp.chain) > n {
		sp.next, sp.chain = sp.chain[n], sp.chain[:n]
	}
}

// rebase lets the chain begin at the segment of a position.
func (sp *space) rebase(at uint64) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	n := int((sp.begin(at) - sp.chainAt) / uint64(sp.segment))
	sp.chain, sp.chainAt = slices.Clone(sp.chain[n:]), sp.begin(at)
}

func (sp *space) count(e extent, by int32) {
	sp.sums = nil
	slot := int(sp.slotAt(e.phys))
	for len(sp.uses) <= slot {
		sp.uses = append(sp.uses, 0)
		sp.held = append(sp.held, notHeld)
	}
	sp.uses[slot] += by
}

// free finds the lowest slot that nothing needs, but those in taken.
func (sp *space) free(taken []uint32) uint32 {
	for slot := uint32(0); ; slot++ {
		inUse := int(slot) < len(sp.uses) && (sp.uses[slot] > 0 || sp.held[slot] != notHeld)
		if !inUse && slot != sp.next && !slices.Contains(taken, slot) {
			return slot
		}
	}
}

// vacate gives up slots: what was needed of them was moved. They are held until no superblock counts on them any more.
func (sp *space) vacate(slots map[uint32]bool, moved []extent) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	kept := sp.extents[:0]
	for _, e := range sp.extents {
		if !slots[sp.slotAt(e.phys)] {
			kept = append(kept, e)
		}
	}
	sp.extents = kept
	sp.insert(moved)
	for slot := range slots {
		sp.held[slot], sp.sums = held, nil
		sp.cleaned += sp.segment
	}
}

// insert adds extents of bytes that were moved. Where they are now, nothing else is: the log was written around them.
func (sp *space) insert(moved []extent) {
	order.SortFunc(moved, func(a, b extent) int { return cmp.Compare(a.phys, b.phys) })
	var out []extent
	for _, e := range sp.extents {
		i := sort.Search(len(moved), func(i int) bool { return moved[i].phys+moved[i].n > e.phys })
		for ; i < len(moved) && moved[i].phys < e.phys+e.n; i++ {
			m := moved[i]
			if before := m.phys - e.phys; before > 0 {
				out = append(out, extent{at: e.at, phys: e.phys, n: before})
			}
			cut := m.phys + m.n - e.phys
			e = extent{at: e.at + uint64(cut), phys: e.phys + cut, n: e.n - cut}
		}
		if e.n > 0 {
			out = append(out, e)
		}
	}
	sp.extents = append(out, moved...)
	order.SortFunc(sp.extents, func(a, b extent) int { return cmp.Compare(a.at, b.at) })
	clear(sp.uses)
	sp.sums = nil
	for _, e := range sp.extents {
		sp.count(e, 1)
	}
}

// leave is called when a map was written.
func (sp *space) leave() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for slot := range sp.held {
		if sp.held[slot] == held {
			sp.held[slot] = leaving
		}
	}
}

// release makes the slots free that the newest map does not have.
func (sp *space) release() {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for slot := range sp.held {
		if sp.held[slot] == leaving {
			sp.held[slot], sp.sums = notHeld, nil
		}
	}
}

type sums struct{ used, held, length int }

// slots counts the slots that are in use, those that are held, and how long a file needs to be for both.
func (sp *space) slots() (used, held, length int) {
	if sp.sums == nil {
		sp.sums = &sums{}
		for i := range sp.uses {
			if sp.uses[i] > 0 {
				sp.sums.used++
				sp.sums.length = i + 1
			}
			if sp.held[i] != notHeld {
				sp.sums.held++
				sp.sums.length = i + 1
			}
		}
	}
	return sp.sums.used, sp.sums.held, sp.sums.length
}

// room is how many bytes of the file are in slots that are free.
func (sp *space) room() int64 {
	used, held, length := sp.slots()
	return int64(length-used-held) * sp.segment
}

// check reports whether the extents are in order, each in one slot, and no two at the same place.
func (sp *space) check() bool {
	for i, e := range sp.extents {
		if i > 0 && sp.extents[i-1].end() > e.at || e.n <= 0 || sp.slotAt(e.phys) != sp.slotAt(e.phys+e.n-1) {
			return false
		}
	}
	places := slices.Clone(sp.extents)
	order.SortFunc(places, func(a, b extent) int { return cmp.Compare(a.phys, b.phys) })
	for i := 1; i < len(places); i++ {
		if places[i-1].phys+places[i-1].n > places[i].phys {
			return false
		}
	}
	return true
}
