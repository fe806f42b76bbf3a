//go:build !holdfastcore

package memfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
)

// File is an open file or directory of the live tree, shaped as *os.File.
type File struct {
	h    *Handle
	name string
	flag int

	mu   sync.Mutex
	off  int64
	list dirList
}

var (
	_ fs.ReadDirFile     = (*File)(nil)
	_ io.ReadWriteSeeker = (*File)(nil)
	_ io.ReaderAt        = (*File)(nil)
	_ io.WriterAt        = (*File)(nil)
)

var errNegative = errors.New("negative offset") // as package os says it

func (f *File) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return pathError(op, f.name, err)
}

func (f *File) readable() error {
	if f.flag&os.O_WRONLY != 0 {
		return EBADF
	}
	return nil
}

func (f *File) writable() error {
	if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return EBADF
	}
	return nil
}

// Close implements io.Closer. A second Close answers EBADF.
func (f *File) Close() error {
	f.h.fs.mu.Lock()
	closed := f.h.closed
	f.h.fs.mu.Unlock()
	if closed {
		return f.wrap("close", EBADF)
	}
	return f.wrap("close", f.h.Close())
}

// Stat describes the file, after its last name went too.
func (f *File) Stat() (fs.FileInfo, error) {
	a, err := f.h.Attr()
	if err != nil {
		return nil, f.wrap("stat", err)
	}
	return fileInfo{path.Base(f.name), a}, nil
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.readable(); err != nil {
		return 0, f.wrap("read", err)
	}
	if off < 0 {
		return 0, f.wrap("readat", errNegative)
	}
	n, err := f.h.ReadAt(p, off)
	return n, f.wrap("read", err)
}

// Write implements io.Writer; with O_APPEND it writes at the end.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		a, err := f.h.Attr()
		if err != nil {
			return 0, f.wrap("write", err)
		}
		f.off = a.Size
	}
	n, err := f.WriteAt(p, f.off)
	f.off += int64(n)
	return n, err
}

// WriteAt implements io.WriterAt.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := f.writable(); err != nil {
		return 0, f.wrap("write", err)
	}
	if off < 0 {
		return 0, f.wrap("writeat", errNegative)
	}
	n, err := f.h.WriteAt(p, off)
	return n, f.wrap("write", err)
}

// Seek implements io.Seeker.
func (f *File) Seek(off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, err := f.h.Attr()
	if err == nil {
		off, err = seek(f.off, a.Size, off, whence)
	}
	if err != nil {
		return 0, f.wrap("seek", err)
	}
	f.off = off
	return off, nil
}

// Truncate sets the file's size in bytes.
func (f *File) Truncate(size int64) error {
	err := f.writable()
	if err == nil {
		err = f.h.Truncate(size)
	}
	return f.wrap("truncate", err)
}

// Chmod sets the permission bits.
func (f *File) Chmod(mode fs.FileMode) error {
	err := f.h.check()
	if err == nil {
		err = f.h.fs.Inodes().SetAttr(f.h.ino, SetMode, Attr{Mode: linuxMode(mode)})
	}
	return f.wrap("chmod", err)
}

// Sync does nothing: an FS is in memory, and what makes it durable is the store that it is kept in.
func (f *File) Sync() error { return f.wrap("sync", f.h.check()) }

// ReadDir implements io/fs.ReadDirFile.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list.next(n, f.name, func() ([]fs.DirEntry, error) {
		m := f.h.fs
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := f.h.check(); err != nil {
			return nil, err
		}
		return m.dirEntries(m.live, f.h.ino)
	})
}
