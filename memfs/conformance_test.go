package memfs_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/hack-pad/hackpadfs"
	hackpadtest "github.com/hack-pad/hackpadfs/fstest"
	"github.com/holdfast-fs/holdfast/memfs"
)

// hackpad turns os.LinkError into hackpadfs's own copy of it, which the suite compares with.
type hackpad struct{ *memfs.FS }

func (h hackpad) Rename(oldname, newname string) error {
	var l *os.LinkError
	err := h.FS.Rename(oldname, newname)
	if errors.As(err, &l) {
		return &hackpadfs.LinkError{Op: l.Op, Old: l.Old, New: l.New, Err: l.Err}
	}
	return err
}

// The live filesystem keeps the promises that hackpadfs's conformance suite checks.
func TestLiveConformsToHackpadFS(t *testing.T) {
	options := hackpadtest.FSOptions{
		Name: "memfs",
		TestFS: func(tb testing.TB) hackpadtest.SetupFS {
			f := memfs.New(memfs.Options{})
			tb.Cleanup(func() {
				if err := f.Check(); err != nil {
					tb.Error(err)
				}
			})
			return hackpad{f}
		},
	}
	hackpadtest.FS(t, options)
	hackpadtest.File(t, options)
}

var (
	_ hackpadfs.OpenFileFS  = (*memfs.FS)(nil)
	_ hackpadfs.MkdirAllFS  = (*memfs.FS)(nil)
	_ hackpadfs.RemoveAllFS = (*memfs.FS)(nil)
	_ hackpadfs.RenameFS    = (*memfs.FS)(nil)
	_ hackpadfs.LstatFS     = (*memfs.FS)(nil)
	_ hackpadfs.ChmodFS     = (*memfs.FS)(nil)
	_ hackpadfs.ChownFS     = (*memfs.FS)(nil)
	_ hackpadfs.ChtimesFS   = (*memfs.FS)(nil)
	_ hackpadfs.SymlinkFS   = (*memfs.FS)(nil)
	_ hackpadfs.WriteFileFS = (*memfs.FS)(nil)
)

// A snapshot is a well-behaved io/fs.FS, with directories of every size that the trie treats differently.
func TestSnapshotIsAnFS(t *testing.T) {
	f := memfs.New(memfs.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, n := range []int{0, 1, 32, 33, 2500} {
		dir := fmt.Sprintf("dir%d", n)
		must(f.MkdirAll(dir+"/deep/er", 0o755))
		for i := range n {
			name := fmt.Sprintf("%s/file-%d.txt", dir, i)
			must(f.WriteFile(name, make([]byte, i*7), 0o644))
			if i%100 == 0 {
				names = append(names, name)
			}
		}
	}
	must(f.Symlink("dir1/file-0.txt", "link"))
	must(f.Symlink("../dir33", "dir1/up"))
	s := f.Snapshot()
	must(f.RemoveAll("dir33")) // what the snapshot must not notice
	if err := fstest.TestFS(s, append(names, "link", "dir1/up")...); err != nil {
		t.Fatal(err)
	}
	must(f.Check(s))
}

// Linux tells that a directory holds what is to replace it before it looks at types.
func TestRenameOntoADirectoryAbove(t *testing.T) {
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	if err := f.MkdirAll("a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b/file", "file"} {
		if err := f.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := in.Lookup(memfs.RootIno, "a")
	b, _ := in.Lookup(a, "b")
	for _, c := range []struct {
		dir  memfs.Ino
		to   memfs.Ino
		name string
		want error
	}{
		{b, a, "b", memfs.ENOTEMPTY},
		{b, memfs.RootIno, "a", memfs.ENOTEMPTY},
		{memfs.RootIno, memfs.RootIno, "a", memfs.EISDIR},
		{memfs.RootIno, a, "b", memfs.EISDIR},
	} {
		if err := in.Rename(c.dir, "file", c.to, c.name); err != c.want {
			t.Errorf("rename file of inode %d to %s in %d: %v, want %v", c.dir, c.name, c.to, err, c.want)
		}
	}
}
