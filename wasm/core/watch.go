//go:build js

package main

import "github.com/holdfast-fs/holdfast/memfs"

// watched is the tree as the watchers know it, nil while there is none.
var watched *memfs.Snapshot

// watch begins (1) or ends (0) to look for changes.
//
//go:wasmexport watch
func watch(on int32) int32 {
	if watched != nil {
		watched.Release()
		watched = nil
	}
	if on != 0 {
		watched = store.FS().Snapshot()
	}
	return 0
}

// watch_changes lists what changed since the last call that listed something, as diff does. It answers 0 when that is nothing.
//
//go:wasmexport watch_changes
func watchChanges() int32 {
	if watched == nil {
		return 0
	}
	now := store.FS().Snapshot()
	list, err := memfs.Diff(watched, now)
	if err != nil {
		now.Release()
		return fail(err)
	}
	watched.Release()
	watched = now
	if len(list) == 0 {
		return 0
	}
	return result(putChanges(nil, list))
}
