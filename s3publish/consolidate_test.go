//go:build !js

// Nothing in this file differs under GOOS=js, where it takes minutes.

package s3publish

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

// flatTree is a Source of blobs without structure: a root, and everything else right below it.
type flatTree struct {
	rnd   *rand.Rand
	next  uint64
	order []memfs.Hash
	live  map[memfs.Hash][]byte
}

func (f *flatTree) HashPages(memfs.Stopper, int, func([][]byte) ([]memfs.Hash, error)) error {
	return nil
}

func (f *flatTree) Export(_ func([]byte) (memfs.Hash, error), has func(memfs.Hash) bool, emit func(memfs.Hash, []byte) error) (memfs.Hash, error) {
	for _, h := range f.order {
		if b := f.live[h]; b != nil && !has(h) {
			if err := emit(h, b); err != nil {
				return memfs.Hash{}, err
			}
		}
	}
	root := binary.LittleEndian.AppendUint64([]byte("root"), f.next)
	h := memfs.Hash(sha256.Sum256(root))
	if has(h) {
		return h, nil
	}
	return h, emit(h, root)
}

// size is what the tree reaches.
func (f *flatTree) size() (n int64) {
	for _, b := range f.live {
		n += int64(len(b))
	}
	return n + 12
}

func (f *flatTree) add(size int) {
	b := make([]byte, max(size, 16))
	f.next++
	binary.LittleEndian.PutUint64(b, f.next)
	for i := 8; i < len(b); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], f.rnd.Uint64())
		copy(b[i:], word[:])
	}
	h := memfs.Hash(sha256.Sum256(b))
	f.live[h] = b
	f.order = append(f.order, h)
}

// drop removes the n newest blobs but skip, where it finds them.
func (f *flatTree) drop(n, skip int) {
	kept := f.order[:0]
	for i, h := range f.order {
		if at := len(f.order) - 1 - i; at >= skip && at < skip+n {
			delete(f.live, h)
		} else {
			kept = append(kept, h)
		}
	}
	f.order = kept
}

// noCodec compresses nothing, fast.
type noCodec struct{}

func (noCodec) Compress(_ context.Context, b []byte) ([]byte, error) { return b, nil }
func (noCodec) Decompress(context.Context, []byte, int) ([]byte, error) {
	return nil, ErrUnsupported
}

// What LAYOUT.md (Consolidation) proves, after every publish of long histories of several kinds.
func TestTheNumberOfPacksAndTheBytesSentAgainAreBounded(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	for name, w := range map[string]struct {
		rounds int
		start  func(*flatTree)
		edit   func(*flatTree, *rand.Rand, int)
		most   float64 // bytes sent again for each new one, as measured and rounded up
	}{
		"posts: the same few pages over and over": {
			rounds: 300, most: 1,
			start: func(f *flatTree) { grow(f, 6<<20, 4096) },
			edit:  func(f *flatTree, _ *rand.Rand, _ int) { f.drop(20, 0); times(22, func() { f.add(4096) }) },
		},
		"uploads: nothing is ever dropped": {
			rounds: 400, most: 2.5,
			start: func(*flatTree) {},
			edit:  func(f *flatTree, rnd *rand.Rand, _ int) { grow(f, 1000+rnd.IntN(100_000), 4096) },
		},
		"sizes of all kinds, most of it dropped sooner or later": {
			rounds: 300, most: 1.5,
			start: func(f *flatTree) { grow(f, 3<<20, 4096) },
			edit: func(f *flatTree, rnd *rand.Rand, _ int) {
				size := int(math.Exp(rnd.Float64() * math.Log(3<<20)))
				grow(f, size, 1+size/20)
				for f.size() > 8<<20 {
					f.drop(1+rnd.IntN(50), rnd.IntN(len(f.order)))
				}
			},
		},
		"a site that is replaced whole": {
			rounds: 30, most: 0.1,
			start: func(f *flatTree) { grow(f, 5<<20, 8192) },
			edit:  func(f *flatTree, _ *rand.Rand, _ int) { f.drop(len(f.order), 0); grow(f, 5<<20, 8192) },
		},
		"tiny edits": {
			rounds: 1000, most: 1.5,
			start: func(f *flatTree) { grow(f, 1<<20, 4096) },
			edit:  func(f *flatTree, rnd *rand.Rand, _ int) { f.add(16 + rnd.IntN(300)) },
		},
		"each a little smaller than the one before": {
			rounds: 300, most: 2.5,
			start: func(f *flatTree) { grow(f, 1<<20, 4096) },
			edit:  func(f *flatTree, _ *rand.Rand, n int) { f.add(1 << max(4, 19-n%16)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			f := &flatTree{rnd: rnd, live: map[memfs.Hash][]byte{}}
			w.start(f)
			r := NewRemote(&MemoryStore{}, RemoteOptions{Codec: noCodec{}})
			var parent ID
			var fresh, again, sent int64
			smallest, worst := int64(math.MaxInt64), 0
			for n := range w.rounds {
				res, err := r.Publish(t.Context(), f, PublishOptions{Volume: "v", Parent: parent})
				require.NoError(t, err)
				parent = res.ID
				snap := r.heads["v"].snap
				fresh += res.ContentNew
				again += res.ContentAgain
				if n > 0 {
					sent += res.ContentNew
					smallest = min(smallest, res.ContentNew)
				}
				worst = max(worst, len(snap.packs))

				bound := int(content(snap.packs)/packMinRaw) + mergeAt + int(math.Log2(packMinRaw/float64(min(smallest, packMinRaw))))
				require.LessOrEqual(t, len(snap.packs), bound, "round %d: packs %v", n, sizes(snap.packs))
				require.LessOrEqual(t, content(snap.packs), 2*max(snap.live, f.size())+deadSlack+res.ContentNew, "round %d", n)
				require.LessOrEqual(t, float64(again), float64(fresh)*(4+math.Log(packMinRaw/float64(min(smallest, packMinRaw)))/math.Log(4.0/3)), "round %d", n)
				for h := range f.live {
					require.True(t, r.hasIn(snap.packs)(h), "round %d: a blob is in no pack", n)
				}
				w.edit(f, rnd, n)
			}
			t.Logf("%d publishes of %d bytes on average: %.2f bytes sent again for each new one, %d packs at most",
				w.rounds, sent/int64(w.rounds), float64(again)/float64(fresh), worst)
			require.LessOrEqual(t, float64(again)/float64(fresh), w.most)
			require.Len(t, r.packs, len(r.heads["v"].snap.packs), "what is not listed is forgotten")
		})
	}
}

func TestOnlyWhatIsMostlyDeadIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		raw  []uint32
		live []int64
		want int
	}{
		{[]uint32{10, 10, 10}, []int64{10, 9, 0}, 2},
		{[]uint32{10, 10, 10}, []int64{10, 4, 5}, 1},
		{[]uint32{10, 10, 10}, []int64{0, 9, 1}, 0},
		{[]uint32{10, 10, 10}, []int64{6, 6, 6}, 3},
		{[]uint32{100, 1, 1}, []int64{49, 1, 1}, 3},
		{[]uint32{100, 1, 1}, []int64{48, 1, 1}, 0},
		{nil, nil, 0},
	} {
		var packs []packEntry
		for _, raw := range c.raw {
			packs = append(packs, packEntry{raw: raw})
		}
		require.Equal(t, c.want, rewriteFrom(packs, c.live), "%v", c)
	}
}

func times(n int, f func()) {
	for range n {
		f()
	}
}

// grow adds blobs of that size.
func grow(f *flatTree, bytes, size int) {
	for ; bytes > 0; bytes -= size {
		f.add(min(size, bytes))
	}
}

func sizes(packs []packEntry) (n []uint32) {
	for _, p := range packs {
		n = append(n, p.raw)
	}
	return n
}
