// Package memfs is a filesystem in memory whose snapshots cost the same for any size.
//
// # Basics
//
// New makes an empty FS. Its methods take paths as io/fs and package os do; Inodes gives the same files by inode number,
// which is what an adapter for a guest program needs. Snapshot keeps the present state, Restore returns to it, Diff compares two.
// A Snapshot is an io/fs.FS.
//
//	f := memfs.New(memfs.Options{})
//	err := f.WriteFile("hello.txt", []byte("hello"), 0o644)
//	before := f.Snapshot()
//	err = f.Remove("hello.txt")
//	err = f.Restore(before)
//	before.Release()
//
// The whole filesystem is one tree of nodes that snapshots share; NODES.md describes it. A store keeps it elsewhere: Persist
// writes what changed since the last Persist, Load opens it again and reads nodes and pages on first use. Export and Import do the
// same for stores that name blobs by their hash.
//
// # Caveats
//
//   - Release snapshots that are no longer needed: pages are not left to the garbage collector.
//   - A handle that was open before a Restore answers ESTALE.
//   - There are no permission checks, and access times change only when they are set.
//   - Where the store cannot be read, an operation answers the store's error and changes nothing.
//   - With the build tag holdfastcore, what needs package io/fs is missing: see core.go. The core module is built so.
package memfs
