//go:build !js

package s3publish

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// deflated is a pack of one frame with these stored bytes, which claims content of that size.
func deflated(stored []byte, raw int) *builtPack {
	x := packIndex{
		frames: []frameEntry{{stored: uint32(len(stored)), raw: uint32(raw), blobs: 1, codec: codecDeflate}},
		blobs:  []blobEntry{{hash: sha256.Sum256(make([]byte, raw)), size: uint32(raw)}},
	}
	p := &builtPack{entry: packEntry{indexOff: uint32(packHeaderSize + len(stored)), blobs: 1, raw: uint32(raw)}}
	index := x.encode()
	p.data = append(encodePackHeader(nil, 0, 0), stored...)
	p.data = append(p.data, index...)
	p.data = packTrailer{indexOff: uint64(p.entry.indexOff), stored: uint32(len(index)), frames: 1, blobs: 1}.encode(p.data)
	p.entry.size = uint32(len(p.data))
	resum(p)
	return p
}

func TestADecompressionBombIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ is, claimed int }{
		"as announced":               {1 << 20, 1 << 20},
		"a byte more than announced": {100_001, 100_000},
		"seven hundred times more":   {1 << 26, 100_000},
		"less than announced":        {1000, 2000},
		"nothing":                    {0, 1000},
	} {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		require.NoError(t, err)
		zeros := make([]byte, 1<<20)
		for left := c.is; left > 0; left -= len(zeros) {
			_, err := w.Write(zeros[:min(left, len(zeros))])
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		if b.Len() > c.claimed {
			b.Truncate(c.claimed)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := readPack(deflated(b.Bytes(), c.claimed))
		runtime.ReadMemStats(&after)
		if c.is == c.claimed {
			require.NoError(t, err, name)
			require.Len(t, got, 1)
			continue
		}
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), name)
	}
	// What is behind the end of the compressed data is not overlooked.
	small, err := GoCodec{}.Compress(t.Context(), make([]byte, 5000))
	require.NoError(t, err)
	_, err = readPack(deflated(append(small, 0), 5000))
	require.ErrorIs(t, err, ErrCorrupt)
}

// FuzzDecompress: whatever is compressed, exactly the size that was asked for comes out, or an error.
func FuzzDecompress(f *testing.F) {
	small, _ := GoCodec{}.Compress(context.Background(), make([]byte, 5000))
	f.Add(small, uint16(5000))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		out, err := GoCodec{}.Decompress(t.Context(), b, int(size))
		if err != nil {
			requireRefused(t, err)
		} else if len(out) != int(size) {
			t.Fatalf("%d bytes for %d", len(out), size)
		}
	})
}
