package memfs_test

import (
	"fmt"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/hack-pad/hackpadfs"

	"github.com/holdfast-fs/holdfast/memfs"
)

// must ends the example on an error.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A snapshot is the whole filesystem at one instant. Restoring it brings back what it had, and removes what it had not.
func Example() {
	f := memfs.New(memfs.Options{})
	must(f.WriteFile("settings.json", []byte(`{"theme":"light"}`), 0o644))

	before := f.Snapshot() // costs the same for any size
	defer before.Release()

	must(f.WriteFile("settings.json", []byte(`{"theme":`), 0o644)) // half of it, then the program fails
	must(f.WriteFile("settings.json.tmp", nil, 0o600))

	must(f.Restore(before))
	b, err := f.ReadFile("settings.json")
	must(err)
	list, err := f.ReadDir(".")
	must(err)
	fmt.Println(string(b), len(list))
	// Output: {"theme":"light"} 1
}

// The live filesystem and its snapshots are io/fs filesystems, so whatever takes one takes them.
func ExampleFS_Open() {
	f := memfs.New(memfs.Options{})
	must(f.MkdirAll("site/posts", 0o755))
	must(f.WriteFile("site/index.html", []byte("<h1>Hello</h1>"), 0o644))
	must(f.WriteFile("site/posts/1.html", []byte("first"), 0o644))

	must(fs.WalkDir(f, "site", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			fmt.Println(d.Type(), name)
		}
		return err
	}))
	pages, err := fs.Glob(f, "site/*/*.html")
	must(err)
	fmt.Println(pages)
	// Output:
	// d--------- site
	// ---------- site/index.html
	// d--------- site/posts
	// ---------- site/posts/1.html
	// [site/posts/1.html]
}

// An open file is shaped as *os.File.
func ExampleFS_OpenFile() {
	f := memfs.New(memfs.Options{})
	log1, err := f.OpenFile("app.log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	must(err)
	w := log1.(*memfs.File)
	for _, line := range []string{"started", "working", "done"} {
		_, err := fmt.Fprintln(w, line)
		must(err)
	}
	must(w.Close())

	b, err := f.ReadFile("app.log")
	must(err)
	fmt.Println(strings.Count(string(b), "\n"), "lines")
	// Output: 3 lines
}

// FS has the interfaces of hackpadfs, the file-system interfaces of Go programs in the browser: its functions, and code that is
// written for them, work on it.
func ExampleFS_hackpadfs() {
	var f hackpadfs.FS = memfs.New(memfs.Options{})
	must(hackpadfs.MkdirAll(f, "home/me", 0o700))
	must(hackpadfs.WriteFullFile(f, "home/me/note.txt", []byte("remember"), 0o600))
	must(hackpadfs.Symlink(f, "note.txt", "home/me/latest"))
	must(hackpadfs.Rename(f, "home/me/note.txt", "home/me/note-1.txt"))

	_, err := hackpadfs.Stat(f, "home/me/latest")
	fmt.Println(err)
	info, err := hackpadfs.LstatOrStat(f, "home/me/latest")
	must(err)
	fmt.Println(info.Mode().Type() == fs.ModeSymlink)
	// Output:
	// stat home/me/latest: no such file or directory
	// true
}

// A snapshot can be read while the live filesystem changes.
func ExampleSnapshot() {
	f := memfs.New(memfs.Options{})
	must(f.WriteFile("counter", []byte("1"), 0o644))
	one := f.Snapshot()
	defer one.Release()
	must(f.WriteFile("counter", []byte("2"), 0o644))

	then, err := fs.ReadFile(one, "counter")
	must(err)
	now, err := fs.ReadFile(f, "counter")
	must(err)
	fmt.Printf("%s, now %s\n", then, now)
	// Output: 1, now 2
}

// Diff costs what changed, not what there is.
func ExampleDiff() {
	f := memfs.New(memfs.Options{})
	must(f.WriteFile("database", make([]byte, 1<<20), 0o644))
	must(f.WriteFile("old-name", []byte("x"), 0o644))
	a := f.Snapshot()
	defer a.Release()

	file, err := f.OpenFile("database", os.O_WRONLY, 0)
	must(err)
	_, err = file.(*memfs.File).WriteAt([]byte("row"), 500_000)
	must(err)
	must(file.Close())
	must(f.Rename("old-name", "new-name"))

	b := f.Snapshot()
	defer b.Release()
	changes, err := memfs.Diff(a, b)
	must(err)
	for _, c := range changes {
		fmt.Println(c.Kind, c.From, c.Path, c.Ranges)
	}
	// Output:
	// update  database [{500000 3}]
	// rename old-name new-name []
}

// Inodes is the same filesystem by inode number, as an adapter for a guest program needs it: the guest's open files are handles,
// which stay good when their name is removed.
func ExampleInodes() {
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	ino, err := in.Mknod(memfs.RootIno, "scratch", memfs.S_IFREG|0o600, 0)
	must(err)
	h, err := in.Open(ino)
	must(err)
	must(in.Unlink(memfs.RootIno, "scratch"))

	_, err = h.WriteAt([]byte("still here"), 0)
	must(err)
	b := make([]byte, 10)
	_, err = h.ReadAt(b, 0)
	must(err)
	_, missing := in.Lookup(memfs.RootIno, "scratch")
	fmt.Printf("%s; %v\n", b, missing)
	must(h.Close())
	// Output: still here; no such file or directory
}
