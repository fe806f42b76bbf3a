package opfs

import (
	"errors"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// The errors of a store. Each arrives wrapped in an *Error that says where and what to do.
var (
	// ErrCorrupt: the file is a volume, and part of it cannot be read or contradicts its checksum. Nothing was changed.
	ErrCorrupt = errors.New("volume is damaged")
	// ErrNotVolume: the file holds something else. Nothing was changed.
	ErrNotVolume = errors.New("not a volume")
	// ErrVersion: the volume was written by a later version of the format.
	ErrVersion = errors.New("volume has a later format version")
	// ErrQuota: the file could not grow. The last commit still stands, memory keeps everything, and the next commit may succeed.
	ErrQuota = errors.New("storage is full")
	// ErrIO: the file could not be read, written or flushed.
	ErrIO = errors.New("storage failed")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("volume is closed")
	// ErrFenced: the volume was opened again since, by a tab or a program that took it over. This store can read, and never writes again.
	ErrFenced = errors.New("volume was taken over")
	// ErrNotFound: no point of the history has that id.
	ErrNotFound = errors.New("no such snapshot")
	// ErrLabel: a label is longer than MaxLabel bytes.
	ErrLabel = errors.New("label is too long")
)

// Error says what failed, where in the file, and in Hint what to do about it.
type Error struct {
	Op   string // open, read, commit, …
	Off  int64  // in the file, in bytes; -1 where there is no one place
	Err  error  // wraps one of the errors above
	Hint string
}

func (e *Error) Error() string {
	s := "opfs: " + e.Op
	if e.Off >= 0 {
		s += errtext.Sprintf(" at offset %d", e.Off)
	}
	return s + ": " + e.Err.Error()
}

// Unwrap gives errors.Is and errors.As the error inside.
func (e *Error) Unwrap() error { return e.Err }

const (
	hintCorrupt = "the file is kept as it is: copy it before anything else, then restore a published snapshot or an older copy"
	hintFenced  = "open the volume again: what was not committed here is in memory only, and can be copied or published from here"
	hintQuota   = "free some space or ask for more, then commit again: nothing is lost while the page stays open"
)

func corrupt(op string, off int64, format string, args ...any) error {
	return &Error{Op: op, Off: off, Err: errtext.Errorf("%w: %s", ErrCorrupt, errtext.Sprintf(format, args...)), Hint: hintCorrupt}
}

func failed(op string, off int64, err error) error {
	e := &Error{Op: op, Off: off, Err: err}
	switch {
	case errors.Is(err, ErrQuota):
		e.Hint = hintQuota
	case !errors.Is(err, ErrIO) && !errors.Is(err, ErrClosed):
		e.Err = errtext.Errorf("%w: %w", ErrIO, err)
	}
	return e
}
