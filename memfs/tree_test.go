package memfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// exported is a small tree with one of everything, as blobs.
func exported(t testing.TB) (Hash, map[Hash][]byte) {
	f := New(Options{})
	in := f.Inodes()
	for _, dir := range []string{"a", "a/b"} {
		require.NoError(t, f.Mkdir(dir, 0o755))
	}
	for i := range 80 { // more than one leaf
		_, err := in.Mknod(RootIno, fmt.Sprintf("f%d", i), S_IFREG|0o644, 0)
		require.NoError(t, err)
	}
	_, err := in.Symlink(RootIno, "link", "a/b")
	require.NoError(t, err)
	ino, err := in.Lookup(RootIno, "f1")
	require.NoError(t, err)
	h, err := in.Open(ino)
	require.NoError(t, err)
	for _, off := range []int64{0, 4096, 300_000, 70 << 12} {
		_, err := h.WriteAt([]byte("content"), off)
		require.NoError(t, err)
	}
	require.NoError(t, h.Close())
	blobs := map[Hash][]byte{}
	snap := f.Snapshot()
	defer snap.Release()
	root, err := snap.Export(sha, func(Hash) bool { return false }, func(h Hash, b []byte) error {
		blobs[h] = bytes.Clone(b)
		return nil
	})
	require.NoError(t, err)
	return root, blobs
}

// readAll reads everything that a tree shows, within bounds that a decent one keeps.
func readAll(ctx context.Context, root Hash, blobs map[Hash][]byte) error {
	reads := 0
	t, err := OpenTree(ctx, root, func(_ context.Context, hashes []Hash) ([][]byte, error) {
		out := make([][]byte, len(hashes))
		for i, h := range hashes {
			if reads++; reads > 100_000 {
				return nil, errors.New("it does not end")
			}
			if out[i] = blobs[h]; out[i] == nil {
				return nil, fmt.Errorf("%w: missing", ErrBadNode)
			}
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	var failed error
	note := func(err error) {
		var no Errno
		if err != nil && err != io.EOF && !errors.As(err, &no) {
			failed = err
		}
	}
	var walk func(path string, depth int)
	walk = func(path string, depth int) {
		a, err := t.Lstat(ctx, path)
		note(err)
		_, err = t.ReadLink(ctx, path)
		note(err)
		_, err = t.Stat(ctx, path+"/..")
		note(err)
		for _, off := range []int64{0, 300_000, a.Size - 10} {
			_, err = t.ReadAt(ctx, path, make([]byte, 5000), off)
			note(err)
		}
		names, err := t.ReadDir(ctx, path)
		note(err)
		for _, d := range names {
			if depth < 4 { // a directory may be its own child: a path to it is as long as the caller makes it
				walk(path+"/"+d.Name, depth+1)
			}
		}
	}
	walk("", 0)
	walk("/", 0)
	return failed
}

func TestATreeReadInPlaceRefusesWhatIsMalformed(t *testing.T) {
	root, good := exported(t)
	require.NoError(t, readAll(t.Context(), root, good))
	refused := 0
	for h, b := range good {
		for at := 0; at < len(b); at += 1 + len(b)/40 {
			for _, bit := range []byte{1, 4, 64, 128} {
				bad := bytes.Clone(b)
				bad[at] ^= bit
				blobs := map[Hash][]byte{}
				for h, b := range good {
					blobs[h] = b
				}
				blobs[h] = bad
				if err := readAll(t.Context(), root, blobs); err != nil {
					refused++
					require.ErrorIs(t, err, ErrBadNode)
				}
			}
		}
		if len(b) > 1 {
			blobs := map[Hash][]byte{}
			for h, b := range good {
				blobs[h] = b
			}
			blobs[h] = b[:len(b)-1]
			if err := readAll(t.Context(), root, blobs); err != nil {
				require.ErrorIs(t, err, ErrBadNode)
			}
		}
	}
	require.Greater(t, refused, 100)
}

// A leaf of names in many places would be a directory that never ends.
func TestADirectoryThatUnfoldsIsRefused(t *testing.T) {
	leaf := &node{refs: 1, kind: kindNames, names: []Dirent{{Name: "x", Ino: RootIno, Type: S_IFDIR}}}
	blobs := map[Hash][]byte{}
	n := byte(0)
	put := func(b []byte) Hash {
		n++
		h := Hash{n}
		blobs[h] = b
		return h
	}
	e := encoder{}
	e.node(leaf)
	at := put(e.b)
	for range maxHeight {
		b := append([]byte{byte(kindBranch)}, bytes.Repeat([]byte{0xff}, 8)...)
		for range fan {
			b = append(b, at[:]...)
		}
		at = put(b)
	}
	inodes := &node{refs: 1, kind: kindInodes, inodes: []inode{{}, {mode: S_IFDIR | 0o755, nlink: 2, size: 1 << 40, parent: RootIno, data: link{ref: Ref{Len: 1}}}}}
	e = encoder{link: func(b []byte, _ *link) []byte { return append(b, at[:]...) }}
	e.node(inodes)
	table := put(e.b)
	e = encoder{link: func(b []byte, _ *link) []byte { return append(b, table[:]...) }}
	e.root(&root{next: 2, files: 1, table: link{ref: Ref{Len: 1}}})
	require.ErrorIs(t, readAll(t.Context(), put(e.b), blobs), ErrBadNode)
}

func FuzzPublishedRefs(f *testing.F) {
	_, blobs := exported(f)
	for _, b := range blobs {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if refs, ok := PublishedRefs(b); len(refs) > len(b)/len(Hash{}) || !ok && refs != nil {
			t.Fatalf("%d hashes in %d bytes", len(refs), len(b))
		}
	})
}
