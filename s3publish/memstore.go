package s3publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// MemoryStore is an ObjectStore in memory, for tests. The zero value is an empty store.
type MemoryStore struct {
	mu      sync.Mutex
	objects map[string]memObject
	writes  int
}

type memObject struct {
	data []byte
	etag string
}

var _ ObjectStore = (*MemoryStore)(nil)

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
		return Object{}, &Error{Op: "get", Key: key, Err: ErrNotFound}
	case off < 0:
		return Object{}, &Error{Op: "get", Key: key, Err: ErrInvalid}
	case off > size || off == size && (off != 0 || n >= 0):
		return Object{}, &Error{Op: "get", Key: key, Err: ErrRange}
	case n < 0 || n > size-off:
		n = size - off
	}
	return Object{Data: slices.Clone(o.data[off : off+n]), ETag: o.etag}, nil
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
	m.objects[key] = memObject{slices.Clone(data), etag}
	return etag, nil
}

// List implements ObjectStore.
func (m *MemoryStore) List(ctx context.Context, prefix string) ([]string, error) {
	if ctx.Err() != nil {
		return nil, aborted(ctx, "list", prefix)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for k := range m.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys, nil
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
