package s3publish_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// basesOf tells of each pack in a store how many others its references lead to.
func basesOf(t *testing.T, store s3publish.ObjectStore) map[string]int {
	t.Helper()
	bases := map[string]int{}
	for _, key := range list(t, store, "packs/") {
		o, err := store.Get(t.Context(), key, 0, -1)
		require.NoError(t, err)
		bases[key] = int(binary.LittleEndian.Uint32(o.Data[len(o.Data)-128-36:]))
	}
	return bases
}

// filled writes a file of so many bytes that do not compress.
func filled(t *testing.T, f *memfs.FS, rnd *rand.Rand, name string, size int) {
	t.Helper()
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	edit(t, f, name, string(b))
}

// grown publishes a site, and then n times a file more, so that each pack builds on those before it.
func grown(t *testing.T, store s3publish.ObjectStore, n int) (*s3publish.Remote, *memfs.FS, s3publish.Result) {
	t.Helper()
	f := site(t, 51, 100, 20_000)
	rnd := rand.New(rand.NewPCG(51, 2))
	r := s3publish.NewRemote(store, quick())
	var res s3publish.Result
	for i := range n + 1 {
		res = publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: res.ID})
		if i < n {
			filled(t, f, rnd, fmt.Sprintf("more%d", i), 10_000)
		}
	}
	require.Greater(t, res.Packs, n)
	most := 0
	for _, packs := range basesOf(t, store) {
		most = max(most, packs)
	}
	require.Equal(t, res.Packs-1, most, "the last pack refers to the one before it")
	return r, f, res
}

// A node's hashes may be listed in the one pack that comes last.
func TestAPullUnfoldsWhateverPackArrivesLast(t *testing.T) {
	mem := &s3publish.MemoryStore{}
	_, f, res := grown(t, mem, 6)
	want := dump(t, f)
	for _, late := range list(t, mem, "packs/") {
		for _, width := range []int{1, 4} {
			store := newSpy(mem)
			store.before = func(_ context.Context, _, key string) error {
				if key == late {
					return s3publish.ErrCredentials
				}
				return nil
			}
			o := quick()
			o.Concurrency = width
			r := s3publish.NewRemote(store, o)
			g := memfs.New(memfs.Options{})
			for range 2 {
				_, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
				require.ErrorIs(t, err, s3publish.ErrCredentials)
				require.Len(t, dump(t, g), 1, "nothing is visible")
			}
			store.before = nil
			arrived := store.count("get packs") - 2
			store.reset()
			snap, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
			require.NoError(t, err)
			if width == 1 {
				require.Equal(t, res.Packs-arrived, store.count("get packs"), "what arrived is not fetched again")
			}
			require.NoError(t, g.Restore(snap))
			snap.Release()
			require.NoError(t, g.Check())
			requireSameTree(t, want, dump(t, g))
		}
	}
}

func TestAnInterruptedPublishMakesTheSameReferencesAgain(t *testing.T) {
	store := newSpy(&s3publish.MemoryStore{})
	_, f, base := grown(t, store, 3)
	edit(t, f, "note", "late")
	store.before = func(_ context.Context, op, key string) error {
		if op == "put" && strings.HasPrefix(key, "snapshots/") {
			return s3publish.ErrCredentials
		}
		return nil
	}
	_, err := tryPublish(t.Context(), s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: base.ID})
	require.ErrorIs(t, err, s3publish.ErrCredentials)
	report, err := s3publish.NewRemote(store.ObjectStore, quick()).Verify(t.Context(), s3publish.VerifyOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Damages, "what it sent is whole")
	require.Equal(t, 1, report.Unneeded)
	store.before = nil
	res := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: base.ID})
	require.Zero(t, res.PacksSent)
	require.Equal(t, 1, res.PacksReused)
	requireSameTree(t, dump(t, f), pullInto(t, s3publish.NewRemote(store, quick()), s3publish.PullOptions{Volume: "v"}))
}

func TestAFirstPublishRefersToNothingButItself(t *testing.T) {
	mem := &s3publish.MemoryStore{}
	f := site(t, 52, 30, 600_000)
	res := publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	require.Greater(t, res.Packs, 3)
	for _, packs := range basesOf(t, mem) {
		require.Zero(t, packs)
	}
}

// Two publishers by turns, conflicts and branches, packs merged and pruned: whatever is current can be read, and everything in the store is whole.
func TestReferencesHoldThroughALongHistory(t *testing.T) {
	const seed = 53
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	clock := newClock()
	mem := &s3publish.MemoryStore{Now: clock.now}
	f := site(t, seed, 60, 15_000)
	r := s3publish.NewRemote(mem, quick())
	res := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	replaced, most := 0, 0
	for round := range 90 {
		clock.pass(24 * 3600e9)
		for i := range 1 + rnd.IntN(3) {
			switch {
			case rnd.IntN(3) > 0:
				filled(t, f, rnd, fmt.Sprintf("kept%d-%d", round, i), rnd.IntN(20_000))
			default:
				filled(t, f, rnd, fmt.Sprintf("again%d", rnd.IntN(5)), 8000)
			}
		}
		if rnd.IntN(4) == 0 {
			r = s3publish.NewRemote(mem, quick())
		}
		o := s3publish.PublishOptions{Volume: "v", Parent: res.ID}
		if rnd.IntN(10) == 0 { // somebody who does not know the head
			o.Parent, o.OnConflict = s3publish.ID{9}, s3publish.Branch
			branch := publish(t, s3publish.NewRemote(mem, quick()), f, o)
			require.NotEqual(t, "v", branch.Volume)
			requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: branch.Volume}))
			continue
		}
		res = publish(t, r, f, o)
		replaced += res.PacksReplaced
		most = max(most, res.Packs)
		if rnd.IntN(6) == 0 {
			_, err := r.Prune(t.Context(), s3publish.PruneOptions{Keep: 1 + rnd.IntN(3), GracePeriod: s3publish.NoGrace})
			require.NoError(t, err)
		}
		if round%6 == 0 {
			fresh := s3publish.NewRemote(mem, quick())
			requireSameTree(t, dump(t, f), pullInto(t, fresh, s3publish.PullOptions{Volume: "v"}))
			d, err := fresh.Open(t.Context(), s3publish.PullOptions{Volume: "v"})
			require.NoError(t, err)
			requireSameTree(t, dump(t, f), dumpRemote(t, d))
			requireAllWell(t, mem)
		}
	}
	require.Greater(t, replaced, 15, "packs were merged")
	t.Logf("%d packs replaced, %d at most", replaced, most)
}
