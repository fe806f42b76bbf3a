package s3publish_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

func TestALostAnswerToAnyPutIsRecognised(t *testing.T) {
	f := site(t, 1, 40, 300_000)
	for _, folder := range []string{"packs/", "snapshots/", "heads/"} {
		store := newSpy(&s3publish.MemoryStore{})
		var lost atomic.Int32
		store.after = func(op, key string) error {
			if op == "put" && strings.HasPrefix(key, folder) && lost.Add(1) == 1 {
				return &s3publish.Error{Op: op, Key: key, Err: s3publish.ErrUnreachable}
			}
			return nil
		}
		r := s3publish.NewRemote(store, quick())
		res := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
		require.Positive(t, lost.Load())
		require.Equal(t, folder == "heads/", res.HeadRecovered)
		require.Equal(t, res.ObjectsSent+1, store.count("put"), "what had arrived was sent twice, not three times")
		requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
		// What the session remembers of the head is right: the next publish is accepted.
		edit(t, f, "note", folder)
		publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: res.ID})
	}
}

func TestAHeadWhoseEveryAnswerIsLostIsOursAfterwards(t *testing.T) {
	f := site(t, 1, 5, 1000)
	store := newSpy(&s3publish.MemoryStore{})
	r := s3publish.NewRemote(store, quick())
	first := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	var down atomic.Bool
	store.before = func(_ context.Context, op, key string) error {
		if down.Load() {
			return s3publish.ErrUnreachable
		}
		return nil
	}
	store.after = func(op, key string) error {
		if op == "put" && strings.HasPrefix(key, "heads/") {
			down.Store(true)
			return s3publish.ErrUnreachable
		}
		return nil
	}
	edit(t, f, "note", "x")
	_, err := tryPublish(t.Context(), r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	require.ErrorIs(t, err, s3publish.ErrUnreachable)
	down.Store(false)
	store.after = nil
	edit(t, f, "note", "y")
	publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
}

func TestAnInterruptedPublishGoesOnWhereItStopped(t *testing.T) {
	f := site(t, 2, 40, 1_000_000)
	store := newSpy(&s3publish.MemoryStore{})
	var puts atomic.Int32
	store.before = func(_ context.Context, op, key string) error {
		if op == "put" && puts.Add(1) > 5 {
			return s3publish.ErrUnreachable
		}
		return nil
	}
	one := quick()
	one.Concurrency = 1
	_, err := tryPublish(t.Context(), s3publish.NewRemote(store, one), f, s3publish.PublishOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrUnreachable)
	arrived := list(t, store, "packs/")
	require.Len(t, arrived, 5)
	_, err = s3publish.NewRemote(store, quick()).Head(t.Context(), "v")
	require.ErrorIs(t, err, s3publish.ErrNotFound)

	store.before = nil
	store.reset()
	edit(t, f, "a new file", "made in between")
	r := s3publish.NewRemote(store, quick())
	res := publish(t, r, f, s3publish.PublishOptions{Volume: "v"})
	t.Logf("%d packs: %d sent, %d reused", res.Packs, res.PacksSent, res.PacksReused)
	require.GreaterOrEqual(t, res.PacksReused, len(arrived)-2, "only the packs with the root directory's names and its inode changed")
	require.Equal(t, res.Packs, res.PacksSent+res.PacksReused)
	requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
}

// Every pack arrived, the snapshot did not: whoever goes on, in this session or a new one, sends no pack.
func TestWhatArrivedIsNotSentAgain(t *testing.T) {
	for _, again := range []bool{true, false} {
		f := site(t, 3, 20, 300_000)
		store := newSpy(&s3publish.MemoryStore{})
		r := s3publish.NewRemote(store, quick())
		publish(t, r, f, s3publish.PublishOptions{Volume: "v", Origin: "o"})
		edit(t, f, "note", "new")
		store.before = func(_ context.Context, op, key string) error {
			if op == "put" && strings.HasPrefix(key, "snapshots/") {
				return s3publish.ErrUnreachable
			}
			return nil
		}
		_, err := tryPublish(t.Context(), r, f, s3publish.PublishOptions{Volume: "v", Origin: "o"})
		require.ErrorIs(t, err, s3publish.ErrUnreachable)
		store.before = nil
		store.reset()
		if !again {
			r = s3publish.NewRemote(store, quick())
		}
		res := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Origin: "o"})
		require.Zero(t, store.count("put packs"), "%q", store.log)
		require.Equal(t, 1, res.PacksReused)
		requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
	}
}

func TestAFailureOfAnyRequestLeavesAWholeHeadAndARetrySucceeds(t *testing.T) {
	f := site(t, 1, 30, 200_000)
	base := &s3publish.MemoryStore{}
	first := publish(t, s3publish.NewRemote(base, quick()), f, s3publish.PublishOptions{Volume: "v"})
	old := dump(t, f)
	edit(t, f, "note", "new")
	fresh := dump(t, f)

	for fail := 0; ; fail++ {
		store := newSpy(cloneStore(t, base))
		var n atomic.Int32
		var hit atomic.Bool
		store.before = func(_ context.Context, op, key string) error {
			if int(n.Add(1)) > fail {
				hit.Store(true)
				return errors.New("boom")
			}
			return nil
		}
		r := s3publish.NewRemote(store, s3publish.RemoteOptions{Concurrency: 1})
		_, err := tryPublish(t.Context(), r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
		store.before = nil
		if !hit.Load() {
			require.NoError(t, err)
			require.Greater(t, fail, 4)
			return
		}
		require.ErrorContains(t, err, "boom")
		requireSameTree(t, old, pullInto(t, s3publish.NewRemote(store, quick()), s3publish.PullOptions{Volume: "v"}))
		publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
		requireSameTree(t, fresh, pullInto(t, r, s3publish.PullOptions{Volume: "v"}))
	}
}

func cloneStore(t *testing.T, m *s3publish.MemoryStore) *s3publish.MemoryStore {
	t.Helper()
	c := &s3publish.MemoryStore{}
	keys := list(t, m, "")
	for _, k := range keys {
		o, err := m.Get(t.Context(), k, 0, -1)
		require.NoError(t, err)
		_, err = c.Put(t.Context(), k, o.Data, s3publish.PutOptions{})
		require.NoError(t, err)
	}
	return c
}

func TestTemporaryFailuresAreRetriedWithGrowingPauses(t *testing.T) {
	var pauses []time.Duration
	retry := s3publish.Retry{
		Attempts: 6, Base: time.Second, Max: 5 * time.Second,
		Sleep: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
		Rand:  func() float64 { return 0.5 },
	}
	store := newSpy(&s3publish.MemoryStore{})
	store.before = func(context.Context, string, string) error { return s3publish.ErrUnreachable }
	r := s3publish.NewRemote(store, s3publish.RemoteOptions{Retry: retry})
	_, err := r.Head(t.Context(), "v")
	require.ErrorIs(t, err, s3publish.ErrUnreachable)
	require.Equal(t, 6, store.count("get"))
	require.Equal(t, []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}, pauses)
	var e *s3publish.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "heads/v", e.Key)

	for _, permanent := range []error{s3publish.ErrCredentials, s3publish.ErrNoBucket, s3publish.ErrNotFound, errors.New("other")} {
		store.reset()
		store.before = func(context.Context, string, string) error { return permanent }
		_, err := r.Head(t.Context(), "v")
		require.ErrorIs(t, err, map[bool]error{true: s3publish.ErrNotFound, false: permanent}[permanent == s3publish.ErrNotFound])
		require.Equal(t, 1, store.count("get"), permanent)
	}

	// The jitter keeps to half … one and a half of the mean.
	pauses = nil
	retry.Rand = rand.Float64
	store.before = func(context.Context, string, string) error { return s3publish.ErrUnreachable }
	_, err = s3publish.NewRemote(store, s3publish.RemoteOptions{Retry: retry}).Head(t.Context(), "v")
	require.Error(t, err)
	require.GreaterOrEqual(t, pauses[0], 500*time.Millisecond)
	require.Less(t, pauses[0], 1500*time.Millisecond)
}

func TestAStoreIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{0: time.Second, 10 * time.Millisecond: time.Second, 30 * time.Second: 30 * time.Second, time.Hour: time.Minute} {
		var pauses []time.Duration
		store := newSpy(&s3publish.MemoryStore{})
		store.before = func(context.Context, string, string) error {
			return &s3publish.Error{Op: "get", Err: s3publish.ErrUnreachable, RetryAfter: asked}
		}
		_, err := s3publish.NewRemote(store, s3publish.RemoteOptions{Retry: s3publish.Retry{
			Attempts: 2, Base: time.Second, Rand: func() float64 { return 0.5 },
			Sleep: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil },
		}}).Head(t.Context(), "v")
		require.ErrorIs(t, err, s3publish.ErrUnreachable)
		require.Equal(t, []time.Duration{want}, pauses)
	}
}

func TestALargeObjectIsGivenMoreTime(t *testing.T) {
	f := site(t, 2, 10, 1_000_000)
	store := newSpy(&s3publish.MemoryStore{})
	var times sync.Map
	store.before = func(ctx context.Context, op, key string) error {
		deadline, ok := ctx.Deadline()
		require.True(t, ok, "every request has an end")
		if op == "put" {
			times.Store(key, time.Until(deadline))
		}
		return nil
	}
	publish(t, s3publish.NewRemote(store, s3publish.RemoteOptions{}), f, s3publish.PublishOptions{Volume: "v"})
	all, err := store.ObjectStore.List(t.Context(), "")
	require.NoError(t, err)
	for _, o := range all {
		given, _ := times.Load(o.Key)
		want := time.Minute + time.Duration(o.Size)*time.Second/(32<<10)
		require.InDelta(t, want.Seconds(), given.(time.Duration).Seconds(), 30, "%s, %d bytes", o.Key, o.Size)
	}
}

func TestAStoreThatDoesNotAnswerIsUnreachable(t *testing.T) {
	store := newSpy(&s3publish.MemoryStore{})
	store.before = func(ctx context.Context, op, key string) error { <-ctx.Done(); return ctx.Err() }
	o := quick()
	o.Retry.Timeout, o.Retry.Attempts = 5*time.Millisecond, 3
	_, err := s3publish.NewRemote(store, o).Head(t.Context(), "v")
	require.ErrorIs(t, err, s3publish.ErrUnreachable)
	require.NotErrorIs(t, err, s3publish.ErrAborted)
	require.Equal(t, 3, store.count("get"))
}

func TestEveryDamagedByteIsNoticedAndNamed(t *testing.T) {
	f := site(t, 4, 6, 3000)
	mem := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v", Label: "l", Origin: "o"})
	keys := list(t, mem, "")
	require.Len(t, keys, 3)
	for _, damaged := range keys {
		o, err := mem.Get(t.Context(), damaged, 0, -1)
		require.NoError(t, err)
		step := max(1, len(o.Data)/300)
		for at := 0; at < len(o.Data); at += step {
			bad := slices.Clone(o.Data)
			bad[at] ^= 1 << (at % 8)
			requirePullFails(t, mem, damaged, bad)
		}
		for _, bad := range [][]byte{nil, o.Data[:1], o.Data[:len(o.Data)/2], o.Data[:len(o.Data)-1]} {
			requirePullFails(t, mem, damaged, bad)
		}
	}
}

func requirePullFails(t *testing.T, m *s3publish.MemoryStore, key string, content []byte) {
	t.Helper()
	c := cloneStore(t, m)
	_, err := c.Put(t.Context(), key, content, s3publish.PutOptions{})
	require.NoError(t, err)
	f := memfs.New(memfs.Options{})
	before := dump(t, f)
	_, _, err = s3publish.NewRemote(c, quick()).Pull(t.Context(), f, s3publish.PullOptions{Volume: "v"})
	var e *s3publish.Error
	require.ErrorAs(t, err, &e)
	if !errors.Is(err, s3publish.ErrVersion) && !strings.HasPrefix(key, "heads/") {
		require.ErrorIs(t, err, s3publish.ErrCorrupt, "%s", key)
	}
	if strings.HasPrefix(key, "heads/") {
		// A digit of the id may have become another one: then that snapshot is what is missing.
		require.True(t, e.Key == key && s3publish.Code(err) != "" || errors.Is(err, s3publish.ErrNotFound), "%v", err)
	} else {
		require.Equal(t, key, e.Key)
	}
	requireSameTree(t, before, dump(t, f))
}

func TestAMissingPackIsCorruptionThatNamesIt(t *testing.T) {
	f := site(t, 4, 6, 3000)
	mem := &s3publish.MemoryStore{}
	first := publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	packs := list(t, mem, "packs/")
	require.NoError(t, mem.Delete(t.Context(), packs[0]))
	_, err := s3publish.NewRemote(mem, quick()).Fetch(t.Context(), s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
	require.ErrorContains(t, err, packs[0])
	edit(t, f, "note", "x")
	_, err = tryPublish(t.Context(), s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
	require.ErrorContains(t, err, packs[0])
}

func TestADamagedPackUnderOurNameIsReplaced(t *testing.T) {
	f := site(t, 2, 10, 1_000_000)
	mem := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	packs := list(t, mem, "packs/")
	for i, k := range packs {
		bad := []byte("damaged")
		if i%2 == 0 {
			o, err := mem.Get(t.Context(), k, 0, -1)
			require.NoError(t, err)
			bad = make([]byte, len(o.Data))
		}
		_, err := mem.Put(t.Context(), k, bad, s3publish.PutOptions{})
		require.NoError(t, err)
	}
	r := s3publish.NewRemote(mem, quick())
	publish(t, r, f, s3publish.PublishOptions{Volume: "w"})
	requireSameTree(t, dump(t, f), pullInto(t, r, s3publish.PullOptions{Volume: "w"}))
}

func TestAPublisherDoesNotBuildOnADamagedIndex(t *testing.T) {
	f := site(t, 4, 6, 3000)
	mem := &s3publish.MemoryStore{}
	first := publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	packs := list(t, mem, "packs/")
	o, err := mem.Get(t.Context(), packs[0], 0, -1)
	require.NoError(t, err)
	o.Data[len(o.Data)-96-20]++ // in the last blob's hash
	_, err = mem.Put(t.Context(), packs[0], o.Data, s3publish.PutOptions{})
	require.NoError(t, err)
	edit(t, f, "note", "x")
	_, err = tryPublish(t.Context(), s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
	require.ErrorContains(t, err, packs[0])
}

func TestAStoreThatSendsMoreThanAskedIsRefused(t *testing.T) {
	f := site(t, 4, 6, 3000)
	store := newSpy(&s3publish.MemoryStore{})
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	for _, folder := range []string{"heads/", "snapshots/", "packs/"} {
		store.change = func(op, key string, o s3publish.Object) s3publish.Object {
			if strings.HasPrefix(key, folder) {
				o.Data = append(o.Data, make([]byte, 8<<20)...)
			}
			return o
		}
		_, err := s3publish.NewRemote(store, quick()).Fetch(t.Context(), s3publish.PullOptions{Volume: "v"})
		require.ErrorIs(t, err, s3publish.ErrCorrupt)
		require.ErrorContains(t, err, folder)
		require.ErrorContains(t, err, "the store sent")
	}
}

func TestAFailureStopsTheOtherRequests(t *testing.T) {
	f := site(t, 2, 40, 1_000_000)
	store := newSpy(&s3publish.MemoryStore{})
	var n atomic.Int32
	store.before = func(ctx context.Context, op, key string) error {
		if op != "put" {
			return nil
		}
		if n.Add(1) == 3 {
			return s3publish.ErrCredentials
		}
		<-ctx.Done()
		return ctx.Err()
	}
	_, err := tryPublish(t.Context(), s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrCredentials)
	require.LessOrEqual(t, store.count("put"), 4)
}

func TestAWholeSnapshotUnderAnotherNameIsRefused(t *testing.T) {
	f := site(t, 4, 6, 3000)
	mem := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v", CreatedAt: 1})
	first := list(t, mem, "snapshots/")
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "w", CreatedAt: 2})
	all := list(t, mem, "snapshots/")
	require.Len(t, all, 2)
	other, err := mem.Get(t.Context(), all[slices.IndexFunc(all, func(k string) bool { return k != first[0] })], 0, -1)
	require.NoError(t, err)
	_, err = mem.Put(t.Context(), first[0], other.Data, s3publish.PutOptions{})
	require.NoError(t, err)
	_, err = s3publish.NewRemote(mem, quick()).Fetch(t.Context(), s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
	require.ErrorContains(t, err, first[0])
}

func TestAStoreThatHidesETagsIsExplained(t *testing.T) {
	f := site(t, 4, 6, 3000)
	store := newSpy(&s3publish.MemoryStore{})
	first := publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	store.change = func(_, _ string, o s3publish.Object) s3publish.Object { o.ETag = ""; return o }
	_, err := tryPublish(t.Context(), s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
	require.ErrorIs(t, err, s3publish.ErrUnsupported)
	var e *s3publish.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Hint, "ExposeHeaders")
}
