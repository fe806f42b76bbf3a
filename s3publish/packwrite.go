package s3publish

import (
	"context"
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

// packWriter collects blobs into packs. A pack may pass packMaxRaw by one blob.
type packWriter struct {
	cut   cutter
	buf   []byte // the content
	index packIndex
}

// builtPack is a pack in memory: its content at first, and what is stored of it once it was encoded.
type builtPack struct {
	raw     int
	content []byte
	index   packIndex
	on      *foundation // nil: nothing

	entry packEntry
	data  []byte
}

// add copies a blob into the pack. It returns the pack when it is full.
func (w *packWriter) add(h memfs.Hash, data []byte) (*builtPack, error) {
	if len(data) == 0 || len(data) > maxBlob {
		return nil, fmt.Errorf("%w: blob %s of %d bytes", ErrInvalid, hashString(h), len(data))
	}
	if w.buf == nil {
		w.buf = make([]byte, 0, packSizeGuess)
	}
	x := &w.index
	if n := len(x.frames); n == 0 || int(x.frames[n-1].raw) >= frameTarget {
		x.frames = append(x.frames, frameEntry{})
	}
	f := &x.frames[len(x.frames)-1]
	f.raw += uint32(len(data))
	f.blobs++
	x.blobs = append(x.blobs, blobEntry{hash: h, size: uint32(len(data))})
	w.buf = append(w.buf, data...)
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
	p := &builtPack{raw: len(w.buf), content: w.buf, index: w.index}
	*w = packWriter{}
	return p
}

// encode makes the bytes and the entry of a pack, and gives its content up.
func (c *coder) encode(ctx context.Context, p *builtPack, epoch uint32) error {
	x := &p.index
	payloads := append(p.foldFrames(), nil)
	for i := range x.frames {
		if ctx.Err() != nil {
			return aborted(ctx, "publish", "")
		}
		f := &x.frames[i]
		payload := payloads[i]
		small, err := c.compress(ctx, payload)
		if err != nil {
			return err
		}
		if small != nil {
			payload, f.codec = small, codecDeflate
		}
		payloads[i] = payload
		f.stored = uint32(len(payload))
	}
	tr := packTrailer{frames: uint32(len(x.frames)), blobs: uint32(len(x.blobs))}
	if c.key != nil {
		// The index has the sizes of the frames, so nothing else has this hash.
		sums, err := sumAll(ctx, c.hasher, payloads[:len(x.frames)])
		if err != nil {
			return err
		}
		h := sha256.New()
		for _, sum := range sums {
			h.Write(sum[:])
		}
		h.Write(x.encode())
		tr.seal = c.newSeal("pack", [32]byte(h.Sum(nil)))
	}
	for i := range x.frames {
		x.frames[i].stored += tr.seal.overhead()
	}
	payloads[len(x.frames)] = x.encode()
	box, err := c.box(ctx, "pack", tr.seal)
	if err != nil {
		return err
	}
	size := packHeaderSize + packTrailerSize
	for i, plain := range payloads {
		n := uint64(i)
		if i == len(x.frames) {
			n = nonceIndex
		}
		if payloads[i], err = box.seal(ctx, n, plain, nil); err != nil {
			return err
		}
		size += len(payloads[i])
	}
	b := encodePackHeader(make([]byte, 0, size), tr.seal.flags(), epoch)
	for _, stored := range payloads[:len(x.frames)] {
		b = append(b, stored...)
	}
	index := payloads[len(x.frames)]
	tr.indexOff, tr.stored, tr.indexHash = uint64(len(b)), uint32(len(index)), sha256.Sum256(index)
	b = tr.encode(append(b, index...))
	p.data, p.content = b, nil
	p.entry = packEntry{
		indexHash: tr.indexHash, size: uint32(len(b)), indexOff: uint32(tr.indexOff), blobs: tr.blobs, raw: uint32(p.raw),
	}
	p.entry.id, err = sumOne(ctx, c.hasher, b)
	return err
}

const sampleSize = 8 << 10

// compress returns nil when it does not help: when less than a sixteenth would be saved. Of large frames it first tries a sample.
func (c *coder) compress(ctx context.Context, b []byte) ([]byte, error) {
	if c.codec == nil {
		return nil, nil
	}
	if len(b) >= 8*sampleSize {
		sample := make([]byte, 0, sampleSize)
		for i := range 4 {
			at := len(b) / 4 * i
			sample = append(sample, b[at:at+sampleSize/4]...)
		}
		if small, err := c.codec.Compress(ctx, sample); err != nil || len(small) >= len(sample)-len(sample)/16 {
			return nil, err
		}
	}
	small, err := c.codec.Compress(ctx, b)
	if err != nil || len(small) >= len(b)-len(b)/16 {
		return nil, err
	}
	return small, nil
}

func (p *builtPack) trailer() []byte { return p.data[len(p.data)-packTrailerSize:] }
