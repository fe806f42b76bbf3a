package opfs

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/order"
)

// Space is given back in cycles, a bounded piece of work after each commit and none without one:
//
//  1. Mark: walk the nodes of every point of the history and of every state in memory, and note which bytes of the file they need.
//  2. Slots that nothing needs become free at once. Of those that little is needed of, what is needed is moved: the next commits carry
//     it along in their records, so that it costs neither a write nor a flush of its own.
//  3. A checkpoint makes the slots usable again.
//
// What is written after a cycle began is not its concern: a point can only be made of what was there or what is written new.
// If anything cannot be read while marking, nothing is given up.

const (
	cleanEvery  = 512     // at least so many nodes' worth of commits lie between two cycles
	staleCycles = 4       // after so many times that, what was marked is out of date, and a cycle begins again
	nodeWorth   = 4 << 10 // bytes written that are worth the reading of a node
	markStep    = 4       // nodes read after the smallest commit
	moveStep    = 8 << 10 // bytes moved with the smallest commit
	moveRate    = 2       // and for each byte that it writes
	moveRuns    = 8 << 10 // at most
	urgent      = 8       // times as much when the file is much longer than what is needed
)

type cleaner struct {
	store  *Store
	earned int64 // nodes' worth of commits since the last cycle
	nodes  int64 // that the last cycle read
	live   int64 // bytes that it found needed
	asked  bool  // a cycle waits for a checkpoint
	broken bool  // something could not be read: this session gives nothing up

	marker *memfs.Marker
	roots  []memfs.Ref // points whose trees are still to be marked
	bits   [][]uint64  // by slot: the units that are needed
	needs  []int64     // by slot, in bytes
	missed bool        // a block is nowhere in the file
	before uint64      // position at which the cycle began

	victims []uint32 // slots to be emptied, the emptiest first
	runs    []extent // what is still to be moved of the first
	moved   []extent // where the rest of it is now
	carried carried

	bytesMoved int64
}

// carried is what the commit that is being written moves.
type carried struct {
	places  []extent
	emptied int      // victims of which it moves the last
	whole   int      // places that belong to those
	left    []extent // what it leaves of the one after them
}

// tend does the housekeeping after a commit of so many bytes. One checkpoint is settled before there is another.
func (s *Store) tend(written int64) {
	s.history.prune(s.o.Keep, s.oldest())
	s.cleaner.step(written)
	if s.unsettled != settled {
		return
	}
	_, held, slots := s.space.slots()
	due := s.checkpointDue() || held > max(1, slots/16) || held > 0 && s.cleaner.idle()
	if _, ok := s.mayLeap(); ok || due {
		_ = s.checkpoint()
	}
}

func (c *cleaner) idle() bool { return c.marker == nil && len(c.victims) == 0 }

func (c *cleaner) step(written int64) {
	c.accept()
	if c.store.pins > 0 || c.broken {
		return
	}
	due := max(c.store.o.CleanEvery, c.nodes)
	if c.idle() && c.earned >= due || c.marker == nil && c.earned >= staleCycles*due {
		c.begin()
	}
	c.earned += 1 + written/nodeWorth // for the commits after it: so the first large one is not held up
	if c.marker != nil {
		c.markMore(markStep*c.urgency() + written*2/nodeWorth)
	}
}

// urgency is how many times as much is to be done.
func (c *cleaner) urgency() int64 {
	if _, _, length := c.store.space.slots(); int64(length) > c.wanted() {
		return urgent
	}
	return 1
}

// full is how many slots hold what is needed, without gaps.
func (c *cleaner) full() int64 { return c.live/c.store.space.segment + 1 }

// wanted is how many slots the file may be long before bytes are moved to make it shorter.
func (c *cleaner) wanted() int64 {
	if c.live == 0 { // not known yet
		return 1 << 32
	}
	return c.full()*7/4 + 8
}

// begin starts a cycle. Everything that is in memory now, and the history, is what it keeps.
func (c *cleaner) begin() {
	s := c.store
	if len(s.space.chain) > 1 { // what lies after the checkpoint cannot be moved
		if s.unsettled != settled || s.checkpoint() != nil {
			return
		}
		if c.asked && s.settle() != nil { // the log got into another segment while it was settled
			return
		}
		if c.asked = true; s.unsettled != settled { // the next commits settle it
			return
		}
	}
	c.asked = false
	c.earned, c.nodes, c.missed = 0, 0, false
	c.before, c.victims = s.tail, nil
	c.next()
	c.bits, c.needs = make([][]uint64, len(s.space.uses)), make([]int64, len(s.space.uses))
	c.roots = nil
	for _, e := range s.history.all() {
		c.roots = append(c.roots, e.at)
	}
	c.marker = s.fs.NewMarker(c.mark)
}

// mark notes that a block is needed. It answers false if that was known.
func (c *cleaner) mark(r memfs.Ref) bool {
	sp := &c.store.space
	known := true
	for at, left := r.Off, int64(r.Len+unit-1)/unit*unit; left > 0; {
		phys, n := sp.place(at)
		if n = min(n, left); n <= 0 {
			c.missed = true
			return false
		}
		slot := sp.slotAt(phys)
		if c.bits[slot] == nil {
			c.bits[slot] = make([]uint64, sp.segment/unit/64+1)
		}
		from := (phys - sp.base(slot)) / unit
		for u, end := from, from+n/unit; u < end; u = (u/64 + 1) * 64 {
			word := &c.bits[slot][u/64]
			add := (^uint64(0) << (u % 64)) &^ *word
			if rest := (u/64+1)*64 - end; rest > 0 {
				add &= ^uint64(0) >> rest
			}
			if add != 0 {
				known = false
				*word |= add
				c.needs[slot] += int64(bits.OnesCount64(add)) * unit
			}
		}
		at, left = at+uint64(n), left-n
	}
	return !known
}

func (c *cleaner) markMore(nodes int64) {
	for nodes > 0 {
		more, err := c.marker.Step(int(min(nodes, 64)))
		c.nodes += min(nodes, 64)
		nodes -= 64
		if err == nil && c.missed {
			err = ErrCorrupt
		}
		if err == nil && !more && len(c.roots) > 0 {
			at := c.roots[len(c.roots)-1]
			c.roots = c.roots[:len(c.roots)-1]
			c.mark(at)
			var p point
			if p, err = c.store.readPoint(at); err == nil {
				err = c.marker.Add(p.root)
			}
			more = true
		}
		if err != nil {
			c.broken, c.marker = true, nil
			return
		}
		if !more {
			c.marker = nil
			c.plan()
			return
		}
	}
}

// plan decides which slots to empty: those that nothing needs, then the emptiest, until what is in use is close to what is needed; and those past
// the length that the file should have.
func (c *cleaner) plan() {
	sp := &c.store.space
	fixed := make([]bool, len(sp.uses)) // slots of the segment where the cycle began, which open reads, and of those since
	for _, e := range sp.extents {
		if slot := int(sp.slotAt(e.phys)); slot < len(fixed) && e.end() > sp.begin(c.before) {
			fixed[slot] = true
		}
	}
	c.live = 0
	for _, n := range c.needs {
		c.live += n
	}
	full := c.full()
	used, _, length := sp.slots()
	empty := map[uint32]bool{}
	var partly []uint32
	for slot := range fixed {
		switch {
		case fixed[slot] || sp.uses[slot] == 0:
		case c.needs[slot] == 0:
			empty[uint32(slot)] = true
		default:
			partly = append(partly, uint32(slot))
		}
	}
	sp.vacate(empty, nil)
	used -= len(empty)
	order.SortFunc(partly, func(a, b uint32) int { return cmp.Compare(c.needs[a], c.needs[b]) })
	gain := int64(0)
	limit := full + full/4 + 5
	for _, slot := range partly {
		sparse := c.needs[slot] <= sp.segment*3/4 && int64(used)-gain/sp.segment > limit
		if sparse || int64(length) > c.wanted() && int64(slot) > full*3/2+4 {
			c.victims = append(c.victims, slot)
			gain += sp.segment - c.needs[slot]
		}
	}
	c.next()
}

// next turns to the first victim.
func (c *cleaner) next() {
	c.runs, c.moved = nil, nil
	if len(c.victims) > 0 {
		c.runs = c.needed(c.victims[0])
	} else {
		c.bits = nil
	}
}

// needed lists what is needed of a slot.
func (c *cleaner) needed(slot uint32) (runs []extent) {
	sp := &c.store.space
	words := c.bits[slot]
	for _, e := range sp.extents {
		if sp.slotAt(e.phys) != slot {
			continue
		}
		from := (e.phys - sp.base(slot)) / unit
		end := from + e.n/unit
		for u := from; u < end; {
			if w := words[u/64] >> (u % 64); w&1 == 0 {
				if w == 0 {
					u = (u/64 + 1) * 64
				} else {
					u += int64(bits.TrailingZeros64(w))
				}
				continue
			}
			first := u
			for u < end && words[u/64]>>(u%64)&1 != 0 {
				u++
			}
			runs = append(runs, extent{at: e.at + uint64(first-from)*unit, phys: sp.base(slot) + first*unit, n: (u - first) * unit})
		}
	}
	return runs
}

// move adds the next piece of what is to be moved to a record of so many bytes: a block that says how many runs, for each how far from the end of
// the one before and how long, in units; then their bytes, from the next unit on.
func (c *cleaner) move(w *logWriter, written int64) (list memfs.Ref, err error) {
	c.carried = carried{}
	if len(c.victims) == 0 || c.store.pins > 0 || c.broken {
		return list, nil
	}
	var take []extent
	var k carried
	wholeRuns := 0
	left := slices.Clone(c.runs)
	// Moving takes room before it gives any: no more than there is, but for a little.
	room := max(c.store.space.segment, (c.store.space.room()-int64(len(w.opened))*c.store.space.segment)/2)
	for budget := min(moveStep*c.urgency()+moveRate*written, room); budget > 0 && len(take) < moveRuns && k.emptied < len(c.victims); {
		if len(left) == 0 {
			k.emptied++
			wholeRuns = len(take)
			if k.emptied < len(c.victims) {
				left = c.needed(c.victims[k.emptied])
			}
			continue
		}
		r := &left[0]
		e := extent{at: r.at, phys: r.phys, n: min(r.n, (budget+unit-1)/unit*unit)}
		take = append(take, e)
		budget -= e.n
		*r = extent{at: r.at + uint64(e.n), phys: r.phys + e.n, n: r.n - e.n}
		if r.n == 0 {
			left = left[1:]
		}
	}
	k.left = left
	if list, err = w.WriteBlock(appendRuns(nil, take)); err != nil {
		return list, err
	}
	w.pad()
	for i, e := range take {
		if i == wholeRuns {
			k.whole = len(k.places)
		}
		for e.n > 0 {
			if w.room() == 0 {
				if err := w.cross(); err != nil {
					return list, err
				}
			}
			n := min(e.n, int64(w.room()))
			begin := len(w.buf)
			k.places = append(k.places, extent{at: e.at, phys: w.phys() + int64(begin), n: n})
			w.buf = slices.Grow(w.buf, int(n))[:begin+int(n)]
			if ok, err := readFull(w.f, "clean", w.buf[begin:], e.phys); err != nil {
				return list, err
			} else if !ok {
				return list, corrupt("clean", e.phys, "the file ends inside a segment")
			}
			e = extent{at: e.at + uint64(n), phys: e.phys + n, n: e.n - n}
		}
	}
	if wholeRuns == len(take) {
		k.whole = len(k.places)
	}
	c.carried = k
	return list, nil
}

// accept takes over what the last commit moved.
func (c *cleaner) accept() {
	k := c.carried
	c.carried = carried{}
	if len(k.places) == 0 && k.emptied == 0 {
		return
	}
	for _, e := range k.places {
		c.bytesMoved += e.n
	}
	if k.emptied == 0 {
		c.moved, c.runs = append(c.moved, k.places...), k.left
		return
	}
	slots := map[uint32]bool{}
	for _, slot := range c.victims[:k.emptied] {
		slots[slot] = true
	}
	c.store.space.vacate(slots, append(c.moved, k.places[:k.whole]...))
	c.victims = c.victims[k.emptied:]
	c.next()
	if len(c.victims) > 0 {
		c.moved, c.runs = k.places[k.whole:], k.left
	}
}

func appendRuns(b []byte, runs []extent) []byte {
	b = binary.AppendUvarint(b, uint64(len(runs)))
	var end uint64
	for _, r := range runs {
		b = binary.AppendUvarint(b, (r.at-end)/unit)
		b = binary.AppendUvarint(b, uint64(r.n/unit))
		end = r.end()
	}
	return b
}

// runsOf reads what appendRuns wrote.
func runsOf(b []byte) (runs []extent, ok bool) {
	r := reader{b: b}
	var end uint64
	for range r.uint(uint64(len(b))) {
		e := extent{at: end + r.uint(1<<56)*unit, n: int64(r.uint(1<<38)) * unit}
		if r.bad || e.n <= 0 || e.at > 1<<60 {
			return nil, false
		}
		runs = append(runs, e)
		end = e.end()
	}
	return runs, !r.bad && len(r.b) == 0
}
