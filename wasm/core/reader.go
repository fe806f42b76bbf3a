//go:build js

package main

import (
	"io"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Read-only views of points, and their open files, by number. Paths are io/fs paths ("." is the root).
var (
	readers = map[int32]*memfs.Snapshot{}
	files   = map[int32]openFile{}
	lastID  int32
)

// openFile is a file of a point. It can be read until the reader is closed.
type openFile struct {
	snap *memfs.Snapshot
	attr memfs.Attr
}

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
	a, err := s.Attr(text(0, n), follow != 0)
	if err != nil {
		return fail(err)
	}
	putAttr(&a)
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
	list, err := s.Names(text(0, n))
	if err != nil {
		return fail(err)
	}
	b := out[:0]
	for _, e := range list {
		b = appendName(b, e.Type, e.Name)
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
	a, err := s.Attr(text(0, n), true)
	if err != nil {
		return fail(err)
	}
	lastID++
	files[lastID] = openFile{s, a}
	return lastID
}

//go:wasmexport file_close
func fileClose(id int32) int32 {
	delete(files, id)
	return 0
}

//go:wasmexport file_attr
func fileAttr(id int32) int32 {
	f, ok := files[id]
	if !ok {
		return fail(memfs.EBADF)
	}
	putAttr(&f.attr)
	return 0
}

// file_read leaves up to n bytes in the result buffer.
//
//go:wasmexport file_read
func fileRead(id int32, off float64, n int32) int32 {
	f, ok := files[id]
	if !ok {
		return fail(memfs.EBADF)
	}
	if cap(out) < int(n) {
		out = make([]byte, n)
	}
	got, err := f.snap.ReadInode(f.attr.Ino, out[:n], int64(off))
	if err != nil && err != io.EOF {
		return fail(err)
	}
	return result(out[:got])
}
