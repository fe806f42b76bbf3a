package s3publish

import (
	"bytes"
	"encoding/binary"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Folded nodes; see LAYOUT.md. Hashes do not compress, so where one that a node names is listed in an index that readers have anyway, a reference
// to that place is stored instead. Whatever comes of it is checked by the node's own hash: so a wrong reference cannot be taken for a right one.

const hashSize = len(memfs.Hash{})

// place is where a hash is listed: in which index, 0 is that of the pack at hand and k that of the k-th pack of its base; and as which number.
type place struct{ pack, blob uint32 }

// indexes are what references lead to, by place.
type indexes [][]blobEntry

func (x indexes) hash(pack uint64, blob int64) (h memfs.Hash, err error) {
	if pack >= uint64(len(x)) {
		return h, corrupt("folded blob: a reference to pack %d of %d", pack, len(x))
	}
	if blob < 0 || blob >= int64(len(x[pack])) {
		return h, corrupt("folded blob: a reference to blob %d of %d", blob, len(x[pack]))
	}
	return x[pack][blob].hash, nil
}

// folder folds, or unfolds, the blobs of one frame in their order. Each reference is the distance from the blob behind the last one that was referred to
// in the same pack: neighbours are zeros, which compress to nothing. The zero value is ready.
type folder struct {
	pack uint64
	next map[uint64]int64
}

// fold returns a node with references in place of those hashes that find knows; nil when there are none. The result is shorter than the node: a hash has 32
// bytes, and what replaces it at most 3 for its place in the node and 11 for the place where it is listed.
func (f *folder) fold(blob []byte, find func(memfs.Hash) (place, bool)) []byte {
	hashes, _ := memfs.PublishedRefs(blob)
	type hit struct {
		at int
		to place
	}
	var hits []hit
	for at := 0; len(hashes) > 0; hashes = hashes[1:] {
		i := bytes.Index(blob[at:], hashes[0][:])
		if i < 0 {
			break
		}
		if to, ok := find(hashes[0]); ok {
			hits = append(hits, hit{at + i, to})
		}
		at += i + hashSize
	}
	if len(hits) == 0 {
		return nil
	}
	var b []byte
	end := 0
	for len(hits) > 0 {
		run := 1
		for run < len(hits) && hits[run].at == hits[run-1].at+hashSize {
			run++
		}
		b = binary.AppendUvarint(b, uint64(hits[0].at-end))
		b = append(b, blob[end:hits[0].at]...)
		b = binary.AppendUvarint(b, uint64(run))
		for _, h := range hits[:run] {
			b = f.refer(b, h.to)
		}
		end = hits[run-1].at + hashSize
		hits = hits[run:]
	}
	if end < len(blob) {
		b = binary.AppendUvarint(b, uint64(len(blob)-end))
		b = append(b, blob[end:]...)
	}
	return b
}

func (f *folder) refer(b []byte, to place) []byte {
	if f.next == nil {
		f.next = map[uint64]int64{}
	}
	pack, blob := uint64(to.pack), int64(to.blob)
	distance := blob - f.next[pack]
	f.next[pack] = blob + 1
	sign := uint64(distance<<1) ^ uint64(distance>>63)
	if pack == f.pack {
		return binary.AppendUvarint(b, sign<<1)
	}
	f.pack = pack
	return binary.AppendUvarint(binary.AppendUvarint(b, pack<<1|1), sign)
}

// unfold returns a blob as it was before it was folded.
func (f *folder) unfold(b []byte, size int, to indexes) ([]byte, error) {
	if size > hashSize*len(b) {
		return nil, corrupt("folded blob: %d bytes cannot stand for %d", len(b), size)
	}
	in := reader{b: b}
	blob := make([]byte, 0, size)
	for len(blob) < size && in.err == nil {
		blob = append(blob, in.take(in.uint(uint64(size-len(blob))))...)
		if len(blob) == size {
			break
		}
		n := in.uint(uint64((size - len(blob)) / hashSize))
		if n == 0 {
			in.fail()
		}
		for ; n > 0 && in.err == nil; n-- {
			h, err := f.follow(&in, to)
			if err != nil {
				return nil, err
			}
			blob = append(blob, h[:]...)
		}
	}
	if in.err == nil && len(in.b) > 0 {
		in.fail()
	}
	return blob, in.err
}

func (f *folder) follow(in *reader, to indexes) (h memfs.Hash, err error) {
	if f.next == nil {
		f.next = map[uint64]int64{}
	}
	sign := in.uint(maxReference)
	if sign&1 != 0 {
		f.pack = sign >> 1
		sign = in.uint(maxReference)
	} else {
		sign >>= 1
	}
	if in.err != nil {
		return h, in.err
	}
	blob := f.next[f.pack] + (int64(sign>>1) ^ -int64(sign&1))
	if h, err = to.hash(f.pack, blob); err == nil {
		f.next[f.pack] = blob + 1
	}
	return h, err
}

// maxReference is more than any reference is written as.
const maxReference = 8 * maxPackBlobs

// reader takes a folded blob apart. The first fault stops it.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	r.b = nil
	if r.err == nil {
		r.err = corrupt("folded blob: malformed")
	}
}

func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}
