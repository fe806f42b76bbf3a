package s3publish

import (
	"context"

	"github.com/holdfast-fs/holdfast/memfs"
)

// How the list of packs stays short; see LAYOUT.md, Consolidation.
const (
	// mergeAt is the number of packs, the new one included, from which on small ones are merged.
	mergeAt = 16

	// cheapPart is which part of the new content may be sent again, so that there are fewer packs, although there are not that many.
	cheapPart = 16

	// deadSlack is how many bytes of content, beyond twice what the tree reaches, packs may hold before it is looked for what they
	// hold in vain.
	deadSlack = 8 << 20
)

// full packs are not merged for being many.
func (e packEntry) full() bool { return e.raw >= packMinRaw || e.blobs >= packMaxBlobs }

// mergeFrom tells from which of the last packs on, with that many live bytes each, a publish replaces them by one that holds their live content beside that many
// bytes of new content: len(live) when it replaces none.
func mergeFrom(live []int64, fresh int64) int {
	cheap, merge := len(live), len(live)
	after := fresh
	for i := len(live) - 1; i >= 0; i-- {
		if live[i] <= after {
			merge = i
		}
		if after += live[i]; after-fresh <= fresh/cheapPart {
			cheap = i
		}
	}
	if fresh >= packMinRaw || fresh > 0 && len(live)-merge+1 >= mergeAt {
		return merge
	}
	return cheap
}

// content is the bytes of all blobs in packs.
func content(packs []packEntry) (n int64) {
	for _, p := range packs {
		n += int64(p.raw)
	}
	return n
}

// usage counts the bytes of the blobs that a tree reaches, beside those in the packs that stay: all of them, and those in each of the other packs.
func (r *Remote) usage(ctx context.Context, src Source, stay, packs []packEntry) (live int64, in []int64, err error) {
	in = make([]int64, len(packs))
	place := make(map[ID]int, len(packs))
	for i, p := range packs {
		place[p.id] = i
	}
	var root memfs.Hash
	err = eachBlob(ctx, src, r.hasIn(stay), &root, func(h memfs.Hash, data []byte) error {
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
	small := len(packs) // the first of those after the last full one
	for small > 0 && !packs[small-1].full() {
		small--
	}
	_, in, err := r.usage(ctx, src, packs[:small], packs[small:])
	if err != nil {
		return 0, 0, err
	}
	keep = small + mergeFrom(in, fresh)
	if content(packs)+fresh <= 2*live+deadSlack {
		return keep, live, nil
	}
	live, in, err = r.usage(ctx, src, nil, packs)
	if err != nil {
		return 0, 0, err
	}
	return min(keep, rewriteFrom(packs, in)), live, nil
}
