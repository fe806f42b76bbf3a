//go:build !holdfastcore

package memfs

import (
	"io"
	"io/fs"
	"path"
)

var (
	_ fs.ReadDirFS  = (*Snapshot)(nil)
	_ fs.ReadFileFS = (*Snapshot)(nil)
	_ fs.StatFS     = (*Snapshot)(nil)
	_ fs.ReadLinkFS = (*Snapshot)(nil)
)

// Open implements io/fs.FS.
func (s *Snapshot) Open(name string) (fs.File, error) {
	ino, in, err := s.at(name, true)
	defer s.fs.mu.Unlock()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &snapshotFile{snap: s, ino: ino, info: fileInfo{path.Base(name), in.attr(ino)}}, nil
}

// Stat implements io/fs.StatFS.
func (s *Snapshot) Stat(name string) (fs.FileInfo, error) { return s.stat("stat", name, true) }

// Lstat implements io/fs.ReadLinkFS.
func (s *Snapshot) Lstat(name string) (fs.FileInfo, error) { return s.stat("lstat", name, false) }

func (s *Snapshot) stat(op, name string, follow bool) (fs.FileInfo, error) {
	ino, in, err := s.at(name, follow)
	defer s.fs.mu.Unlock()
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return fileInfo{path.Base(name), in.attr(ino)}, nil
}

// ReadFile implements io/fs.ReadFileFS.
func (s *Snapshot) ReadFile(name string) ([]byte, error) {
	_, in, err := s.at(name, true)
	defer s.fs.mu.Unlock()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	b, err := s.fs.readAll(in)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return b, nil
}

func (f *FS) readAll(in *inode) ([]byte, error) {
	if in.is(S_IFDIR) {
		return nil, EISDIR
	}
	b := make([]byte, in.size)
	n, err := f.readAt(in, b, 0)
	return b[:n], err
}

// ReadDir implements io/fs.ReadDirFS.
func (s *Snapshot) ReadDir(name string) ([]fs.DirEntry, error) {
	ino, _, err := s.at(name, true)
	defer s.fs.mu.Unlock()
	if err == nil {
		var list []fs.DirEntry
		if list, err = s.fs.dirEntries(s.root, ino); err == nil {
			return list, nil
		}
	}
	return nil, pathError("readdir", name, err)
}

func (f *FS) dirEntries(r *root, dir Ino) ([]fs.DirEntry, error) {
	names, err := f.readDir(r, dir)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(names))
	for i, e := range names {
		in, err := f.inode(r, e.Ino)
		if err != nil {
			return nil, err
		}
		list[i] = fs.FileInfoToDirEntry(fileInfo{e.Name, in.attr(e.Ino)})
	}
	return list, nil
}

//go:noinline
func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// snapshotFile is an open file or directory of a snapshot.
type snapshotFile struct {
	snap   *Snapshot
	ino    Ino
	info   fileInfo
	off    int64
	list   dirList
	closed bool
}

var (
	_ fs.ReadDirFile = (*snapshotFile)(nil)
	_ io.ReaderAt    = (*snapshotFile)(nil)
	_ io.Seeker      = (*snapshotFile)(nil)
)

func (s *snapshotFile) Stat() (fs.FileInfo, error) {
	if s.closed {
		return nil, pathError("stat", s.info.name, EBADF)
	}
	return s.info, nil
}

func (s *snapshotFile) Close() error {
	if s.closed {
		return pathError("close", s.info.name, EBADF)
	}
	s.closed = true
	return nil
}

// Read implements io.Reader.
func (s *snapshotFile) Read(p []byte) (int, error) {
	n, err := s.ReadAt(p, s.off)
	s.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (s *snapshotFile) ReadAt(p []byte, off int64) (int, error) {
	var n int
	var err error = EBADF
	if !s.closed {
		n, err = s.snap.ReadInode(s.ino, p, off)
	}
	if err != nil && err != io.EOF {
		return 0, pathError("read", s.info.name, err)
	}
	return n, err
}

// Seek implements io.Seeker.
func (s *snapshotFile) Seek(off int64, whence int) (int64, error) {
	to, err := seek(s.off, s.info.attr.Size, off, whence)
	if err != nil {
		return 0, pathError("seek", s.info.name, err)
	}
	s.off = to
	return to, nil
}

func seek(at, size, off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += at
	case io.SeekEnd:
		off += size
	case io.SeekStart:
	default:
		return 0, EINVAL
	}
	if off < 0 {
		return 0, EINVAL
	}
	return off, nil
}

// ReadDir implements io/fs.ReadDirFile.
func (s *snapshotFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if s.closed {
		return nil, pathError("readdir", s.info.name, EBADF)
	}
	return s.list.next(n, s.info.name, func() ([]fs.DirEntry, error) {
		f := s.snap.fs
		f.mu.Lock()
		defer f.mu.Unlock()
		if s.snap.root == nil {
			return nil, EBADF
		}
		return f.dirEntries(s.snap.root, s.ino)
	})
}

// dirList hands out a directory's entries in portions, as io/fs.ReadDirFile says.
type dirList struct {
	rest []fs.DirEntry
	read bool
}

func (d *dirList) next(n int, name string, read func() ([]fs.DirEntry, error)) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := read()
		if err != nil {
			return nil, pathError("readdir", name, err)
		}
		d.rest, d.read = list, true
	}
	out := d.rest
	if n > 0 {
		if len(out) == 0 {
			return nil, io.EOF
		}
		out = out[:min(n, len(out))]
	}
	d.rest = d.rest[len(out):]
	return out, nil
}
