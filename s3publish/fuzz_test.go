package s3publish

import (
	"bytes"
	"context"
	"slices"
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
	b, _ := plainCoder().encodeSnapshot(context.Background(), sampleSnapshot())
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := plainCoder().decodeSnapshot(t.Context(), b)
		if err != nil {
			requireRefused(t, err)
			return
		}
		if s.locked != nil {
			return
		}
		again, err := plainCoder().encodeSnapshot(t.Context(), s)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x is written again as %x, %v", b, again, err)
		}
	})
}

func requireRefused(t *testing.T, err error) {
	t.Helper()
	if c := Code(err); c != "ErrCorrupt" && c != "ErrVersion" && c != "ErrKey" {
		t.Fatal(err)
	}
}

// FuzzPack gives the decoder packs whose checksums and hashes are right whatever the rest is.
func FuzzPack(f *testing.F) {
	f.Add(buildPack(f, []byte("hello"), []byte("wo")).data)
	f.Add(buildPack(f, blobs(1, 3, 100_000)...).data)
	f.Add(buildPack(f, bytes.Repeat([]byte("text "), 100)).data)
	_, folded, _ := twoPacks(f, &coder{hasher: GoHasher{}})
	f.Add(folded.data)
	f.Add(buildPackWith(f, &coder{hasher: GoHasher{}}, treeBlobs(f)...).data)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < packTrailerSize {
			return
		}
		p := &builtPack{data: bytes.Clone(b)}
		tr := p.trailer()
		p.entry.size, p.entry.indexOff, p.entry.blobs = uint32(len(b)), uint32(le.Uint64(tr)), le.Uint32(tr[16:])
		resum(p)
		c := plainCoder()
		e, err := c.entryOf(t.Context(), p.entry.id, p.data)
		if err != nil {
			requireRefused(t, err)
			return
		}
		var w packWriter
		add := func(h memfs.Hash, b []byte) error {
			_, err := w.add(h, b)
			return err
		}
		x, err := c.openPack(t.Context(), p.data, e, add)
		if err == nil && len(x.waiting) > 0 {
			// A node can be folded in more than one way.
			if err = c.unfold(t.Context(), x.waiting, indexes{x.packIndex.blobs, make([]blobEntry, 3)}, add); err == nil {
				return
			}
		}
		if err != nil {
			requireRefused(t, err)
			return
		}
		// Frames may be cut, or compressed, in another way than ours.
		again := w.finish()
		if x.base != (base{}) || len(x.packIndex.frames) != 1 || x.packIndex.frames[0].codec != codecNone || again.raw >= frameTarget {
			return
		}
		none := &coder{hasher: GoHasher{}}
		err = none.encode(t.Context(), again, le.Uint32(p.data[12:]))
		if err == nil && slices.ContainsFunc(again.index.blobs, func(e blobEntry) bool { return e.folded }) {
			return // nothing says that a node must be folded
		}
		if err != nil || !bytes.Equal(again.data, p.data) {
			t.Fatalf("%x is written again as %x, %v", p.data, again.data, err)
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
