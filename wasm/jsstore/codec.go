//go:build js

package jsstore

import (
	"context"
	"errors"
	"fmt"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/wasm/promise"
)

// Codec compresses with CompressionStream (WHATWG Compression Standard, "deflate-raw").
type Codec struct{}

var _ s3publish.Codec = Codec{}

// NewCodec returns nil where the platform has no such streams: before Chrome 103, Firefox 113, Safari 16.4.
func NewCodec() s3publish.Codec {
	if _, err := newStream("CompressionStream"); err != nil {
		return nil
	}
	return Codec{}
}

func newStream(class string) (js.Value, error) {
	c := js.Global().Get(class)
	if c.Type() != js.TypeFunction {
		return c, s3publish.ErrUnsupported
	}
	return promise.Try(func() js.Value { return c.New("deflate-raw") })
}

var nothing = js.FuncOf(func(js.Value, []js.Value) any { return nil })

// pass sends bytes through a stream and calls chunk with what comes out, until it returns false.
func pass(ctx context.Context, class string, b []byte, chunk func(js.Value) bool) error {
	stream, err := newStream(class)
	if err != nil {
		return err
	}
	in := uint8Array.New(len(b))
	js.CopyBytesToJS(in, b)
	writer := stream.Get("writable").Call("getWriter")
	// What is wrong is told by the reader; here it would only be reported as unhandled.
	writer.Call("write", in).Call("catch", nothing)
	writer.Call("close").Call("catch", nothing)
	reader := stream.Get("readable").Call("getReader")
	for {
		r, err := promise.Await(ctx, reader.Call("read"))
		if err == nil && r.Get("done").Truthy() {
			return nil
		}
		if err != nil || !chunk(r.Get("value")) {
			reader.Call("cancel").Call("catch", nothing)
			return err
		}
	}
}

// Compress implements s3publish.Codec.
func (Codec) Compress(ctx context.Context, b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b)/2+64)
	err := pass(ctx, "CompressionStream", b, func(v js.Value) bool {
		n := len(out)
		out = append(out, make([]byte, v.Length())...)
		js.CopyBytesToGo(out[n:], v)
		return true
	})
	return out, fail(ctx, err)
}

// Decompress implements s3publish.Codec.
func (Codec) Decompress(ctx context.Context, b []byte, size int) ([]byte, error) {
	out := make([]byte, size)
	n := 0
	err := pass(ctx, "DecompressionStream", b, func(v js.Value) bool {
		length := v.Length()
		if length <= size-n {
			js.CopyBytesToGo(out[n:], v)
		}
		n += length
		return n <= size
	})
	var thrown *promise.Rejection
	if n != size || errors.As(err, &thrown) {
		err = fmt.Errorf("%w: a frame does not decompress to %d bytes", s3publish.ErrCorrupt, size)
	}
	return out, fail(ctx, err)
}

// fail makes an ErrAborted where the context is the reason.
func fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", s3publish.ErrAborted, context.Cause(ctx))
	}
	return err
}

// Cipher encrypts with WebCrypto.
type Cipher struct{ subtle js.Value }

var _ s3publish.Cipher = Cipher{}

// NewCipher returns nil where there is no WebCrypto (pages that are neither https nor localhost).
func NewCipher() s3publish.Cipher {
	if h, ok := NewHasher().(Hasher); ok {
		return Cipher(h)
	}
	return nil
}

type aead struct{ subtle, key js.Value }

// WithKey implements s3publish.Cipher. The key cannot be taken out of WebCrypto again.
func (c Cipher) WithKey(ctx context.Context, key [32]byte) (s3publish.AEAD, error) {
	raw := uint8Array.New(len(key))
	js.CopyBytesToJS(raw, key[:])
	k, err := promise.Await(ctx, c.subtle.Call("importKey", "raw", raw, "AES-GCM", false, []any{"encrypt", "decrypt"}))
	raw.Call("fill", 0)
	if err != nil {
		return nil, fail(ctx, fmt.Errorf("holdfast: WebCrypto: %w", err))
	}
	return aead{c.subtle, k}, nil
}

// Seal implements s3publish.AEAD.
func (a aead) Seal(ctx context.Context, nonce [12]byte, plain, additional []byte) ([]byte, error) {
	b, err := a.run(ctx, "encrypt", nonce, plain, additional)
	if err != nil {
		err = fmt.Errorf("holdfast: WebCrypto: %w", err)
	}
	return b, fail(ctx, err)
}

// Open implements s3publish.AEAD.
func (a aead) Open(ctx context.Context, nonce [12]byte, sealed, additional []byte) ([]byte, error) {
	b, err := a.run(ctx, "decrypt", nonce, sealed, additional)
	if err != nil {
		err = fmt.Errorf("%w: it was not encrypted with this key, or was changed since", s3publish.ErrCorrupt)
	}
	return b, fail(ctx, err)
}

// run leaves tagLength at its default of 128 bits (Web Cryptography API, section 27.4).
func (a aead) run(ctx context.Context, op string, nonce [12]byte, data, additional []byte) ([]byte, error) {
	array := func(b []byte) js.Value {
		v := uint8Array.New(len(b))
		js.CopyBytesToJS(v, b)
		return v
	}
	algorithm := map[string]any{"name": "AES-GCM", "iv": array(nonce[:]), "additionalData": array(additional)}
	v, err := promise.Await(ctx, a.subtle.Call(op, algorithm, a.key, array(data)))
	if err != nil {
		return nil, err
	}
	out := uint8Array.New(v)
	b := make([]byte, out.Length())
	js.CopyBytesToGo(b, out)
	return b, nil
}
