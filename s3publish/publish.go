package s3publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Source is the tree to publish; *memfs.Snapshot is one. It does not change while it is published.
type Source interface {
	HashPages(ctx context.Context, batch int, sum func(pages [][]byte) ([]memfs.Hash, error)) error
	Export(has func(memfs.Hash) bool, emit func(h memfs.Hash, data []byte) error) (memfs.Hash, error)
}

var _ Source = (*memfs.Snapshot)(nil)

// PublishOptions of Publish.
type PublishOptions struct {
	Volume string // name of the head; see ValidateVolume

	// Parent is the published snapshot that the tree was made from: what the last Publish or Pull returned. Zero when
	// the volume was never published or pulled.
	Parent ID

	// Origin is an opaque name of this local volume (its UUID). It is stored in the snapshot. A head with the
	// same origin is accepted as parent, so that a program that did not keep Parent can go on from what it published itself.
	Origin string

	// Overwrite accepts any head as parent. What it replaces stays reachable as the parent.
	Overwrite bool

	Label        string // at most 4096 bytes
	CreatedAt    int64  // nanoseconds since 1970; 0 = now
	Files, Bytes int64  // of the tree, stored for information; 0 = not known

	Progress func(Progress) // called one call at a time, must not call the Remote
}

// Result of Publish.
type Result struct {
	Info
	Unchanged     bool // the head already had this tree and there was no label: nothing was sent
	PacksSent     int
	PacksReused   int   // found in the store from an earlier, interrupted publish
	ObjectsSent   int   // packs, snapshot, head
	BytesSent     int64 // of these objects
	ContentNew    int64 // bytes of blobs that the parent did not have
	BlobsNew      int
	HeadRecovered bool // the answer to the head's write was lost; the head was read and is ours
}

// Publish makes a snapshot the current one of a volume, sending what the store does not have. When it
// fails, the head is what it was (or, if the answer to the very last request was lost, the new one, which the
// next Publish recognises), and what arrived is used by the next try.
//
// Errors: ErrConflict (*ConflictError), ErrCredentials, ErrNoBucket, ErrUnreachable, ErrClock, ErrCorrupt (an
// object that this needs to build on), ErrAborted, ErrUnsupported, ErrInvalid.
func (r *Remote) Publish(ctx context.Context, src Source, o PublishOptions) (Result, error) {
	if err := ValidateVolume(o.Volume); err != nil {
		return Result{}, at("publish", "", err)
	}
	if err := r.lock(ctx, "publish"); err != nil {
		return Result{}, err
	}
	defer r.unlock()
	res, err := r.publish(ctx, src, o)
	r.settled = err == nil
	return res, at("publish", headKey(o.Volume), err)
}

// Publish does a single publish with a Remote that knows nothing.
func Publish(ctx context.Context, store ObjectStore, src Source, o PublishOptions) (Result, error) {
	return NewRemote(store, RemoteOptions{}).Publish(ctx, src, o)
}

func (r *Remote) publish(ctx context.Context, src Source, o PublishOptions) (Result, error) {
	if o.CreatedAt == 0 {
		o.CreatedAt = time.Now().UnixNano()
	}
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	head, err := r.base(ctx, o)
	if err != nil {
		return Result{}, err
	}
	next := &snapshotObject{
		parent: head.id, created: o.CreatedAt, files: o.Files, bytes: o.Bytes, label: o.Label, origin: o.Origin,
	}
	listed := map[ID]bool{}
	if head.snap != nil {
		next.packs = append(next.packs, head.snap.packs...)
		for _, p := range next.packs {
			listed[p.id] = true
		}
	}
	// Only packs of the parent count: their list is closed (LAYOUT.md), so below a node that
	// is there nothing is missing.
	has := func(h memfs.Hash) bool {
		p := r.blobs[h]
		return p != nil && listed[p.id]
	}

	rep.phase(PhaseHash)
	err = src.HashPages(ctx, hashBatch, func(pages [][]byte) ([]memfs.Hash, error) {
		return sumAll(ctx, r.hasher, pages)
	})
	if ctx.Err() != nil {
		return Result{}, aborted(ctx, "publish", headKey(o.Volume))
	}
	if err != nil {
		return Result{}, err
	}
	plan, err := planPacks(ctx, src, has)
	if err != nil {
		return Result{}, err
	}
	next.root = plan.root
	if head.snap != nil && head.snap.root == plan.root && o.Label == "" {
		rep.phase(PhaseDone)
		return Result{Info: head.snap.info(head.id), Unchanged: true}, nil
	}

	rep.start(PhaseUpload, plan.bytes, plan.packs+2)
	up := &upload{r: r, ctx: ctx, src: src, has: has, rep: rep}
	sent, err := up.run(next.root)
	if err != nil {
		return Result{}, err
	}
	res := up.res
	res.ContentNew, res.BlobsNew = plan.bytes, plan.blobs
	next.packs = append(next.packs, sent...)

	rep.phase(PhaseHead)
	if err := r.sendSnapshot(ctx, next, &res); err != nil {
		return Result{}, err
	}
	rep.done(0, 1)
	if err := r.moveHead(ctx, o, head, next, &res); err != nil {
		return Result{}, err
	}
	rep.done(0, 1)
	rep.phase(PhaseDone)
	return res, nil
}

// base is the head to build on, with the indexes of its packs known, or an ErrConflict.
func (r *Remote) base(ctx context.Context, o PublishOptions) (*headState, error) {
	h := r.head(o.Volume)
	if !h.read || h.etag == "" && !h.id.IsZero() {
		var err error
		if h, err = r.readHead(ctx, o.Volume); err != nil {
			return nil, err
		}
	}
	if !o.accepts(h) {
		// What we remember may be old.
		var err error
		if h, err = r.readHead(ctx, o.Volume); err != nil {
			return nil, err
		}
		if !o.accepts(h) {
			return nil, o.conflict(h, Info{})
		}
	}
	if h.id.IsZero() {
		return h, nil
	}
	if h.etag == "" {
		return nil, &Error{
			Op: "get", Key: headKey(o.Volume), Err: ErrUnsupported,
			Hint: "The store does not show the ETag header. For a browser, add ETag to ExposeHeaders in the bucket's CORS rules.",
		}
	}
	return h, r.learnPacks(ctx, h.snap.packs)
}

func (o PublishOptions) accepts(h *headState) bool {
	return h.id == o.Parent || o.Overwrite || h.attempts[h.id] ||
		h.snap != nil && o.Origin != "" && h.snap.origin == o.Origin
}

func (o PublishOptions) conflict(theirs *headState, ours Info) error {
	c := &ConflictError{Volume: o.Volume, Base: o.Parent, Ours: ours}
	if theirs.snap != nil {
		c.Theirs = theirs.snap.info(theirs.id)
	}
	return &Error{
		Op: "publish", Key: headKey(o.Volume), Err: c,
		Hint: "Pull the current state first, publish under another name, or publish again with the option to overwrite.",
	}
}

func (r *Remote) sendSnapshot(ctx context.Context, next *snapshotObject, res *Result) error {
	b, err := encodeSnapshot(next)
	if err != nil {
		return err
	}
	id, err := sumOne(ctx, r.hasher, b)
	if err != nil {
		return err
	}
	key := snapshotKey(id)
	_, err = r.store.Put(ctx, key, b, PutOptions{IfNoneMatch: true, SHA256: (*[32]byte)(&id)})
	if errors.Is(err, ErrPrecondition) {
		// Most likely our own first try, whose answer was lost. Anything else under this name is wrong, and
		// replacing it is right.
		if o, e := r.store.Get(ctx, key, 0, int64(len(b))+1); e == nil && string(o.Data) == string(b) {
			err = nil
		} else {
			_, err = r.store.Put(ctx, key, b, PutOptions{SHA256: (*[32]byte)(&id)})
		}
	}
	if err != nil {
		return err
	}
	res.Info = next.info(id)
	res.ObjectsSent++
	res.BytesSent += int64(len(b))
	return nil
}

func (r *Remote) moveHead(ctx context.Context, o PublishOptions, head *headState, next *snapshotObject, res *Result) error {
	b := encodeHead(res.ID)
	sum := sha256.Sum256(b)
	cond := PutOptions{IfMatch: head.etag, IfNoneMatch: head.id.IsZero(), SHA256: &sum}
	head.read = false
	head.attempts[res.ID] = true
	etag, err := r.store.Put(ctx, headKey(o.Volume), b, cond)
	switch {
	case errors.Is(err, ErrPrecondition):
		h, err := r.readHead(ctx, o.Volume)
		if err != nil {
			return err
		}
		if h.id != res.ID {
			delete(h.attempts, res.ID)
			return o.conflict(h, res.Info)
		}
		etag, res.HeadRecovered = h.etag, true
	case err != nil:
		return err
	}
	r.heads[o.Volume] = &headState{read: true, etag: etag, id: res.ID, snap: next, attempts: map[ID]bool{}}
	res.ObjectsSent++
	res.BytesSent += int64(len(b))
	return nil
}
