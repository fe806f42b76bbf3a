//go:build js

package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/s3publish/gate"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// r2 is a gate.Bucket over an R2 binding. Contents go from request to bucket and from bucket to response as streams, past Go's memory.
// (Package cloudflare/r2 of the library has neither conditions nor ranges.)
//
// Source: Cloudflare, "R2 Workers API reference".
type r2 struct{ bucket js.Value }

var _ gate.Bucket = r2{}

func (b r2) call(ctx context.Context, method string, args ...any) (js.Value, error) {
	v, err := promise.Try(func() js.Value { return b.bucket.Call(method, args...) })
	if err != nil {
		return v, err
	}
	return promise.Await(ctx, v)
}

func (b r2) Get(ctx context.Context, key string, off, n int64) (*gate.Object, error) {
	options := map[string]any{}
	if off > 0 || n >= 0 {
		r := map[string]any{"offset": off}
		if n >= 0 {
			r["length"] = n
		}
		options["range"] = r
	}
	o, err := b.call(ctx, "get", key, options)
	if err != nil && len(options) > 0 {
		// A range past the end is an error without a code of its own: look what is there.
		head, e := b.call(ctx, "head", key)
		switch {
		case e != nil:
			return nil, err
		case head.IsNull():
			return nil, gate.ErrNotFound
		case off >= int64(head.Get("size").Float()):
			return nil, gate.ErrRange
		}
	}
	if err != nil {
		return nil, err
	}
	if o.IsNull() {
		return nil, gate.ErrNotFound
	}
	total := int64(o.Get("size").Float())
	if len(options) > 0 && off >= total {
		_, _ = promise.Try(func() js.Value { return o.Get("body").Call("cancel") })
		return nil, gate.ErrRange
	}
	size := total - off
	if n >= 0 {
		size = min(size, n)
	}
	return &gate.Object{Body: stream{o.Get("body")}, ETag: o.Get("httpEtag").String(), Off: off, Size: size, Total: total}, nil
}

func (b r2) Put(ctx context.Context, key string, content io.Reader, r gate.Request) (string, error) {
	raw, ok := content.(interface{ GetRawJSBody() js.Value })
	if !ok {
		return "", errors.New("there is no content")
	}
	options := map[string]any{"sha256": r.SHA256}
	switch {
	case r.IfMatch != "":
		options["onlyIf"] = map[string]any{"etagMatches": strings.Trim(r.IfMatch, `"`)}
	case r.IfNoneMatch:
		options["onlyIf"] = map[string]any{"etagDoesNotMatch": "*"}
	}
	o, err := b.call(ctx, "put", key, raw.GetRawJSBody(), options)
	switch {
	case err != nil && said(err, "10037", "checksum", "SHA-256"):
		return "", gate.ErrHash
	case err != nil:
		return "", err
	case o.IsNull():
		return "", gate.ErrPrecondition
	}
	return o.Get("httpEtag").String(), nil
}

func (b r2) List(ctx context.Context, prefix, after string) ([]gate.Listed, error) {
	options := map[string]any{"prefix": prefix, "limit": 1000}
	if after != "" {
		options["startAfter"] = after
	}
	v, err := b.call(ctx, "list", options)
	if err != nil {
		return nil, err
	}
	objects := v.Get("objects")
	out := make([]gate.Listed, objects.Length())
	for i := range out {
		o := objects.Index(i)
		out[i] = gate.Listed{Key: o.Get("key").String(), Size: int64(o.Get("size").Float()), Modified: int64(o.Get("uploaded").Call("getTime").Float())}
	}
	return out, nil
}

func (b r2) Delete(ctx context.Context, key string) error {
	_, err := b.call(ctx, "delete", key)
	return err
}

// said tells if the text of an error of R2 has one of the words; it has no code apart from that.
func said(err error, words ...string) bool {
	for _, w := range words {
		if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(w)) {
			return true
		}
	}
	return false
}

// stream is a ReadableStream that is handed to the response as it is.
type stream struct{ v js.Value }

var _ io.WriterTo = stream{}

// WriteTo implements io.WriterTo.
func (s stream) WriteTo(w io.Writer) (int64, error) {
	raw, ok := w.(interface{ WriteRawJSBody(js.Value) })
	if !ok {
		return 0, errors.New("not the response of a Worker")
	}
	raw.WriteRawJSBody(s.v)
	return 0, nil
}

// Read implements io.Reader. Nothing calls it.
func (s stream) Read([]byte) (int, error) { return 0, errors.New("a stream is not read here") }

// Close implements io.Closer. The response reads the stream after this, and ends it.
func (s stream) Close() error { return nil }
