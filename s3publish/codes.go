package s3publish

import (
	"context"
	"errors"
)

// The order matters where an error wraps two of them: the first that matches names it.
var codes = []struct {
	name string
	err  error
}{
	{"ErrAborted", ErrAborted},
	{"ErrConflict", ErrConflict},
	{"ErrCredentials", ErrCredentials},
	{"ErrNoBucket", ErrNoBucket},
	{"ErrClock", ErrClock},
	{"ErrUnreachable", ErrUnreachable},
	{"ErrKey", ErrKey},
	{"ErrVersion", ErrVersion},
	{"ErrCorrupt", ErrCorrupt},
	{"ErrPrecondition", ErrPrecondition},
	{"ErrRange", ErrRange},
	{"ErrUnsupported", ErrUnsupported},
	{"ErrInvalid", ErrInvalid},
	{"ErrNotFound", ErrNotFound},
	{"ErrAborted", context.Canceled},
	{"ErrAborted", context.DeadlineExceeded},
}

// Code names the sentinel that err wraps, as errors are named where Go errors cannot pass (the code
// property of JavaScript errors): "ErrNotFound" for ErrNotFound and so on, "" for any other error.
func Code(err error) string {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return ""
}

// FromCode is the sentinel with that name, or nil.
func FromCode(name string) error {
	for _, c := range codes {
		if c.name == name {
			return c.err
		}
	}
	return nil
}
