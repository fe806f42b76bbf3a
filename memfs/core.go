//go:build holdfastcore

package memfs

import "github.com/holdfast-fs/holdfast/memfs/errtext"

// With the tag holdfastcore, for the module that every page loads first, this package comes without what package io/fs brings along: package time,
// and with it the settings and metrics of the runtime, are 3% of that module. What is missing is the view of FS and Snapshot as io/fs.FS, the
// errors of io/fs, Tree, and the system's clock. NODES.md and all promises are the same.

// mutex locks nothing: that module is called from one thread, has no goroutines, and no call of it begins before the one before has ended.
type mutex struct{}

func (mutex) Lock()   {}
func (mutex) Unlock() {}

// Now panics: there must be a clock in the Options.
func Now() int64 { panic("memfs: no clock was given") }

func pathError(op, name string, err error) error { return errtext.Errorf("%s %s: %w", op, name, err) }
