package s3publish

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
)

// base is what a pack's references may lead to beside the pack itself: the first packs of every list that it stands in; see LAYOUT.md. The zero value is
// that of a pack without such references.
type base struct {
	packs uint32
	sum   listSum
}

// listSum stands for the packs of a list, in their order. The zero value is the empty list's.
type listSum [32]byte

func (s listSum) and(id ID) listSum { return sha256.Sum256(append(s[:], id[:]...)) }

// listSums are the sums of the first packs of a list: of none, of the first, of the first two and so on.
func listSums(packs []packEntry) []listSum {
	sums := make([]listSum, 1, len(packs)+1)
	for i, e := range packs {
		sums = append(sums, sums[i].and(e.id))
	}
	return sums
}

// check tells if the i-th pack of a list with these sums, from 0, may have this base there.
func (b base) check(sums []listSum, i int) error {
	if uint64(b.packs) > uint64(i) || sums[b.packs] != b.sum {
		return corrupt("the packs that it builds on are not the ones listed before it")
	}
	return nil
}

// foundation is what the packs of a publish may build on: the packs that stay in the list, and where their blobs are listed.
type foundation struct {
	sums []listSum
	find func(memfs.Hash) (place, bool)
}

// foundation finds blobs that are in several packs in the first of them, so that an interrupted publish makes the same packs again.
func (r *Remote) foundation(kept []packEntry) *foundation {
	number := make(map[ID]uint32, len(kept))
	for i, p := range kept {
		number[p.id] = uint32(i + 1)
	}
	return &foundation{listSums(kept), func(h memfs.Hash) (at place, ok bool) {
		for _, o := range r.holders(h) {
			if n := number[o.pack.id]; n > 0 && (!ok || n < at.pack) {
				at, ok = place{n, o.blob}, true
			}
		}
		return at, ok
	}}
}

// foldFrames folds what it can in the frames of a pack, and returns their payloads before compression.
func (p *builtPack) foldFrames() (payloads [][]byte) {
	x := &p.index
	own := make(map[memfs.Hash]uint32, len(x.blobs))
	for i, e := range x.blobs {
		own[e.hash] = uint32(i)
	}
	find := func(h memfs.Hash) (at place, ok bool) {
		if i, ok := own[h]; ok {
			return place{0, i}, true
		}
		if p.on == nil {
			return at, false
		}
		if at, ok = p.on.find(h); ok && at.pack > x.base.packs {
			x.base = base{at.pack, p.on.sums[at.pack]}
		}
		return at, ok
	}
	rest, blobs := p.content, x.blobs
	for i := range x.frames {
		f := &x.frames[i]
		var fold folder
		var payload []byte // nil while nothing is folded
		from, frame := rest, 0
		for j := range blobs[:f.blobs] {
			e := &blobs[j]
			blob := rest[:e.size:e.size]
			rest = rest[e.size:]
			if small := fold.fold(blob, find); small != nil {
				if payload == nil {
					payload = append(make([]byte, 0, f.raw), from[:frame]...)
				}
				e.folded = true
				payload = append(binary.AppendUvarint(payload, uint64(len(small))), small...)
			} else if payload != nil {
				payload = append(payload, blob...)
			}
			frame += int(e.size)
		}
		if payload == nil {
			payload = from[:frame:frame]
		}
		f.raw = uint32(len(payload))
		payloads = append(payloads, payload)
		blobs = blobs[f.blobs:]
	}
	return payloads
}

// unfoldAll gives what is folded in packs that have arrived to emit, once the indexes of all of them are there. Then nothing waits in them any more.
func (r *Remote) unfoldAll(ctx context.Context, packs []packEntry, arrived map[ID]*packTail, emit func(memfs.Hash, []byte) error) error {
	sums := listSums(packs)
	all := indexes{nil}
	for i, e := range packs {
		if ctx.Err() != nil {
			return aborted(ctx, "pull", "")
		}
		t := arrived[e.id]
		err := t.base.check(sums, i)
		if err == nil {
			all[0] = t.packIndex.blobs
			err = r.coder.unfold(ctx, t.waiting, all[:t.base.packs+1], emit)
		}
		if errors.Is(err, ErrCorrupt) {
			delete(arrived, e.id) // it is fetched again
		}
		if err != nil {
			return at("get", packKey(e.id), err)
		}
		t.waiting = nil
		all = append(all, t.packIndex.blobs)
	}
	return nil
}
