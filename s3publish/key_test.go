//go:build !js

package s3publish_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

func withKey(store s3publish.ObjectStore, key *s3publish.Key) *s3publish.Remote {
	o := quick()
	o.Key = key
	return s3publish.NewRemote(store, o)
}

func TestAnEncryptedVolumeTravelsAndAnotherKeyIsSaidToBeOne(t *testing.T) {
	right, wrong := &s3publish.Key{1, 2, 3}, &s3publish.Key{4}
	store := &s3publish.MemoryStore{}
	f := site(t, 31, 40, 50_000)
	first := publish(t, withKey(store, right), f, s3publish.PublishOptions{Volume: "v", Label: "secret label", Origin: "secret origin"})
	require.True(t, first.Encrypted)
	requireSameTree(t, dump(t, f), pullInto(t, withKey(store, right), s3publish.PullOptions{Volume: "v"}))
	for _, key := range []*s3publish.Key{nil, wrong} {
		r := withKey(store, key)
		_, _, err := r.Pull(t.Context(), memfs.New(memfs.Options{}), s3publish.PullOptions{Volume: "v"})
		require.ErrorIs(t, err, s3publish.ErrKey)
		require.NotErrorIs(t, err, s3publish.ErrCorrupt)
		_, err = r.Open(t.Context(), s3publish.PullOptions{SnapshotID: first.ID})
		require.ErrorIs(t, err, s3publish.ErrKey)
		_, err = tryPublish(t.Context(), r, f, s3publish.PublishOptions{Volume: "v", Parent: first.ID})
		require.ErrorIs(t, err, s3publish.ErrKey)
		head, err := r.Head(t.Context(), "v")
		require.NoError(t, err)
		require.True(t, head.Locked)
		require.Empty(t, head.Label+head.Origin)
	}
	// Another key, or none, replaces everything when told to, and shares nothing with what was there.
	again := publish(t, withKey(store, wrong), f, s3publish.PublishOptions{Volume: "v", Overwrite: true})
	require.Equal(t, again.Packs, again.PacksSent)
	requireSameTree(t, dump(t, f), pullInto(t, withKey(store, wrong), s3publish.PullOptions{Volume: "v"}))
	plain := publish(t, withKey(store, nil), f, s3publish.PublishOptions{Volume: "v", Overwrite: true})
	require.Equal(t, plain.Packs, plain.PacksSent)
	// A reader with a key does not take what is not encrypted for what is.
	_, _, err := withKey(store, right).Pull(t.Context(), memfs.New(memfs.Options{}), s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrKey)
	for _, key := range []*s3publish.Key{nil, right, wrong} {
		report, err := withKey(store, key).Verify(t.Context(), s3publish.VerifyOptions{})
		require.NoError(t, err)
		require.Empty(t, report.Damages)
		require.Positive(t, report.Locked)
	}
}

func TestAnEncryptedPublishThatWasInterruptedGoesOnWhereItStopped(t *testing.T) {
	key := &s3publish.Key{1, 2, 3}
	store := newSpy(&s3publish.MemoryStore{})
	f := site(t, 32, 20, 1_000_000)
	store.before = func(_ context.Context, op, key string) error {
		if op == "put" && strings.HasPrefix(key, "snapshots/") {
			return errors.New("interrupted")
		}
		return nil
	}
	_, err := tryPublish(t.Context(), withKey(store, key), f, s3publish.PublishOptions{Volume: "v"})
	require.ErrorContains(t, err, "interrupted")
	store.before = nil
	res := publish(t, withKey(store, key), f, s3publish.PublishOptions{Volume: "v"})
	require.Zero(t, res.PacksSent)
	require.Greater(t, res.PacksReused, 2)
	requireSameTree(t, dump(t, f), pullInto(t, withKey(store, key), s3publish.PullOptions{Volume: "v"}))
}

func TestProgressOfEveryCallNeverGoesBackwards(t *testing.T) {
	clock := newClock()
	store := &s3publish.MemoryStore{Now: clock.now}
	r, f, ids := histories(t, store, clock, "v", 4)
	order := map[s3publish.Phase]int{
		"read": 1, "hash": 2, "upload": 3, "head": 4, "download": 5, "import": 6, "verify": 7, "delete": 8, "done": 9,
	}
	for name, call := range map[string]func(progress func(s3publish.Progress)) error{
		"list": func(p func(s3publish.Progress)) error {
			_, err := r.List(t.Context(), s3publish.ListOptions{Progress: p})
			return err
		},
		"verify": func(p func(s3publish.Progress)) error {
			_, err := r.Verify(t.Context(), s3publish.VerifyOptions{Progress: p})
			return err
		},
		"open": func(p func(s3publish.Progress)) error {
			_, err := r.Open(t.Context(), s3publish.PullOptions{Volume: "v", Progress: p})
			return err
		},
		"a branch": func(p func(s3publish.Progress)) error {
			ours := s3publish.NewRemote(store, quick())
			_, err := ours.Head(t.Context(), "v")
			require.NoError(t, err)
			publish(t, s3publish.NewRemote(store, quick()), site(t, 33, 5, 1000), s3publish.PublishOptions{Volume: "v", Overwrite: true})
			edit(t, f, "note", "ours")
			_, err = tryPublish(t.Context(), ours, f, s3publish.PublishOptions{Volume: "v", Parent: ids[3], OnConflict: s3publish.Branch, Progress: p})
			return err
		},
		"prune": func(p func(s3publish.Progress)) error {
			_, err := r.Prune(t.Context(), s3publish.PruneOptions{Keep: 1, GracePeriod: s3publish.NoGrace, Progress: p})
			return err
		},
	} {
		var seen []s3publish.Progress
		require.NoError(t, call(func(p s3publish.Progress) { seen = append(seen, p) }), name)
		require.NotEmpty(t, seen, name)
		for i, p := range seen {
			require.LessOrEqual(t, p.BytesDone, p.BytesTotal, "%s: %+v", name, p)
			require.LessOrEqual(t, p.ObjectsDone, p.ObjectsTotal, "%s: %+v", name, p)
			if i > 0 {
				q := seen[i-1]
				require.True(t, order[p.Phase] >= order[q.Phase] && p.BytesDone >= q.BytesDone && p.BytesTotal >= q.BytesTotal &&
					p.ObjectsDone >= q.ObjectsDone && p.ObjectsTotal >= q.ObjectsTotal, "%s: %+v after %+v", name, p, q)
			}
		}
		last := seen[len(seen)-1]
		require.Equal(t, s3publish.PhaseDone, last.Phase, name)
		require.Equal(t, last.BytesTotal, last.BytesDone, name)
		require.Equal(t, last.ObjectsTotal, last.ObjectsDone, name)
	}
}
