//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// identify tells which file it is, and how many names it has.
func identify(info fs.FileInfo) (identity, uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, 1
	}
	return identity{uint64(s.Dev), s.Ino}, uint64(s.Nlink)
}

func ownerOf(info fs.FileInfo) (uid, gid uint32) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Uid, s.Gid
	}
	return 0, 0
}
