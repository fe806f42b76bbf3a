package s3publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
)

const hashBatch = 256 // blobs given to a Hasher at once: 1 MiB of full pages

// packTail is what follows a pack's frames, checked.
type packTail struct {
	packTrailer
	*packIndex
	box *box

	waiting []foldedFrame // blobs of this pack that cannot be unfolded before the indexes of its base are there
}

// foldedFrame is the folded blobs of a frame, in their order.
type foldedFrame struct {
	entries []blobEntry
	parts   [][]byte // as they are stored
}

func (f *foldedFrame) add(e blobEntry, part []byte) {
	f.entries, f.parts = append(f.entries, e), append(f.parts, part)
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
	if raw := x.content(); raw != uint64(e.raw) {
		return nil, corrupt("%d bytes of content where %d were announced", raw, e.raw)
	}
	return &packTail{packTrailer: t, packIndex: x, box: box}, nil
}

// readFrame returns a frame from its stored bytes: its blobs one after the other, some of them folded. Their hashes are left to check.
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

// cutFrame returns the blobs of a frame as they lie in it, folded ones without their length.
func cutFrame(b []byte, entries []blobEntry) ([][]byte, error) {
	parts := make([][]byte, 0, len(entries))
	in := reader{b: b}
	for _, e := range entries {
		size := uint64(e.size)
		if e.folded {
			size = in.uint(uint64(e.size) - 1)
		}
		parts = append(parts, slices.Clip(in.take(size)))
	}
	if in.err == nil && len(in.b) > 0 {
		in.fail()
	}
	return parts, in.err
}

// checkBlobs checks the hashes of blobs and gives them to emit.
func (c *coder) checkBlobs(ctx context.Context, blobs [][]byte, entries []blobEntry, emit func(memfs.Hash, []byte) error) error {
	for len(entries) > 0 {
		n := min(hashBatch, len(entries))
		sums, err := sumAll(ctx, c.hasher, blobs[:n])
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
		blobs, entries = blobs[n:], entries[n:]
	}
	return nil
}

// unfold gives folded blobs to emit, checked.
func (c *coder) unfold(ctx context.Context, frames []foldedFrame, to indexes, emit func(memfs.Hash, []byte) error) error {
	var entries []blobEntry
	var blobs [][]byte
	for i, frame := range frames {
		var f folder
		for j, e := range frame.entries {
			b, err := f.unfold(frame.parts[j], int(e.size), to)
			if err != nil {
				return fmt.Errorf("blob %s: %w", hashString(e.hash), err)
			}
			entries, blobs = append(entries, e), append(blobs, b)
		}
		if len(blobs) < hashBatch && i < len(frames)-1 {
			continue
		}
		if err := c.checkBlobs(ctx, blobs, entries, emit); err != nil {
			return err
		}
		entries, blobs = nil, nil
	}
	return nil
}

// openPack checks a whole pack: its own hash, its structure, and the hash of every blob that is not folded, and gives these to emit in order. They
// are emit's to keep, in slices of a frame each. What is folded is left to unfold.
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
		parts, err := cutFrame(frame, blobs[:f.blobs])
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w", i, err)
		}
		var plain, folded foldedFrame
		for j, e := range blobs[:f.blobs] {
			if e.folded {
				folded.add(e, bytes.Clone(parts[j]))
			} else {
				plain.add(e, parts[j])
			}
		}
		if err := c.checkBlobs(ctx, plain.parts, plain.entries, emit); err != nil {
			return nil, err
		}
		if len(folded.parts) > 0 {
			t.waiting = append(t.waiting, folded)
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
	e.raw = uint32(min(x.content(), maxPackRaw+1))
	return e, e.validate()
}
