package s3publish

import (
	"bytes"
	"context"
	"testing"

	"github.com/holdfast-fs/holdfast/memfs"
)

// What a decoder accepts, the encoder writes again, byte for byte: so nothing was overlooked or guessed.

func FuzzHead(f *testing.F) {
	f.Add(encodeHead(ID{1}))
	f.Add([]byte("holdfast-head 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, err := decodeHead(b); err == nil && !bytes.Equal(encodeHead(id), b) {
			t.Fatalf("%q is read as %v", b, id)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	b, _ := encodeSnapshot(sampleSnapshot())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSnapshot(b)
		if err != nil {
			if Code(err) != "ErrCorrupt" && Code(err) != "ErrVersion" {
				t.Fatal(err)
			}
			return
		}
		again, err := encodeSnapshot(s)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written again as %x, %v", b, again, err)
		}
	})
}

// FuzzPack gives the decoder packs whose checksums and hashes are right whatever the rest is.
func FuzzPack(f *testing.F) {
	f.Add(buildPack(f, []byte("hello"), []byte("wo")).data)
	f.Add(buildPack(f, blobs(1, 3, 100_000)...).data)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < packTrailerSize {
			return
		}
		p := &builtPack{data: bytes.Clone(b)}
		tr := p.trailer()
		p.entry.size, p.entry.indexOff, p.entry.blobs = uint32(len(b)), uint32(le.Uint64(tr)), le.Uint32(tr[20:])
		seal(p)
		if p.entry.validate() != nil {
			return // a snapshot object with such an entry is refused
		}
		var w packWriter
		x, err := openPack(context.Background(), p.data, p.entry, GoHasher{}, func(h memfs.Hash, b []byte) {
			if _, err := w.add(h, b); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil {
			if Code(err) != "ErrCorrupt" && Code(err) != "ErrVersion" {
				t.Fatal(err)
			}
			return
		}
		// Frames may be cut in another way than ours.
		if again := w.finish(); len(x.frames) == 1 && again.raw < frameTarget && !bytes.Equal(again.data, p.data) {
			t.Fatalf("%x is written again as %x", p.data, again.data)
		}
	})
}

func FuzzTrailer(f *testing.F) {
	p := buildPack(f, []byte("hello"))
	f.Add(bytes.Clone(p.trailer()), int64(len(p.data)))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if tr, err := decodePackTrailer(b, size); err == nil && !bytes.Equal(tr.encode(nil), b) {
			t.Fatalf("%x is written again as %x", b, tr.encode(nil))
		}
	})
}
