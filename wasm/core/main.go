//go:build js

package main

import (
	_ "syscall/js" // the runtime needs its handler of events when one of its own timers fires

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
)

// abiVersion is raised with every change of ABI.md, so that a package and a module of different builds say so.
const abiVersion = 4

// The one volume of this instance.
var (
	store  *opfs.Store
	inodes *memfs.Inodes
)

func main() {
	select {} // the exports stay callable while main has not returned
}

//go:wasmimport holdfast now
func dateNow() float64

// now is the clock of the filesystem, in whole milliseconds: Date.now costs a quarter of Go's own two calls into JavaScript.
func now() int64 { return int64(dateNow()) * 1e6 }

//go:wasmexport abi
func abi() int32 { return abiVersion }

// open opens the volume in a file that JavaScript has registered under a number, or in memory when file is negative.
//
//go:wasmexport open
func open(file, keep int32, maxAgeMs float64) int32 {
	o := opfs.Options{Now: now, Keep: int(keep), MaxAge: int64(maxAgeMs * 1e6)}
	if file < 0 {
		use(opfs.NewMemory(o))
		return 0
	}
	f := opfs.OpenHandle(file)
	s, err := opfs.Open(f, o)
	if err != nil {
		_ = f.Close()
		return fail(err)
	}
	use(s)
	return 0
}

func use(s *opfs.Store) {
	store, inodes = s, s.FS().Inodes()
	s.FS().CountEdits(at[float64](editsAt))
}

// closeVolume closes the file without a commit. The caller then drops the instance.
//
//go:wasmexport close
func closeVolume() int32 { return fail(store.Close()) }

//go:wasmexport epoch
func epoch() int32 { return int32(store.FS().Epoch()) }

//go:wasmexport dirty
func dirty() int32 {
	if store.Dirty() { // snapshots that are not durable yet count too
		return 1
	}
	return 0
}

// uuid leaves the volume's UUID in the result buffer.
//
//go:wasmexport uuid
func uuid() int32 { return result([]byte(store.UUID())) }
