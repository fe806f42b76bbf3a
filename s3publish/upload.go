package s3publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs"
)

// plan is what will be sent. It costs a walk over what is new, and gives true totals from the start.
type plan struct {
	root  memfs.Hash
	bytes int64
	blobs int
	packs int
}

func planPacks(ctx context.Context, src Source, has func(memfs.Hash) bool) (plan, error) {
	var p plan
	var cut cutter
	open := false
	err := eachBlob(ctx, src, has, &p.root, func(h memfs.Hash, data []byte) error {
		p.bytes += int64(len(data))
		p.blobs++
		if open = !cut.add(h, len(data)); !open {
			p.packs++
		}
		return nil
	})
	if open {
		p.packs++
	}
	return p, err
}

// eachBlob gives each blob that is not there once, children before parents.
func eachBlob(ctx context.Context, src Source, has func(memfs.Hash) bool, root *memfs.Hash, emit func(memfs.Hash, []byte) error) error {
	seen := map[memfs.Hash]bool{}
	h, err := src.Export(SHA256, func(h memfs.Hash) bool {
		return seen[h] || has(h)
	}, func(h memfs.Hash, data []byte) error {
		if ctx.Err() != nil {
			return aborted(ctx, "publish", "")
		}
		if seen[h] {
			return nil
		}
		seen[h] = true
		return emit(h, data)
	})
	*root = h
	return err
}

// upload sends packs.
type upload struct {
	r   *Remote
	ctx context.Context
	src Source
	has func(memfs.Hash) bool
	on  *foundation // what is in packs that stay
	rep *reporter

	epoch uint32

	mu  sync.Mutex // guards res and learnt
	res Result
}

// run returns the new packs in the order in which their blobs came.
func (u *upload) run(root memfs.Hash) ([]packEntry, error) {
	var packs []*builtPack
	g := newGroup(u.ctx, u.r.width)
	errStopped := errors.New("stopped")
	send := func(p *builtPack, more bool) error {
		p.on = u.on
		packs = append(packs, p)
		if !g.run(func(ctx context.Context) error { return u.send(ctx, p, more) }) {
			return errStopped
		}
		return nil
	}
	var w packWriter
	var again memfs.Hash
	err := eachBlob(u.ctx, u.src, u.has, &again, func(h memfs.Hash, data []byte) error {
		p, err := w.add(h, data)
		if err != nil || p == nil {
			return err
		}
		return send(p, true)
	})
	if err == nil && again != root {
		err = fmt.Errorf("holdfast: the tree changed while it was published")
	}
	if p := w.finish(); err == nil && p != nil {
		err = send(p, false)
	}
	if err != nil && err != errStopped {
		g.cancel()
	}
	if failed := g.wait("publish", ""); failed != nil && (err == nil || errors.Is(err, errStopped)) {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	entries := make([]packEntry, len(packs))
	for i, p := range packs {
		entries[i] = p.entry
		u.r.learn(p.entry.id, p.index.blobs)
	}
	return entries, nil
}

// send puts one pack. It asks first if the pack is there, when this may be the continuation of an interrupted upload: when the pack is
// part of a long one, or the last publish did not end well. An edit after a publish is spared the question.
func (u *upload) send(ctx context.Context, p *builtPack, more bool) error {
	err := u.r.coder.encode(ctx, p, u.epoch)
	if err != nil {
		return err
	}
	there := false
	if u.epoch&randomEpoch == 0 && (more || !u.r.settled) {
		if there, err = u.r.hasPack(ctx, p); err != nil {
			return err
		}
	}
	if !there {
		if err := u.r.putPack(ctx, p); err != nil {
			return err
		}
	}
	u.mu.Lock()
	if there {
		u.res.PacksReused++
	} else {
		u.res.PacksSent++
		u.res.ObjectsSent++
		u.res.BytesSent += int64(len(p.data))
	}
	p.data = nil
	u.mu.Unlock()
	u.rep.done(int64(p.raw), 1)
	return nil
}

// hasPack tells if the store has this pack, by its trailer.
func (r *Remote) hasPack(ctx context.Context, p *builtPack) (bool, error) {
	o, err := r.store.Get(ctx, packKey(p.entry.id), int64(len(p.data)-packTrailerSize), packTrailerSize)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		return false, nil
	}
	return err == nil && bytes.Equal(o.Data, p.trailer()), err
}

func (r *Remote) putPack(ctx context.Context, p *builtPack) error {
	key, o := packKey(p.entry.id), PutOptions{IfNoneMatch: true, SHA256: (*[32]byte)(&p.entry.id)}
	_, err := r.store.Put(ctx, key, p.data, o)
	if !errors.Is(err, ErrPrecondition) {
		return err
	}
	// It is there (perhaps from our own first try, whose answer was lost), or somebody is writing it this
	// moment. If what is there is not this pack, it is damaged: the name allows only one content.
	there, err := r.hasPack(ctx, p)
	if err == nil && !there {
		o.IfNoneMatch = false
		_, err = r.store.Put(ctx, key, p.data, o)
	}
	return err
}
