//go:build !unix

package main

import "io/fs"

// identify: other systems do not tell, so each name becomes a file of its own.
func identify(fs.FileInfo) (identity, uint64) { return identity{}, 1 }

func ownerOf(fs.FileInfo) (uid, gid uint32) { return 0, 0 }
