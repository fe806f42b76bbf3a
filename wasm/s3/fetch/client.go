//go:build js

package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

var (
	uint8Array = js.Global().Get("Uint8Array")
	array      = js.Global().Get("Array")
)

// Client sends requests with fetch. The zero value uses the global one.
type Client struct {
	// Fetch is a function with fetch's signature; undefined for the global one.
	Fetch js.Value
}

// Headers that fetch makes itself. Sending them would throw or be ignored.
var forbidden = map[string]bool{"Host": true, "Content-Length": true, "Accept-Encoding": true, "User-Agent": true, "Connection": true, "Expect": true}

// maxText bounds answers that go through Go: errors, lists, acknowledgements.
const maxText = 16 << 20

// Do implements the SDK's HTTP client.
func (c Client) Do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	f := c.Fetch
	if f.Type() != js.TypeFunction {
		f = js.Global().Get("fetch")
	}
	if f.Type() != js.TypeFunction {
		return nil, &s3publish.Error{Op: "fetch", Err: fmt.Errorf("%w: there is no fetch here", s3publish.ErrUnsupported)}
	}
	init, err := c.init(req)
	if err != nil {
		return nil, err
	}
	signal, stop := promise.AbortSignal(ctx)
	defer stop()
	init["signal"] = signal
	// As a plain function: fetch refuses to be a method of anything but the global object.
	v, err := promise.Try(func() js.Value { return f.Invoke(req.URL.String(), init) })
	if err == nil {
		v, err = promise.Await(ctx, v)
	}
	if err != nil {
		return nil, unreachable(req, err)
	}
	res := &http.Response{
		StatusCode: v.Get("status").Int(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: headers(v.Get("headers")), Request: req, ContentLength: -1,
	}
	res.Status = fmt.Sprintf("%d %s", res.StatusCode, http.StatusText(res.StatusCode))

	if sink := sinkOf(ctx); sink != nil && res.StatusCode >= 200 && res.StatusCode < 300 {
		if sink.Data, err = read(ctx, v, sink.Limit); err != nil {
			return nil, unreachable(req, err)
		}
		res.Body, res.ContentLength = http.NoBody, 0
		res.Header.Del("Content-Length") // nobody shall make room for it
		return res, nil
	}
	data, err := read(ctx, v, maxText)
	if err != nil {
		return nil, unreachable(req, err)
	}
	b := make([]byte, data.Get("byteLength").Int())
	js.CopyBytesToGo(b, data)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return res, nil
}

func (c Client) init(req *http.Request) (map[string]any, error) {
	h := map[string]any{}
	for name, values := range req.Header {
		if !forbidden[name] && len(values) > 0 {
			h[name] = values[0]
		}
	}
	init := map[string]any{
		"method": req.Method, "headers": h,
		"cache":          "no-store", // a head from a cache would be an old one
		"credentials":    "omit",
		"referrerPolicy": "no-referrer",
	}
	body := req.Body
	if body != nil {
		defer body.Close()
	}
	switch array, ok := bodyOf(req.Context()); {
	case ok:
		init["body"] = array
	case body != nil && body != http.NoBody:
		b, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			array := uint8Array.New(len(b))
			js.CopyBytesToJS(array, b)
			init["body"] = array
		}
	}
	return init, nil
}

func headers(h js.Value) http.Header {
	out := http.Header{}
	pairs := array.Call("from", h)
	for i := range pairs.Length() {
		p := pairs.Index(i)
		out.Add(p.Index(0).String(), p.Index(1).String())
	}
	return out
}

const hint = "The server is down, the address is wrong, or the bucket's CORS rules do not allow this page: they must allow its origin, the methods GET, PUT and DELETE, all request headers, and expose ETag and Date."

func unreachable(req *http.Request, err error) error {
	if ctx := req.Context(); ctx.Err() != nil {
		return ctx.Err()
	}
	var known *s3publish.Error
	if errors.As(err, &known) {
		return err
	}
	text := err.Error()
	var r *promise.Rejection
	if errors.As(err, &r) {
		// Node says "fetch failed" and puts the reason into cause.
		if cause, e := promise.Get(r.Reason, "cause"); e == nil && cause.Type() == js.TypeObject {
			if m := (&promise.Rejection{Reason: cause}).Text("message"); m != "" {
				text += ": " + m
			}
		}
	}
	return &s3publish.Error{Op: "fetch", Err: fmt.Errorf("%w: %s (%s)", s3publish.ErrUnreachable, text, req.URL.Host), Hint: hint}
}
