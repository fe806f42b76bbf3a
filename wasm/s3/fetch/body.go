//go:build js

package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// Contents pass by the SDK, not through it: the request's context says where they are.

type bodyKey struct{}

// WithBody makes the request's body the given Uint8Array, uncopied, instead of the one that the request has.
func WithBody(ctx context.Context, array js.Value) context.Context {
	return context.WithValue(ctx, bodyKey{}, array)
}

func bodyOf(ctx context.Context) (js.Value, bool) {
	v, ok := ctx.Value(bodyKey{}).(js.Value)
	return v, ok
}

// Sink takes the content of a successful answer. The SDK sees an empty one.
type Sink struct {
	Limit int64    // more is an error
	Data  js.Value // a Uint8Array
}

type sinkKey struct{}

// WithSink puts the content of a successful answer into s.
func WithSink(ctx context.Context, s *Sink) context.Context {
	return context.WithValue(ctx, sinkKey{}, s)
}

func sinkOf(ctx context.Context) *Sink {
	s, _ := ctx.Value(sinkKey{}).(*Sink)
	return s
}

// Placeholder stands for a body of n bytes that is handed over by WithBody. Nobody may read it.
type Placeholder struct{ n, off int64 }

// NewPlaceholder returns one of n bytes.
func NewPlaceholder(n int64) *Placeholder { return &Placeholder{n: n} }

var _ io.ReadSeeker = (*Placeholder)(nil)

// Read implements io.Reader by refusing: a body that is read here was copied.
func (p *Placeholder) Read([]byte) (int, error) {
	return 0, errors.New("holdfast: the body was read")
}

// Seek implements io.Seeker, with which the SDK finds out the length.
func (p *Placeholder) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		p.off = offset
	case io.SeekCurrent:
		p.off += offset
	case io.SeekEnd:
		p.off = p.n + offset
	}
	return p.off, nil
}

// read returns the content of a Response as a Uint8Array. No more than limit bytes are ever held: an announced length is
// checked first, and without one the content is read piece by piece.
func read(ctx context.Context, response js.Value, limit int64) (js.Value, error) {
	tooLong := &s3publish.Error{Op: "fetch", Err: fmt.Errorf("%w: more than %d bytes were sent", s3publish.ErrUnsupported, limit)}
	h := response.Get("headers")
	// With a content coding the length is that of what was coded.
	if l := h.Call("get", "content-length"); l.Type() == js.TypeString && !h.Call("has", "content-encoding").Bool() {
		n, err := strconv.ParseInt(l.String(), 10, 64)
		if err == nil && n > limit {
			cancel(response)
			return js.Undefined(), tooLong
		}
		if err == nil {
			v, err := promise.Try(func() js.Value { return response.Call("arrayBuffer") })
			if err == nil {
				v, err = promise.Await(ctx, v)
			}
			if err != nil {
				return v, err
			}
			return uint8Array.New(v), nil
		}
	}
	return readPieces(ctx, response, limit, tooLong)
}

func readPieces(ctx context.Context, response js.Value, limit int64, tooLong error) (js.Value, error) {
	body := response.Get("body")
	if body.Type() != js.TypeObject {
		return uint8Array.New(0), nil
	}
	reader := body.Call("getReader")
	var pieces []js.Value
	var total int64
	for {
		v, err := promise.Try(func() js.Value { return reader.Call("read") })
		if err == nil {
			v, err = promise.Await(ctx, v)
		}
		if err != nil {
			return v, err
		}
		if v.Get("done").Bool() {
			break
		}
		piece := v.Get("value")
		total += int64(piece.Get("byteLength").Int())
		if total > limit {
			_, _ = promise.Try(func() js.Value { return reader.Call("cancel") })
			return js.Undefined(), tooLong
		}
		pieces = append(pieces, piece)
	}
	whole := uint8Array.New(total)
	at := 0
	for _, p := range pieces {
		whole.Call("set", p, at)
		at += p.Get("byteLength").Int()
	}
	return whole, nil
}

func cancel(response js.Value) {
	if body := response.Get("body"); body.Type() == js.TypeObject {
		_, _ = promise.Try(func() js.Value { return body.Call("cancel") })
	}
}
