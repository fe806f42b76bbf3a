//go:build js

package jsstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestHashesAreThoseOfGo(t *testing.T) {
	h := NewHasher()
	require.IsType(t, Hasher{}, h)
	for _, sizes := range [][]int{{}, {0}, {1}, {5000}, {4096, 1, 4096, 0, 3000, 2047, 2048, 2049}, {3 << 20}} {
		var blobs [][]byte
		for _, n := range sizes {
			blobs = append(blobs, random(n))
		}
		sums, err := h.Sum(t.Context(), blobs)
		require.NoError(t, err)
		require.Len(t, sums, len(blobs))
		for i, b := range blobs {
			require.EqualValues(t, sha256.Sum256(b), sums[i])
		}
	}
}

func TestACancelledHashEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewHasher().Sum(ctx, [][]byte{random(1 << 20)})
	require.ErrorIs(t, err, s3publish.ErrAborted)
}

func BenchmarkHash(b *testing.B) {
	for _, c := range []struct{ n, size int }{{1, 3000}, {256, 1000}, {256, 3000}, {16, 4096}, {256, 4096}, {1024, 4096}, {1, 4 << 20}} {
		var blobs [][]byte
		for range c.n {
			blobs = append(blobs, random(c.size))
		}
		for _, h := range []s3publish.Hasher{s3publish.GoHasher{}, NewHasher()} {
			b.Run(fmt.Sprintf("%dx%d/%T", c.n, c.size, h), func(b *testing.B) {
				b.SetBytes(int64(c.n * c.size))
				for b.Loop() {
					if _, err := h.Sum(b.Context(), blobs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
