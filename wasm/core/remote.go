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
// the loader gives this program, start a goroutine, answer its number, and call back. Their arguments are an object store, options as
// JSON, progress, settle, and the key of what is encrypted (a Uint8Array of 32 bytes, or null).
//
//	settle(error, result string, cause any)  once: JSON, one of the two empty; cause is a JavaScript exception behind the error.
//	                                         Bytes come as a fourth argument instead
//	progress(p string)                       any number of times before; null to be told nothing
//
// with callbacks that never throw.
func registerRemote() {
	o := js.Global().Get("Object").New()
	for name, start := range map[string]func(request) int32{
		"publish": startPublish, "pull": startPull, "list": startList, "check": startCheck, "verifyRemote": startVerifyRemote, "prune": startPrune,
		"openRemote": startOpenRemote, "readRemote": startReadRemote,
	} {
		o.Set(name, js.FuncOf(func(_ js.Value, a []js.Value) any {
			return start(request{objects: a[0], options: a[1].String(), progress: a[2], settle: a[3], key: keyOf(a[4])})
		}))
	}
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
	key   *s3publish.Key
	*s3publish.Remote
}

// request is what JavaScript asks for.
type request struct {
	objects          js.Value
	options          string
	progress, settle js.Value
	key              *s3publish.Key
}

// keyOf copies a key; JavaScript has checked that it is one, or null.
func keyOf(v js.Value) *s3publish.Key {
	if v.Type() != js.TypeObject {
		return nil
	}
	var k s3publish.Key
	js.CopyBytesToGo(k[:], v)
	return &k
}

// serve starts fn with the remote, and with the options read into o.
func (r request) serve(o any, fn func(ctx context.Context, op int32, remote *remote) (any, error)) int32 {
	return start(r.settle, func(ctx context.Context, op int32) (any, error) {
		if err := json.Unmarshal([]byte(r.options), o); err != nil {
			return nil, err
		}
		remote, err := remoteOf(r.objects, r.key)
		if err != nil {
			return nil, err
		}
		return fn(ctx, op, remote)
	})
}

// parent is the published snapshot that the files were made from, under a published name: what a publish may replace. It is kept in
// the volume. An id is a hash of content, so it does not matter which store it is in.
func parent(name string) (id s3publish.ID) {
	copy(id[:], store.Note("published:"+name))
	return id
}

// lastPulled is the note of the name that the volume was pulled from last: a template, perhaps, of what it is published as.
const lastPulled = "pulled"

// setParent remembers it, unless a volume has been published under more names than it has room for: then a later publish may ask.
func setParent(name string, id s3publish.ID) {
	_ = store.SetNote("published:"+name, id[:])
}

func remoteOf(store js.Value, key *s3publish.Key) (*remote, error) {
	for _, r := range remotes {
		if r.store.Equal(store) && (r.key == key || r.key != nil && key != nil && *r.key == *key) {
			return r, nil
		}
	}
	objects, err := jsstore.New(store)
	if err != nil {
		return nil, err
	}
	r := &remote{
		store: store,
		key:   key,
		Remote: s3publish.NewRemote(objects, s3publish.RemoteOptions{
			Hasher: jsstore.NewHasher(), Codec: jsstore.NewCodec(), Cipher: jsstore.NewCipher(), Retry: objects.Retry(), Key: key,
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
		if array, ok := v.(js.Value); ok && err == nil {
			settle.Invoke("", "", nil, array)
			return
		}
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
	Size      int64   `json:"size"`
	Encrypted bool    `json:"encrypted"`
}

func publishedOf(i s3publish.Info) published {
	p := published{ID: i.ID.String(), Label: i.Label, CreatedAt: millis(i.CreatedAt), Size: i.PackBytes, Encrypted: i.Encrypted}
	if !i.Parent.IsZero() {
		p.ParentID = i.Parent.String()
	}
	return p
}

func startPublish(q request) int32 {
	snap := store.FS().Snapshot() // now, not when the goroutine comes to run
	return start(q.settle, func(ctx context.Context, _ int32) (any, error) {
		defer snap.Release()
		var o struct {
			Volume, Label, OnConflict string
			Overwrite                 bool
		}
		if err := json.Unmarshal([]byte(q.options), &o); err != nil {
			return nil, err
		}
		r, err := remoteOf(q.objects, q.key)
		if err != nil {
			return nil, err
		}
		opts := s3publish.PublishOptions{
			Volume: o.Volume, Label: o.Label, Overwrite: o.Overwrite,
			Parent: parent(o.Volume), Like: string(store.Note(lastPulled)), Origin: store.UUID(), CreatedAt: now(), Progress: reporting(q.progress),
		}
		if o.OnConflict == "branch" {
			opts.OnConflict = s3publish.Branch
		}
		res, err := r.Publish(ctx, snap, opts)
		if err != nil {
			return nil, err
		}
		setParent(res.Volume, res.ID)
		return struct {
			published
			Name          string `json:"name"`
			Unchanged     bool   `json:"unchanged"`
			ObjectsSent   int    `json:"objectsSent"`
			PacksSent     int    `json:"packsSent"`
			PacksReused   int    `json:"packsReused"`
			PacksReplaced int    `json:"packsReplaced"`
			BytesSent     int64  `json:"bytesSent"`
			ContentNew    int64  `json:"contentNew"`
			ContentAgain  int64  `json:"contentAgain"`
		}{publishedOf(res.Info), res.Volume, res.Unchanged, res.ObjectsSent, res.PacksSent, res.PacksReused, res.PacksReplaced,
			res.BytesSent, res.ContentNew, res.ContentAgain}, nil
	})
}

// startPull fetches and verifies. Its result names the operation, for pull_apply.
func startPull(q request) int32 {
	var o struct{ Volume, Snapshot string }
	return q.serve(&o, func(ctx context.Context, op int32, r *remote) (any, error) {
		opts, err := pullOptions(o.Volume, o.Snapshot)
		if err != nil {
			return nil, err
		}
		opts.Progress = reporting(q.progress)
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

func pullOptions(volume, snapshot string) (o s3publish.PullOptions, err error) {
	o.Volume = volume
	if snapshot != "" {
		o.SnapshotID, err = s3publish.ParseID(snapshot)
	}
	return o, err
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
	_ = store.SetNote(lastPulled, []byte(p.name)) // without it more is sent
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
		use(s)
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
		details := map[string]any{"base": nil, "ours": nil, "theirs": nil}
		if !c.Base.IsZero() {
			details["base"] = c.Base.String()
		}
		if !c.Ours.ID.IsZero() {
			details["ours"] = publishedOf(c.Ours)
		}
		if !c.Theirs.ID.IsZero() {
			details["theirs"] = publishedOf(c.Theirs)
		}
		e.Details = details
	}
}
