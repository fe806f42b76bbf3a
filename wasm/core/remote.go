//go:build js

package main

import (
	"context"
	"encoding/json"
	"errors"
	"syscall/js"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/jsstore"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// Publishing waits for the network, so it cannot be an export. These functions, put on the global object that
// the loader gives this program, start a goroutine, answer its number, and call back
//
//	settle(error, result string, cause any)  once: JSON, one of the two empty; cause is a JavaScript exception behind the error
//	progress(p string)                       any number of times before; null to be told nothing
//
// with callbacks that never throw.
func registerRemote() {
	o := js.Global().Get("Object").New()
	o.Set("publish", js.FuncOf(func(_ js.Value, a []js.Value) any { return startPublish(a[0], a[1].String(), a[2], a[3]) }))
	o.Set("pull", js.FuncOf(func(_ js.Value, a []js.Value) any { return startPull(a[0], a[1].String(), a[2], a[3]) }))
	o.Set("verify", js.FuncOf(func(_ js.Value, a []js.Value) any { return startVerify(a[2], a[3]) }))
	o.Set("salvage", js.FuncOf(func(_ js.Value, a []js.Value) any { return startSalvage(a[1].String(), a[2], a[3]) }))
	o.Set("cancel", js.FuncOf(func(_ js.Value, a []js.Value) any {
		if cancel := running[int32(a[0].Int())]; cancel != nil {
			cancel()
		}
		return nil
	}))
	js.Global().Set("holdfast", o)
}

var (
	remotes []*remote // one for each object store that was used, since it remembers what is there
	running = map[int32]context.CancelFunc{}
	pulled  = map[int32]pull{} // until pull_apply
	lastOp  int32
)

type pull struct {
	snap *memfs.Snapshot
	name string
	id   s3publish.ID
}

type remote struct {
	store js.Value
	*s3publish.Remote
}

// parent is the published snapshot that the files were made from, under a published name: what a publish may replace. It is kept in
// the volume. An id is a hash of content, so it does not matter which store it is in.
func parent(name string) (id s3publish.ID) {
	copy(id[:], store.Note("published:"+name))
	return id
}

// setParent remembers it, unless a volume has been published under more names than it has room for: then a later publish may ask.
func setParent(name string, id s3publish.ID) {
	_ = store.SetNote("published:"+name, id[:])
}

func remoteOf(store js.Value) (*remote, error) {
	for _, r := range remotes {
		if r.store.Equal(store) {
			return r, nil
		}
	}
	objects, err := jsstore.New(store)
	if err != nil {
		return nil, err
	}
	r := &remote{
		store: store,
		Remote: s3publish.NewRemote(objects, s3publish.RemoteOptions{
			Hasher: jsstore.NewHasher(), Codec: jsstore.NewCodec(), Cipher: jsstore.NewCipher(), Retry: objects.Retry(),
		}),
	}
	remotes = append(remotes, r)
	return r, nil
}

// start runs fn in a goroutine and settles with what it returns.
func start(settle js.Value, fn func(ctx context.Context, op int32) (any, error)) int32 {
	lastOp++
	op := lastOp
	ctx, cancel := context.WithCancel(context.Background())
	running[op] = cancel
	go func() {
		v, err := fn(ctx, op)
		cancel()
		delete(running, op)
		if err == nil {
			var b []byte
			if b, err = json.Marshal(v); err == nil {
				settle.Invoke("", string(b), nil)
				return
			}
		}
		var cause any
		var rejection *promise.Rejection
		if errors.As(err, &rejection) {
			cause = rejection.Reason
		}
		settle.Invoke(string(describe(err)), "", cause)
	}()
	return op
}

func reporting(progress js.Value) func(s3publish.Progress) {
	if progress.IsNull() {
		return nil
	}
	return func(p s3publish.Progress) {
		b, _ := json.Marshal(map[string]any{
			"phase": p.Phase, "bytesDone": p.BytesDone, "bytesTotal": p.BytesTotal, "objectsDone": p.ObjectsDone, "objectsTotal": p.ObjectsTotal,
		})
		progress.Invoke(string(b))
	}
}

type published struct {
	ID        string  `json:"id"`
	ParentID  string  `json:"parentId,omitempty"`
	Label     string  `json:"label,omitempty"`
	CreatedAt float64 `json:"createdAt"`
}

func publishedOf(i s3publish.Info) published {
	p := published{ID: i.ID.String(), Label: i.Label, CreatedAt: millis(i.CreatedAt)}
	if !i.Parent.IsZero() {
		p.ParentID = i.Parent.String()
	}
	return p
}

func startPublish(objects js.Value, options string, progress, settle js.Value) int32 {
	snap := store.FS().Snapshot() // now, not when the goroutine comes to run
	return start(settle, func(ctx context.Context, _ int32) (any, error) {
		defer snap.Release()
		var o struct {
			Volume, Label string
			Overwrite     bool
		}
		if err := json.Unmarshal([]byte(options), &o); err != nil {
			return nil, err
		}
		r, err := remoteOf(objects)
		if err != nil {
			return nil, err
		}
		res, err := r.Publish(ctx, snap, s3publish.PublishOptions{
			Volume: o.Volume, Label: o.Label, Overwrite: o.Overwrite,
			Parent: parent(o.Volume), Origin: store.UUID(), CreatedAt: now(), Progress: reporting(progress),
		})
		if err != nil {
			return nil, err
		}
		setParent(o.Volume, res.ID)
		return struct {
			published
			Unchanged   bool  `json:"unchanged"`
			ObjectsSent int   `json:"objectsSent"`
			PacksSent   int   `json:"packsSent"`
			PacksReused int   `json:"packsReused"`
			BytesSent   int64 `json:"bytesSent"`
			ContentNew  int64 `json:"contentNew"`
		}{publishedOf(res.Info), res.Unchanged, res.ObjectsSent, res.PacksSent, res.PacksReused, res.BytesSent, res.ContentNew}, nil
	})
}

// startPull fetches and verifies. Its result names the operation, for pull_apply.
func startPull(objects js.Value, options string, progress, settle js.Value) int32 {
	return start(settle, func(ctx context.Context, op int32) (any, error) {
		var o struct{ Volume, Snapshot string }
		if err := json.Unmarshal([]byte(options), &o); err != nil {
			return nil, err
		}
		opts := s3publish.PullOptions{Volume: o.Volume, Progress: reporting(progress)}
		if o.Snapshot != "" {
			id, err := s3publish.ParseID(o.Snapshot)
			if err != nil {
				return nil, err
			}
			opts.SnapshotID = id
		}
		r, err := remoteOf(objects)
		if err != nil {
			return nil, err
		}
		snap, info, err := r.Pull(ctx, store.FS(), opts)
		if err != nil {
			return nil, err
		}
		pulled[op] = pull{snap, o.Volume, info.ID}
		return struct {
			Op   int32     `json:"op"`
			Info published `json:"info"`
		}{op, publishedOf(info)}, nil
	})
}

// pull_apply makes the live tree what a pull has fetched. It is an export, apart from the pull, so that JavaScript can tell
// mounted guests in the same turn.
//
//go:wasmexport pull_apply
func pullApply(op int32) int32 {
	p, ok := pulled[op]
	if !ok {
		return fail(memfs.EINVAL)
	}
	delete(pulled, op)
	defer p.snap.Release()
	if err := store.FS().Restore(p.snap); err != nil {
		return fail(err)
	}
	setParent(p.name, p.id)
	return 0
}

// reading reports the progress of reading a file, and lets JavaScript have a turn each time.
func reading(phase s3publish.Phase, progress js.Value) func(done, total int64) {
	report := reporting(progress)
	return func(done, total int64) {
		if report != nil {
			report(s3publish.Progress{Phase: phase, BytesDone: done, BytesTotal: total})
		}
		time.Sleep(time.Millisecond) // less would not leave the scheduler
	}
}

// startVerify checks the whole file.
func startVerify(progress, settle js.Value) int32 {
	return start(settle, func(ctx context.Context, _ int32) (any, error) {
		return struct{}{}, store.Verify(ctx, reading("verify", progress))
	})
}

// startSalvage opens a damaged volume, instead of the export open.
func startSalvage(options string, progress, settle js.Value) int32 {
	return start(settle, func(ctx context.Context, _ int32) (any, error) {
		var o struct{ File int32 }
		if err := json.Unmarshal([]byte(options), &o); err != nil {
			return nil, err
		}
		var f opfs.File = &opfs.MemFile{} // there is nothing in it, and Salvage says so
		if o.File >= 0 {
			f = opfs.OpenHandle(o.File)
		}
		s, found, err := opfs.Salvage(ctx, f, opfs.Options{Now: now}, reading("salvage", progress))
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		store, inodes = s, s.FS().Inodes()
		return struct {
			Point   point    `json:"point"`
			Lost    []uint64 `json:"lost"`
			Damages []string `json:"damages"`
		}{pointOf(found.Point), append([]uint64{}, found.Lost...), append([]string{}, found.Damages...)}, nil
	})
}

// describeRemote adds what errors of s3publish carry.
func describeRemote(err error, e *jsError) {
	if code := s3publish.Code(err); code != "" && (e.Code == "" || e.Code == "ErrInternal") {
		e.Code = code
	}
	var se *s3publish.Error
	if errors.As(err, &se) {
		e.Path, e.Hint = se.Key, se.Hint
	}
	var c *s3publish.ConflictError
	if errors.As(err, &c) {
		e.Details = map[string]any{"base": idOrEmpty(c.Base), "ours": publishedOf(c.Ours), "theirs": publishedOf(c.Theirs)}
	}
}

func idOrEmpty(id s3publish.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
