package s3publish_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// testClock is a store's clock that a test moves.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *testClock { return &testClock{t: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// histories publishes n snapshots of a volume, one a day.
func histories(t *testing.T, store s3publish.ObjectStore, clock *testClock, volume string, n int) (r *s3publish.Remote, f *memfs.FS, ids []s3publish.ID) {
	t.Helper()
	f = site(t, uint64(n), 20, 5000)
	r = s3publish.NewRemote(store, quick())
	var parent s3publish.ID
	for i := range n {
		edit(t, f, "note", strings.Repeat(volume, i+1))
		parent = publish(t, r, f, s3publish.PublishOptions{Volume: volume, Parent: parent, CreatedAt: clock.now().UnixNano()}).ID
		ids = append(ids, parent)
		clock.pass(24 * time.Hour)
	}
	return r, f, ids
}

func TestAListTellsEverySnapshotAndWhoseItIs(t *testing.T) {
	clock := newClock()
	store := &s3publish.MemoryStore{Now: clock.now}
	_, f, ids := histories(t, store, clock, "a", 4)
	r, _, others := histories(t, store, clock, "b", 2)
	// One whose head was lost to somebody else.
	edit(t, f, "note", "too late")
	lost, err := tryPublish(t.Context(), s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "a", Overwrite: true, Label: "mine", CreatedAt: clock.now().UnixNano()})
	require.NoError(t, err)
	_, err = store.Put(t.Context(), "heads/a", []byte("holdfast-head 1\n"+ids[3].String()+"\n"), s3publish.PutOptions{})
	require.NoError(t, err)

	names, err := r.Volumes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	all, err := r.List(t.Context(), s3publish.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all, 7)
	require.Equal(t, lost.ID, all[0].ID)
	require.Equal(t, "mine", all[0].Label)
	require.Empty(t, all[0].Volumes)
	require.Equal(t, others[1], all[1].ID)
	require.Equal(t, []string{"b"}, all[1].Current)

	mine, err := r.List(t.Context(), s3publish.ListOptions{Volume: "a"})
	require.NoError(t, err)
	var got []s3publish.ID
	for _, p := range mine {
		got = append(got, p.ID)
		require.Equal(t, []string{"a"}, p.Volumes)
		require.Equal(t, p.ID == ids[3], len(p.Current) == 1)
	}
	slices.Reverse(ids)
	require.Equal(t, ids, got, "newest first")
	_, err = r.List(t.Context(), s3publish.ListOptions{Volume: "c"})
	require.ErrorIs(t, err, s3publish.ErrNotFound)
}

func TestPruneKeepsWhatItIsToldTo(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		o    s3publish.PruneOptions
		want []int // days of the snapshots that stay
	}{
		"nothing said":               {s3publish.PruneOptions{}, []int{0, 1, 2, 3, 4, 5}},
		"the newest two":             {s3publish.PruneOptions{Keep: 2, GracePeriod: s3publish.NoGrace}, []int{4, 5}},
		"only the current one":       {s3publish.PruneOptions{Keep: 1, GracePeriod: s3publish.NoGrace}, []int{5}},
		"three days":                 {s3publish.PruneOptions{OlderThan: 3 * day, GracePeriod: s3publish.NoGrace}, []int{3, 4, 5}},
		"five, or three days":        {s3publish.PruneOptions{Keep: 5, OlderThan: 3 * day, GracePeriod: s3publish.NoGrace}, []int{1, 2, 3, 4, 5}},
		"what was lately current":    {s3publish.PruneOptions{Keep: 1, GracePeriod: 2*day - 1}, []int{4, 5}},
		"what was current on day 2":  {s3publish.PruneOptions{Keep: 1, GracePeriod: 4*day - 1}, []int{2, 3, 4, 5}},
		"an old one that is current": {s3publish.PruneOptions{OlderThan: time.Nanosecond, GracePeriod: s3publish.NoGrace}, []int{5}},
	} {
		clock := newClock()
		store := &s3publish.MemoryStore{Now: clock.now}
		r, _, ids := histories(t, store, clock, "v", 6) // the last one is a day old
		o := c.o
		o.DryRun = true
		before := list(t, store, "")
		dry, err := r.Prune(t.Context(), o)
		require.NoError(t, err, name)
		require.Equal(t, before, list(t, store, ""), "%s: a dry run deletes nothing", name)

		report, err := r.Prune(t.Context(), c.o)
		require.NoError(t, err, name)
		require.Equal(t, len(c.want), report.SnapshotsKept, name)
		require.Equal(t, 6-len(c.want), report.SnapshotsDeleted, name)
		require.ElementsMatch(t, dry.Deleted, report.Deleted, name)
		require.Equal(t, dry.BytesDeleted, report.BytesDeleted, name)
		for i, id := range ids {
			_, err := s3publish.NewRemote(store, quick()).Fetch(t.Context(), s3publish.PullOptions{SnapshotID: id})
			if slices.Contains(c.want, i) {
				require.NoError(t, err, "%s: day %d", name, i)
			} else {
				require.ErrorIs(t, err, s3publish.ErrNotFound, "%s: day %d", name, i)
			}
		}
		requireAllWell(t, store)
		require.Empty(t, list(t, store, "checks/"))
	}
}

func requireAllWell(t *testing.T, store s3publish.ObjectStore) s3publish.VerifyReport {
	t.Helper()
	report, err := s3publish.NewRemote(store, quick()).Verify(t.Context(), s3publish.VerifyOptions{})
	require.NoError(t, err)
	require.Empty(t, report.Damages)
	return report
}
