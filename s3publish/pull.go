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
// no such snapshot. ErrCorrupt: an object is not what it should be; the error names it.
func (r *Remote) Fetch(ctx context.Context, o PullOptions) (*Fetched, error) {
	return r.pull(ctx, o, &reporter{fn: o.Progress})
}

func (r *Remote) pull(ctx context.Context, o PullOptions, rep *reporter) (*Fetched, error) {
	if err := r.lock(ctx, "pull"); err != nil {
		return nil, err
	}
	defer r.unlock()
	f, err := r.fetch(ctx, o, rep)
	return f, at("pull", o.Volume, err)
}

func (r *Remote) fetch(ctx context.Context, o PullOptions, rep *reporter) (*Fetched, error) {
	rep.phase(PhaseRead)
	id, snap := o.SnapshotID, (*snapshotObject)(nil)
	if id.IsZero() {
		if err := ValidateVolume(o.Volume); err != nil {
			return nil, err
		}
		h, err := r.readHead(ctx, o.Volume)
		if err != nil {
			return nil, err
		}
		if h.id.IsZero() {
			return nil, &Error{Op: "pull", Key: headKey(o.Volume), Err: ErrNotFound, Hint: "Nothing was published under this name yet."}
		}
		id, snap = h.id, h.snap
	} else {
		var err error
		if snap, err = r.readSnapshot(ctx, id); err != nil {
			return nil, err
		}
	}

	f := &Fetched{Info: snap.info(id), blobs: map[memfs.Hash][]byte{}}
	var content int64
	for _, p := range snap.packs {
		content += int64(p.indexOff) - packHeaderSize
	}
	rep.start(PhaseDownload, content, len(snap.packs))
	var mu sync.Mutex
	g := newGroup(ctx, r.width)
	for _, e := range snap.packs {
		ok := g.run(func(ctx context.Context) error {
			x, blobs, err := r.fetchPack(ctx, e)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for i, b := range blobs {
				f.blobs[x.blobs[i].hash] = b
			}
			r.learn(e.id, x.blobs)
			rep.done(int64(e.indexOff)-packHeaderSize, 1)
			return nil
		})
		if !ok {
			break
		}
	}
	if err := g.wait("pull", o.Volume); err != nil {
		return nil, err
	}
	return f, nil
}

func (r *Remote) fetchPack(ctx context.Context, e packEntry) (*packIndex, [][]byte, error) {
	key := packKey(e.id)
	o, err := r.store.Get(ctx, key, 0, int64(e.size))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		err = &Error{Op: "get", Key: key, Err: corrupt("a snapshot names this pack, but: %v", err)}
	}
	if err != nil {
		return nil, nil, err
	}
	var blobs [][]byte
	x, err := openPack(ctx, o.Data, e, r.hasher, func(_ memfs.Hash, b []byte) { blobs = append(blobs, b) })
	return x, blobs, at("get", key, err)
}

// Pull fetches a snapshot and builds it in fs, beside the live tree, which it leaves alone: restoring the result
// is the caller's next step. The caller releases the snapshot. Errors as of Fetch.
func (r *Remote) Pull(ctx context.Context, fs *memfs.FS, o PullOptions) (*memfs.Snapshot, Info, error) {
	rep := &reporter{fn: o.Progress}
	f, err := r.pull(ctx, o, rep)
	if err != nil {
		return nil, Info{}, err
	}
	rep.phase(PhaseImport)
	snap, err := fs.Import(f.Root, func(h memfs.Hash) ([]byte, error) {
		if ctx.Err() != nil {
			return nil, aborted(ctx, "pull", o.Volume)
		}
		return f.Blob(h)
	})
	if err != nil {
		if errors.Is(err, memfs.ErrBadNode) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return nil, Info{}, at("pull", snapshotKey(f.ID), err)
	}
	rep.phase(PhaseDone)
	return snap, f.Info, nil
}

// Pull does a single pull with a Remote that knows nothing.
func Pull(ctx context.Context, store ObjectStore, fs *memfs.FS, o PullOptions) (*memfs.Snapshot, Info, error) {
	return NewRemote(store, RemoteOptions{}).Pull(ctx, fs, o)
}
