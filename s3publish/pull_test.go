package s3publish_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

func TestAPullThatFailedGoesOnWhereItStopped(t *testing.T) {
	f := site(t, 2, 40, 1_000_000)
	mem := &s3publish.MemoryStore{}
	res := publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	require.Greater(t, res.Packs, 6)
	for arrive := range int32(res.Packs) {
		store := newSpy(mem)
		var n atomic.Int32
		store.before = func(_ context.Context, op, key string) error {
			if op == "get" && strings.HasPrefix(key, "packs/") && n.Add(1) > arrive {
				return s3publish.ErrCredentials
			}
			return nil
		}
		r := s3publish.NewRemote(store, quick())
		g := memfs.New(memfs.Options{})
		_, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
		require.ErrorIs(t, err, s3publish.ErrCredentials)
		require.Len(t, dump(t, g), 1, "nothing is visible")

		store.before = nil
		store.reset()
		snap, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
		require.NoError(t, err)
		require.Equal(t, res.Packs-int(arrive), store.count("get packs"))
		require.NoError(t, g.Restore(snap))
		snap.Release()
		require.NoError(t, g.Check())
		requireSameTree(t, dump(t, f), dump(t, g))
	}
}

func TestWhatAFailedPullFetchedIsGivenBack(t *testing.T) {
	f := site(t, 2, 10, 1_000_000)
	mem := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	store := newSpy(mem)
	var n atomic.Int32
	store.before = func(_ context.Context, op, key string) error {
		if op == "get" && strings.HasPrefix(key, "packs/") && n.Add(1) == 2 {
			return s3publish.ErrCredentials
		}
		return nil
	}
	r := s3publish.NewRemote(store, quick())
	g, h := memfs.New(memfs.Options{}), memfs.New(memfs.Options{})
	_, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrCredentials)
	require.Error(t, g.Check(), "pages are held for the next pull")
	n.Store(0)
	_, _, err = r.Pull(t.Context(), h, s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrCredentials)
	require.NoError(t, g.Check(), "the pages of the first are free again")
}
