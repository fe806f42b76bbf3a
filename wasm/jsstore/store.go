//go:build js

package jsstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall/js"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

var uint8Array = js.Global().Get("Uint8Array")

// Store is an object store that JavaScript implements:
//
//	get(key, { offset, length, signal }) → Promise<{ data: Uint8Array, etag: string, date?: number }>     length is absent for "to the end"
//	put(key, data: Uint8Array, { ifMatch, ifNoneMatch, sha256 /* hex */, signal }) → Promise<{ etag: string }>
//	list(prefix, { signal }) → Promise<{ key: string, size: number, modified?: number }[]>
//	delete(key, { signal }) → Promise<void>
//
// date and modified are the service's clock, in milliseconds since 1970. Rejections are errors whose code is the name of a sentinel
// of s3publish (see s3publish.Code), and may have a hint, a date, and retryAfter in milliseconds. Errors
// of this store wrap the *promise.Rejection, so that the JavaScript error can become the cause of another.
type Store struct{ v js.Value }

var _ s3publish.ObjectStore = Store{}

// New fails with ErrInvalid when v is no such object.
func New(v js.Value) (Store, error) {
	if v.Type() != js.TypeObject {
		return Store{}, invalid("an object store is an object")
	}
	for _, m := range []string{"get", "put", "list", "delete"} {
		if property(v, m).Type() != js.TypeFunction {
			return Store{}, invalid("an object store has a method " + m)
		}
	}
	return Store{v}, nil
}

// Retry reads the store's property retry: { attempts, baseDelay, maxDelay, timeout }, the latter three in milliseconds. What is not there, or
// is no positive number, is left to the defaults.
func (s Store) Retry() s3publish.Retry {
	options := property(s.v, "retry")
	number := func(name string, limit float64) float64 {
		if v := property(options, name); v.Type() == js.TypeNumber && v.Float() > 0 {
			return min(v.Float(), limit)
		}
		return 0
	}
	millis := func(name string) time.Duration { return time.Duration(number(name, 1e9) * float64(time.Millisecond)) }
	return s3publish.Retry{Attempts: int(number("attempts", 1000)), Base: millis("baseDelay"), Max: millis("maxDelay"), Timeout: millis("timeout")}
}

func invalid(text string) error {
	return &s3publish.Error{Op: "configure", Err: fmt.Errorf("%w: %s", s3publish.ErrInvalid, text)}
}

// call calls a method and waits for its promise. options gets the signal.
func (s Store) call(ctx context.Context, op, key string, options map[string]any, args ...any) (js.Value, error) {
	if ctx.Err() != nil {
		return js.Undefined(), failure(ctx, op, key, ctx.Err())
	}
	signal, stop := promise.AbortSignal(ctx)
	defer stop()
	options["signal"] = signal
	v, err := promise.Try(func() js.Value { return s.v.Call(op, append(append([]any{key}, args...), options)...) })
	if err == nil {
		v, err = promise.Await(ctx, v)
	}
	if err != nil {
		return v, failure(ctx, op, key, err)
	}
	return v, nil
}

// Get implements s3publish.ObjectStore.
func (s Store) Get(ctx context.Context, key string, off, n int64) (s3publish.Object, error) {
	options := map[string]any{"offset": float64(off)}
	if n >= 0 {
		options["length"] = float64(n)
	}
	v, err := s.call(ctx, "get", key, options)
	if err != nil {
		return s3publish.Object{}, err
	}
	data, etag := property(v, "data"), property(v, "etag")
	if data.Type() != js.TypeObject || !data.InstanceOf(uint8Array) {
		return s3publish.Object{}, failure(ctx, "get", key, errors.New("the store did not answer with a Uint8Array"))
	}
	length := property(data, "byteLength")
	if length.Type() != js.TypeNumber {
		return s3publish.Object{}, failure(ctx, "get", key, errors.New("the store did not answer with a Uint8Array"))
	}
	size := int64(length.Int())
	if n >= 0 && size > n {
		return s3publish.Object{}, &s3publish.Error{Op: "get", Key: key, Err: fmt.Errorf("%w: the store sent %d bytes for %d", s3publish.ErrCorrupt, size, n)}
	}
	o := s3publish.Object{Data: make([]byte, size)}
	js.CopyBytesToGo(o.Data, data)
	if etag.Type() == js.TypeString {
		o.ETag = etag.String()
	}
	o.Date = dateOf(property(v, "date"))
	return o, nil
}

// Put implements s3publish.ObjectStore. JavaScript gets a copy of data, since Go's memory may move under it.
func (s Store) Put(ctx context.Context, key string, data []byte, o s3publish.PutOptions) (string, error) {
	options := map[string]any{}
	if o.IfMatch != "" {
		options["ifMatch"] = o.IfMatch
	}
	if o.IfNoneMatch {
		options["ifNoneMatch"] = true
	}
	if o.SHA256 != nil {
		options["sha256"] = hex.EncodeToString(o.SHA256[:])
	}
	array, err := promise.Try(func() js.Value { return uint8Array.New(len(data)) })
	if err != nil {
		return "", failure(ctx, "put", key, err)
	}
	js.CopyBytesToJS(array, data)
	v, err := s.call(ctx, "put", key, options, array)
	if err != nil {
		return "", err
	}
	if etag := property(v, "etag"); etag.Type() == js.TypeString {
		return etag.String(), nil
	}
	return "", nil
}

// List implements s3publish.ObjectStore.
func (s Store) List(ctx context.Context, prefix string) ([]s3publish.Listed, error) {
	v, err := s.call(ctx, "list", prefix, map[string]any{})
	if err != nil {
		return nil, err
	}
	if !js.Global().Get("Array").Call("isArray", v).Bool() {
		return nil, failure(ctx, "list", prefix, errors.New("the store did not answer with an array"))
	}
	all := make([]s3publish.Listed, 0, v.Length())
	for i := range v.Length() {
		k := property(v.Index(i), "key")
		if k.Type() != js.TypeString {
			return nil, failure(ctx, "list", prefix, errors.New("the store answered with a key that is no string"))
		}
		l := s3publish.Listed{Key: k.String(), Modified: dateOf(property(v.Index(i), "modified"))}
		if size := property(v.Index(i), "size"); size.Type() == js.TypeNumber {
			l.Size = int64(size.Float())
		}
		all = append(all, l)
	}
	return all, nil
}

// Delete implements s3publish.ObjectStore.
func (s Store) Delete(ctx context.Context, key string) error {
	_, err := s.call(ctx, "delete", key, map[string]any{})
	return err
}

// dateOf reads milliseconds since 1970; anything else is the zero time.
func dateOf(v js.Value) time.Time {
	if v.Type() != js.TypeNumber || math.IsNaN(v.Float()) || math.Abs(v.Float()) > 8.64e15 { // ECMAScript's range of times
		return time.Time{}
	}
	return time.UnixMilli(int64(v.Float()))
}

func property(v js.Value, name string) js.Value {
	if v.Type() != js.TypeObject {
		return js.Undefined()
	}
	p, err := promise.Get(v, name)
	if err != nil {
		return js.Undefined()
	}
	return p
}

// failure makes an error of this package's kind.
func failure(ctx context.Context, op, key string, err error) error {
	e := &s3publish.Error{Op: op, Key: key}
	if ctx.Err() != nil {
		e.Err = fmt.Errorf("%w: %w", s3publish.ErrAborted, context.Cause(ctx))
		return e
	}
	var r *promise.Rejection
	if !errors.As(err, &r) {
		e.Err = err
		return e
	}
	e.Hint = r.Text("hint")
	e.Date = dateOf(property(r.Reason, "date"))
	if pause := property(r.Reason, "retryAfter"); pause.Type() == js.TypeNumber && pause.Float() > 0 && pause.Float() < 1e9 {
		e.RetryAfter = time.Duration(pause.Float() * float64(time.Millisecond))
	}
	sentinel := s3publish.FromCode(r.Text("code"))
	if sentinel == nil && r.Text("name") == "AbortError" {
		sentinel = s3publish.ErrAborted
	}
	if sentinel == nil {
		e.Err = r
		return e
	}
	// An error that comes from Go on the other side says these things already.
	text := strings.TrimPrefix(r.Error(), (&s3publish.Error{Op: op, Key: key, Err: sentinel}).Error())
	text = strings.TrimPrefix(text, ": ")
	if text == "" || text == sentinel.Error() {
		e.Err = &remote{sentinel, r, sentinel.Error()}
	} else {
		e.Err = &remote{sentinel, r, sentinel.Error() + ": " + text}
	}
	return e
}

// remote is a sentinel that JavaScript named, with the JavaScript error behind it.
type remote struct {
	sentinel error
	reason   *promise.Rejection
	text     string
}

func (e *remote) Error() string   { return e.text }
func (e *remote) Unwrap() []error { return []error{e.sentinel, e.reason} }
