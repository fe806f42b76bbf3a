package s3publish_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

func sha(b []byte) [32]byte { return sha256.Sum256(b) }

func TestAPullEqualsWhatWasPublished(t *testing.T) {
	for _, c := range []struct{ files, size int }{{0, 0}, {1, 100}, {300, 20_000}, {40, 600_000}} {
		f := site(t, uint64(c.files), c.files, c.size)
		store := newSpy(&s3publish.MemoryStore{})
		res := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{
			Volume: "v", Label: "first", Origin: "here", CreatedAt: 42, Files: 7, Bytes: 9,
		})
		require.Equal(t, "first", res.Label)
		require.EqualValues(t, 42, res.CreatedAt)
		require.Equal(t, res.ObjectsSent, store.count("put"))
		require.Equal(t, res.Packs, res.PacksSent)

		fresh := s3publish.NewRemote(store, quick())
		requireSameTree(t, dump(t, f), pullInto(t, fresh, s3publish.PullOptions{Volume: "v"}))
		info, err := fresh.Head(t.Context(), "v")
		require.NoError(t, err)
		require.Equal(t, res.Info, info)
	}
}

func TestAnEmptyVolumeTravels(t *testing.T) {
	f := memfs.New(memfs.Options{})
	r := s3publish.NewRemote(&s3publish.MemoryStore{}, quick())
	publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
}

func TestASecondPublishSendsAtMostThreeObjects(t *testing.T) {
	f := site(t, 1, 300, 20_000)
	store := newSpy(&s3publish.MemoryStore{})
	r := s3publish.NewRemote(store, quick())
	first := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	total := store.bytes

	store.reset()
	edit(t, f, "note", "hello")
	second := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	require.Len(t, store.log, 3, "with the remote known, nothing is read: %q", store.log)
	require.Equal(t, 1, store.count("put packs"))
	require.Equal(t, 1, store.count("put snapshots"))
	require.Equal(t, 1, store.count("put heads"))
	require.Less(t, store.bytes, total/50)
	require.Equal(t, first.ID, second.Parent)
	require.EqualValues(t, store.bytes, second.BytesSent)
	t.Logf("whole site %d bytes, one edit %d bytes, %d blobs", total, store.bytes, second.BlobsNew)

	// A new session reads the head, the snapshot and the index of each pack, asks if its pack came before, and sends the same.
	store.reset()
	edit(t, f, "note", "again")
	r = s3publish.NewRemote(store, quick())
	third := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: second.ID})
	require.Equal(t, 3, store.count("put"))
	require.Equal(t, 2+second.Packs+1, store.count("get"))
	requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
	require.Equal(t, second.Packs+1, third.Packs)
}

func TestAnUnchangedTreeIsNotSentAgain(t *testing.T) {
	f := site(t, 1, 20, 5000)
	store := newSpy(&s3publish.MemoryStore{})
	r := s3publish.NewRemote(store, quick())
	first := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	store.reset()
	var last s3publish.Progress
	again := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID, Progress: func(p s3publish.Progress) { last = p }})
	require.Equal(t, s3publish.PhaseDone, last.Phase)
	require.True(t, again.Unchanged)
	require.Equal(t, first.ID, again.ID)
	require.Empty(t, store.log)
	// A label makes a snapshot worth having, but no pack.
	labelled := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID, Label: "before the update"})
	require.Equal(t, 2, store.count("put"))
	require.Equal(t, first.Root, labelled.Root)
}

func TestEveryPublishedSnapshotCanBePulled(t *testing.T) {
	f := site(t, 1, 50, 5000)
	r := s3publish.NewRemote(&s3publish.MemoryStore{}, quick())
	var ids []s3publish.ID
	var trees [][]string
	var parent s3publish.ID
	for _, text := range []string{"one", "two", "three"} {
		edit(t, f, "note", text)
		trees = append(trees, dump(t, f))
		parent = publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: parent}).ID
		ids = append(ids, parent)
	}
	for i, id := range ids {
		requireSameTree(t, trees[i], pullInto(t, r, s3publish.PullOptions{SnapshotID: id}))
	}
}

func TestTwoVolumesUnderOnePrefixShareWholePacks(t *testing.T) {
	store := newSpy(&s3publish.MemoryStore{})
	f := site(t, 5, 40, 1_000_000)
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "a"})
	edit(t, f, "wp-config", "another site")
	res := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "b"})
	require.Greater(t, res.PacksReused, res.PacksSent)
	requireSameTree(t, dump(t, f), pullInto(t, s3publish.NewRemote(store, quick()), s3publish.PullOptions{Volume: "b"}))
}

func TestWhatWasMadeFromATemplateSendsOnlyTheDifference(t *testing.T) {
	clock := newClock()
	store := newSpy(&s3publish.MemoryStore{Now: clock.now})
	f := site(t, 6, 40, 300_000)
	template := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "template"})
	clock.pass(30 * 24 * time.Hour)
	for _, like := range []string{"template", "nobody", ""} {
		store.reset()
		edit(t, f, "wp-config", "the site of "+like)
		r := s3publish.NewRemote(store, quick())
		res := publish(t, r, f, s3publish.PublishOptions{Volume: "site" + like[:min(1, len(like))], Like: like})
		require.Equal(t, like == "template", res.BytesSent < template.BytesSent/20, "%q: %d bytes", like, res.BytesSent)
		require.True(t, res.Parent.IsZero(), "it has a history of its own")
		requireSameTree(t, dump(t, f), pullInto(t, s3publish.NewRemote(store, quick()), s3publish.PullOptions{SnapshotID: res.ID}))
	}
	// The template may go.
	require.NoError(t, store.ObjectStore.Delete(t.Context(), "heads/template"))
	_, err := s3publish.NewRemote(store.ObjectStore, quick()).Prune(t.Context(), s3publish.PruneOptions{GracePeriod: s3publish.NoGrace})
	require.NoError(t, err)
	requireAllWell(t, store.ObjectStore)
	requireSameTree(t, dump(t, f), pullInto(t, s3publish.NewRemote(store, quick()), s3publish.PullOptions{Volume: "site"}))
}

func TestAHeadMovedBySomeoneElseIsAConflict(t *testing.T) {
	store := &s3publish.MemoryStore{}
	ours, theirs := s3publish.NewRemote(store, quick()), s3publish.NewRemote(store, quick())
	f := site(t, 1, 20, 5000)
	base := publish(t, ours, f, s3publish.PublishOptions{Volume: "v", Origin: "us"})

	// They pull, change, publish.
	g := memfs.New(memfs.Options{})
	snap, info, err := theirs.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
	require.NoError(t, err)
	require.Equal(t, base.Info, info)
	require.NoError(t, g.Restore(snap))
	edit(t, g, "note", "theirs")
	moved := publish(t, theirs, g, s3publish.PublishOptions{Volume: "v", Parent: info.ID, Origin: "them"})

	// We, who remember the old head, learn it from the compare-and-swap; our snapshot is kept.
	edit(t, f, "note", "ours")
	_, err = tryPublish(t.Context(), ours, f, s3publish.PublishOptions{Volume: "v", Parent: base.ID, Origin: "us"})
	require.ErrorIs(t, err, s3publish.ErrConflict)
	var c *s3publish.ConflictError
	require.ErrorAs(t, err, &c)
	require.Equal(t, base.ID, c.Base)
	require.Equal(t, moved.Info, c.Theirs)
	require.False(t, c.Ours.ID.IsZero())
	requireSameTree(t, dump(t, f), pullInto(t, ours, s3publish.PullOptions{SnapshotID: c.Ours.ID}))

	// A new session learns it before it sends anything, even with an origin of ours further back.
	spied := newSpy(store)
	_, err = tryPublish(t.Context(), s3publish.NewRemote(spied, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: base.ID, Origin: "us"})
	require.ErrorAs(t, err, &c)
	require.True(t, c.Ours.ID.IsZero())
	require.Zero(t, spied.count("put"))
	head, err := theirs.Head(t.Context(), "v")
	require.NoError(t, err)
	require.Equal(t, moved.ID, head.ID)

	// Who never saw the volume may not replace it either, unless told to.
	h := memfs.New(memfs.Options{})
	_, err = tryPublish(t.Context(), ours, h, s3publish.PublishOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrConflict)
	res := publish(t, ours, h, s3publish.PublishOptions{Volume: "v", Overwrite: true})
	require.Equal(t, moved.ID, res.Parent)
}

func TestOfTwoConcurrentPublishersOneWins(t *testing.T) {
	store := &s3publish.MemoryStore{}
	f := site(t, 1, 20, 5000)
	base := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	var wins, conflicts atomic.Int32
	done := make(chan bool)
	for range 4 {
		g := memfs.New(memfs.Options{})
		r := s3publish.NewRemote(store, quick())
		snap, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
		require.NoError(t, err)
		require.NoError(t, g.Restore(snap))
		edit(t, g, "note", "mine")
		go func() {
			defer func() { done <- true }()
			_, err := tryPublish(t.Context(), r, g, s3publish.PublishOptions{Volume: "v", Parent: base.ID})
			switch {
			case err == nil:
				wins.Add(1)
			case errors.Is(err, s3publish.ErrConflict):
				conflicts.Add(1)
			default:
				t.Error(err)
			}
		}()
	}
	for range 4 {
		<-done
	}
	require.EqualValues(t, 1, wins.Load())
	require.EqualValues(t, 3, conflicts.Load())
}

func TestAPublisherRecognisesItsOwnHead(t *testing.T) {
	store := &s3publish.MemoryStore{}
	f := site(t, 1, 20, 5000)
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Origin: "uuid-1"})
	edit(t, f, "note", "after a reload that forgot the parent")
	_, err := tryPublish(t.Context(), s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Origin: "uuid-2"})
	require.ErrorIs(t, err, s3publish.ErrConflict)
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Origin: "uuid-1"})
}

// A store that has no head of the volume yet takes it, wherever else it was published before.
func TestAVolumeIsPublishedToASecondStore(t *testing.T) {
	f := site(t, 3, 20, 5_000)
	a := s3publish.NewRemote(&s3publish.MemoryStore{}, quick())
	b := s3publish.NewRemote(&s3publish.MemoryStore{}, quick())
	first := publish(t, a, f, s3publish.PublishOptions{Volume: "v", Origin: "here"})
	edit(t, f, "note", "hello")
	second := publish(t, b, f, s3publish.PublishOptions{Volume: "v", Origin: "here", Parent: first.ID})
	requireSameTree(t, dump(t, f), pullInto(t, b, s3publish.PullOptions{Volume: "v"}))
	edit(t, f, "note", "hello again")
	publish(t, a, f, s3publish.PublishOptions{Volume: "v", Origin: "here", Parent: second.ID})
	requireSameTree(t, dump(t, f), pullInto(t, a, s3publish.PullOptions{Volume: "v"}))
}

func TestVolumeNamesThatAreNotSafeAreRefused(t *testing.T) {
	r := s3publish.NewRemote(newSpy(nil), quick())
	for _, name := range []string{"", ".", "..", "a/b", "../x", "-a", "a b", "ü", "a\x00", strings.Repeat("a", 129)} {
		_, err := r.Publish(t.Context(), nil, s3publish.PublishOptions{Volume: name})
		require.ErrorIs(t, err, s3publish.ErrInvalid, "%q", name)
		_, err = r.Fetch(t.Context(), s3publish.PullOptions{Volume: name})
		require.ErrorIs(t, err, s3publish.ErrInvalid, "%q", name)
	}
	require.NoError(t, s3publish.ValidateVolume("My-site_2.backup"))
}

func TestProgressNeverGoesBackwardsAndEndsAtItsTotals(t *testing.T) {
	f := site(t, 3, 30, 600_000)
	store := &s3publish.MemoryStore{}
	var seen []s3publish.Progress
	record := func(p s3publish.Progress) { seen = append(seen, p) }
	order := map[s3publish.Phase]int{"read": 1, "hash": 2, "upload": 3, "head": 4, "download": 5, "import": 6, "done": 7}
	check := func(what string) {
		t.Helper()
		for i, p := range seen {
			require.LessOrEqual(t, p.BytesDone, p.BytesTotal, what)
			require.LessOrEqual(t, p.ObjectsDone, p.ObjectsTotal, what)
			if i > 0 {
				q := seen[i-1]
				require.GreaterOrEqual(t, order[p.Phase], order[q.Phase], what)
				require.True(t, p.BytesDone >= q.BytesDone && p.BytesTotal >= q.BytesTotal &&
					p.ObjectsDone >= q.ObjectsDone && p.ObjectsTotal >= q.ObjectsTotal, "%s: %+v after %+v", what, p, q)
			}
		}
		last := seen[len(seen)-1]
		require.Equal(t, s3publish.PhaseDone, last.Phase, what)
		require.Equal(t, last.BytesTotal, last.BytesDone, what)
		require.Equal(t, last.ObjectsTotal, last.ObjectsDone, what)
		require.Positive(t, last.BytesTotal)
		require.Greater(t, len(seen), 5)
		seen = nil
	}
	r := s3publish.NewRemote(store, quick())
	publish(t, r, f, s3publish.PublishOptions{Volume: "v", Progress: record})
	check("publish")
	pullInto(t, r, s3publish.PullOptions{Volume: "v", Progress: record})
	check("pull")
}

func TestACancelledPublishStopsWithinOneRequest(t *testing.T) {
	f := site(t, 1, 10, 900_000)
	whole := newSpy(&s3publish.MemoryStore{})
	publish(t, s3publish.NewRemote(whole, quick()), f, s3publish.PublishOptions{Volume: "v"})
	require.Greater(t, len(whole.log), 6)
	for stop := range len(whole.log) {
		mem := &s3publish.MemoryStore{}
		store := newSpy(mem)
		ctx, cancel := context.WithCancel(t.Context())
		var after, n atomic.Int32
		store.before = func(ctx context.Context, op, key string) error {
			if int(n.Add(1)) == stop+1 {
				cancel()
			} else if ctx.Err() != nil {
				after.Add(1)
			}
			return ctx.Err()
		}
		r := s3publish.NewRemote(store, quick())
		_, err := tryPublish(ctx, r, f, s3publish.PublishOptions{Volume: "v"})
		require.ErrorIs(t, err, s3publish.ErrAborted, "stopped at request %d", stop)
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, after.Load(), int32(4), "only what was under way")

		// The same Remote goes on from there.
		store.before = nil
		publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
		requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
	}
}
