package opfs

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/holdfast-fs/holdfast/memfs"
)

// entry is a point of the history.
type entry struct {
	seq     uint64
	created int64
	kept    bool // it has a label, so that it stays
	deleted bool // it goes when it is no longer the newest
	at      memfs.Ref
	mem     *pending // without a file: the point itself
}

// timeline is the history, oldest first. What a commit does to it does not depend on its length.
type timeline struct {
	labelled []entry // older than recent, all with a label
	recent   []entry
}

func (t *timeline) all() []entry { return slices.Concat(t.labelled, t.recent) }

// last returns the newest, nil when there is none.
func (t *timeline) last() *entry {
	switch {
	case len(t.recent) > 0:
		return &t.recent[len(t.recent)-1]
	case len(t.labelled) > 0:
		return &t.labelled[len(t.labelled)-1]
	}
	return nil
}

// add appends newer points. The newest before goes if it was deleted.
func (t *timeline) add(entries ...entry) {
	if last := t.last(); last != nil && last.deleted && len(entries) > 0 {
		t.remove([]uint64{last.seq})
	}
	t.recent = append(t.recent, entries...)
}

// find returns a point, and how many are newer. It is nil when there is none with this sequence.
func (t *timeline) find(seq uint64) (e *entry, newer int) {
	if i, ok := bySeq(t.recent, seq); ok {
		return &t.recent[i], len(t.recent) - 1 - i
	}
	if i, ok := bySeq(t.labelled, seq); ok {
		return &t.labelled[i], len(t.recent) + len(t.labelled) - 1 - i
	}
	return nil, 0
}

func bySeq(list []entry, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(list, seq, func(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
}

// remove takes points out.
func (t *timeline) remove(seqs []uint64) {
	these := make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		these[seq] = true
	}
	gone := func(e entry) bool {
		if these[e.seq] {
			e.free()
		}
		return these[e.seq]
	}
	t.labelled, t.recent = slices.DeleteFunc(t.labelled, gone), slices.DeleteFunc(t.recent, gone)
}

// prune keeps the newest keep points, none of them older than oldest, besides those with a label; and the newest of all.
func (t *timeline) prune(keep int, oldest int64) {
	for len(t.recent) > 1 && (len(t.recent) > keep || t.recent[0].created < oldest) {
		e := t.recent[0]
		if t.recent[0] = (entry{}); e.kept {
			t.labelled = append(t.labelled, e)
		} else {
			e.free()
		}
		t.recent = t.recent[1:]
	}
}

func (e *entry) free() {
	if e.mem != nil {
		e.mem.snap.Release()
	}
}

// oldest is the time before which points without a label are not listed.
func (s *Store) oldest() int64 {
	if s.o.MaxAge == 0 {
		return -1 << 63
	}
	return s.o.Now() - int64(s.o.MaxAge)
}

// listed reports whether the policy lists a point that so many durable ones are newer than: the newest, the newest Keep (of which those in memory
// count), and all with a label.
func (s *Store) listed(e *entry, newer int, oldest int64) bool {
	return newer == 0 || !e.deleted && (e.kept || newer+len(s.pending) < s.o.Keep && e.created >= oldest)
}

// retained returns the points that the history lists, oldest first.
func (s *Store) retained() []entry {
	all, oldest := s.history.all(), s.oldest()
	out := all[:0]
	for i := range all {
		if s.listed(&all[i], len(all)-1-i, oldest) {
			out = append(out, all[i])
		}
	}
	return out
}

// durable returns the point with this sequence if the history lists it, else nil.
func (s *Store) durable(seq uint64) *entry {
	e, newer := s.history.find(seq)
	if e == nil || !s.listed(e, newer, s.oldest()) {
		return nil
	}
	return e
}

// pendingPoint returns the index of the snapshot with this sequence that is not durable yet.
func (s *Store) pendingPoint(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(s.pending, seq, func(p pending, seq uint64) int { return cmp.Compare(p.point.seq, seq) })
}

func pointID(seq uint64) string {
	if seq == 0 {
		return ""
	}
	var b [16]byte
	hex := strconv.AppendUint(b[:0], seq, 16)
	return "0000000000000000"[len(hex):] + string(hex)
}

// pointSeq is the sequence in an ID, 0 when it is none.
func pointSeq(id string) uint64 {
	seq, err := strconv.ParseUint(id, 16, 64)
	if err != nil || pointID(seq) != id {
		return 0
	}
	return seq
}
