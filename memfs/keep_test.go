package memfs

import (
	"bytes"
	"testing"
)

// A file that was removed or emptied is put back with every byte, and memory is counted right either way.
func TestKeptFilesArePutBack(t *testing.T) {
	f := New(Options{})
	n := f.Inodes()
	content := bytes.Repeat([]byte("journal "), 100_000)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		b, err := f.ReadFile("a-journal")
		ok(err)
		return string(b)
	}
	at := Place{RootIno, "a-journal"}
	for _, spoil := range []func() error{
		func() error { return f.Remove("a-journal") },
		func() error { return f.Truncate("a-journal", 0) },
		func() error { return f.Truncate("a-journal", 5000) },
	} {
		ok(f.WriteFile("a-journal", content, 0o640))
		before, err := f.Stat("a-journal")
		ok(err)
		k, err := n.Keep(at)
		ok(err)
		ok(spoil())
		ok(k.PutBack())
		k.Drop()
		if read() != string(content) {
			t.Fatal("other content")
		}
		if after, err := f.Stat("a-journal"); err != nil || after.Mode() != before.Mode() || after.ModTime() != before.ModTime() {
			t.Fatal("other attributes", err)
		}
		ok(f.Check())
		if k, err = n.Keep(at); err != nil {
			t.Fatal(err)
		}
		ok(spoil())
		k.Drop()
		k.Drop()
		ok(f.Check())
	}
	ok(f.WriteFile("a-journal", content, 0o640))
	k, err := n.Keep(at)
	ok(err)
	ok(f.Remove("a-journal"))
	ok(f.WriteFile("a-journal", []byte("new"), 0o640))
	if err := k.PutBack(); err != EEXIST || read() != "new" {
		t.Fatal("put over another file:", err)
	}
	if k, err = n.Keep(at); err != nil {
		t.Fatal(err)
	}
	s := f.Snapshot()
	ok(f.Restore(s))
	if err := k.PutBack(); err != ESTALE {
		t.Fatal(err)
	}
	ok(f.Check(s))
	if _, err := n.Keep(Place{RootIno, "nothing"}); err != ENOENT {
		t.Fatal(err)
	}
}
