package memfs

import (
	"bytes"
	"testing"
)

// What makes memory of the live tree part of something else, or a handle's number free for another file, is counted, so that nobody writes there.
func TestRunsEndWhenMemoryIsShared(t *testing.T) {
	f := New(Options{})
	n := f.Inodes()
	if err := f.WriteFile("f", []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	ino, err := n.Lookup(RootIno, "f")
	if err != nil {
		t.Fatal(err)
	}
	var edits float64
	f.CountEdits(&edits)
	h, _ := n.Open(ino)
	s := f.Snapshot()
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"Snapshot", func() error { f.Snapshot().Release(); return nil }},
		{"Clone", func() error { s.Clone().Release(); return nil }},
		{"Keep", func() error {
			k, err := n.Keep(Place{RootIno, "f"})
			if err == nil {
				k.Drop()
			}
			return err
		}},
		{"Settle", func() error { f.Settle(); return nil }},
		{"Persist", func() error { return f.Persist(&blockStore{}, nil, func([][]byte) error { return nil }) }},
		{"Close", h.Close},
		{"Restore", func() error { return f.Restore(s) }},
	} {
		before := edits
		if err := c.do(); err != nil {
			t.Fatal(c.name, err)
		}
		if edits <= before {
			t.Errorf("%s is not counted", c.name)
		}
	}
}

// A page that lies beside the written one, but belongs to a snapshot too, is not part of the run.
func TestRunsLeaveOutPagesOfSnapshots(t *testing.T) {
	f := New(Options{})
	n := f.Inodes()
	ino, err := n.Mknod(RootIno, "f", S_IFREG|0o644, 0)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := n.Open(ino)
	page := bytes.Repeat([]byte("x"), PageSize)
	write := func(i int64) {
		if _, err := h.WriteAt(page, i*PageSize); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	write(1)
	first := f.Snapshot()
	write(1)        // to another place,
	first.Release() // so that the one between the two is free
	second := f.Snapshot()
	defer second.Release()
	write(0)
	in, _ := f.inode(f.live, ino)
	leaf, _ := f.leaf(in, 0)
	if leaf.pages[1].id != leaf.pages[0].id+1 {
		t.Fatalf("pages %d and %d do not lie side by side: this tests nothing", leaf.pages[0].id, leaf.pages[1].id)
	}
	if n, _ := h.Run(); n != PageSize {
		t.Fatalf("a run of %d bytes", n)
	}
}
