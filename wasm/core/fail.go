//go:build js

package main

import (
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/wasm/jsontext"
)

// lastErr is the error of the call that failed last. Guests need only its number; other callers fetch it with failure.
var lastErr error

// fail answers an error as a negative number, and nil as 0.
func fail(err error) int32 {
	if err == nil {
		return 0
	}
	return failed(err)
}

//go:noinline
func failed(err error) int32 {
	lastErr = err
	return -int32(errnoOf(err))
}

func errnoOf(err error) memfs.Errno {
	if e, ok := err.(memfs.Errno); ok {
		return e
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.errno
		}
	}
	if e, ok := errors.AsType[memfs.Errno](err); ok {
		return e
	}
	return memfs.EIO
}

// known pairs the errors of the packages below with the code that JavaScript sees and the number that a guest gets.
var known = []struct {
	err   error
	code  string
	errno memfs.Errno
}{
	{opfs.ErrQuota, "ErrQuota", memfs.ENOSPC},
	{opfs.ErrCorrupt, "ErrCorrupt", memfs.EIO},
	{opfs.ErrClosed, "ErrClosed", memfs.EIO},
	{opfs.ErrFenced, "ErrFenced", memfs.EROFS},
	{opfs.ErrNotFound, "ErrNotFound", memfs.ENOENT},
	{opfs.ErrNotVolume, "ErrNotVolume", memfs.EIO},
	{opfs.ErrVersion, "ErrVersion", memfs.EIO},
	{opfs.ErrReadOnly, "ErrReadOnly", memfs.EROFS},
	{opfs.ErrLabel, "ErrLabel", memfs.EINVAL},
	{opfs.ErrIO, "ErrIO", memfs.EIO},
	{memfs.ErrBadNode, "ErrCorrupt", memfs.EIO},
	{errCancelled, "ErrAborted", memfs.EIO},
}

// failure leaves the last error as JSON in the result buffer and forgets it. It answers 0 when there is none.
//
//go:wasmexport failure
func failure() int32 {
	err := lastErr
	lastErr = nil
	if err == nil {
		return 0
	}
	return result(describe(err))
}

// describe is an error as JavaScript gets it, to make a HoldfastError of.
func describe(err error) jsontext.Text {
	t := jsontext.Text(nil).Open('{').Key("code").String(codeOf(err)).Key("message").String(err.Error()).Key("errno").Int(int64(errnoOf(err)))
	if e, ok := errors.AsType[*opfs.Error](err); ok {
		t = optional(t, "hint", e.Hint)
	}
	return t.Close('}')
}

func codeOf(err error) string {
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.code
		}
	}
	if _, ok := errors.AsType[memfs.Errno](err); ok {
		return "" // JavaScript names it by its number
	}
	return "ErrInternal"
}
