package s3publish

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs"
)

// PullOptions of Pull and Fetch.
type PullOptions struct {
	Volume     string
	SnapshotID ID             // zero: the current one
	Progress   func(Progress) // called one call at a time, must not call the Remote
}

// Fetched is a published snapshot whose blobs are all in memory and verified.
type Fetched struct {
	Info
	blobs map[memfs.Hash][]byte
}

// Blob returns the bytes with this hash. Do not change them.
func (f *Fetched) Blob(h memfs.Hash) ([]byte, error) {
	b, ok := f.blobs[h]
	if !ok {
		return nil, &Error{Op: "pull", Key: snapshotKey(f.ID), Err: corrupt("blob %s is in none of its packs", hashString(h))}
	}
	return b, nil
}

// Fetch gets a snapshot's packs and verifies them. ErrNotFound: the volume was never published, or there is
// no such snapshot. ErrCorrupt: an object is not what it should be; the error names it. ErrKey: it is encrypted with another key.
func (r *Remote) Fetch(ctx context.Context, o PullOptions) (*Fetched, error) {
	if err := r.lock(ctx, "pull"); err != nil {
		return nil, err
	}
	defer r.unlock()
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	id, snap, err := r.find(ctx, o)
	if err != nil {
		return nil, at("pull", o.Volume, err)
	}
	f := &Fetched{Info: snap.info(id), blobs: map[memfs.Hash][]byte{}}
	var mu sync.Mutex
	err = r.download(ctx, snap.packs, map[ID]*packTail{}, rep, func(h memfs.Hash, b []byte) error {
		mu.Lock()
		defer mu.Unlock()
		f.blobs[h] = b
		return nil
	})
	if err != nil {
		return nil, at("pull", o.Volume, err)
	}
	return f, nil
}

// find reads the snapshot that is to be pulled.
func (r *Remote) find(ctx context.Context, o PullOptions) (ID, *snapshotObject, error) {
	id, snap := o.SnapshotID, (*snapshotObject)(nil)
	if id.IsZero() {
		if err := ValidateVolume(o.Volume); err != nil {
			return id, nil, err
		}
		h, err := r.readHead(ctx, o.Volume)
		if err != nil {
			return id, nil, err
		}
		if h.id.IsZero() {
			return id, nil, &Error{Op: "pull", Key: headKey(o.Volume), Err: ErrNotFound, Hint: "Nothing was published under this name yet."}
		}
		id, snap = h.id, h.snap
	} else {
		var err error
		if snap, err = r.readSnapshot(ctx, id); err != nil {
			return id, nil, err
		}
	}
	if err := r.coder.fits(snap.seal); err != nil {
		return id, nil, &Error{Op: "pull", Key: snapshotKey(id), Err: err, Hint: "Give the key that the volume was published with."}
	}
	return id, snap, nil
}

// download fetches packs, several at a time, checks them, and gives their blobs to emit, which is called from several goroutines. It
// leaves out those that are done, and adds to them. What is folded comes last, when all indexes are there.
func (r *Remote) download(ctx context.Context, packs []packEntry, done map[ID]*packTail, rep *reporter, emit func(memfs.Hash, []byte) error) error {
	rep.start(PhaseDownload, content(packs), len(packs))
	var mu sync.Mutex
	g := newGroup(ctx, r.width)
	for _, e := range packs {
		mu.Lock()
		have := done[e.id] != nil
		mu.Unlock()
		if have {
			rep.done(int64(e.raw), 1)
			continue
		}
		ok := g.run(func(one context.Context) error {
			t, err := r.fetchPack(one, ctx, e, emit)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done[e.id] = t
			r.learn(e.id, t.packIndex.blobs)
			rep.done(int64(e.raw), 1)
			return nil
		})
		if !ok {
			break
		}
	}
	if err := g.wait("pull", ""); err != nil {
		return err
	}
	return r.unfoldAll(ctx, packs, done, emit)
}

// fetchPack gets a pack within the context one. What has arrived is used even if another pack failed meanwhile: hence the second context.
func (r *Remote) fetchPack(one, ctx context.Context, e packEntry, emit func(memfs.Hash, []byte) error) (*packTail, error) {
	key := packKey(e.id)
	o, err := r.store.Get(one, key, 0, int64(e.size))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		err = &Error{Op: "get", Key: key, Err: corrupt("a snapshot names this pack, but: %v", err)}
	}
	if err != nil {
		return nil, err
	}
	t, err := r.coder.openPack(ctx, o.Data, e, emit)
	return t, at("get", key, err)
}

// Stage is where a pull collects what it has fetched and verified; *memfs.Stage is one. Import or Discard ends it.
type Stage interface {
	Add(h memfs.Hash, blob []byte) error // called from several goroutines; must not keep blob
	Import(root memfs.Hash) (*memfs.Snapshot, error)
	Discard()
}

var _ Stage = (*memfs.Stage)(nil)

// staged is what a pull has fetched so far.
type staged struct {
	into  any
	stage Stage
	packs map[ID]*packTail
}

// Pull fetches a snapshot and builds it in fs, beside the live tree, which it leaves alone: restoring the result
// is the caller's next step. The caller releases the snapshot. Errors as of Fetch.
//
// Beside what it builds it needs memory for as many packs as it fetches at a time. When it fails, or is aborted, what arrived is kept, and the
// next Pull into the same filesystem does not fetch it again, whichever snapshot it asks for; a Pull into another gives it up.
func (r *Remote) Pull(ctx context.Context, fs *memfs.FS, o PullOptions) (*memfs.Snapshot, Info, error) {
	return r.PullInto(ctx, fs, func() (Stage, error) { return fs.NewStage(), nil }, o)
}

// PullInto is Pull for a filesystem that is not at hand here: it is known by a comparable value, and newStage begins what collects the
// blobs for it. The snapshot is what Stage.Import returned.
func (r *Remote) PullInto(ctx context.Context, into any, newStage func() (Stage, error), o PullOptions) (*memfs.Snapshot, Info, error) {
	if err := r.lock(ctx, "pull"); err != nil {
		return nil, Info{}, err
	}
	defer r.unlock()
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	id, obj, err := r.find(ctx, o)
	if err != nil {
		return nil, Info{}, at("pull", o.Volume, err)
	}
	if r.staged != nil && r.staged.into != into {
		r.staged.stage.Discard()
		r.staged = nil
	}
	if r.staged == nil {
		stage, err := newStage()
		if err != nil {
			return nil, Info{}, at("pull", o.Volume, err)
		}
		r.staged = &staged{into, stage, map[ID]*packTail{}}
	}
	if err := r.download(ctx, obj.packs, r.staged.packs, rep, r.staged.stage.Add); err != nil {
		return nil, Info{}, at("pull", o.Volume, err)
	}
	rep.phase(PhaseImport)
	stage := r.staged.stage
	r.staged = nil
	snap, err := stage.Import(obj.root)
	if err != nil {
		if errors.Is(err, memfs.ErrBadNode) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, Info{}, at("pull", snapshotKey(id), err)
	}
	rep.phase(PhaseDone)
	return snap, obj.info(id), nil
}

// Pull does a single pull with a Remote that knows nothing.
func Pull(ctx context.Context, store ObjectStore, fs *memfs.FS, o PullOptions) (*memfs.Snapshot, Info, error) {
	return NewRemote(store, RemoteOptions{}).Pull(ctx, fs, o)
}
