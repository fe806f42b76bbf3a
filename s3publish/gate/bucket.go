package gate

import (
	"context"
	"errors"
	"io"
)

// Bucket is where a Gateway keeps objects itself, instead of signing requests. Errors wrap one of the sentinels below; others
// are answered with status 502.
type Bucket interface {
	// Get reads n bytes from offset off, fewer where the object ends; n < 0 means to its end. ErrNotFound, ErrRange.
	Get(ctx context.Context, key string, off, n int64) (*Object, error)
	// Put writes a whole object if the conditions of r and the hash of the content hold. It answers with the ETag, quoted. ErrPrecondition, ErrHash.
	Put(ctx context.Context, key string, content io.Reader, r Request) (etag string, err error)
	// List gives the objects whose keys begin with prefix and come after a key, sorted, at most 1,000 of them.
	List(ctx context.Context, prefix, after string) ([]Listed, error)
	// Delete removes an object; one that does not exist is no error.
	Delete(ctx context.Context, key string) error
}

// Object is what a Bucket's Get opened. The receiver closes the body.
type Object struct {
	Body      io.ReadCloser
	ETag      string // quoted
	Off, Size int64  // of the part in Body
	Total     int64  // of the whole object
}

// Listed is one object of a list.
type Listed struct {
	Key      string `json:"key"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // milliseconds since 1970
}

// listPage is how many objects a list holds; if it is full there may be more.
const listPage = 1000

// Errors of a Bucket.
var (
	ErrNotFound     = errors.New("not found")
	ErrPrecondition = errors.New("precondition failed")
	ErrRange        = errors.New("the range is past the end of the object")
	ErrHash         = errors.New("the content does not have the hash that was announced")
)
