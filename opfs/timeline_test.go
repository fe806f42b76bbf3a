package opfs

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// However points are added, deleted and pruned, the history is what the policy says when it is applied to all of them at once.
func TestTimelineKeepsWhatThePolicySays(t *testing.T) {
	r := newRand(t)
	for range 200 {
		s := &Store{o: Options{Keep: 1 + r.IntN(6)}.withDefaults()}
		var all []entry // what the history would be without pruning
		var deleted []uint64
		for seq := uint64(1); seq < 60; {
			var added []entry
			for range 1 + r.IntN(3) {
				added = append(added, entry{seq: seq, kept: r.IntN(4) == 0})
				seq += 1 + r.Uint64N(2)
			}
			s.history.add(added...)
			all = append(all, added...)
			if r.IntN(3) == 0 {
				seqs := []uint64{r.Uint64N(seq), r.Uint64N(seq)}
				s.drop(seqs)
				deleted = append(deleted, seqs...)
			}
			if r.IntN(4) > 0 {
				s.history.prune(s.o.Keep, s.oldest())
			}
			if r.IntN(10) == 0 { // opened again
				s.history = timeline{recent: s.history.all()}
			}
			newest := all[len(all)-1].seq
			all = slices.DeleteFunc(all, func(e entry) bool { return e.seq != newest && slices.Contains(deleted, e.seq) })
			var want, got []uint64
			for i, e := range all {
				if e.kept || len(all)-i <= s.o.Keep {
					want = append(want, e.seq)
				}
			}
			for _, e := range s.retained() {
				got = append(got, e.seq)
				require.Same(t, s.durable(e.seq), s.durable(pointSeq(pointID(e.seq))))
			}
			require.Subset(t, want, got) // one that was pruned does not come back when a newer one is deleted
			require.Equal(t, newest, got[len(got)-1])
			for seq := range seq + 2 {
				require.Equal(t, slices.Contains(got, seq), s.durable(seq) != nil, "point %d of %v", seq, got)
			}
			for _, e := range all {
				if e.kept && e.seq != newest {
					require.Contains(t, got, e.seq)
				}
			}
		}
	}
	for _, id := range []string{"", "0", "1", "0000000000000000", "000000000000000A", "+00000000000000a", "00000000000000000a"} {
		require.Zero(t, pointSeq(id), id)
	}
	require.Equal(t, "00000000000000af", pointID(0xaf))
}
