//go:build js

package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
)

// lastErr is the error of the call that failed last. Guests need only its number; other callers fetch it with failure.
var lastErr error

// fail answers an error as a negative number, and nil as 0.
func fail(err error) int32 {
	if err == nil {
		return 0
	}
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
	var e memfs.Errno
	if errors.As(err, &e) {
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
	{context.Canceled, "ErrAborted", memfs.EIO},
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

// jsError is an error as JavaScript gets it, to make a HoldfastError of.
type jsError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Errno   int    `json:"errno"`
	Hint    string `json:"hint,omitempty"`
}

func describe(err error) []byte {
	e := jsError{Code: codeOf(err), Message: err.Error(), Errno: int(errnoOf(err))}
	var oe *opfs.Error
	if errors.As(err, &oe) {
		e.Hint = oe.Hint
	}
	b, _ := json.Marshal(e)
	return b
}

func codeOf(err error) string {
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.code
		}
	}
	var e memfs.Errno
	if errors.As(err, &e) {
		return "" // JavaScript names it by its number
	}
	return "ErrInternal"
}

// jsonResult leaves a value as JSON in the result buffer.
func jsonResult(v any, err error) int32 {
	if err != nil {
		return fail(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fail(err)
	}
	return result(b)
}
