//go:build js

package jsstore

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// goCodec is as s3publish.GoCodec, which is not part of programs for browsers.
type goCodec struct{}

func (goCodec) Compress(_ context.Context, b []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

func (goCodec) Decompress(_ context.Context, b []byte, size int) ([]byte, error) {
	out := make([]byte, size)
	_, err := io.ReadFull(flate.NewReader(bytes.NewReader(b)), out)
	return out, err
}

// What one side compresses or encrypts the other one reads.
func TestThePlatformAndGoUnderstandEachOther(t *testing.T) {
	mine, gos := NewCodec(), goCodec{}
	for _, b := range [][]byte{nil, {1}, bytes.Repeat([]byte("<p>text</p>"), 20_000), random(300_000)} {
		for _, c := range [][2]s3publish.Codec{{mine, gos}, {gos, mine}, {mine, mine}} {
			small, err := c[0].Compress(t.Context(), b)
			require.NoError(t, err)
			out, err := c[1].Decompress(t.Context(), small, len(b))
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, out))
		}
	}
	key, nonce := [32]byte{1, 2, 3}, [12]byte{4, 5}
	a, err := NewCipher().WithKey(t.Context(), key)
	require.NoError(t, err)
	block, err := aes.NewCipher(key[:])
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	sealed, err := a.Seal(t.Context(), nonce, []byte("secret"), []byte("with"))
	require.NoError(t, err)
	require.Equal(t, gcm.Seal(nil, nonce[:], []byte("secret"), []byte("with")), sealed)
	out, err := a.Open(t.Context(), nonce, sealed, []byte("with"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(out))
	_, err = a.Open(t.Context(), nonce, sealed, []byte("without"))
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
	sealed[0]++
	_, err = a.Open(t.Context(), nonce, sealed, []byte("with"))
	require.ErrorIs(t, err, s3publish.ErrCorrupt)
}

func TestWhatIsNotCompressedDataIsCorrupt(t *testing.T) {
	good, err := Codec{}.Compress(t.Context(), make([]byte, 10_000_000))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		b    []byte
		size int
	}{
		"a bomb": {good, 9_999_999}, "less": {good, 10_000_001}, "nothing": {good, 0}, "cut": {good[:len(good)-1], 10_000_000},
		"garbage": {[]byte("garbage"), 100}, "empty": {nil, 1},
	} {
		_, err := Codec{}.Decompress(t.Context(), c.b, c.size)
		require.ErrorIs(t, err, s3publish.ErrCorrupt, name)
	}
}

func BenchmarkCodec(b *testing.B) {
	page := bytes.Repeat([]byte("<p>some text of a post, number %d</p>\n"), 3500)
	for i := range page {
		page[i] += byte(i / 997 % 7)
	}
	for name, c := range map[string]s3publish.Codec{"platform": NewCodec(), "go": goCodec{}} {
		small, err := c.Compress(b.Context(), page)
		require.NoError(b, err)
		b.Run("compress/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for range b.N {
				_, _ = c.Compress(b.Context(), page)
			}
		})
		b.Run("decompress/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			for range b.N {
				_, _ = c.Decompress(b.Context(), small, len(page))
			}
		})
	}
}
