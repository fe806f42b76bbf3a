//go:build !holdfastcore

package memfs

import (
	"io/fs"
	"time"
)

// fileInfo is an Attr under a name, as io/fs wants it.
type fileInfo struct {
	name string
	attr Attr
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.attr.Size }
func (i fileInfo) ModTime() time.Time { return time.Unix(0, i.attr.Mtime) }
func (i fileInfo) IsDir() bool        { return i.attr.Mode&S_IFMT == S_IFDIR }
func (i fileInfo) Sys() any           { a := i.attr; return &a }
func (i fileInfo) Mode() fs.FileMode  { return fileMode(i.attr.Mode) }

func fileMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	for _, b := range modeBits {
		if m&b.mask == b.linux {
			mode |= b.go_
		}
	}
	return mode
}

func linuxMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for _, b := range modeBits[:3] {
		if m&b.go_ != 0 {
			mode |= b.linux
		}
	}
	return mode
}

// modeBits pairs Linux's bits with Go's; the first three are permissions.
var modeBits = []struct {
	mask, linux uint32
	go_         fs.FileMode
}{
	{0o4000, 0o4000, fs.ModeSetuid},
	{0o2000, 0o2000, fs.ModeSetgid},
	{0o1000, 0o1000, fs.ModeSticky},
	{S_IFMT, S_IFDIR, fs.ModeDir},
	{S_IFMT, S_IFLNK, fs.ModeSymlink},
	{S_IFMT, S_IFIFO, fs.ModeNamedPipe},
	{S_IFMT, S_IFSOCK, fs.ModeSocket},
	{S_IFMT, S_IFBLK, fs.ModeDevice},
	{S_IFMT, S_IFCHR, fs.ModeDevice | fs.ModeCharDevice},
}
