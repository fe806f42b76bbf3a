//go:build js

package main

import (
	"errors"
	"io"
	"io/fs"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Read-only views of points, and their open files, by number. Paths are io/fs paths ("." is the root).
var (
	readers = map[int32]*memfs.Snapshot{}
	files   = map[int32]fs.File{}
	lastID  int32
)

// reader_open opens the point named in slot 0 for reading; an empty name freezes the present state.
//
//go:wasmexport reader_open
func readerOpen(n int32) int32 {
	s, err := load(text(0, n))
	if err != nil {
		return fail(err)
	}
	lastID++
	readers[lastID] = s
	return lastID
}

//go:wasmexport reader_close
func readerClose(id int32) int32 {
	if s := readers[id]; s != nil {
		endTransfer(id)
		s.Release()
		delete(readers, id)
		delete(pulls, id)
	}
	return 0
}

func reader(id int32) (*memfs.Snapshot, error) {
	if s := readers[id]; s != nil {
		return s, nil
	}
	return nil, memfs.EBADF
}

//go:wasmexport reader_stat
func readerStat(id, n, follow int32) int32 {
	s, err := reader(id)
	if err != nil {
		return fail(err)
	}
	stat := s.Lstat
	if follow != 0 {
		stat = s.Stat
	}
	info, err := stat(text(0, n))
	if err != nil {
		return fail(err)
	}
	putAttr(info.Sys().(*memfs.Attr))
	return 0
}

// reader_readdir leaves a directory in the result buffer, as readdir does.
//
//go:wasmexport reader_readdir
func readerReaddir(id, n int32) int32 {
	s, err := reader(id)
	if err != nil {
		return fail(err)
	}
	list, err := s.ReadDir(text(0, n))
	if err != nil {
		return fail(err)
	}
	b := out[:0]
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			return fail(err)
		}
		b = appendName(b, info.Sys().(*memfs.Attr).Mode, e.Name())
	}
	return result(b)
}

//go:wasmexport reader_readlink
func readerReadlink(id, n int32) int32 {
	s, err := reader(id)
	if err != nil {
		return fail(err)
	}
	target, err := s.ReadLink(text(0, n))
	if err != nil {
		return fail(err)
	}
	return give(0, target)
}

//go:wasmexport reader_file
func readerFile(id, n int32) int32 {
	s, err := reader(id)
	if err != nil {
		return fail(err)
	}
	f, err := s.Open(text(0, n))
	if err != nil {
		return fail(err)
	}
	lastID++
	files[lastID] = f
	return lastID
}

//go:wasmexport file_close
func fileClose(id int32) int32 {
	if f := files[id]; f != nil {
		_ = f.Close()
		delete(files, id)
	}
	return 0
}

//go:wasmexport file_attr
func fileAttr(id int32) int32 {
	f := files[id]
	if f == nil {
		return fail(memfs.EBADF)
	}
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	putAttr(info.Sys().(*memfs.Attr))
	return 0
}

// file_read leaves up to n bytes in the result buffer.
//
//go:wasmexport file_read
func fileRead(id int32, off float64, n int32) int32 {
	f := files[id]
	if f == nil {
		return fail(memfs.EBADF)
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return fail(memfs.EISDIR)
	}
	if cap(out) < int(n) {
		out = make([]byte, n)
	}
	got, err := r.ReadAt(out[:n], int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return fail(err)
	}
	return result(out[:got])
}
