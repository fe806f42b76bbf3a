//go:build js

package jsstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"syscall/js"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// expose makes a JavaScript object store of a Go one, as the S3 module would be.
func expose(t *testing.T, s s3publish.ObjectStore) js.Value {
	t.Helper()
	reason := func(err error) js.Value {
		e := js.Global().Get("Error").New(err.Error())
		e.Set("code", s3publish.Code(err))
		var known *s3publish.Error
		if errors.As(err, &known) {
			e.Set("hint", known.Hint)
			if !known.Date.IsZero() {
				e.Set("date", float64(known.Date.UnixMilli()))
			}
		}
		return e
	}
	object := js.Global().Get("Object").New()
	method := func(name string, f func(ctx context.Context, args []js.Value, options js.Value) (js.Value, error)) {
		fn := js.FuncOf(func(_ js.Value, args []js.Value) any {
			return promise.New(func() (js.Value, error) {
				options := args[len(args)-1]
				ctx, cancel := promise.WithSignal(context.Background(), options.Get("signal"))
				defer cancel()
				return f(ctx, args, options)
			}, reason)
		})
		t.Cleanup(fn.Release)
		object.Set(name, fn)
	}
	method("get", func(ctx context.Context, args []js.Value, options js.Value) (js.Value, error) {
		n := int64(-1)
		if l := options.Get("length"); l.Type() == js.TypeNumber {
			n = int64(l.Float())
		}
		o, err := s.Get(ctx, args[0].String(), int64(options.Get("offset").Float()), n)
		if err != nil {
			return js.Undefined(), err
		}
		data := uint8Array.New(len(o.Data))
		js.CopyBytesToJS(data, o.Data)
		return js.ValueOf(map[string]any{"data": data, "etag": o.ETag, "date": float64(o.Date.UnixMilli())}), nil
	})
	method("put", func(ctx context.Context, args []js.Value, options js.Value) (js.Value, error) {
		data := make([]byte, args[1].Length())
		js.CopyBytesToGo(data, args[1])
		var o s3publish.PutOptions
		if m := options.Get("ifMatch"); m.Type() == js.TypeString {
			o.IfMatch = m.String()
		}
		o.IfNoneMatch = options.Get("ifNoneMatch").Truthy()
		if sum := options.Get("sha256"); sum.Type() == js.TypeString {
			b, err := hex.DecodeString(sum.String())
			if err != nil || len(b) != 32 {
				return js.Undefined(), fmt.Errorf("sha256 %q", sum.String())
			}
			o.SHA256 = (*[32]byte)(b)
		}
		etag, err := s.Put(ctx, args[0].String(), data, o)
		return js.ValueOf(map[string]any{"etag": etag}), err
	})
	method("list", func(ctx context.Context, args []js.Value, _ js.Value) (js.Value, error) {
		all, err := s.List(ctx, args[0].String())
		out := make([]any, len(all))
		for i, l := range all {
			out[i] = map[string]any{"key": l.Key, "size": float64(l.Size), "modified": float64(l.Modified.UnixMilli())}
		}
		return js.ValueOf(out), err
	})
	method("delete", func(ctx context.Context, args []js.Value, _ js.Value) (js.Value, error) {
		return js.Undefined(), s.Delete(ctx, args[0].String())
	})
	return object
}

func open(t *testing.T, v js.Value) Store {
	t.Helper()
	s, err := New(v)
	require.NoError(t, err)
	return s
}

func TestAJavaScriptStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) s3publish.ObjectStore {
		return open(t, expose(t, &s3publish.MemoryStore{}))
	})
}

func TestAVolumeTravelsThroughJavaScript(t *testing.T) {
	f := memfs.New(memfs.Options{})
	require.NoError(t, f.Mkdir("a", 0o755))
	ino, err := f.Inodes().Mknod(memfs.RootIno, "file", memfs.S_IFREG|0o644, 0)
	require.NoError(t, err)
	h, err := f.Inodes().Open(ino)
	require.NoError(t, err)
	_, err = h.WriteAt(random(3<<20), 0)
	require.NoError(t, err)
	r := s3publish.NewRemote(open(t, expose(t, &s3publish.MemoryStore{})), s3publish.RemoteOptions{Hasher: NewHasher()})
	snap := f.Snapshot()
	_, err = r.Publish(t.Context(), snap, s3publish.PublishOptions{Volume: "v"})
	require.NoError(t, err)
	g := memfs.New(memfs.Options{})
	pulled, _, err := r.Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
	require.NoError(t, err)
	root := func(s *memfs.Snapshot) memfs.Hash {
		h, err := s.Export(s3publish.SHA256, func(memfs.Hash) bool { return true }, nil)
		require.NoError(t, err)
		return h
	}
	require.Equal(t, root(snap), root(pulled))
}

// object makes an object store whose get is a JavaScript function body.
func object(get string) js.Value {
	function := js.Global().Get("Function")
	none := function.New("return Promise.resolve()")
	return js.ValueOf(map[string]any{"get": function.New("key", "options", get), "put": none, "list": none, "delete": none})
}

func TestWhatJavaScriptThrowsIsMapped(t *testing.T) {
	for _, c := range []struct {
		get  string
		want error
		text string
	}{
		{`return Promise.reject(Object.assign(new Error('gone'), { code: 'ErrNotFound', hint: 'look' }))`, s3publish.ErrNotFound, "holdfast: get k: not found: gone"},
		{`throw Object.assign(new Error('gone'), { code: 'ErrNotFound', hint: 'look' })`, s3publish.ErrNotFound, "holdfast: get k: not found: gone"},
		{`return Promise.reject(Object.assign(new Error('holdfast: get k: not found: gone'), { code: 'ErrNotFound', hint: 'look' }))`, s3publish.ErrNotFound, "holdfast: get k: not found: gone"},
		{`return Promise.reject(Object.assign(new Error('not found'), { code: 'ErrNotFound', hint: 'look' }))`, s3publish.ErrNotFound, "holdfast: get k: not found"},
		{`return Promise.reject({ name: 'AbortError', message: 'stop', hint: 'look' })`, s3publish.ErrAborted, "holdfast: get k: aborted: stop"},
		{`return Promise.reject({ code: 'ErrUnreachable', hint: 'look', get message() { throw 1 } })`, s3publish.ErrUnreachable, ""},
		{`return Promise.reject(Object.assign(new TypeError('a bug'), { hint: 'look' }))`, nil, "holdfast: get k: a bug"},
	} {
		_, err := open(t, object(c.get)).Get(t.Context(), "k", 0, -1)
		require.Error(t, err, c.get)
		var e *s3publish.Error
		require.ErrorAs(t, err, &e, c.get)
		require.Equal(t, "look", e.Hint, c.get)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.get)
		} else {
			require.Empty(t, s3publish.Code(err))
		}
		if c.text != "" {
			require.Equal(t, c.text, err.Error())
		}
		var r *promise.Rejection
		require.ErrorAs(t, err, &r, "the JavaScript error can become a cause")
	}
	for _, get := range []string{
		`return Promise.reject()`, `return Promise.reject(null)`, `return Promise.reject(5)`, `return Promise.reject('text')`, `throw undefined`, `return Promise.reject(Symbol())`,
		`return Promise.resolve()`, `return Promise.resolve({})`, `return Promise.resolve({ data: 'text' })`, `return Promise.resolve({ data: [1] })`, `return Promise.resolve({ data: Object.create(Uint8Array.prototype) })`,
		`return Promise.resolve({ get data() { throw new Error('x') } })`, `return { get then() { throw new Error('x') } }`, `return 5`, `return null`,
	} {
		_, err := open(t, object(get)).Get(t.Context(), "k", 0, -1)
		var e *s3publish.Error
		require.ErrorAs(t, err, &e, get)
	}
}

func TestMoreThanAskedForIsNotCopied(t *testing.T) {
	_, err := open(t, object(`return Promise.resolve({ data: new Uint8Array(1000), etag: 'x' })`)).Get(t.Context(), "k", 0, 999)
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
}

func TestAStoreThatIgnoresTheSignalIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := open(t, object(`return new Promise(() => {})`)).Get(ctx, "k", 0, -1)
	require.ErrorIs(t, err, s3publish.ErrAborted)
	_, err = open(t, object(`return new Promise((_, reject) => options.signal.addEventListener('abort', () => { globalThis.sawAbort = true; reject(options.signal.reason) }))`)).Get(ctx, "k", 0, -1)
	require.ErrorIs(t, err, s3publish.ErrAborted)

	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = open(t, object(`return new Promise((_, reject) => options.signal.addEventListener('abort', () => { globalThis.sawAbort = true; reject(options.signal.reason) }))`)).Get(ctx, "k", 0, -1)
	require.ErrorIs(t, err, s3publish.ErrAborted)
	time.Sleep(10 * time.Millisecond)
	require.True(t, js.Global().Get("sawAbort").Truthy(), "the store is told")
}

func TestWhatIsNoStoreIsRefused(t *testing.T) {
	for _, v := range []any{nil, 5, "text", map[string]any{}, map[string]any{"get": 5, "put": 5, "list": 5, "delete": 5}} {
		_, err := New(js.ValueOf(v))
		require.ErrorIs(t, err, s3publish.ErrInvalid)
	}
}
