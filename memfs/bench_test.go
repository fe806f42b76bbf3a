package memfs

import "testing"

// One operation through a handle, as a guest's read or write arrives.
func BenchmarkHandle(b *testing.B) {
	f := New(Options{})
	n := f.Inodes()
	ino, _ := n.Mknod(RootIno, "f", S_IFREG|0o644, 0)
	h, _ := n.Open(ino)
	_, _ = h.WriteAt(make([]byte, 1<<20), 0)
	views := make([][]byte, 0, 8)
	for _, c := range []struct {
		name string
		op   func(off int64)
	}{
		{"write16", func(off int64) { views, _, _ = h.WriteViews(views[:0], off, 16) }},
		{"write4096", func(off int64) { views, _, _ = h.WriteViews(views[:0], off, 4096) }},
		{"read16", func(off int64) { views, _, _ = h.ReadViews(views[:0], off, 16) }},
		{"read4096", func(off int64) { views, _, _ = h.ReadViews(views[:0], off, 4096) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := range b.N {
				c.op(int64(i) % 256 * 4096)
			}
		})
	}
}

// A file that is made, opened, closed and removed, as a guest's temporary files and journals are.
func BenchmarkCreateUnlink(b *testing.B) {
	f := New(Options{Now: func() int64 { return 1 }})
	n := f.Inodes()
	for _, name := range []string{"a", "file", "hundred", "20k"} {
		_, _ = n.Mknod(RootIno, name, S_IFREG|0o644, 0)
	}
	b.ReportAllocs()
	for range b.N {
		_, _ = n.Lookup(RootIno, "new")
		ino, _ := n.Mknod(RootIno, "new", S_IFREG|0o644, 0)
		_, _ = n.Attr(ino)
		_ = n.SetAttr(ino, SetMode, Attr{Mode: 0o644})
		h, _ := n.Open(ino)
		_ = h.Close()
		_ = n.Unlink(RootIno, "new")
	}
}
