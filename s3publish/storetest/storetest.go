// Package storetest checks that an object store keeps the contract of s3publish.ObjectStore.
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// Run runs the contract over the stores that open returns. Stores of one run may share their objects; each
// subtest uses keys of its own.
func Run(t *testing.T, open func(t *testing.T) s3publish.ObjectStore) {
	for _, c := range []struct {
		name string
		f    func(*testing.T, *suite)
	}{
		{"a get returns what a put wrote", getPut},
		{"a get of a range returns that range, cut at the end", ranges},
		{"a missing object is ErrNotFound", missing},
		{"an etag names a state of an object", etags},
		{"IfNoneMatch writes only where nothing is", ifNoneMatch},
		{"IfMatch writes only over that state", ifMatch},
		{"of many conditional writers one wins", race},
		{"a list is sorted and complete", list},
		{"dates are of one clock", clock},
		{"deleting removes, twice is no error", deletes},
		{"data is copied", copies},
		{"a hash that is right is accepted", rightHash},
		{"a cancelled context is ErrAborted", cancelled},
		{"large objects survive", large},
		{"keys with every allowed character work", keys},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.f(t, &suite{t: t, s: open(t), ctx: t.Context(), prefix: "storetest-" + random() + "/"})
		})
	}
}

type suite struct {
	t      *testing.T
	s      s3publish.ObjectStore
	ctx    context.Context
	prefix string
}

func random() string {
	var b [8]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x", b)
}

func (s *suite) key(name string) string { return s.prefix + name }

func (s *suite) put(name, data string, o s3publish.PutOptions) string {
	s.t.Helper()
	etag, err := s.s.Put(s.ctx, s.key(name), []byte(data), o)
	if err != nil {
		s.t.Fatalf("put %s: %v", name, err)
	}
	return etag
}

func (s *suite) get(name string, off, n int64) s3publish.Object {
	s.t.Helper()
	o, err := s.s.Get(s.ctx, s.key(name), off, n)
	if err != nil {
		s.t.Fatalf("get %s [%d, +%d): %v", name, off, n, err)
	}
	return o
}

func (s *suite) wantData(name, want string) {
	s.t.Helper()
	if got := string(s.get(name, 0, -1).Data); got != want {
		s.t.Fatalf("%s holds %q, want %q", name, got, want)
	}
}

func (s *suite) wantErr(err, want error) {
	s.t.Helper()
	if !errors.Is(err, want) {
		s.t.Fatalf("got error %v, want %v", err, want)
	}
}

func getPut(t *testing.T, s *suite) {
	for _, data := range []string{"", "x", "some text\x00\xff\r\n"} {
		s.put("a", data, s3publish.PutOptions{})
		s.wantData("a", data)
	}
}

func ranges(t *testing.T, s *suite) {
	s.put("a", "0123456789", s3publish.PutOptions{})
	for _, c := range []struct {
		off, n int64
		want   string
	}{
		{0, -1, "0123456789"}, {0, 10, "0123456789"}, {0, 1, "0"}, {9, 1, "9"}, {3, 4, "3456"},
		{7, -1, "789"}, {7, 100, "789"}, {0, 1 << 20, "0123456789"},
	} {
		if got := string(s.get("a", c.off, c.n).Data); got != c.want {
			t.Errorf("get [%d, +%d) = %q, want %q", c.off, c.n, got, c.want)
		}
	}
	for _, off := range []int64{10, 11, 1 << 40} {
		_, err := s.s.Get(s.ctx, s.key("a"), off, 5)
		s.wantErr(err, s3publish.ErrRange)
	}
	s.put("empty", "", s3publish.PutOptions{})
	_, err := s.s.Get(s.ctx, s.key("empty"), 0, 5)
	s.wantErr(err, s3publish.ErrRange)
}

func missing(t *testing.T, s *suite) {
	_, err := s.s.Get(s.ctx, s.key("none"), 0, -1)
	s.wantErr(err, s3publish.ErrNotFound)
	_, err = s.s.Get(s.ctx, s.key("none"), 5, 5)
	s.wantErr(err, s3publish.ErrNotFound)
	var e *s3publish.Error
	if !errors.As(err, &e) || e.Key == "" || e.Op != "get" {
		t.Fatalf("%#v does not say what was tried on which object", err)
	}
}

func etags(t *testing.T, s *suite) {
	a := s.put("a", "one", s3publish.PutOptions{})
	if a == "" {
		t.Fatal("put returned no etag")
	}
	if got := s.get("a", 0, -1).ETag; got != a {
		t.Fatalf("get has etag %s, put %s", got, a)
	}
	if got := s.get("a", 1, 1).ETag; got != a {
		t.Fatalf("get of a range has etag %s, put %s", got, a)
	}
	if b := s.put("a", "two", s3publish.PutOptions{}); b == a {
		t.Fatalf("another content, the same etag %s", b)
	}
}

func ifNoneMatch(t *testing.T, s *suite) {
	s.put("a", "first", s3publish.PutOptions{IfNoneMatch: true})
	_, err := s.s.Put(s.ctx, s.key("a"), []byte("second"), s3publish.PutOptions{IfNoneMatch: true})
	s.wantErr(err, s3publish.ErrPrecondition)
	s.wantData("a", "first")
}

func ifMatch(t *testing.T, s *suite) {
	one := s.put("a", "one", s3publish.PutOptions{})
	two := s.put("a", "two", s3publish.PutOptions{IfMatch: one})
	_, err := s.s.Put(s.ctx, s.key("a"), []byte("three"), s3publish.PutOptions{IfMatch: one})
	s.wantErr(err, s3publish.ErrPrecondition)
	s.wantData("a", "two")
	s.put("a", "four", s3publish.PutOptions{IfMatch: two})
	s.wantData("a", "four")
	_, err = s.s.Put(s.ctx, s.key("b"), []byte("x"), s3publish.PutOptions{IfMatch: one})
	s.wantErr(err, s3publish.ErrPrecondition)
	_, err = s.s.Get(s.ctx, s.key("b"), 0, -1)
	s.wantErr(err, s3publish.ErrNotFound)
}

func race(t *testing.T, s *suite) {
	first := s.put("a", "start", s3publish.PutOptions{})
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := s.s.Put(s.ctx, s.key("a"), fmt.Appendf(nil, "writer %d", i), s3publish.PutOptions{IfMatch: first})
			if err == nil {
				wins.Add(1)
			} else if !errors.Is(err, s3publish.ErrPrecondition) && !errors.Is(err, s3publish.ErrUnreachable) { // S3 may say 409: try again
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d writers won", wins.Load())
	}
}

func list(t *testing.T, s *suite) {
	want := []string{}
	for _, k := range []string{"l/b", "l/a", "l/c/d", "m/a", "l-a"} {
		s.put(k, "x", s3publish.PutOptions{})
		if k[:2] == "l/" {
			want = append(want, s.key(k))
		}
	}
	slices.Sort(want)
	all, err := s.s.List(s.ctx, s.key("l/"))
	got := []string{}
	for _, o := range all {
		got = append(got, o.Key)
		if o.Size != 1 {
			t.Fatalf("%s has 1 byte, not %d", o.Key, o.Size)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("list = %q, %v; want %q", got, err, want)
	}
	if all, err = s.s.List(s.ctx, s.key("nothing/")); err != nil || len(all) != 0 {
		t.Fatalf("list of nothing = %v, %v", all, err)
	}
}

// clock: what a store tells of its clock is one clock. Stores keep times in whole seconds or finer.
func clock(t *testing.T, s *suite) {
	s.put("a", "x", s3publish.PutOptions{})
	before := s.get("a", 0, -1).Date
	s.put("a", "y", s3publish.PutOptions{})
	all, err := s.s.List(s.ctx, s.key("a"))
	if err != nil || len(all) != 1 || all[0].Modified.IsZero() {
		t.Fatalf("list = %v, %v; want one object and when it was written", all, err)
	}
	after := s.get("a", 0, -1).Date
	if before.IsZero() || after.IsZero() {
		t.Fatal("a get does not tell the date")
	}
	if m := all[0].Modified; m.Before(before.Add(-2*time.Second)) || m.After(after.Add(2*time.Second)) {
		t.Fatalf("written at %v, between gets of %v and %v", m, before, after)
	}
	_, err = s.s.Get(s.ctx, s.key("nothing"), 0, -1)
	var e *s3publish.Error
	if !errors.As(err, &e) || e.Date.IsZero() {
		t.Fatalf("%v does not tell the date", err)
	}
}

func deletes(t *testing.T, s *suite) {
	s.put("a", "x", s3publish.PutOptions{})
	for range 2 {
		if err := s.s.Delete(s.ctx, s.key("a")); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.s.Get(s.ctx, s.key("a"), 0, -1)
	s.wantErr(err, s3publish.ErrNotFound)
	s.put("a", "again", s3publish.PutOptions{IfNoneMatch: true})
}

func copies(t *testing.T, s *suite) {
	data := []byte("abc")
	if _, err := s.s.Put(s.ctx, s.key("a"), data, s3publish.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	data[0] = 'X'
	s.get("a", 0, -1).Data[1] = 'Y'
	s.wantData("a", "abc")
}

func rightHash(t *testing.T, s *suite) {
	sum := sha256.Sum256([]byte("abc"))
	s.put("a", "abc", s3publish.PutOptions{SHA256: &sum, IfNoneMatch: true})
	s.wantData("a", "abc")
}

func cancelled(t *testing.T, s *suite) {
	s.put("a", "x", s3publish.PutOptions{})
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.s.Get(ctx, s.key("a"), 0, -1)
	s.wantErr(err, s3publish.ErrAborted)
	_, err = s.s.Put(ctx, s.key("a"), []byte("y"), s3publish.PutOptions{})
	s.wantErr(err, s3publish.ErrAborted)
	_, err = s.s.List(ctx, s.prefix)
	s.wantErr(err, s3publish.ErrAborted)
	s.wantErr(s.s.Delete(ctx, s.key("a")), s3publish.ErrAborted)
	s.wantData("a", "x")
}

func large(t *testing.T, s *suite) {
	data := make([]byte, 9<<20+17)
	rand.Read(data)
	sum := sha256.Sum256(data)
	if _, err := s.s.Put(s.ctx, s.key("a"), data, s3publish.PutOptions{SHA256: &sum}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.get("a", 0, -1).Data, data) {
		t.Fatal("the object differs")
	}
	if !bytes.Equal(s.get("a", 9<<20, 100).Data, data[9<<20:]) {
		t.Fatal("its end differs")
	}
}

func keys(t *testing.T, s *suite) {
	for _, k := range []string{"A-Z_a.z/0..9", "x/..y", "plus+and space", "ümläut", "100%41"} {
		s.put(k, k, s3publish.PutOptions{})
		s.wantData(k, k)
	}
}
