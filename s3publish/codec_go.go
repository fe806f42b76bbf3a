//go:build !js

package s3publish

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"sync"
)

// Outside of a browser everything is Go's own.
var (
	defaultCodec  Codec  = GoCodec{}
	defaultCipher Cipher = GoCipher{}
)

// GoCodec is the Codec that uses compress/flate.
type GoCodec struct{}

var _ Codec = GoCodec{}

// A writer has tables of 600 KB.
var writers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.DefaultCompression) // fails for unknown levels only
	return w
}}

// Compress implements Codec.
func (GoCodec) Compress(_ context.Context, b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	w.Reset(&out)
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// Decompress implements Codec.
func (GoCodec) Decompress(_ context.Context, b []byte, size int) ([]byte, error) {
	in := bytes.NewReader(b)
	r := flate.NewReader(in)
	out := make([]byte, size)
	_, err := io.ReadFull(r, out)
	if err == nil {
		var more [1]byte
		if n, end := io.ReadFull(r, more[:]); n != 0 || end != io.EOF || in.Len() != 0 {
			err = io.ErrShortBuffer
		}
	}
	if err != nil {
		return nil, corrupt("a frame does not decompress to %d bytes: %v", size, err)
	}
	return out, nil
}

// GoCipher is the Cipher that uses crypto/aes.
type GoCipher struct{}

var _ Cipher = GoCipher{}

// WithKey implements Cipher.
func (GoCipher) WithKey(_ context.Context, key [32]byte) (AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return goAEAD{gcm}, err
}

type goAEAD struct{ gcm cipher.AEAD }

func (a goAEAD) Seal(_ context.Context, nonce [12]byte, plain, additional []byte) ([]byte, error) {
	return a.gcm.Seal(nil, nonce[:], plain, additional), nil
}

func (a goAEAD) Open(_ context.Context, nonce [12]byte, sealed, additional []byte) ([]byte, error) {
	b, err := a.gcm.Open(nil, nonce[:], sealed, additional)
	if err != nil {
		return nil, corrupt("it was not encrypted with this key, or was changed since")
	}
	return b, nil
}
