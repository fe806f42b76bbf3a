//go:build js

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
	"github.com/holdfast-fs/holdfast/wasm/promise"
	"github.com/holdfast-fs/holdfast/wasm/s3/fetch"
)

var uint8Array = js.Global().Get("Uint8Array")

func main() {
	js.Global().Set("holdfastS3", js.FuncOf(func(_ js.Value, args []js.Value) any {
		config := js.Undefined()
		if len(args) > 0 {
			config = args[0]
		}
		store, err := newStore(config)
		return object{store, err}.export()
	}))
	select {}
}

// object is the JavaScript side of a store, or of the reason why there is none.
type object struct {
	store *s3store.Store
	err   error
}

// maxObject bounds a get without a length. Packs, the largest objects there are, end at 64 MiB.
const maxObject = 64 << 20

func (o object) export() js.Value {
	method := func(f func(ctx context.Context, key string, args []js.Value) (js.Value, error), options int) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			for len(args) <= options {
				args = append(args, js.Undefined())
			}
			return promise.New(func() (js.Value, error) {
				if o.err != nil {
					return js.Undefined(), o.err
				}
				if args[0].Type() != js.TypeString {
					return js.Undefined(), &s3publish.Error{Op: "call", Err: fmt.Errorf("%w: a key is a string", s3publish.ErrInvalid)}
				}
				ctx, cancel := promise.WithSignal(context.Background(), property(args[options], "signal"))
				defer cancel()
				return f(ctx, args[0].String(), args)
			}, reason)
		})
	}
	return js.ValueOf(map[string]any{
		"get":    method(o.get, 1),
		"put":    method(o.put, 2),
		"list":   method(o.list, 1),
		"delete": method(o.delete, 1),
	})
}

func (o object) get(ctx context.Context, key string, args []js.Value) (js.Value, error) {
	var off int64
	n := int64(-1)
	if v := property(args[1], "offset"); v.Type() == js.TypeNumber {
		off = int64(v.Float())
	}
	sink := &fetch.Sink{Limit: maxObject}
	if v := property(args[1], "length"); v.Type() == js.TypeNumber {
		n = int64(v.Float())
		sink.Limit = min(n, maxObject)
	}
	got, err := o.store.Get(fetch.WithSink(ctx, sink), key, off, n)
	if err != nil {
		return js.Undefined(), err
	}
	return js.ValueOf(map[string]any{"data": sink.Data, "etag": got.ETag, "date": millis(got.Date)}), nil
}

func (o object) put(ctx context.Context, key string, args []js.Value) (js.Value, error) {
	data := args[1]
	if data.Type() != js.TypeObject || !data.InstanceOf(uint8Array) {
		return js.Undefined(), &s3publish.Error{Op: "put", Key: key, Err: fmt.Errorf("%w: data is a Uint8Array", s3publish.ErrInvalid)}
	}
	options := s3publish.PutOptions{
		IfMatch:     text(args[2], "ifMatch"),
		IfNoneMatch: property(args[2], "ifNoneMatch").Truthy(),
	}
	sum, err := o.sum(ctx, data, text(args[2], "sha256"))
	if err != nil {
		return js.Undefined(), err
	}
	options.SHA256 = &sum
	n := int64(data.Get("byteLength").Int())
	etag, err := o.store.PutReader(fetch.WithBody(ctx, data), key, fetch.NewPlaceholder(n), n, options)
	return js.ValueOf(map[string]any{"etag": etag}), err
}

// sum is the hash that the caller gives, or else WebCrypto's.
func (o object) sum(ctx context.Context, data js.Value, given string) (sum [32]byte, err error) {
	if given != "" {
		id, err := s3publish.ParseID(given)
		return id, err
	}
	subtle := property(property(js.Global(), "crypto"), "subtle")
	if subtle.Type() != js.TypeObject {
		b := make([]byte, data.Get("byteLength").Int())
		js.CopyBytesToGo(b, data)
		sums, err := s3publish.GoHasher{}.Sum(ctx, [][]byte{b})
		if err != nil {
			return sum, err
		}
		return sums[0], nil
	}
	v, err := promise.Try(func() js.Value { return subtle.Call("digest", "SHA-256", data) })
	if err == nil {
		v, err = promise.Await(ctx, v)
	}
	if err != nil {
		return sum, err
	}
	js.CopyBytesToGo(sum[:], uint8Array.New(v))
	return sum, nil
}

func (o object) list(ctx context.Context, prefix string, _ []js.Value) (js.Value, error) {
	all, err := o.store.List(ctx, prefix)
	out := make([]any, len(all))
	for i, l := range all {
		out[i] = map[string]any{"key": l.Key, "size": float64(l.Size), "modified": millis(l.Modified)}
	}
	return js.ValueOf(out), err
}

func (o object) delete(ctx context.Context, key string, _ []js.Value) (js.Value, error) {
	return js.Undefined(), o.store.Delete(ctx, key)
}

// millis is a time as JavaScript has it, undefined when it is not known.
func millis(t time.Time) any {
	if t.IsZero() {
		return js.Undefined()
	}
	return float64(t.UnixMilli())
}

// reason makes the JavaScript error of a Go error.
func reason(err error) js.Value {
	e := js.Global().Get("Error").New(err.Error())
	e.Set("name", "HoldfastError")
	e.Set("code", s3publish.Code(err))
	var known *s3publish.Error
	if errors.As(err, &known) {
		e.Set("path", known.Key)
		e.Set("hint", known.Hint)
		e.Set("date", millis(known.Date))
		e.Set("retryAfter", float64(known.RetryAfter.Milliseconds()))
	}
	return e
}
