package s3publish_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// oddStore is a store that is not as it should be.
type oddStore struct {
	*s3publish.MemoryStore
	put    func(key string, o s3publish.PutOptions) (s3publish.PutOptions, error)
	get    func(o s3publish.Object, off, n int64) (s3publish.Object, error)
	list   func([]s3publish.Listed) ([]s3publish.Listed, error)
	delete func() (done bool, err error)
	noETag bool
}

func (s oddStore) Put(ctx context.Context, key string, data []byte, o s3publish.PutOptions) (string, error) {
	if s.put != nil {
		var err error
		if o, err = s.put(key, o); err != nil {
			return "", err
		}
	}
	etag, err := s.MemoryStore.Put(ctx, key, data, o)
	if s.noETag {
		etag = ""
	}
	return etag, err
}

func (s oddStore) Get(ctx context.Context, key string, off, n int64) (s3publish.Object, error) {
	o, err := s.MemoryStore.Get(ctx, key, off, n)
	if err == nil && s.get != nil {
		o, err = s.get(o, off, n)
	}
	return o, err
}

func (s oddStore) List(ctx context.Context, prefix string) ([]s3publish.Listed, error) {
	all, err := s.MemoryStore.List(ctx, prefix)
	if err == nil && s.list != nil {
		all, err = s.list(all)
	}
	return all, err
}

func (s oddStore) Delete(ctx context.Context, key string) error {
	if s.delete != nil {
		if done, err := s.delete(); done || err != nil {
			return err
		}
	}
	return s.MemoryStore.Delete(ctx, key)
}

func TestACheckNamesWhatIsWrongAndCleansUp(t *testing.T) {
	refuse := func(err error) func(string, s3publish.PutOptions) (s3publish.PutOptions, error) {
		return func(string, s3publish.PutOptions) (s3publish.PutOptions, error) { return s3publish.PutOptions{}, err }
	}
	for name, c := range map[string]struct {
		store   oddStore
		problem string // the check that fails; "" when all is well
		says    string
		left    int
	}{
		"a good store": {},
		"If-None-Match ignored": {store: oddStore{put: func(_ string, o s3publish.PutOptions) (s3publish.PutOptions, error) {
			o.IfNoneMatch = false
			return o, nil
		}}, problem: "if-none-match", says: "replaced an object that was there"},
		"If-None-Match unknown": {store: oddStore{put: func(_ string, o s3publish.PutOptions) (s3publish.PutOptions, error) {
			if o.IfNoneMatch {
				return o, s3publish.ErrUnsupported
			}
			return o, nil
		}}, problem: "if-none-match", says: "refused a write with If-None-Match"},
		"If-Match ignored": {store: oddStore{put: func(_ string, o s3publish.PutOptions) (s3publish.PutOptions, error) {
			o.IfMatch = ""
			return o, nil
		}}, problem: "if-match", says: "replaced an object that had changed"},
		"If-Match never true": {store: oddStore{put: func(_ string, o s3publish.PutOptions) (s3publish.PutOptions, error) {
			if o.IfMatch != "" {
				return o, s3publish.ErrPrecondition
			}
			return o, nil
		}}, problem: "if-match", says: "refused a write with If-Match"},
		"no ETag of a put": {store: oddStore{noETag: true}, problem: "etag", says: "ETag header"},
		"no ETag of a get": {store: oddStore{get: func(o s3publish.Object, _, _ int64) (s3publish.Object, error) { o.ETag = ""; return o, nil }}, problem: "etag", says: "ETag header"},
		"changed ETags":    {store: oddStore{get: func(o s3publish.Object, _, _ int64) (s3publish.Object, error) { o.ETag += "-gzip"; return o, nil }}, problem: "etag", says: "not that of the write"},
		"no Date":          {store: oddStore{get: func(o s3publish.Object, _, _ int64) (s3publish.Object, error) { o.Date = time.Time{}; return o, nil }}, problem: "date", says: "Date header"},
		"a clock behind":   {store: oddStore{MemoryStore: &s3publish.MemoryStore{Now: func() time.Time { return time.Now().Add(3 * time.Hour) }}}, problem: "clock", says: "behind the store's"},
		"a clock ahead":    {store: oddStore{MemoryStore: &s3publish.MemoryStore{Now: func() time.Time { return time.Now().Add(-time.Hour) }}}, problem: "clock", says: "ahead of the store's"},
		"a clock refused":  {store: oddStore{put: refuse(s3publish.ErrClock)}, problem: "clock", says: "too far"},
		"no list of times": {store: oddStore{list: func(l []s3publish.Listed) ([]s3publish.Listed, error) { l[0].Modified = time.Time{}; return l, nil }}, problem: "list", says: "when objects were written"},
		"a list that lags": {store: oddStore{list: func([]s3publish.Listed) ([]s3publish.Listed, error) { return nil, nil }}, problem: "list", says: "lacks what was just written"},
		"no list":          {store: oddStore{list: func([]s3publish.Listed) ([]s3publish.Listed, error) { return nil, s3publish.ErrUnsupported }}, problem: "list", says: "does not list"},
		"wrong ranges": {store: oddStore{get: func(o s3publish.Object, off, _ int64) (s3publish.Object, error) {
			o.Data = append([]byte("xyz"), o.Data...)[:min(3, len(o.Data))]
			return o, nil
		}}, problem: "range", says: "range"},
		"no deletion":       {store: oddStore{delete: func() (bool, error) { return false, s3publish.ErrCredentials }}, problem: "delete", says: "be deleted", left: 1},
		"a lying deletion":  {store: oddStore{delete: func() (bool, error) { return true, nil }}, problem: "delete", says: "can still be read", left: 1},
		"wrong credentials": {store: oddStore{put: refuse(s3publish.ErrCredentials)}, problem: "access", says: "credentials"},
		"no bucket":         {store: oddStore{put: refuse(s3publish.ErrNoBucket)}, problem: "access", says: "bucket"},
		"unreachable":       {store: oddStore{put: refuse(s3publish.ErrUnreachable)}, problem: "access", says: "reached"},
		"read-only":         {store: oddStore{put: refuse(s3publish.ErrUnsupported)}, problem: "if-none-match", says: "refused"},
	} {
		if c.store.MemoryStore == nil {
			c.store.MemoryStore = &s3publish.MemoryStore{}
		}
		report, err := s3publish.NewRemote(c.store, quick()).Check(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, c.problem == "", report.OK(), "%s: %+v", name, report)
		first := s3publish.Check{}
		for _, check := range report.Checks {
			require.Equal(t, check.OK, check.Problem == "" && check.Fix == "", name)
			for _, text := range []string{check.Problem, check.Fix} {
				require.True(t, text == "" || strings.HasSuffix(text, ".") && !strings.Contains(text, ". "), "%s: one sentence: %q", name, text)
			}
			if !check.OK && first.Name == "" {
				first = check
			}
		}
		require.Equal(t, c.problem, first.Name, name)
		require.Contains(t, first.Problem, c.says, name)
		require.Len(t, list(t, c.store.MemoryStore, ""), c.left, name)
	}
}

func TestACheckThatIsCancelledCleansUp(t *testing.T) {
	for stop := 1; ; stop++ {
		store := newSpy(&s3publish.MemoryStore{})
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		store.after = func(op, key string) error {
			if n++; n == stop {
				cancel()
			}
			return nil
		}
		_, err := s3publish.NewRemote(store, quick()).Check(ctx)
		require.Empty(t, list(t, store.ObjectStore, ""))
		cancel()
		if n < stop {
			require.NoError(t, err)
			require.GreaterOrEqual(t, stop, 6)
			return
		}
		require.ErrorIs(t, err, s3publish.ErrAborted)
	}
}
