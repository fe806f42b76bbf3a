//go:build !js

package s3publish_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// What an edit of a database costs: the promise of LAYOUT.md, What one post takes.
func TestAnEditCostsLittleMoreThanItsPagesCompressed(t *testing.T) {
	for name, key := range map[string]*s3publish.Key{"plain": nil, "encrypted": {1}} {
		t.Run(name, func(t *testing.T) { editDatabase(t, key) })
	}
}

func editDatabase(t *testing.T, key *s3publish.Key) {
	const seed = 54
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	store := newSpy(&s3publish.MemoryStore{})
	f := site(t, seed, 1000, 5000)
	// Pages as SQLite leaves them: rows of text at the end, nothing at the beginning.
	page := func() string {
		var rows []byte
		for range 1 + rnd.IntN(12) {
			rows = fmt.Appendf(rows, "<!-- wp:paragraph --><p>row %d</p>", rnd.IntN(1e9))
		}
		return strings.Repeat("\x00", 4096-len(rows)) + string(rows)
	}
	var whole strings.Builder
	for range 110 {
		whole.WriteString(page())
	}
	edit(t, f, "database", whole.String())
	ino, err := f.Inodes().Lookup(memfs.RootIno, "database")
	require.NoError(t, err)
	r := withKey(store, key)
	res := publish(t, r, f, s3publish.PublishOptions{Volume: "v", Origin: strings.Repeat("o", 36)})
	merges := 0
	for n := range 60 {
		pages := 0
		change := func(at int) {
			b := page()
			write(t, f, ino, int64(at)*4096, []byte(b))
			small, err := s3publish.GoCodec{}.Compress(t.Context(), []byte(b))
			require.NoError(t, err)
			pages += len(small)
		}
		for at := range 12 {
			change(at * 9)
		}
		change(110 + n) // what stays: the post
		store.reset()
		res = publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: res.ID, Origin: strings.Repeat("o", 36)})
		require.Len(t, store.log, 3)
		if res.PacksReplaced >= 15 {
			merges++
			continue
		}
		require.LessOrEqual(t, float64(store.bytes), 1.5*float64(pages)+4096, "edit %d: %+v", n, res)
	}
	require.LessOrEqual(t, merges, 60/15)
	t.Logf("%d of 60 merged all small packs", merges)
	requireSameTree(t, dump(t, f), pullInto(t, withKey(store, key), s3publish.PullOptions{Volume: "v"}))
}
