package s3publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

// leafOf is a node as memfs encodes it (NODES.md): the table of a file's pages.
func leafOf(hashes ...memfs.Hash) []byte {
	b := binary.LittleEndian.AppendUint64([]byte{2}, 1<<len(hashes)-1)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// randomHashes are listed in some indexes, at random places.
func randomHashes(rnd *rand.Rand, n int) (hashes []memfs.Hash, to indexes, find func(memfs.Hash) (place, bool)) {
	to = make(indexes, 1+rnd.IntN(5))
	places := map[memfs.Hash]place{}
	for range n {
		var h memfs.Hash
		for i := range h {
			h[i] = byte(rnd.Uint32())
		}
		pack := rnd.IntN(len(to))
		for range rnd.IntN(3) { // others in between
			to[pack] = append(to[pack], blobEntry{hash: memfs.Hash{byte(len(to[pack]))}})
		}
		places[h] = place{uint32(pack), uint32(len(to[pack]))}
		to[pack] = append(to[pack], blobEntry{hash: h})
		hashes = append(hashes, h)
	}
	return hashes, to, func(h memfs.Hash) (place, bool) { p, ok := places[h]; return p, ok }
}

// treeBlobs are the blobs of a small filesystem that has nodes of every kind.
func treeBlobs(t testing.TB) (all [][]byte) {
	f := memfs.New(memfs.Options{})
	dir := ""
	for i := range 150 {
		if i%30 == 0 {
			dir += fmt.Sprintf("dir%d", i)
			require.NoError(t, f.Mkdir(dir, 0o755))
			dir += "/"
		}
		ino, err := f.Inodes().Mknod(memfs.RootIno, fmt.Sprintf("file%d", i), memfs.S_IFREG|0o644, 0)
		require.NoError(t, err)
		h, err := f.Inodes().Open(ino)
		require.NoError(t, err)
		_, err = h.WriteAt(fmt.Appendf(nil, "content %d", i), int64(i)*4096*7)
		require.NoError(t, err)
		_, err = h.WriteAt(fmt.Appendf(nil, "beginning %d", i), 0)
		require.NoError(t, err)
		require.NoError(t, h.Close())
	}
	s := f.Snapshot()
	defer s.Release()
	_, err := s.Export(SHA256, func(memfs.Hash) bool { return false }, func(_ memfs.Hash, b []byte) error {
		all = append(all, bytes.Clone(b))
		return nil
	})
	require.NoError(t, err)
	return all
}

func TestAFoldedNodeUnfoldsToWhatItWas(t *testing.T) {
	const seed = 41
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		hashes, to, find := randomHashes(rnd, 1+rnd.IntN(500))
		if rnd.IntN(3) == 0 { // not all of them are known
			all := find
			find = func(h memfs.Hash) (place, bool) {
				p, ok := all(h)
				return p, ok && h[0] < 100
			}
		}
		var fold, unfold folder
		for range 20 {
			var in []memfs.Hash
			for first := rnd.IntN(len(hashes)); len(in) < 1+rnd.IntN(60); {
				if rnd.IntN(10) == 0 {
					first = rnd.IntN(len(hashes))
				}
				in = append(in, hashes[first])
				first = (first + 1) % len(hashes)
			}
			node := leafOf(in...)
			small := fold.fold(node, find)
			if small == nil {
				for _, h := range in {
					_, ok := find(h)
					require.False(t, ok)
				}
				continue
			}
			require.Less(t, len(small)+binary.MaxVarintLen16, len(node))
			got, err := unfold.unfold(small, len(node), to)
			require.NoError(t, err)
			require.Equal(t, node, got)
		}
	}
}

func TestNodesOfEveryKindAreFoldedAndPagesAreNot(t *testing.T) {
	all := treeBlobs(t)
	to := indexes{nil}
	places := map[memfs.Hash]place{}
	for i, b := range all {
		h := memfs.Hash(sha256.Sum256(b))
		places[h] = place{0, uint32(i)}
		to[0] = append(to[0], blobEntry{hash: h, size: uint32(len(b))})
	}
	find := func(h memfs.Hash) (place, bool) { p, ok := places[h]; return p, ok }
	var fold, unfold folder
	kinds := map[byte]int{}
	var before, after int
	for _, b := range all {
		hashes, _ := memfs.PublishedRefs(b)
		small := fold.fold(b, find)
		require.Equal(t, len(hashes) > 0, small != nil, "%x", b)
		if small == nil {
			continue
		}
		kinds[b[0]]++
		before, after = before+len(b), after+len(small)
		got, err := unfold.unfold(small, len(b), to)
		require.NoError(t, err)
		require.Equal(t, b, got)
	}
	require.Len(t, kinds, 4, "branches, page tables, inodes and the root: %v", kinds)
	require.Less(t, after, before/2)
}

func TestMalformedFoldedBlobsAreRefused(t *testing.T) {
	to := indexes{{{hash: memfs.Hash{1}}, {hash: memfs.Hash{2}}}, {{hash: memfs.Hash{3}}}}
	for name, c := range map[string]struct {
		b    []byte
		size int
		ok   bool
	}{
		"two neighbours":                {[]byte{0, 2, 0, 0}, 64, true},
		"backwards":                     {[]byte{0, 2, 4, 6}, 64, true}, // number 1, then 2 - 2 = 0
		"of another pack":               {[]byte{1, 'x', 1, 3, 0}, 33, true},
		"bytes around it":               {[]byte{1, 'x', 1, 0, 2, 'y', 'z'}, 35, true},
		"nothing":                       {nil, 1, false},
		"only bytes, fewer":             {[]byte{1, 'x'}, 2, false},
		"more bytes than there are":     {[]byte{3, 'x'}, 3, false},
		"more bytes than the blob has":  {[]byte{3, 'x', 'y', 'z'}, 2, false},
		"2^63 bytes":                    {[]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 40, false},
		"a number without end":          {bytes.Repeat([]byte{0x80}, 40), 40, false},
		"no references":                 {[]byte{0, 0, 0, 0}, 64, false},
		"more references than fit":      {[]byte{0, 3, 0, 0, 0}, 64, false},
		"a reference and a half":        {[]byte{0, 2, 0, 0}, 63, false},
		"references that are missing":   {[]byte{0, 2, 0}, 64, false},
		"a distance that is missing":    {[]byte{0, 2, 0, 3}, 64, false},
		"bytes left over":               {[]byte{0, 2, 0, 0, 0}, 64, false},
		"a blob behind the last":        {[]byte{0, 1, 8}, 32, false},
		"the next behind the last":      {[]byte{0, 3, 0, 0, 0}, 96, false},
		"a blob before the first":       {[]byte{0, 1, 2}, 32, false},
		"a blob far behind the last":    {[]byte{0, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 32, false},
		"a pack behind the last":        {[]byte{0, 1, 5, 0}, 32, false},
		"a pack far behind the last":    {[]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0}, 32, false},
		"more than its bytes can stand": {[]byte{0, 2, 0, 0}, maxBlob, false},
	} {
		var f folder
		b, err := f.unfold(c.b, c.size, to)
		if c.ok {
			require.NoError(t, err, name)
			require.Len(t, b, c.size, name)
			continue
		}
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// Whatever changes in a folded node, it is refused, or becomes something else that its hash refuses: never the wrong node, never more than its size.
func TestAChangedFoldedBlobNeverPassesForTheRightOne(t *testing.T) {
	const seed = 42
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	hashes, to, find := randomHashes(rnd, 40)
	node := leafOf(hashes...)
	small := new(folder).fold(node, find)
	for n := range small {
		_, err := new(folder).unfold(small[:n], len(node), to)
		require.ErrorIs(t, err, ErrCorrupt, "cut at %d", n)
		for bit := range 8 {
			bad := bytes.Clone(small)
			bad[n] ^= 1 << bit
			got, err := new(folder).unfold(bad, len(node), to)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			require.Len(t, got, len(node))
			require.NotEqual(t, node, got)
		}
	}
}

// twoPacks are a pack of pages, and one whose leaf refers to them.
func twoPacks(t testing.TB, c *coder) (first, second *builtPack, leaf []byte) {
	pages := blobs(43, 30, 100)
	first = buildPackWith(t, c, pages...)
	last := []byte("another page")
	var hashes []memfs.Hash
	for _, b := range append(pages, last) {
		hashes = append(hashes, sha256.Sum256(b))
	}
	leaf = leafOf(hashes...)
	var w packWriter
	for _, b := range [][]byte{last, leaf} {
		_, err := w.add(sha256.Sum256(b), b)
		require.NoError(t, err)
	}
	second = w.finish()
	r := &Remote{blobs: map[memfs.Hash]holder{}, packs: map[ID]*knownPack{}, more: map[memfs.Hash][]holder{}}
	r.learn(first.entry.id, first.index.blobs)
	second.on = r.foundation([]packEntry{first.entry})
	require.NoError(t, c.encode(context.Background(), second, 0))
	return first, second, leaf
}

func TestAPackWithReferencesIsLaidOutAsDocumented(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	first, second, leaf := twoPacks(t, none)
	b := second.data
	const end = 16 + 12 + 1 + 44 // header, page, length of the folded leaf, folded leaf
	require.Equal(t, "another page", string(b[16:28]))
	require.EqualValues(t, 44, b[28])
	require.EqualValues(t, 9, b[29], "bytes of the leaf before its hashes")
	require.Equal(t, leaf[:9], b[30:39])
	require.EqualValues(t, 31, b[39], "references")
	require.EqualValues(t, 3, b[40], "to pack 1")
	require.Equal(t, make([]byte, 30), b[41:71], "one after the other, from the first")
	require.Equal(t, []byte{1, 0}, b[71:73], "to this pack, its first blob")
	require.Len(t, b, end+16+2*36+36+128)
	index := b[73:]
	require.EqualValues(t, 57, le.Uint32(index), "stored size of the frame")
	require.EqualValues(t, 57, le.Uint32(index[4:]), "raw size")
	require.EqualValues(t, 12, le.Uint32(index[16+32:]))
	require.EqualValues(t, uint32(len(leaf))|1<<31, le.Uint32(index[16+36+32:]))
	require.EqualValues(t, 1, le.Uint32(index[16+72:]), "packs that it builds on")
	sum := sha256.Sum256(append(make([]byte, 32), first.entry.id[:]...))
	require.Equal(t, sum[:], index[16+72+4:16+72+36])
	require.EqualValues(t, 12+len(leaf), second.entry.raw, "the content is as long as what it stands for")

	got, err := readPackWith(none, second, first)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, leaf, got[sha256.Sum256(leaf)])
}

func TestHostilePacksWithReferencesAreRefused(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	const length, tokens, index = 28, 29, 73
	for name, c := range map[string]struct {
		change func(first, p *builtPack)
		reason string
	}{
		"another blob":             {func(_, p *builtPack) { p.data[45], p.data[46], p.data[47] = 4, 6, 4 }, "does not have that hash"},
		"a blob behind the last":   {func(_, p *builtPack) { p.data[45] = 100 }, "a reference to blob"},
		"a pack behind the last":   {func(_, p *builtPack) { p.data[40] = 5 }, "a reference to pack 2 of 2"},
		"no pack to refer to":      {func(_, p *builtPack) { clear(p.data[index+88 : index+124]) }, "a reference to pack 1 of 1"},
		"length past the frame":    {func(_, p *builtPack) { p.data[length] = 45 }, "malformed"},
		"length within the frame":  {func(_, p *builtPack) { p.data[length] = 43 }, "malformed"},
		"length of no folded blob": {func(_, p *builtPack) { p.data[length], p.data[tokens] = 0xff, 0x7f }, "malformed"},
		"not folded":               {func(_, p *builtPack) { p.data[index+16+36+35] = 0 }, "blobs of"},
		"the page is folded":       {func(_, p *builtPack) { p.data[index+16+35] = 0x80 }, ""},
		"a leaf of 1 MiB": {func(_, p *builtPack) {
			le.PutUint32(p.data[index+16+36+32:], 1<<31|maxBlob)
			p.entry.raw = 12 + maxBlob
		}, "cannot stand for"},
		"a leaf of no more than it": {func(_, p *builtPack) { le.PutUint32(p.data[index+16+36+32:], 1<<31|45); p.entry.raw = 57 }, "folded ones that stand for"},
		"another size of the leaf":  {func(_, p *builtPack) { p.data[index+16+36+32]++; p.entry.raw++ }, "malformed"},
		"content size":              {func(_, p *builtPack) { p.entry.raw++ }, "bytes of content where"},
		"builds on two packs":       {func(_, p *builtPack) { p.data[index+88] = 2 }, "not the ones listed before it"},
		"builds on another pack":    {func(_, p *builtPack) { p.data[index+92]++ }, "not the ones listed before it"},
		"stands behind another":     {func(first, _ *builtPack) { first.entry.id[0]++ }, "not the ones listed before it"},
	} {
		first, p, _ := twoPacks(t, none)
		c.change(first, p)
		resum(p)
		_, err := readPackWith(none, p, first)
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.ErrorContains(t, err, c.reason, name)
		require.NotContains(t, err.Error(), "its hash is not its name")
	}
}

// One pack of a frame of many leaves, each of which says that it is as large as a blob may be.
func TestFoldedBlobsCannotStandForMoreThanAFrame(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	_, p, _ := twoPacks(t, none)
	x := packIndex{frames: p.index.frames, base: p.index.base}
	for i := range 3 {
		x.blobs = append(x.blobs, blobEntry{hash: memfs.Hash{byte(i)}, size: maxBlob, folded: true})
	}
	x.frames[0].blobs, x.frames[0].raw, x.frames[0].stored = 3, 30, 30
	_, err := decodeIndex(x.encode(), packTrailer{indexOff: 46, frames: 1, blobs: 3})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "folded ones that stand for 3145728")
}

// FuzzUnfold: whatever a folded blob looks like, what comes out has the size that was asked for, or it is an error.
func FuzzUnfold(f *testing.F) {
	f.Add([]byte{1, 'x', 2, 0, 0, 1, 'y'}, uint16(66))
	f.Add([]byte{0, 2, 3, 0, 1, 2}, uint16(64))
	to := indexes{make([]blobEntry, 3), make([]blobEntry, 200)}
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		var fold folder
		for range 2 { // the second goes on from the first
			out, err := fold.unfold(b, int(size), to)
			if err != nil {
				requireRefused(t, err)
			} else if len(out) != int(size) {
				t.Fatalf("%d bytes for %d", len(out), size)
			}
		}
	})
}

// FuzzFold: whatever is folded unfolds to itself.
func FuzzFold(f *testing.F) {
	for _, b := range treeBlobs(f)[:40] {
		f.Add(b, uint64(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, known uint64) {
		hashes, _ := memfs.PublishedRefs(b)
		to := make(indexes, 3)
		places := map[memfs.Hash]place{}
		for i, h := range hashes {
			if known>>(i%64)&1 != 0 {
				pack := i % 3
				places[h] = place{uint32(pack), uint32(len(to[pack]))}
				to[pack] = append(to[pack], blobEntry{hash: h})
			}
		}
		small := new(folder).fold(b, func(h memfs.Hash) (place, bool) { p, ok := places[h]; return p, ok })
		if (small == nil) != (len(places) == 0) {
			t.Fatalf("%d hashes are known, and it folds to %x", len(places), small)
		}
		if small == nil {
			return
		}
		if got, err := new(folder).unfold(small, len(b), to); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%x unfolds to %x, %v", b, got, err)
		}
	})
}

// Else an interrupted publish would not make the same packs again.
func TestABlobInSeveralPacksIsReferredToInTheFirst(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	one, two, three := buildPack(t, a), buildPack(t, b, a), buildPack(t, []byte("c"), a)
	for _, order := range [][]*builtPack{{one, two, three}, {three, two, one}, {two, one, three}} {
		r := NewRemote(&MemoryStore{}, RemoteOptions{})
		for _, p := range order {
			r.learn(p.entry.id, p.index.blobs)
		}
		at, ok := r.foundation([]packEntry{two.entry, three.entry}).find(sha256.Sum256(a))
		require.True(t, ok)
		require.Equal(t, place{1, 1}, at)
		_, ok = r.foundation([]packEntry{three.entry}).find(sha256.Sum256(b))
		require.False(t, ok, "it is in no pack that stays")
	}
}

// shelve puts packs, and a snapshot that lists some of them under a head, into a store.
func shelve(t *testing.T, c *coder, root []byte, packs []*builtPack, listed ...*builtPack) *MemoryStore {
	store := &MemoryStore{}
	put := func(key string, b []byte) {
		_, err := store.Put(t.Context(), key, b, PutOptions{})
		require.NoError(t, err)
	}
	for _, p := range packs {
		put(packKey(p.entry.id), p.data)
	}
	s := &snapshotObject{details: details{root: sha256.Sum256(root)}}
	for _, p := range listed {
		s.packs = append(s.packs, p.entry)
	}
	b, err := c.encodeSnapshot(t.Context(), s)
	require.NoError(t, err)
	put(snapshotKey(sha256.Sum256(b)), b)
	put(headKey("v"), encodeHead(sha256.Sum256(b)))
	return store
}

func TestVerifyChecksWhatIsFolded(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	verify := func(store ObjectStore) VerifyReport {
		report, err := NewRemote(store, RemoteOptions{}).Verify(t.Context(), VerifyOptions{})
		require.NoError(t, err)
		return report
	}
	first, good, leaf := twoPacks(t, none)
	_, bad, _ := twoPacks(t, none)
	bad.data[45], bad.data[46], bad.data[47] = 4, 6, 4 // the right pack, two blobs of it in the wrong order
	resum(bad)
	page := blobs(43, 30, 100)[0]

	require.Empty(t, verify(shelve(t, none, leaf, []*builtPack{first, good}, first, good)).Damages)

	report := verify(shelve(t, none, leaf, []*builtPack{first, bad}, first, bad))
	require.Len(t, report.Damages, 2, "the pack, and the snapshot that needs it")
	require.Equal(t, packKey(bad.entry.id), report.Damages[0].Key)
	require.ErrorContains(t, report.Damages[0].Err, "does not have that hash")

	report = verify(shelve(t, none, page, []*builtPack{first, bad}, first))
	require.Len(t, report.Damages, 1, "a pack that no snapshot names")
	require.Equal(t, packKey(bad.entry.id), report.Damages[0].Key)

	other := buildPackWith(t, none, []byte("other"))
	report = verify(shelve(t, none, leaf, []*builtPack{first, good, other}, other, first, good))
	require.Len(t, report.Damages, 1)
	require.ErrorContains(t, report.Damages[0].Err, "not the ones listed before it")

	report = verify(shelve(t, none, leaf, []*builtPack{good}, first, good))
	require.Len(t, report.Damages, 1, "the pack that is missing is what is wrong")
	require.ErrorContains(t, report.Damages[0].Err, packKey(first.entry.id)[len("packs/"):])
}

func TestEveryReaderRefusesWrongReferences(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	first, p, leaf := twoPacks(t, none)
	p.data[45], p.data[46], p.data[47] = 4, 6, 4
	resum(p)
	store := shelve(t, none, leaf, []*builtPack{first, p}, first, p)
	refused := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, packKey(p.entry.id))
		require.ErrorContains(t, err, "does not have that hash")
	}
	r := NewRemote(store, RemoteOptions{})
	_, err := r.Open(t.Context(), PullOptions{Volume: "v"})
	refused(err)
	_, err = r.Fetch(t.Context(), PullOptions{Volume: "v"})
	refused(err)
	f := memfs.New(memfs.Options{})
	for range 2 {
		_, _, err = r.Pull(t.Context(), f, PullOptions{Volume: "v"})
		refused(err)
	}
	// Nor do they take a pack whose base is not there, whatever number of packs it says that it is.
	for _, n := range []byte{1, 2, 255} {
		_, alone, _ := twoPacks(t, none)
		alone.data[73+88] = n
		resum(alone)
		r := NewRemote(shelve(t, none, leaf, []*builtPack{alone}, alone), RemoteOptions{})
		_, err := r.Open(t.Context(), PullOptions{Volume: "v"})
		require.ErrorContains(t, err, "not the ones listed before it")
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = r.Fetch(t.Context(), PullOptions{Volume: "v"})
		require.ErrorContains(t, err, "not the ones listed before it")
		require.ErrorIs(t, err, ErrCorrupt)
		report, err := r.Verify(t.Context(), VerifyOptions{})
		require.NoError(t, err)
		require.Len(t, report.Damages, 1)
	}
	// The next pull fetches that pack again, and only that.
	_, good, _ := twoPacks(t, none)
	require.NotContains(t, r.staged.packs, p.entry.id)
	require.Contains(t, r.staged.packs, first.entry.id)
	store = shelve(t, none, leaf, []*builtPack{first, good}, first, good)
	_, err = NewRemote(store, RemoteOptions{}).Fetch(t.Context(), PullOptions{Volume: "v"})
	require.NoError(t, err)
}

// What could not be read because the caller gave up, or had no memory, is not fetched again.
func TestAPullThatStopsWhileItUnfoldsGoesOnWithoutFetching(t *testing.T) {
	none := &coder{hasher: GoHasher{}}
	first, second, leaf := twoPacks(t, none)
	store := shelve(t, none, leaf, []*builtPack{first, second}, first, second)
	r := NewRemote(store, RemoteOptions{})
	list := []packEntry{first.entry, second.entry}
	arrived := map[ID]*packTail{}
	full := errors.New("no memory")
	err := r.download(t.Context(), list, arrived, &reporter{}, func(h memfs.Hash, _ []byte) error {
		if h == sha256.Sum256(leaf) {
			return full
		}
		return nil
	})
	require.ErrorIs(t, err, full)
	require.Len(t, arrived, 2)
	require.NoError(t, store.Delete(t.Context(), packKey(first.entry.id)))
	require.NoError(t, store.Delete(t.Context(), packKey(second.entry.id)))
	got := 0
	require.NoError(t, r.download(t.Context(), list, arrived, &reporter{}, func(memfs.Hash, []byte) error { got++; return nil }))
	require.Equal(t, 1, got, "the leaf")
}
