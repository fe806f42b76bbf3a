package s3publish

import (
	"context"

	"github.com/holdfast-fs/holdfast/memfs"
)

// How the list of packs stays short; see LAYOUT.md, Consolidation.
const (
	// mergeAt is the number of packs, the new one included, from which on small ones are merged.
	mergeAt = 16

	// cheapPart is which part of the new content may be sent again to replace the last pack whenever it is small.
	cheapPart = 8

	// deadSlack is how many bytes of content, beyond twice what the tree reaches, packs may hold before it is looked for what they
	// hold in vain.
	deadSlack = 8 << 20
)

// full packs are not merged for being many.
func (e packEntry) full() bool { return e.raw >= packMinRaw || e.blobs >= packMaxBlobs }

// mergeFrom tells from which pack on a publish of that many bytes of new content replaces the packs by one that holds their live
// content beside the new: len(packs) when it replaces none.
func mergeFrom(packs []packEntry, fresh int64) int {
	merge, after := len(packs), fresh
	if fresh == 0 {
		return merge
	}
	for i := len(packs) - 1; i >= 0 && !packs[i].full(); i-- {
		if int64(packs[i].raw) <= after {
			merge = i
		}
		after += int64(packs[i].raw)
	}
	if len(packs)-merge+1 < mergeAt && fresh < packMinRaw {
		return len(packs)
	}
	return merge
}

// content is the bytes of all blobs in packs.
func content(packs []packEntry) (n int64) {
	for _, p := range packs {
		n += int64(p.raw)
	}
	return n
}

// usage counts the bytes of the blobs that a tree reaches: all of them, and those in each of the packs.
func (r *Remote) usage(ctx context.Context, src Source, packs []packEntry) (live int64, in []int64, err error) {
	in = make([]int64, len(packs))
	place := make(map[ID]int, len(packs))
	for i, p := range packs {
		place[p.id] = i
	}
	var root memfs.Hash
	err = eachBlob(ctx, src, func(memfs.Hash) bool { return false }, &root, func(h memfs.Hash, data []byte) error {
		live += int64(len(data))
		for _, o := range r.holders(h) {
			if i, ok := place[o.pack.id]; ok {
				in[i] += int64(len(data))
				break
			}
		}
		return nil
	})
	return live, in, err
}

// rewriteFrom tells from which pack on most is won by writing live content anew: at each pack it weighs what is dropped from there on
// against what is sent again.
func rewriteFrom(packs []packEntry, live []int64) int {
	best, from, won := int64(0), len(packs), int64(0)
	for i := len(packs) - 1; i >= 0; i-- {
		if won += int64(packs[i].raw) - 2*live[i]; won > best {
			best, from = won, i
		}
	}
	return from
}

// consolidate decides which of the packs a publish builds on. It returns how many of them stay, and the bytes that the tree
// reaches, as far as they are known.
func (r *Remote) consolidate(ctx context.Context, src Source, packs []packEntry, fresh, live int64) (keep int, counted int64, err error) {
	if len(packs) == 0 {
		return 0, fresh, nil
	}
	keep = mergeFrom(packs, fresh)
	if last := len(packs) - 1; keep > last && !packs[last].full() {
		p, err := planPacks(ctx, src, r.hasIn(packs[:last]))
		if err != nil {
			return 0, 0, err
		}
		if p.bytes-fresh <= fresh/cheapPart {
			keep = last
		}
	}
	if content(packs)+fresh <= 2*live+deadSlack {
		return keep, live, nil
	}
	live, in, err := r.usage(ctx, src, packs)
	if err != nil {
		return 0, 0, err
	}
	return min(keep, rewriteFrom(packs, in)), live, nil
}
