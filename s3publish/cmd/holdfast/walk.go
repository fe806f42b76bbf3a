package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// maxPath is the longest path that Linux opens, in bytes. It bounds how deep a tree is followed.
const maxPath = 4095

// walk calls fn for everything in a tree, a directory before what is in it, in order of name. Paths have no slash at the beginning; that
// of the root is ".". A name that could lead out of a directory is an error: memfs has refused it before, and this does again.
func walk(files *memfs.FS, fn func(path string, a memfs.Attr) error) error {
	in := files.Inodes()
	var visit func(path string, ino memfs.Ino) error
	visit = func(path string, ino memfs.Ino) error {
		a, err := in.Attr(ino)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := fn(path, a); err != nil || a.Mode&memfs.S_IFMT != memfs.S_IFDIR {
			return err
		}
		entries, err := in.ReadDir(ino)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, e := range entries {
			if !safeName(e.Name) {
				return fmt.Errorf("%w: a directory holds the name %q", s3publish.ErrCorrupt, e.Name)
			}
			below := e.Name
			if path != "." {
				below = path + "/" + e.Name
			}
			if len(below) > maxPath {
				return fmt.Errorf("%.100s…: a path of more than %d bytes, which no system can open", below, maxPath)
			}
			if err := visit(below, e.Ino); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(".", memfs.RootIno)
}

// safeName: one name of a directory, which on this system is no path.
func safeName(name string) bool {
	return name != "" && name != "." && !strings.ContainsAny(name, "/\x00") && !strings.ContainsRune(name, filepath.Separator) && filepath.IsLocal(name)
}

// eachPiece reads a file and gives fn what is not zeros, in pieces with their offsets.
func eachPiece(h *memfs.Handle, size int64, fn func(off int64, p []byte) error) error {
	buffer := make([]byte, 64<<10)
	for off := int64(0); off < size; {
		n, err := h.ReadAt(buffer[:min(int64(len(buffer)), size-off)], off)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if !zeros(buffer[:n]) {
			if err := fn(off, buffer[:n]); err != nil {
				return err
			}
		}
		off += int64(n)
	}
	return nil
}

var noBytes [256 << 10]byte

// zeros tells if p, which is no longer than any buffer here, holds nothing else.
func zeros(p []byte) bool { return bytes.Equal(p, noBytes[:len(p)]) }

// The bits of a mode that make a program run as somebody else, and the sticky bit.
const specialBits = 0o7000

// fileMode is what package os takes for the low twelve bits of a Linux mode.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for bit, as := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if mode&bit != 0 {
			m |= as
		}
	}
	return m
}
