package s3publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// MemoryStore is an ObjectStore in memory, for tests. The zero value is an empty store.
type MemoryStore struct {
	Now func() time.Time // the store's clock; default time.Now

	mu      sync.Mutex
	objects map[string]memObject
	writes  int
}

type memObject struct {
	data []byte
	etag string
	date time.Time
}

var _ ObjectStore = (*MemoryStore)(nil)

func (m *MemoryStore) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

// Get implements ObjectStore.
func (m *MemoryStore) Get(ctx context.Context, key string, off, n int64) (Object, error) {
	if ctx.Err() != nil {
		return Object{}, aborted(ctx, "get", key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	size := int64(len(o.data))
	switch {
	case !ok:
		return Object{}, &Error{Op: "get", Key: key, Err: ErrNotFound, Date: m.now()}
	case off < 0:
		return Object{}, &Error{Op: "get", Key: key, Err: ErrInvalid}
	case off > size || off == size && (off != 0 || n >= 0):
		return Object{}, &Error{Op: "get", Key: key, Err: ErrRange}
	case n < 0 || n > size-off:
		n = size - off
	}
	return Object{Data: slices.Clone(o.data[off : off+n]), ETag: o.etag, Date: m.now()}, nil
}

// Put implements ObjectStore.
func (m *MemoryStore) Put(ctx context.Context, key string, data []byte, o PutOptions) (string, error) {
	if ctx.Err() != nil {
		return "", aborted(ctx, "put", key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.objects[key]
	if o.IfNoneMatch && ok || o.IfMatch != "" && (!ok || old.etag != o.IfMatch) {
		return "", &Error{Op: "put", Key: key, Err: ErrPrecondition}
	}
	if m.objects == nil {
		m.objects = map[string]memObject{}
	}
	m.writes++
	etag := fmt.Sprintf(`"%d"`, m.writes)
	m.objects[key] = memObject{slices.Clone(data), etag, m.now()}
	return etag, nil
}

// List implements ObjectStore.
func (m *MemoryStore) List(ctx context.Context, prefix string) ([]Listed, error) {
	if ctx.Err() != nil {
		return nil, aborted(ctx, "list", prefix)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Listed
	for k, o := range m.objects {
		if strings.HasPrefix(k, prefix) {
			all = append(all, Listed{Key: k, Size: int64(len(o.data)), Modified: o.date})
		}
	}
	slices.SortFunc(all, func(a, b Listed) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// Delete implements ObjectStore.
func (m *MemoryStore) Delete(ctx context.Context, key string) error {
	if ctx.Err() != nil {
		return aborted(ctx, "delete", key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}
