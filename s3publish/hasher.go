package s3publish

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Hasher computes SHA-256. In a browser WebCrypto is several times faster than Go, but asynchronous: so
// it is given many blobs at once and may block.
type Hasher interface {
	// Sum returns one hash for each blob. It may be called from several goroutines and does not keep the blobs.
	Sum(ctx context.Context, blobs [][]byte) ([]memfs.Hash, error)
}

// GoHasher is the Hasher that uses crypto/sha256.
type GoHasher struct{}

var _ Hasher = GoHasher{}

// Sum implements Hasher.
func (GoHasher) Sum(_ context.Context, blobs [][]byte) ([]memfs.Hash, error) {
	sums := make([]memfs.Hash, len(blobs))
	for i, b := range blobs {
		sums[i] = sha256.Sum256(b)
	}
	return sums, nil
}

// SHA256 is the hash of blobs, as memfs.Snapshot.Export wants it.
func SHA256(b []byte) (memfs.Hash, error) { return sha256.Sum256(b), nil }

func sumAll(ctx context.Context, h Hasher, blobs [][]byte) ([]memfs.Hash, error) {
	sums, err := h.Sum(ctx, blobs)
	if err == nil && len(sums) != len(blobs) {
		err = fmt.Errorf("holdfast: hasher returned %d hashes for %d blobs", len(sums), len(blobs))
	}
	return sums, err
}

func sumOne(ctx context.Context, h Hasher, b []byte) (ID, error) {
	sums, err := sumAll(ctx, h, [][]byte{b})
	if err != nil {
		return ID{}, err
	}
	return ID(sums[0]), nil
}
