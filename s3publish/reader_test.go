package s3publish_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// dumpRemote is dump of what a Reader reads.
func dumpRemote(t *testing.T, d *s3publish.Reader) []string {
	t.Helper()
	var out []string
	var walk func(path string)
	walk = func(path string) {
		a, err := d.Lstat(t.Context(), "/"+path)
		require.NoError(t, err, path)
		line := fmt.Sprintf("%s %+v", path, a)
		switch a.Mode & memfs.S_IFMT {
		case memfs.S_IFLNK:
			target, err := d.ReadLink(t.Context(), path)
			require.NoError(t, err)
			line += " -> " + target
		case memfs.S_IFREG:
			b := make([]byte, a.Size)
			if n, err := d.ReadAt(t.Context(), path, b, 0); err != io.EOF {
				require.NoError(t, err, path)
				require.EqualValues(t, a.Size, n)
			}
			line += fmt.Sprintf(" %x", s3publish.ID(sha(b)))
		}
		out = append(out, line)
		if a.Mode&memfs.S_IFMT == memfs.S_IFDIR {
			names, err := d.ReadDir(t.Context(), "/"+path)
			require.NoError(t, err)
			for _, n := range names {
				walk(path + "/" + n.Name)
			}
		}
	}
	walk("")
	return out
}

func TestASnapshotReadInPlaceIsWhatAPullGives(t *testing.T) {
	keys := []*s3publish.Key{nil}
	if runtime.GOOS != "js" { // where package jsstore has the cipher
		keys = append(keys, &s3publish.Key{1})
	}
	for _, key := range keys {
		f := site(t, 21, 200, 20_000)
		for i := range 100 { // a directory of more than one leaf
			edit(t, f, fmt.Sprintf("entry %d", i), "x")
		}
		o := quick()
		o.Key = key
		store := newSpy(&s3publish.MemoryStore{})
		r := s3publish.NewRemote(store, o)
		var parent s3publish.ID
		for i := range 20 {
			edit(t, f, "note", strings.Repeat("x", i*3000))
			parent = publish(t, r, f, s3publish.PublishOptions{Volume: "v", Parent: parent}).ID
		}
		store.reset()
		d, err := s3publish.NewRemote(store, o).Open(t.Context(), s3publish.PullOptions{Volume: "v"})
		require.NoError(t, err)
		require.Equal(t, parent, d.ID)
		a, err := d.Stat(t.Context(), "note")
		require.NoError(t, err)
		require.EqualValues(t, 57_000, a.Size)
		require.LessOrEqual(t, store.count("get packs"), d.Packs+8, "only what is needed for that")
		requireSameTree(t, dump(t, f), dumpRemote(t, d))

		rnd := rand.New(rand.NewPCG(21, 1))
		snap := f.Snapshot()
		defer snap.Release()
		for _, name := range []string{"note", "sparse"} {
			whole, err := snap.ReadFile(name)
			require.NoError(t, err)
			for range 50 {
				off := rnd.Int64N(int64(len(whole)) + 100)
				p := make([]byte, rnd.IntN(20_000))
				n, err := d.ReadAt(t.Context(), name, p, off)
				want := whole[min(off, int64(len(whole))):]
				if len(p) > len(want) || len(want) == 0 {
					require.Equal(t, io.EOF, err)
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, string(want[:min(len(want), len(p))]), string(p[:n]))
			}
		}
	}
}

func TestPathsOfASnapshotReadInPlaceAreAsOnDisk(t *testing.T) {
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	require.NoError(t, f.Mkdir("a", 0o755))
	require.NoError(t, f.Mkdir("a/b", 0o755))
	edit(t, f, "file", "content")
	for name, target := range map[string]string{"up": "../file", "abs": "/a/b", "loop": "loop", "gone": "nowhere", "dir": "b/"} {
		a, err := in.Lookup(memfs.RootIno, "a")
		require.NoError(t, err)
		_, err = in.Symlink(a, name, target)
		require.NoError(t, err)
	}
	store := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	d, err := s3publish.NewRemote(store, quick()).Open(t.Context(), s3publish.PullOptions{Volume: "v"})
	require.NoError(t, err)
	for path, want := range map[string]error{
		"a/up": nil, "/a/../file": nil, "a/abs/../up": nil, "a/dir/../../file": nil, "a//b/": nil, "../../file": nil, "/": nil, ".": nil,
		"": memfs.ENOENT, "a/loop": memfs.ELOOP, "a/gone": memfs.ENOENT, "file/": memfs.ENOTDIR, "file/x": memfs.ENOTDIR, "x": memfs.ENOENT,
		"a\x00": memfs.ENOENT, strings.Repeat("n", 300): memfs.ENOENT,
	} {
		_, err := d.Stat(t.Context(), path)
		if want == nil {
			require.NoError(t, err, path)
		} else {
			require.ErrorIs(t, err, want, path)
		}
	}
	_, err = d.ReadAt(t.Context(), "a", make([]byte, 1), 0)
	require.ErrorIs(t, err, memfs.EISDIR)
	_, err = d.ReadDir(t.Context(), "file")
	require.ErrorIs(t, err, memfs.ENOTDIR)
	_, err = d.ReadLink(t.Context(), "file")
	require.ErrorIs(t, err, memfs.EINVAL)
}

func TestReadingALittleFetchesALittle(t *testing.T) {
	f := site(t, 22, 100, 200_000)
	store := newSpy(&s3publish.MemoryStore{})
	publish(t, s3publish.NewRemote(store, quick()), f, s3publish.PublishOptions{Volume: "v"})
	total := store.bytes
	fetched := 0
	store.change = func(_, key string, o s3publish.Object) s3publish.Object {
		fetched += len(o.Data)
		return o
	}
	one := quick()
	one.Concurrency = 1
	d, err := s3publish.NewRemote(store, one).Open(t.Context(), s3publish.PullOptions{Volume: "v"})
	require.NoError(t, err)
	n, err := d.ReadAt(t.Context(), "sparse", make([]byte, 3), 5<<20)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Less(t, fetched, total/10, "of %d bytes", total)
	t.Logf("%d of %d bytes were fetched to read 3", fetched, total)
	// Again, from memory.
	store.reset()
	_, err = d.ReadAt(t.Context(), "sparse", make([]byte, 3), 5<<20)
	require.NoError(t, err)
	require.Empty(t, store.log)
	// An abort stops at once, and names what was being read.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s3publish.NewRemote(store, one).Open(ctx, s3publish.PullOptions{Volume: "v"})
	require.ErrorIs(t, err, s3publish.ErrAborted)
}

func TestDamageMetWhileReadingInPlaceIsNamed(t *testing.T) {
	f := site(t, 23, 20, 30_000)
	mem := &s3publish.MemoryStore{}
	publish(t, s3publish.NewRemote(mem, quick()), f, s3publish.PublishOptions{Volume: "v"})
	pack := list(t, mem, "packs/")[0]
	o, err := mem.Get(t.Context(), pack, 0, -1)
	require.NoError(t, err)
	read := func(s s3publish.ObjectStore) error {
		d, err := s3publish.NewRemote(s, quick()).Open(t.Context(), s3publish.PullOptions{Volume: "v"})
		if err != nil {
			return err
		}
		names, err := d.ReadDir(t.Context(), ".")
		if err != nil {
			return err
		}
		for _, n := range names {
			a, err := d.Stat(t.Context(), n.Name)
			if err != nil {
				continue // of a link to nowhere
			}
			if a.Mode&memfs.S_IFMT == memfs.S_IFREG {
				if _, err := d.ReadAt(t.Context(), n.Name, make([]byte, a.Size), 0); err != nil {
					return err
				}
			}
		}
		return nil
	}
	require.NoError(t, read(mem))
	failed := 0
	for at := 16; at < len(o.Data); at += 1 + len(o.Data)/150 {
		c := cloneStore(t, mem)
		bad := append([]byte(nil), o.Data...)
		bad[at] ^= 4
		_, err := c.Put(t.Context(), pack, bad, s3publish.PutOptions{})
		require.NoError(t, err)
		if err := read(c); err != nil {
			failed++
			require.True(t, s3publish.Code(err) == "ErrCorrupt" || s3publish.Code(err) == "ErrVersion", "%v", err)
			require.ErrorContains(t, err, pack)
		}
	}
	require.Greater(t, failed, 20)
	c := cloneStore(t, mem)
	require.NoError(t, c.Delete(t.Context(), pack))
	require.ErrorIs(t, read(c), s3publish.ErrCorrupt)
}
