package s3publish_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// site makes a tree with one of everything: about files×meanSize bytes that do not compress.
func site(t *testing.T, seed uint64, files, meanSize int) *memfs.FS {
	t.Helper()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	dirs := []memfs.Ino{memfs.RootIno}
	for i := range 1 + files/8 {
		d, err := in.Mknod(dirs[rnd.IntN(len(dirs))], fmt.Sprintf("dir%d", i), memfs.S_IFDIR|0o750, 0)
		require.NoError(t, err)
		dirs = append(dirs, d)
	}
	for i := range files {
		dir := dirs[rnd.IntN(len(dirs))]
		ino, err := in.Mknod(dir, fmt.Sprintf("file%d", i), memfs.S_IFREG|0o640, 0)
		require.NoError(t, err)
		data := make([]byte, rnd.IntN(2*meanSize+1))
		for j := range data {
			data[j] = byte(rnd.Uint32())
		}
		write(t, f, ino, 0, data)
		if i%10 == 0 {
			require.NoError(t, in.Link(ino, dirs[rnd.IntN(len(dirs))], fmt.Sprintf("link%d", i)))
			_, err := in.Symlink(dir, fmt.Sprintf("sym%d", i), "../somewhere/ü")
			require.NoError(t, err)
		}
	}
	sparse, err := in.Mknod(memfs.RootIno, "sparse", memfs.S_IFREG|0o600, 0)
	require.NoError(t, err)
	write(t, f, sparse, 5<<20, []byte("end"))
	return f
}

func write(t *testing.T, f *memfs.FS, ino memfs.Ino, off int64, data []byte) {
	t.Helper()
	h, err := f.Inodes().Open(ino)
	require.NoError(t, err)
	n, err := h.WriteAt(data, off)
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	require.NoError(t, h.Close())
}

func edit(t *testing.T, f *memfs.FS, name, data string) {
	t.Helper()
	ino, err := f.Inodes().Lookup(memfs.RootIno, name)
	if err != nil {
		ino, err = f.Inodes().Mknod(memfs.RootIno, name, memfs.S_IFREG|0o644, 0)
		require.NoError(t, err)
	}
	write(t, f, ino, 0, []byte(data))
}

// dump lists everything of a tree: paths, attributes, targets, contents.
func dump(t *testing.T, f *memfs.FS) []string {
	t.Helper()
	var out []string
	in := f.Inodes()
	var walk func(path string, ino memfs.Ino)
	walk = func(path string, ino memfs.Ino) {
		a, err := in.Attr(ino)
		require.NoError(t, err)
		line := fmt.Sprintf("%s %+v", path, a)
		switch a.Mode & memfs.S_IFMT {
		case memfs.S_IFLNK:
			target, err := in.Readlink(ino)
			require.NoError(t, err)
			line += " -> " + target
		case memfs.S_IFREG:
			h, err := in.Open(ino)
			require.NoError(t, err)
			b := make([]byte, a.Size)
			if n, err := h.ReadAt(b, 0); err != io.EOF {
				require.NoError(t, err)
				require.EqualValues(t, a.Size, n)
			}
			require.NoError(t, h.Close())
			line += fmt.Sprintf(" %x", s3publish.ID(sha(b)))
		}
		out = append(out, line)
		if a.Mode&memfs.S_IFMT == memfs.S_IFDIR {
			names, err := in.ReadDir(ino)
			require.NoError(t, err)
			for _, d := range names {
				walk(path+"/"+d.Name, d.Ino)
			}
		}
	}
	walk("", memfs.RootIno)
	return out
}

func requireSameTree(t *testing.T, want, got []string) {
	t.Helper()
	require.Equal(t, len(want), len(got), "number of paths")
	for i := range want {
		require.Equal(t, want[i], got[i])
	}
}

func pullInto(t *testing.T, r *s3publish.Remote, o s3publish.PullOptions) []string {
	t.Helper()
	f := memfs.New(memfs.Options{})
	snap, _, err := r.Pull(t.Context(), f, o)
	require.NoError(t, err)
	require.NoError(t, f.Restore(snap))
	snap.Release()
	require.NoError(t, f.Check())
	return dump(t, f)
}

func publish(t *testing.T, r *s3publish.Remote, f *memfs.FS, o s3publish.PublishOptions) s3publish.Result {
	t.Helper()
	res, err := tryPublish(t.Context(), r, f, o)
	require.NoError(t, err)
	return res
}

func tryPublish(ctx context.Context, r *s3publish.Remote, f *memfs.FS, o s3publish.PublishOptions) (s3publish.Result, error) {
	snap := f.Snapshot()
	defer snap.Release()
	return r.Publish(ctx, snap, o)
}

// spy counts requests and lets a test change their outcome.
type spy struct {
	s3publish.ObjectStore
	mu     sync.Mutex
	counts map[string]int // "put packs" and so on
	bytes  int            // put
	log    []string

	before func(ctx context.Context, op, key string) error           // an error stops the request
	after  func(op, key string) error                                // an error replaces the answer
	change func(op, key string, o s3publish.Object) s3publish.Object // of a get
}

func newSpy(s s3publish.ObjectStore) *spy {
	return &spy{ObjectStore: s, counts: map[string]int{}}
}

func (s *spy) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts, s.log, s.bytes = map[string]int{}, nil, 0
}

func (s *spy) count(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range s.counts {
		if strings.HasPrefix(k, prefix) {
			n += v
		}
	}
	return n
}

func (s *spy) note(ctx context.Context, op, key string, size int) error {
	s.mu.Lock()
	folder, _, _ := strings.Cut(key, "/")
	s.counts[op+" "+folder]++
	s.log = append(s.log, op+" "+key)
	s.bytes += size
	before := s.before
	s.mu.Unlock()
	if before != nil {
		return before(ctx, op, key)
	}
	return nil
}

func (s *spy) Get(ctx context.Context, key string, off, n int64) (s3publish.Object, error) {
	if err := s.note(ctx, "get", key, 0); err != nil {
		return s3publish.Object{}, err
	}
	o, err := s.ObjectStore.Get(ctx, key, off, n)
	if err == nil && s.after != nil {
		err = s.after("get", key)
	}
	if err == nil && s.change != nil {
		o = s.change("get", key, o)
	}
	return o, err
}

func (s *spy) List(ctx context.Context, prefix string) ([]s3publish.Listed, error) {
	if err := s.note(ctx, "list", prefix, 0); err != nil {
		return nil, err
	}
	return s.ObjectStore.List(ctx, prefix)
}

func (s *spy) Delete(ctx context.Context, key string) error {
	if err := s.note(ctx, "delete", key, 0); err != nil {
		return err
	}
	return s.ObjectStore.Delete(ctx, key)
}

func (s *spy) Put(ctx context.Context, key string, data []byte, o s3publish.PutOptions) (string, error) {
	if err := s.note(ctx, "put", key, len(data)); err != nil {
		return "", err
	}
	if o.SHA256 != nil && sha(data) != *o.SHA256 {
		return "", fmt.Errorf("wrong hash given for %s", key)
	}
	etag, err := s.ObjectStore.Put(ctx, key, slices.Clone(data), o)
	if err == nil && s.after != nil {
		err = s.after("put", key)
	}
	return etag, err
}

// quick does not wait between tries.
func quick() s3publish.RemoteOptions {
	return s3publish.RemoteOptions{Retry: s3publish.Retry{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}}
}

// list is the keys below a prefix.
func list(t *testing.T, s s3publish.ObjectStore, prefix string) []string {
	t.Helper()
	all, err := s.List(t.Context(), prefix)
	require.NoError(t, err)
	keys := make([]string, len(all))
	for i, o := range all {
		keys[i] = o.Key
	}
	return keys
}
