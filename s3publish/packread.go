package s3publish

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
)

const hashBatch = 256 // blobs given to a Hasher at once: 1 MiB of full pages

// packTail is what follows a pack's frames, checked.
type packTail struct {
	packTrailer
	*packIndex
	box *box
}

// readIndex checks the bytes of a pack from its index to its end against what a snapshot says of it.
func (c *coder) readIndex(ctx context.Context, b []byte, e packEntry) (*packTail, error) {
	if uint64(len(b)) != uint64(e.size-e.indexOff) || len(b) < packTrailerSize {
		return nil, corrupt("%d bytes where %d were announced", len(b), e.size-e.indexOff)
	}
	end := len(b) - packTrailerSize
	t, err := decodePackTrailer(b[end:], int64(e.size))
	if err != nil {
		return nil, err
	}
	if t.indexOff != uint64(e.indexOff) || t.blobs != e.blobs || t.indexHash != e.indexHash {
		return nil, corrupt("the index is not the one that the snapshot names")
	}
	if sha256.Sum256(b[:end]) != t.indexHash {
		return nil, corrupt("hash of the index")
	}
	box, err := c.box(ctx, "pack", t.seal)
	if err != nil {
		return nil, err
	}
	index, err := box.open(ctx, nonceIndex, b[:end], nil)
	if err != nil {
		return nil, err
	}
	x, err := decodeIndex(index, t)
	if err != nil {
		return nil, err
	}
	var raw uint64
	for _, f := range x.frames {
		raw += uint64(f.raw)
	}
	if raw != uint64(e.raw) {
		return nil, corrupt("%d bytes of content where %d were announced", raw, e.raw)
	}
	return &packTail{t, x, box}, nil
}

// readFrame returns the content of a frame from its stored bytes. The hashes of its blobs are left to check.
func (c *coder) readFrame(ctx context.Context, t *packTail, i int, stored []byte) ([]byte, error) {
	f := t.packIndex.frames[i]
	b, err := t.box.open(ctx, uint64(i), stored, nil)
	if err == nil && f.codec == codecDeflate {
		if c.codec == nil {
			return nil, fmt.Errorf("%w: this browser has no DecompressionStream", ErrUnsupported)
		}
		b, err = c.codec.Decompress(ctx, b, int(f.raw))
	}
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", i, err)
	}
	if len(b) != int(f.raw) {
		return nil, corrupt("frame %d: %d bytes where %d were announced", i, len(b), f.raw)
	}
	return b, nil
}

// splitFrame checks the hashes of blobs that lie in b one after the other, and gives them to emit as slices of b.
func (c *coder) splitFrame(ctx context.Context, b []byte, entries []blobEntry, emit func(memfs.Hash, []byte) error) error {
	blobs := make([][]byte, 0, min(len(entries), hashBatch))
	for len(entries) > 0 {
		n := min(hashBatch, len(entries))
		blobs = blobs[:0]
		for _, e := range entries[:n] {
			blobs = append(blobs, b[:e.size:e.size])
			b = b[e.size:]
		}
		sums, err := sumAll(ctx, c.hasher, blobs)
		if err != nil {
			return err
		}
		for i, e := range entries[:n] {
			if sums[i] != e.hash {
				return corrupt("blob %s does not have that hash", hashString(e.hash))
			}
			if err := emit(e.hash, blobs[i]); err != nil {
				return err
			}
		}
		entries = entries[n:]
	}
	return nil
}

// openPack checks a whole pack: its own hash, its structure, and the hash of every blob, and gives the blobs to emit in order. They are
// emit's to keep, in slices of a frame each.
func (c *coder) openPack(ctx context.Context, b []byte, e packEntry, emit func(memfs.Hash, []byte) error) (*packTail, error) {
	if uint64(len(b)) != uint64(e.size) {
		return nil, corrupt("%d bytes where %d were announced", len(b), e.size)
	}
	sum, err := sumOne(ctx, c.hasher, b)
	if err != nil {
		return nil, err
	}
	if sum != e.id {
		return nil, corrupt("its hash is not its name")
	}
	t, err := c.readIndex(ctx, b[e.indexOff:], e)
	if err != nil {
		return nil, err
	}
	if err := checkPackHeader(b, t.seal.flags()); err != nil {
		return nil, err
	}
	rest, blobs := b[packHeaderSize:e.indexOff], t.packIndex.blobs
	for i, f := range t.packIndex.frames {
		if ctx.Err() != nil {
			return nil, aborted(ctx, "get", packKey(e.id))
		}
		frame, err := c.readFrame(ctx, t, i, rest[:f.stored:f.stored])
		if err != nil {
			return nil, err
		}
		if err := c.splitFrame(ctx, frame, blobs[:f.blobs], emit); err != nil {
			return nil, err
		}
		rest, blobs = rest[f.stored:], blobs[f.blobs:]
	}
	return t, nil
}

// entryOf is what a snapshot would say of a pack. The content's size is known only from the index.
func (c *coder) entryOf(ctx context.Context, id ID, b []byte) (packEntry, error) {
	if len(b) < minPack || len(b) > maxPack {
		return packEntry{}, corrupt("pack of %d bytes", len(b))
	}
	end := len(b) - packTrailerSize
	t, err := decodePackTrailer(b[end:], int64(len(b)))
	if err != nil {
		return packEntry{}, err
	}
	e := packEntry{id: id, indexHash: t.indexHash, size: uint32(len(b)), indexOff: uint32(t.indexOff), blobs: t.blobs}
	box, err := c.box(ctx, "pack", t.seal)
	if err != nil {
		return packEntry{}, err
	}
	index, err := box.open(ctx, nonceIndex, b[t.indexOff:end], nil)
	if err != nil {
		return packEntry{}, err
	}
	x, err := decodeIndex(index, t)
	if err != nil {
		return packEntry{}, err
	}
	for _, f := range x.frames {
		e.raw += f.raw
	}
	return e, e.validate()
}
