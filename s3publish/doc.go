// Package s3publish sends snapshots of a memfs tree to an object store, and fetches them back.
//
// # Basics
//
// A published volume is a head (which snapshot is current), snapshot objects, and packs of
// content-addressed blobs; LAYOUT.md has their bytes. Publish sends the blobs that the store does not
// have, then the snapshot, then moves the head by compare-and-swap. Pull fetches a snapshot, checks
// every hash, and builds a tree beside the live one.
//
// A Remote keeps what it has learnt about a store between calls, so that a publish after a small edit
// is three requests. All of it works on the small interface ObjectStore; package s3store implements it
// with the AWS SDK, MemoryStore in memory, and package storetest checks an implementation.
//
// # Caveats
//
// Objects are neither compressed nor encrypted yet. Pull holds all packs of the snapshot in memory
// while it builds the tree. Nothing is ever deleted.
package s3publish
