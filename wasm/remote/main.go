//go:build js

package main

import (
	"context"
	"encoding/json"
	"errors"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/jsstore"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// abiVersion is raised with every change of wasm/core/ABI.md, so that a package and a module of different builds say so.
const abiVersion = 4

//go:wasmexport abi
func abi() int32 { return abiVersion }

// Publishing waits for the network, so it cannot be an export. These functions, put on the global object that
// the loader gives this program, start a goroutine, answer its number, and call back. Their arguments are progress, settle, an object
// store, options as JSON, the key of what is encrypted (a Uint8Array of 32 bytes, or null), and the number of a volume (0 for none).
//
//	settle(error, result string, cause any)  once: JSON, one of the two empty; cause is a JavaScript exception behind the error.
//	                                         Bytes come as a fourth argument instead
//	progress(p string)                       any number of times before; null to be told nothing
//
// with callbacks that never throw.
func main() {
	o := js.Global().Get("Object").New()
	for name, start := range map[string]func(request) int32{
		"publish": startPublish, "pull": startPull, "list": startList, "check": startCheck, "verifyRemote": startVerifyRemote, "prune": startPrune,
		"openRemote": startOpenRemote, "readRemote": startReadRemote,
	} {
		o.Set(name, js.FuncOf(func(_ js.Value, a []js.Value) any {
			return start(request{progress: a[0], settle: a[1], objects: a[2], options: a[3].String(), key: keyOf(a[4]), volume: volume(a[5].Int())})
		}))
	}
	o.Set("cancel", js.FuncOf(func(_ js.Value, a []js.Value) any {
		if cancel := running[int32(a[0].Int())]; cancel != nil {
			cancel()
		}
		return nil
	}))
	o.Set("forget", js.FuncOf(func(_ js.Value, a []js.Value) any {
		forget(volume(a[0].Int()))
		return nil
	}))
	js.Global().Set("holdfast", o)
	select {}
}

// remote is an object store as it is used for one volume. It remembers what is there, what it tried to publish, and what a pull that failed
// has fetched: hence one for each volume.
type remote struct {
	store  js.Value
	key    *s3publish.Key
	volume volume
	*s3publish.Remote
}

var (
	remotes []*remote
	running = map[int32]context.CancelFunc{}
	lastOp  int32
)

// request is what JavaScript asks for.
type request struct {
	progress, settle js.Value
	objects          js.Value
	options          string
	key              *s3publish.Key
	volume           volume
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
func (q request) serve(o any, fn func(ctx context.Context, r *remote) (any, error)) int32 {
	return start(q.settle, func(ctx context.Context) (any, error) {
		if err := json.Unmarshal([]byte(q.options), o); err != nil {
			return nil, err
		}
		r, err := remoteOf(q.objects, q.key, q.volume)
		if err != nil {
			return nil, err
		}
		return fn(ctx, r)
	})
}

func remoteOf(store js.Value, key *s3publish.Key, v volume) (*remote, error) {
	for _, r := range remotes {
		if r.volume == v && r.store.Equal(store) && (r.key == key || r.key != nil && key != nil && *r.key == *key) {
			return r, nil
		}
	}
	objects, err := jsstore.New(store)
	if err != nil {
		return nil, err
	}
	r := &remote{store, key, v, s3publish.NewRemote(objects, s3publish.RemoteOptions{
		Hasher: jsstore.NewHasher(), Codec: jsstore.NewCodec(), Cipher: jsstore.NewCipher(), Retry: objects.Retry(), Key: key,
	})}
	remotes = append(remotes, r)
	return r, nil
}

// forget drops what is remembered for a volume that was closed.
func forget(v volume) {
	kept := remotes[:0]
	for _, r := range remotes {
		if r.volume != v {
			kept = append(kept, r)
		}
	}
	clear(remotes[len(kept):])
	remotes = kept
}

// start runs fn in a goroutine and settles with what it returns.
func start(settle js.Value, fn func(ctx context.Context) (any, error)) int32 {
	lastOp++
	op := lastOp
	ctx, cancel := context.WithCancel(context.Background())
	running[op] = cancel
	go func() {
		v, err := fn(ctx)
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
