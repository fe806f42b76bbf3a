package s3publish

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of this package wrap one of these; test with errors.Is.
var (
	// ErrNotFound: there is no such object, head or snapshot in the store.
	ErrNotFound = errors.New("not found")

	// ErrPrecondition: a conditional write did not happen, because the object is not in the state that
	// the condition names. Publish turns it into ErrConflict.
	ErrPrecondition = errors.New("precondition failed")

	// ErrConflict: someone else moved the head. The error is a *ConflictError. Nothing is lost: theirs
	// is in the store, ours is in memory.
	ErrConflict = errors.New("the published volume was changed by someone else")

	// ErrCorrupt: an object is not what its name or its format promises. Nothing of it was used.
	ErrCorrupt = errors.New("corrupt object")

	// ErrKey: an object is encrypted with another key than the one given, or there is a key where nothing is encrypted. It says nothing
	// of whether the object is whole.
	ErrKey = errors.New("wrong key")

	// ErrVersion: an object is of a version, or uses a codec or cipher, that this program does not know.
	ErrVersion = errors.New("unknown version")

	// ErrCredentials: the store refused who we say we are or what we may do. Retrying does not help.
	ErrCredentials = errors.New("access refused")

	// ErrNoBucket: the bucket does not exist.
	ErrNoBucket = errors.New("no such bucket")

	// ErrUnreachable: no usable answer: the network, CORS, a timeout, or a status that asks to try again
	// later (429, 5xx). It is returned after retries.
	ErrUnreachable = errors.New("store unreachable")

	// ErrClock: the store refused the request because this machine's clock is too far from its own.
	ErrClock = errors.New("clock differs too much from the store's")

	// ErrRange: the requested range begins at or past the end of the object.
	ErrRange = errors.New("range past the end of the object")

	// ErrUnsupported: the store cannot do what publishing needs, such as conditional writes or showing ETags.
	ErrUnsupported = errors.New("not supported by the store")

	// ErrAborted: the context was cancelled. The error also wraps the context's cause.
	ErrAborted = errors.New("aborted")

	// ErrInvalid: an argument is not allowed, such as a volume name with a slash.
	ErrInvalid = errors.New("invalid argument")
)

// Error says what was being done to which object. Err wraps a sentinel of this package.
type Error struct {
	Op   string // "get", "put", "list", "delete", "publish", "pull"
	Key  string // the object, or ""
	Err  error
	Hint string // what the user may do about it, or ""

	// Date is the store's clock when it answered with this error, zero when it did not tell.
	Date time.Time

	// RetryAfter is how long the store asked to be left alone (HTTP's Retry-After header); 0 when it did not.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("holdfast: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("holdfast: %s %s: %v", e.Op, e.Key, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ConflictError is the ErrConflict of a publish.
type ConflictError struct {
	Volume string
	Base   ID   // what the publisher built on; zero when nothing
	Ours   Info // the snapshot that was not made current; its ID is zero when it was not even sent. It can be pulled while its base is kept
	Theirs Info // the current one
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v: volume %s is at %s, expected %s", ErrConflict, e.Volume, shortID(e.Theirs.ID), shortID(e.Base))
}

func (e *ConflictError) Unwrap() error { return ErrConflict }

func shortID(id ID) string {
	if id.IsZero() {
		return "nothing"
	}
	return id.String()[:12]
}

// corrupt is an ErrCorrupt with its reason.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// at puts the object's name on an error that does not have one yet.
func at(op, key string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Key: key, Err: err}
}

// aborted is the error of a done context.
func aborted(ctx context.Context, op, key string) error {
	return &Error{Op: op, Key: key, Err: fmt.Errorf("%w: %w", ErrAborted, context.Cause(ctx))}
}
