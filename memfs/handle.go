package memfs

import (
	"io"
	"slices"
)

// Handle is an open inode of the live tree. It keeps the inode alive when its last name goes,
// until Close. After a restore it answers ESTALE.
type Handle struct {
	fs     *FS
	ino    Ino
	epoch  uint32
	closed bool
	at     int // in fs.open
	run    int // Run
	end    int64
	mtime  int64
}

// Open opens an inode of any type.
func (n *Inodes) Open(ino Ino) (*Handle, error) {
	f := n.lock()
	defer f.mu.Unlock()
	return f.openInode(ino)
}

// Reopen is Open with a handle that was closed, which nobody else may have any more.
func (n *Inodes) Reopen(h *Handle, ino Ino) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.openHandle(h, ino)
}

func (f *FS) openInode(ino Ino) (*Handle, error) {
	h := new(Handle)
	if err := f.openHandle(h, ino); err != nil {
		return nil, err
	}
	return h, nil
}

func (f *FS) openHandle(h *Handle, ino Ino) error {
	if _, err := f.inode(f.live, ino); err != nil {
		return err
	}
	*h = Handle{fs: f, ino: ino, epoch: f.epoch, at: len(f.open)}
	f.open = append(f.open, h)
	return nil
}

// isOpen reports whether an inode has a handle. It is asked for inodes that have no name any more.
func (f *FS) isOpen(ino Ino) bool {
	return slices.ContainsFunc(f.open, func(h *Handle) bool { return h.ino == ino })
}

// Ino returns the inode's number.
func (h *Handle) Ino() Ino { return h.ino }

func (h *Handle) check() error {
	switch {
	case h.closed:
		return EBADF
	case h.epoch != h.fs.epoch:
		return ESTALE
	}
	return nil
}

// file locks the filesystem and returns the inode for reading. The caller unlocks, on an error too.
func (h *Handle) file() (*inode, error) {
	h.fs.mu.Lock()
	if err := h.check(); err != nil {
		return nil, err
	}
	in, err := h.fs.inode(h.fs.live, h.ino)
	if err != nil {
		return nil, err
	}
	if in.is(S_IFDIR) {
		return nil, EISDIR
	}
	return in, nil
}

// Close gives the handle up. A second Close does nothing.
func (h *Handle) Close() error {
	f := h.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	*f.edits++
	if h.epoch != f.epoch {
		return nil
	}
	last := len(f.open) - 1
	f.open[h.at] = f.open[last]
	f.open[h.at].at = h.at
	f.open[last] = nil
	f.open = f.open[:last]
	i := slices.Index(f.live.orphans, h.ino)
	if i < 0 || f.isOpen(h.ino) {
		return nil
	}
	if err := f.freeInode(h.ino); err != nil {
		return err
	}
	r := f.ownRoot()
	r.orphans = slices.Delete(slices.Clone(r.orphans), i, i+1)
	return nil
}

// Attr returns the open inode's attributes, after its last name went too.
func (h *Handle) Attr() (Attr, error) {
	f := h.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := h.check(); err != nil {
		return Attr{}, err
	}
	in, err := f.inode(f.live, h.ino)
	if err != nil {
		return Attr{}, err
	}
	return in.attr(h.ino), nil
}

// ReadAt follows io.ReaderAt.
func (h *Handle) ReadAt(p []byte, off int64) (int, error) {
	in, err := h.file()
	defer h.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return h.fs.readAt(in, p, off)
}

func (f *FS) readAt(in *inode, p []byte, off int64) (int, error) {
	var room [16][]byte
	views, n, err := f.readViews(in, room[:0], off, len(p))
	if err != nil {
		return 0, err
	}
	at := 0
	for _, v := range views {
		at += copy(p[at:], v)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt follows io.WriterAt. It writes all of p or nothing.
func (h *Handle) WriteAt(p []byte, off int64) (int, error) {
	var room [16][]byte
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	views, err := h.write(room[:0], off, len(p))
	if err != nil {
		return 0, err
	}
	for _, v := range views {
		p = p[copy(v, p):]
	}
	n := 0
	for _, v := range views {
		n += len(v)
	}
	return n, nil
}

func (h *Handle) write(dst [][]byte, off int64, n int) ([][]byte, error) {
	f := h.fs
	h.run = 0
	if err := h.check(); err != nil || n == 0 {
		return dst, err // no bytes change nothing, the modification time neither (POSIX)
	}
	in, err := f.inodeSlot(h.ino) // which is there as long as the handle is
	switch {
	case err != nil:
		return dst, err
	case in.is(S_IFDIR):
		return dst, EISDIR
	}
	if dst, err = f.writeViews(in, dst, off, n); err != nil {
		return dst, err
	}
	h.findRun(in, off, true)
	in.mtime = f.now()
	in.ctime = in.mtime
	h.mtime = in.mtime
	f.touched.inode(h.ino)
	return dst, nil
}

// ReadViews appends to dst views of the file's bytes [off, off+n) and returns how many bytes they cover, fewer than n only
// at the end of the file. The views are memory of the filesystem: only to be read, and only until the next call on it.
func (h *Handle) ReadViews(dst [][]byte, off int64, n int) ([][]byte, int, error) {
	in, err := h.file()
	defer h.fs.mu.Unlock()
	if err != nil {
		return dst, 0, err
	}
	dst, n, err = h.fs.readViews(in, dst, off, n)
	if h.run = 0; n > 0 {
		h.findRun(in, off, false)
	}
	return dst, n, err
}

func (h *Handle) findRun(in *inode, off int64, writable bool) {
	pages := shortRun
	if off == h.end {
		pages = fan
	}
	h.run = h.fs.run(in, off, pages, writable)
	h.end = off + int64(h.run)
}

// Run tells how many bytes from the start of the last ReadViews or WriteViews on lie side by side in memory, also past those that were
// asked for: it is for guests that read and write a little at a time. As long as the count of edits (CountEdits) stays, they are the file's. After
// WriteViews they may also be overwritten, as long as the clock shows mtime: that changes just what another WriteViews would.
func (h *Handle) Run() (n int, mtime int64) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.run, h.mtime
}

// WriteViews makes the file's bytes [off, off+n) writable, extending the file, and appends views of them to dst. The caller must fill
// all of them before the next call on the filesystem: what they hold until then is undefined.
func (h *Handle) WriteViews(dst [][]byte, off int64, n int) ([][]byte, int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	dst, err := h.write(dst, off, n)
	if err != nil {
		return dst, 0, err
	}
	return dst, n, nil
}

// Truncate sets the file's size.
func (h *Handle) Truncate(size int64) error {
	_, err := h.file()
	defer h.fs.mu.Unlock()
	if err != nil {
		return err
	}
	return h.fs.setAttr(h.ino, SetSize, Attr{Size: size})
}
