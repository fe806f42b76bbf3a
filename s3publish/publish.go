package s3publish

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Source is the tree to publish; *memfs.Snapshot is one. It does not change while it is published.
type Source interface {
	HashPages(stop memfs.Stopper, batch int, sum func(pages [][]byte) ([]memfs.Hash, error)) error
	Export(sum func([]byte) (memfs.Hash, error), has func(memfs.Hash) bool, emit func(h memfs.Hash, data []byte) error) (memfs.Hash, error)
}

var _ Source = (*memfs.Snapshot)(nil)

// PublishOptions of Publish.
type PublishOptions struct {
	Volume string // name of the head; see ValidateVolume

	// Parent is the published snapshot that the tree was made from: what the last Publish or Pull returned. Zero when
	// the volume was never published or pulled. A store without a head of the volume takes it whatever Parent is.
	Parent ID

	// Origin is an opaque name of this local volume (its UUID). It is stored in the snapshot. A head with the
	// same origin is accepted as parent, so that a program that did not keep Parent can go on from what it published itself.
	Origin string

	// Like names another volume, whose current snapshot this tree was made from, or may have much in common with: a template. When the
	// volume has no head yet, what is in the packs of that snapshot is not sent again. If it cannot be read, everything is sent.
	Like string

	// Overwrite accepts any head as parent, one encrypted with another key, or not at all, too. What it replaces stays reachable as the
	// parent.
	Overwrite bool

	// OnConflict says what happens when somebody else moved the head.
	OnConflict OnConflict

	Label        string // at most 4096 bytes
	CreatedAt    int64  // nanoseconds since 1970; 0 = now
	Files, Bytes int64  // of the tree, stored for information; 0 = not known

	Progress func(Progress) // called one call at a time, must not call the Remote
}

// OnConflict is what a publish does when somebody else moved the head.
type OnConflict int

const (
	Fail   OnConflict = iota // it returns ErrConflict
	Branch                   // it publishes under a new name, made of the volume's and the time: see Result.Volume
)

// Result of Publish.
type Result struct {
	Info
	Volume        string // the name that it was published under
	Unchanged     bool   // the head already had this tree and there was no label: nothing was sent
	PacksSent     int
	PacksReused   int   // found in the store from an earlier, interrupted publish
	ObjectsSent   int   // packs, snapshot, head
	BytesSent     int64 // of these objects
	ContentNew    int64 // bytes of blobs that the store did not have
	BlobsNew      int
	PacksReplaced int   // packs whose live blobs are in the new ones (LAYOUT.md, Consolidation)
	ContentAgain  int64 // bytes of these blobs
	HeadRecovered bool  // the answer to the head's write was lost; the head was read and is ours
}

// Publish makes a snapshot the current one of a volume, sending what the store does not have. When it
// fails, the head is what it was (or, if the answer to the very last request was lost, the new one, which the
// next Publish recognises), and what arrived is used by the next try.
//
// Errors: ErrConflict (*ConflictError), ErrCredentials, ErrNoBucket, ErrUnreachable, ErrClock, ErrCorrupt (an
// object that this needs to build on), ErrKey, ErrAborted, ErrUnsupported, ErrInvalid.
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
	var res Result
	var err error
	for range 3 {
		var conflict *ConflictError
		res, err = r.publishOn(ctx, src, o, rep)
		if !errors.As(err, &conflict) {
			break
		}
		// The head that we remembered was old. As it is now it may be one that we may replace.
		if !o.accepts(r.head(o.Volume)) {
			if o.OnConflict == Branch {
				res, err = r.branch(ctx, src, o, rep)
			}
			break
		}
	}
	if err == nil {
		rep.phase(PhaseDone)
	}
	return res, err
}

func (r *Remote) publishOn(ctx context.Context, src Source, o PublishOptions, rep *reporter) (Result, error) {
	t := target{volume: o.Volume, began: time.Now()}
	var err error
	if t.head, err = r.base(ctx, o); err != nil {
		return Result{}, err
	}
	t.parent = t.head.id
	s := t.head.snap
	if s == nil && o.Like != "" && o.Like != o.Volume && ValidateVolume(o.Like) == nil {
		s = r.like(ctx, o.Like)
	}
	if s != nil && r.coder.fits(s.seal) == nil {
		t.packs, t.live = s.packs, s.live
	}
	return r.publishTo(ctx, src, o, t, rep)
}

// like reads another volume's head, for its packs; as in branch, they are whole and stay for the grace period. It returns nil where that
// cannot be done: a publisher need not be allowed to read there.
func (r *Remote) like(ctx context.Context, volume string) *snapshotObject {
	h, err := r.readHead(ctx, volume)
	if err != nil || h.snap == nil || r.coder.fits(h.snap.seal) != nil || r.learnPacks(ctx, h.snap.packs) != nil {
		return nil
	}
	return h.snap
}

// branch publishes beside a head that somebody else moved. What it builds on are the packs of the head as it is now: those of the base,
// which is no longer current, may be about to be pruned.
func (r *Remote) branch(ctx context.Context, src Source, o PublishOptions, rep *reporter) (Result, error) {
	t := target{volume: branchName(o.Volume, o.CreatedAt), parent: o.Parent, began: time.Now()}
	t.head = r.head(t.volume)
	t.head.read = true
	theirs, err := r.readHead(ctx, o.Volume)
	if err != nil {
		return Result{}, err
	}
	if theirs.snap != nil && r.coder.fits(theirs.snap.seal) == nil {
		t.packs, t.live = theirs.snap.packs, theirs.snap.live
		if err := r.learnPacks(ctx, t.packs); err != nil {
			return Result{}, err
		}
	}
	return r.publishTo(ctx, src, o, t, rep)
}

func branchName(volume string, created int64) string {
	suffix := time.Unix(0, created).UTC().Format(".20060102-150405.") + strings.ToLower(rand.Text()[:6])
	return volume[:min(len(volume), maxVolumeName-len(suffix))] + suffix
}

// target is where a publish goes and what it builds on.
type target struct {
	volume string
	head   *headState // what the head is moved from
	parent ID
	packs  []packEntry // a closed list (LAYOUT.md), read lately
	live   int64
	began  time.Time // before the packs were read
}

func (r *Remote) publishTo(ctx context.Context, src Source, o PublishOptions, t target, rep *reporter) (Result, error) {
	next := &snapshotObject{parent: t.parent, created: o.CreatedAt}
	next.details = details{files: o.Files, bytes: o.Bytes, label: o.Label, origin: o.Origin}

	rep.phase(PhaseHash)
	err := src.HashPages(ctx, hashBatch, func(pages [][]byte) ([]memfs.Hash, error) {
		return sumAll(ctx, r.coder.hasher, pages)
	})
	if ctx.Err() != nil {
		return Result{}, aborted(ctx, "publish", headKey(t.volume))
	}
	if err != nil {
		return Result{}, err
	}
	has := r.hasIn(t.packs)
	plan, err := planPacks(ctx, src, has)
	if err != nil {
		return Result{}, err
	}
	next.root = plan.root
	if s := t.head.snap; s != nil && s.locked == nil && s.root == plan.root && s.seal.key == r.coder.keyID() && o.Label == "" {
		return Result{Info: s.info(t.head.id), Volume: t.volume, Unchanged: true}, nil
	}
	res := Result{Volume: t.volume, ContentNew: plan.bytes, BlobsNew: plan.blobs}
	keep, live, err := r.consolidate(ctx, src, t.packs, plan.bytes, t.live)
	if err != nil {
		return Result{}, err
	}
	if keep < len(t.packs) {
		res.PacksReplaced = len(t.packs) - keep
		has = r.hasIn(t.packs[:keep])
		if plan, err = planPacks(ctx, src, has); err != nil {
			return Result{}, err
		}
		res.ContentAgain = plan.bytes - res.ContentNew
	}
	next.live = live

	rep.start(PhaseUpload, plan.bytes, plan.packs+2)
	up := &upload{r: r, ctx: ctx, src: src, has: has, on: r.foundation(t.packs[:keep]), rep: rep, epoch: r.clock.epoch(), res: res}
	sent, err := up.run(next.root)
	if err != nil {
		return Result{}, err
	}
	res = up.res
	next.packs = append(slices.Clone(t.packs[:keep]), sent...)

	rep.phase(PhaseHead)
	if err := r.sendSnapshot(ctx, next, &res); err != nil {
		return Result{}, err
	}
	rep.done(0, 1)
	if now := time.Now(); wallSince(t.began, now) > publishLimit || now.Sub(t.began) > publishLimit {
		return Result{}, &Error{
			Op: "publish", Key: headKey(t.volume), Err: fmt.Errorf("%w: the publish took longer than %v", ErrUnreachable, publishLimit),
			Hint: "Publish again: what it sent first may be pruned by now.",
		}
	}
	old := t.head.snap
	if err := r.moveHead(ctx, o, t, next, &res); err != nil {
		return Result{}, err
	}
	rep.done(0, 1)
	if old != nil {
		r.forgetUnlisted(old.packs)
	}
	return res, nil
}

// hasIn tells of each blob if it is in the packs. Their list is closed (LAYOUT.md), so below a node that is there nothing is missing.
func (r *Remote) hasIn(packs []packEntry) func(memfs.Hash) bool {
	listed := make(map[ID]bool, len(packs))
	for _, p := range packs {
		listed[p.id] = true
	}
	return func(h memfs.Hash) bool { return r.in(listed, h) }
}

// forgetUnlisted forgets those of the packs that no head needs, as far as we know.
func (r *Remote) forgetUnlisted(packs []packEntry) {
	listed := map[ID]bool{}
	for _, h := range r.heads {
		if h.snap != nil {
			for _, p := range h.snap.packs {
				listed[p.id] = true
			}
		}
	}
	for _, p := range packs {
		if !listed[p.id] {
			r.forget(p.id)
		}
	}
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
	if err := r.coder.fits(h.snap.seal); err != nil {
		if o.Overwrite {
			return h, nil
		}
		return nil, &Error{
			Op: "publish", Key: snapshotKey(h.id), Err: err,
			Hint: "Give the key that the volume was published with. To replace it by a snapshot with another key, or none, publish with the option to overwrite.",
		}
	}
	return h, r.learnPacks(ctx, h.snap.packs)
}

func (o PublishOptions) accepts(h *headState) bool {
	return h.id.IsZero() || h.id == o.Parent || o.Overwrite || h.attempts[h.id] ||
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
	b, err := r.coder.encodeSnapshot(ctx, next)
	if err != nil {
		return err
	}
	id, err := sumOne(ctx, r.coder.hasher, b)
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

func (r *Remote) moveHead(ctx context.Context, o PublishOptions, t target, next *snapshotObject, res *Result) error {
	head := t.head
	b := encodeHead(res.ID)
	sum := sha256.Sum256(b)
	cond := PutOptions{IfMatch: head.etag, IfNoneMatch: head.id.IsZero(), SHA256: &sum}
	head.read = false
	head.attempts[res.ID] = true
	etag, err := r.store.Put(ctx, headKey(t.volume), b, cond)
	switch {
	case errors.Is(err, ErrPrecondition):
		h, err := r.readHead(ctx, t.volume)
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
	r.heads[t.volume] = &headState{read: true, etag: etag, id: res.ID, snap: next, attempts: map[ID]bool{}}
	res.ObjectsSent++
	res.BytesSent += int64(len(b))
	return nil
}
