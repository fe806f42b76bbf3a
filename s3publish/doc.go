// Package s3publish sends snapshots of a memfs tree to an object store, and fetches them back.
//
// # Basics
//
// A published volume is a head (which snapshot is current), snapshot objects, and packs of content-addressed blobs, compressed, and
// encrypted if a Key is given; LAYOUT.md has their bytes. Publish sends the blobs that the store does not have, then the snapshot, then moves
// the head by compare-and-swap. Pull fetches a snapshot, checks every hash, and builds a tree beside the live one. Open reads a
// snapshot in place, by range requests.
//
// List, Verify and Prune look after all that is in a store; Check tells if a store is fit for it.
//
// A Remote keeps what it has learnt about a store between calls, so that a publish after a small edit
// is three requests. All of it works on the small interface ObjectStore; package s3store implements it
// with the AWS SDK, MemoryStore in memory, and package storetest checks an implementation.
//
// # Caveats
//
// A publish reads and hashes the whole tree once in a session, and so does the count that finds packs of dead content. Verify needs
// about 150 bytes of memory for each blob in the store, and Open 100 for each blob of the snapshot. Prune needs a store that tells when objects were
// written. Under GOOS=js, Codec and Cipher have no default: package jsstore has them.
package s3publish
