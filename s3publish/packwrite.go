package s3publish

import (
	"crypto/sha256"
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
)

const (
	frameTarget   = 128 << 10
	packMinRaw    = 2 << 20
	packMaxRaw    = 8 << 20
	packMaxBlobs  = 1 << 16
	packSizeGuess = 256 << 10
)

// cutter decides where packs end: by content, so that two publishers of mostly the same tree make
// mostly the same packs. The zero value is ready.
type cutter struct {
	raw, blobs int
}

// add tells if the pack ends after this blob.
func (c *cutter) add(h memfs.Hash, size int) bool {
	c.raw += size
	c.blobs++
	mark := h[0] == 0 && h[1]&0x80 == 0
	if c.raw >= packMaxRaw || c.blobs >= packMaxBlobs || mark && c.raw >= packMinRaw {
		*c = cutter{}
		return true
	}
	return false
}

// packWriter makes packs of blobs. A pack may pass packMaxRaw by one blob.
type packWriter struct {
	cut   cutter
	buf   []byte
	index packIndex
	raw   int // bytes of content in the pack
}

// builtPack is a whole pack in memory. Its entry has no id yet: hashing is left to whoever sends it.
type builtPack struct {
	entry packEntry
	data  []byte
	index []blobEntry
	raw   int
}

// add copies a blob into the pack. It returns the pack when it is full.
func (w *packWriter) add(h memfs.Hash, data []byte) (*builtPack, error) {
	if len(data) == 0 || len(data) > maxBlob {
		return nil, fmt.Errorf("%w: blob %s of %d bytes", ErrInvalid, hashString(h), len(data))
	}
	if w.buf == nil {
		w.buf = encodePackHeader(make([]byte, 0, packSizeGuess))
	}
	x := &w.index
	if n := len(x.frames); n == 0 || int(x.frames[n-1].raw) >= frameTarget {
		x.frames = append(x.frames, frameEntry{codec: codecNone, cipher: cipherNone})
	}
	f := &x.frames[len(x.frames)-1]
	f.raw += uint32(len(data))
	f.stored += uint32(len(data))
	f.blobs++
	x.blobs = append(x.blobs, blobEntry{hash: h, size: uint32(len(data))})
	w.buf = append(w.buf, data...)
	w.raw += len(data)
	if w.cut.add(h, len(data)) {
		return w.finish(), nil
	}
	return nil, nil
}

// finish returns what is left, or nil.
func (w *packWriter) finish() *builtPack {
	if len(w.index.blobs) == 0 {
		return nil
	}
	off := len(w.buf)
	b := w.index.encode(w.buf)
	stored := uint32(len(b) - off)
	sum := sha256.Sum256(b[off:])
	b = packTrailer{
		indexOff: uint64(off), stored: stored, raw: stored,
		frames: uint32(len(w.index.frames)), blobs: uint32(len(w.index.blobs)),
		codec: codecNone, cipher: cipherNone, indexHash: sum,
	}.encode(b)
	p := &builtPack{
		entry: packEntry{indexHash: sum, size: uint32(len(b)), indexOff: uint32(off), blobs: uint32(len(w.index.blobs))},
		data:  b, index: w.index.blobs, raw: w.raw,
	}
	*w = packWriter{}
	return p
}

func (p *builtPack) trailer() []byte { return p.data[len(p.data)-packTrailerSize:] }
