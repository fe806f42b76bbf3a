package s3publish

import (
	"context"
	"time"
)

// ObjectStore is what publishing needs of an object store. Keys are relative to whatever prefix or
// bucket the store stands for. All methods may be called from several goroutines.
//
// Errors wrap one of the sentinels of this package; anything else counts as permanent. A method
// returns soon after its context is done, with an error that wraps ErrAborted.
//
// Package storetest holds the contract as tests.
type ObjectStore interface {
	// Get reads n bytes from offset off, or up to the end if the object ends before; never more than n.
	// With n < 0 it reads to the end; n is not 0. ErrNotFound: there is no such object. ErrRange: off is at or past
	// the end (and not 0 with n < 0). The caller may keep and change Object.Data.
	Get(ctx context.Context, key string, off, n int64) (Object, error)

	// Put writes a whole object, at once or not at all, and returns its new ETag ("" when the store
	// cannot tell). ErrPrecondition: the condition in the options did not hold; nothing was written. After
	// another error the object may have been written or not. Put does not keep data.
	Put(ctx context.Context, key string, data []byte, o PutOptions) (etag string, err error)

	// List returns the objects whose keys begin with prefix, sorted by key.
	List(ctx context.Context, prefix string) ([]Listed, error)

	// Delete removes an object. One that does not exist is no error.
	Delete(ctx context.Context, key string) error
}

// Object is what Get read.
type Object struct {
	Data []byte
	ETag string // of the whole object; "" when the store did not tell

	// Date is the store's clock when it answered (HTTP's Date header), zero when the store did not tell.
	Date time.Time
}

// Listed is one object of a List.
type Listed struct {
	Key      string
	Size     int64
	Modified time.Time // when it was last written, by the store's clock; zero when the store does not tell
}

// PutOptions are the conditions of a Put. At most one of IfMatch and IfNoneMatch is set.
type PutOptions struct {
	// IfMatch: only if the object exists and has this ETag.
	IfMatch string
	// IfNoneMatch: only if there is no object under this key.
	IfNoneMatch bool
	// SHA256 of the data, if the caller knows it: a store that lets the server check content
	// need not hash again.
	SHA256 *[32]byte
}
