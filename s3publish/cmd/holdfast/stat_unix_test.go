//go:build unix

package main

import (
	"io/fs"
	"syscall"
)

// blocksOf is what a file takes on disk, in bytes.
func blocksOf(info fs.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Blocks * 512 }
