//go:build !js

// Nothing in this file differs under GOOS=js, where it takes minutes.

package s3publish_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// What a prune and a publisher do to each other, at every request of the one, and with everything that LAYOUT.md (Deleting) speaks of in
// the store: old snapshots that a prune gives up, old packs that nobody needs and the publisher would make again, heads that moved.

// scene is a store two days after somebody was interrupted, and a publisher that is about to publish.
type scene struct {
	store   *s3publish.MemoryStore
	publish func(t *testing.T, s s3publish.ObjectStore) // must succeed, whatever else happens
	prune   s3publish.PruneOptions

	meanwhile func() // what somebody else does before the prune; nil: nothing
}

var scenes = map[string]func(t *testing.T) scene{
	"an edit after a long history": func(t *testing.T) scene {
		clock := newClock()
		store := &s3publish.MemoryStore{Now: clock.now}
		_, f, ids := histories(t, store, clock, "v", 4)
		return scene{store, func(t *testing.T, s s3publish.ObjectStore) {
			edit(t, f, "note", "an edit")
			publish(t, s3publish.NewRemote(s, quick()), f, s3publish.PublishOptions{Volume: "v", Parent: ids[3]})
		}, s3publish.PruneOptions{Keep: 1}, nil}
	},
	"what was sent by a publish that was interrupted long ago": func(t *testing.T) scene {
		clock := newClock()
		store := &s3publish.MemoryStore{Now: clock.now}
		f := site(t, 11, 10, 700_000)
		broken := newSpy(store)
		broken.before = func(_ context.Context, op, key string) error {
			if op == "put" && strings.HasPrefix(key, "snapshots/") {
				return errors.New("interrupted")
			}
			return nil
		}
		_, err := tryPublish(t.Context(), s3publish.NewRemote(broken, quick()), f, s3publish.PublishOptions{Volume: "v"})
		require.ErrorContains(t, err, "interrupted")
		require.GreaterOrEqual(t, len(list(t, store, "packs/")), 2)
		clock.pass(48 * time.Hour)
		return scene{store, func(t *testing.T, s s3publish.ObjectStore) {
			publish(t, s3publish.NewRemote(s, quick()), f, s3publish.PublishOptions{Volume: "v"})
		}, s3publish.PruneOptions{}, nil}
	},
	"a branch from a base whose packs nobody else needs": func(t *testing.T) scene {
		clock := newClock()
		store := &s3publish.MemoryStore{Now: clock.now}
		f := site(t, 12, 12, 50_000)
		through := &exchangeable{store}
		ours := s3publish.NewRemote(through, quick()) // which will remember the head of days ago
		base := publish(t, ours, f, s3publish.PublishOptions{Volume: "v"})
		clock.pass(48 * time.Hour)
		// Somebody replaces everything, and that too was days ago.
		publish(t, s3publish.NewRemote(store, quick()), site(t, 13, 12, 60_000), s3publish.PublishOptions{Volume: "v", Overwrite: true})
		clock.pass(48 * time.Hour)
		return scene{store, func(t *testing.T, s s3publish.ObjectStore) {
			edit(t, f, "note", "ours")
			through.ObjectStore = s
			res := publish(t, ours, f, s3publish.PublishOptions{Volume: "v", Parent: base.ID, OnConflict: s3publish.Branch})
			require.NotEqual(t, "v", res.Volume)
		}, s3publish.PruneOptions{Keep: 1}, func() {
			// The head that the branch may be building on is replaced once more.
			publish(t, s3publish.NewRemote(store, quick()), site(t, 14, 12, 60_000), s3publish.PublishOptions{Volume: "v", Overwrite: true})
		}}
	},
	"a head that moves from a snapshot that the prune would give up": func(t *testing.T) scene {
		clock := newClock()
		store := &s3publish.MemoryStore{Now: clock.now}
		r, f, ids := histories(t, store, clock, "v", 3)
		return scene{store, func(t *testing.T, s s3publish.ObjectStore) {
			// Two publishes in a row, the second one in a session that knows the store.
			warm := s3publish.NewRemote(s, quick())
			edit(t, f, "note", "one")
			one := publish(t, warm, f, s3publish.PublishOptions{Volume: "v", Parent: ids[2]})
			edit(t, f, "note", "two")
			publish(t, warm, f, s3publish.PublishOptions{Volume: "v", Parent: one.ID})
			_ = r
		}, s3publish.PruneOptions{Keep: 1}, nil}
	},
}

// exchangeable is a store that can become another one.
type exchangeable struct{ s3publish.ObjectStore }

func requireEverythingCanBePulled(t *testing.T, store s3publish.ObjectStore) {
	t.Helper()
	requireAllWell(t, store)
	r := s3publish.NewRemote(store, quick())
	all, err := r.List(t.Context(), s3publish.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, p := range all {
		if len(p.Volumes) == 0 {
			continue // of a publish that ended in a conflict
		}
		_, _, err := r.Pull(t.Context(), memfs.New(memfs.Options{}), s3publish.PullOptions{SnapshotID: p.ID})
		require.NoError(t, err)
	}
}

func TestAPruneAtAnyRequestOfAPublishDoesNoHarm(t *testing.T) {
	for name, make := range scenes {
		t.Run(name, func(t *testing.T) {
			for at := int32(1); ; at++ {
				sc := make(t)
				spied := newSpy(sc.store)
				var n atomic.Int32
				spied.before = func(ctx context.Context, op, key string) error {
					if n.Add(1) == at {
						if sc.meanwhile != nil {
							sc.meanwhile()
						}
						_, err := s3publish.NewRemote(sc.store, quick()).Prune(t.Context(), sc.prune)
						require.NoError(t, err)
					}
					return nil
				}
				sc.publish(t, spied)
				requireEverythingCanBePulled(t, sc.store)
				if n.Load() < at {
					require.Greater(t, at, int32(4))
					return
				}
			}
		})
	}
}

func TestAPublishAtAnyRequestOfAPruneIsNotHarmed(t *testing.T) {
	for name, make := range scenes {
		t.Run(name, func(t *testing.T) {
			for at := int32(1); ; at++ {
				sc := make(t)
				spied := newSpy(sc.store)
				var n atomic.Int32
				spied.before = func(ctx context.Context, op, key string) error {
					if n.Add(1) == at {
						sc.publish(t, sc.store)
					}
					return nil
				}
				one := quick()
				one.Concurrency = 1
				report, err := s3publish.NewRemote(spied, one).Prune(t.Context(), sc.prune)
				require.NoError(t, err)
				if n.Load() < at { // it was over before
					require.NotEmpty(t, report.Deleted, "the prune had something to do")
					return
				}
				requireEverythingCanBePulled(t, sc.store)
			}
		})
	}
}

func TestAnInterruptedPruneDoesNoHarmAndTheNextOneEndsIt(t *testing.T) {
	for name, make := range scenes {
		t.Run(name, func(t *testing.T) {
			whole := make(t)
			want, err := s3publish.NewRemote(whole.store, quick()).Prune(t.Context(), whole.prune)
			require.NoError(t, err)
			for at := int32(1); ; at++ {
				sc := make(t)
				spied := newSpy(sc.store)
				var n atomic.Int32
				spied.before = func(ctx context.Context, op, key string) error {
					if n.Add(1) >= at {
						return errors.New("interrupted")
					}
					return nil
				}
				_, err := s3publish.NewRemote(spied, quick()).Prune(t.Context(), sc.prune)
				requireAllWell(t, sc.store)
				if err == nil {
					return
				}
				_, err = s3publish.NewRemote(sc.store, quick()).Prune(t.Context(), sc.prune)
				require.NoError(t, err)
				requireAllWell(t, sc.store)
				require.Equal(t, want.PacksKept, len(list(t, sc.store, "packs/"))-want.PacksWaiting)
				require.Equal(t, want.SnapshotsKept, len(list(t, sc.store, "snapshots/")))
			}
		})
	}
}

func TestAPruneRefusesWhatItDoesNotUnderstand(t *testing.T) {
	clock := newClock()
	for key, bad := range map[string]string{"heads/v": "garbage", "snapshots/": "garbage"} {
		store := &s3publish.MemoryStore{Now: clock.now}
		r, _, ids := histories(t, store, clock, "v", 3)
		if key == "snapshots/" {
			key += ids[1].String()
		}
		_, err := store.Put(t.Context(), key, []byte(bad), s3publish.PutOptions{})
		require.NoError(t, err)
		before := list(t, store, "")
		_, err = r.Prune(t.Context(), s3publish.PruneOptions{Keep: 1, GracePeriod: s3publish.NoGrace})
		require.ErrorIs(t, err, s3publish.ErrCorrupt)
		require.ErrorContains(t, err, key)
		require.Equal(t, before, list(t, store, ""), "nothing is deleted")
	}
}
