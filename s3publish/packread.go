package s3publish

import (
	"context"

	"github.com/holdfast-fs/holdfast/memfs"
)

const hashBatch = 256 // blobs given to a Hasher at once: 1 MiB of full pages

// readIndex checks the bytes of a pack from its index to its end against what a snapshot says of it.
func readIndex(b []byte, e packEntry) (*packIndex, error) {
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
	return decodeIndex(b[:end], t)
}

// openPack checks a whole pack: its own hash, its structure, and the hash of every blob. It gives each blob to
// emit as a slice of b.
func openPack(ctx context.Context, b []byte, e packEntry, h Hasher, emit func(memfs.Hash, []byte)) (*packIndex, error) {
	if uint64(len(b)) != uint64(e.size) {
		return nil, corrupt("%d bytes where %d were announced", len(b), e.size)
	}
	sum, err := sumOne(ctx, h, b)
	if err != nil {
		return nil, err
	}
	if sum != e.id {
		return nil, corrupt("its hash is not its name")
	}
	if err := checkPackHeader(b); err != nil {
		return nil, err
	}
	x, err := readIndex(b[e.indexOff:], e)
	if err != nil {
		return nil, err
	}
	rest := b[packHeaderSize:e.indexOff]
	blobs := make([][]byte, 0, hashBatch)
	for entries := x.blobs; len(entries) > 0; {
		n := min(hashBatch, len(entries))
		blobs = blobs[:0]
		for _, be := range entries[:n] {
			blobs = append(blobs, rest[:be.size:be.size])
			rest = rest[be.size:]
		}
		sums, err := sumAll(ctx, h, blobs)
		if err != nil {
			return nil, err
		}
		for i, be := range entries[:n] {
			if sums[i] != be.hash {
				return nil, corrupt("blob %s does not have that hash", hashString(be.hash))
			}
			emit(be.hash, blobs[i])
		}
		entries = entries[n:]
	}
	return x, nil
}
