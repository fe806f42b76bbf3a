//go:build !js

package s3store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

func config(s storetest.Server) s3store.Config {
	return s3store.Config{
		Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: "some/where",
		Credentials: s3store.Static(s3store.Credentials{AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey}),
	}
}

func open(t *testing.T, c s3store.Config) *s3store.Store {
	t.Helper()
	s, err := s3store.New(c)
	require.NoError(t, err)
	return s
}

func once() s3publish.RemoteOptions {
	return s3publish.RemoteOptions{Retry: s3publish.Retry{Attempts: 1}}
}

func TestTheS3StoreKeepsTheContract(t *testing.T) {
	server := storetest.StartServer(t)
	storetest.Run(t, func(t *testing.T) s3publish.ObjectStore { return open(t, config(server)) })
}

func TestListsLongerThanAPageAreComplete(t *testing.T) {
	s := open(t, config(storetest.StartServer(t)))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < 1050; i += 8 {
				if _, err := s.Put(t.Context(), fmt.Sprintf("many/%04d", i), []byte("x"), s3publish.PutOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	keys, err := s.List(t.Context(), "many/")
	require.NoError(t, err)
	require.Len(t, keys, 1050)
	require.Equal(t, "many/1049", keys[1049].Key)
	require.EqualValues(t, 1, keys[1049].Size)
}

// recorder is an HTTP client that remembers.
type recorder struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.requests = append(r.requests, req)
	r.mu.Unlock()
	return http.DefaultClient.Do(req)
}

func TestAPublishThroughS3IsThreeRequestsAfterAnEdit(t *testing.T) {
	c, rec := config(storetest.StartServer(t)), &recorder{}
	c.Client = rec
	f := memfs.New(memfs.Options{})
	for i := range 200 {
		ino, err := f.Inodes().Mknod(memfs.RootIno, fmt.Sprint(i), memfs.S_IFREG|0o644, 0)
		require.NoError(t, err)
		h, err := f.Inodes().Open(ino)
		require.NoError(t, err)
		_, err = h.WriteAt(bytes.Repeat(fmt.Appendf(nil, "content %d ", i), 5000), 0)
		require.NoError(t, err)
		require.NoError(t, h.Close())
	}
	r := s3publish.NewRemote(open(t, c), once())
	snap := f.Snapshot()
	res, err := r.Publish(t.Context(), snap, s3publish.PublishOptions{Volume: "v"})
	require.NoError(t, err)
	require.Greater(t, res.Packs, 1)
	first := len(rec.requests)

	require.NoError(t, f.Mkdir("new", 0o755))
	again := f.Snapshot()
	_, err = r.Publish(t.Context(), again, s3publish.PublishOptions{Volume: "v", Parent: res.ID})
	require.NoError(t, err)
	require.Len(t, rec.requests, first+3)

	g := memfs.New(memfs.Options{})
	pulled, _, err := s3publish.NewRemote(open(t, c), once()).Pull(t.Context(), g, s3publish.PullOptions{Volume: "v"})
	require.NoError(t, err)
	want, err := again.Export(s3publish.SHA256, func(memfs.Hash) bool { return true }, nil)
	require.NoError(t, err)
	got, err := pulled.Export(s3publish.SHA256, func(memfs.Hash) bool { return true }, nil)
	require.NoError(t, err)
	require.Equal(t, want, got, "the hash of the root stands for the whole tree")
	t.Logf("%d packs, %d requests for the first publish", res.Packs, first)

	// What a browser may not send, or CORS rules would have to allow, is not there.
	for _, req := range rec.requests {
		for name := range req.Header {
			switch name {
			case "Authorization", "Content-Type", "Content-Length", "If-Match", "If-None-Match", "Range", "X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token":
			default:
				t.Errorf("%s %s has the header %s", req.Method, req.URL.Path, name)
			}
		}
		require.NotContains(t, req.Header.Get("Authorization"), "accept-encoding")
		require.NotContains(t, req.Header.Get("X-Amz-Content-Sha256"), "UNSIGNED")
		require.True(t, strings.HasPrefix(req.URL.Path, "/bucket/some/where/"), req.URL.Path)
	}
}

// unread fails when anyone but the HTTP client reads the body.
type unread struct {
	io.ReadSeeker
	allowed bool
}

func (u *unread) Read(p []byte) (int, error) {
	if !u.allowed {
		return 0, errors.New("the body was read")
	}
	return u.ReadSeeker.Read(p)
}

type allower struct{ u *unread }

func (a allower) Do(req *http.Request) (*http.Response, error) {
	a.u.allowed = true
	return http.DefaultClient.Do(req)
}

func TestTheBodyIsReadByTheHTTPClientOnly(t *testing.T) {
	data := []byte("content")
	body := &unread{ReadSeeker: bytes.NewReader(data)}
	c := config(storetest.StartServer(t))
	c.Client = allower{body}
	s := open(t, c)
	sum := sha256.Sum256(data)
	_, err := s.PutReader(t.Context(), "a", body, int64(len(data)), s3publish.PutOptions{SHA256: &sum})
	require.NoError(t, err)
	o, err := s.Get(t.Context(), "a", 0, -1)
	require.NoError(t, err)
	require.Equal(t, data, o.Data)
}

func TestContentThatDoesNotMatchItsHashIsRefusedByTheServer(t *testing.T) {
	s := open(t, config(storetest.StartServer(t)))
	_, err := s.Put(t.Context(), "a", []byte("content"), s3publish.PutOptions{SHA256: &[32]byte{1}})
	require.ErrorIs(t, err, s3publish.ErrUnreachable)
	_, err = s.Get(t.Context(), "a", 0, -1)
	require.ErrorIs(t, err, s3publish.ErrNotFound)
}

func TestWhatIsWrongHasAName(t *testing.T) {
	server := storetest.StartServer(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, c := range map[string]struct {
		change func(*s3store.Config)
		want   error
	}{
		"wrong secret": {func(c *s3store.Config) {
			c.Credentials = s3store.Static(s3store.Credentials{AccessKeyID: server.AccessKeyID, SecretAccessKey: "wrong-secret"})
		}, s3publish.ErrCredentials},
		"unknown key": {func(c *s3store.Config) {
			c.Credentials = s3store.Static(s3store.Credentials{AccessKeyID: "nobody", SecretAccessKey: "wrong-secret"})
		}, s3publish.ErrCredentials},
		"no secret": {func(c *s3store.Config) {
			c.Credentials = s3store.Static(s3store.Credentials{AccessKeyID: "nobody"})
		}, s3publish.ErrCredentials},
		"failing provider": {func(c *s3store.Config) {
			c.Credentials = func(context.Context) (s3store.Credentials, error) {
				return s3store.Credentials{}, errors.New("token wrong-secret expired")
			}
		}, s3publish.ErrCredentials},
		"missing bucket": {func(c *s3store.Config) { c.Bucket = "nothing-here" }, s3publish.ErrNoBucket},
		"server down":    {func(c *s3store.Config) { c.Endpoint = closed.URL }, s3publish.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config(server)
			c.change(&conf)
			s := open(t, conf)
			_, getErr := s.Get(t.Context(), "a", 0, 10)
			_, putErr := s.Put(t.Context(), "a", []byte("x"), s3publish.PutOptions{})
			_, listErr := s.List(t.Context(), "")
			f := memfs.New(memfs.Options{})
			_, publishErr := s3publish.NewRemote(s, once()).Publish(t.Context(), f.Snapshot(), s3publish.PublishOptions{Volume: "v"})
			for op, err := range map[string]error{"get": getErr, "put": putErr, "list": listErr, "publish": publishErr} {
				require.ErrorIs(t, err, c.want, op)
				var e *s3publish.Error
				require.ErrorAs(t, err, &e)
				require.NotEmpty(t, e.Hint, op)
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, e), e.Hint} {
					require.NotContains(t, text, "wrong-secret")
					require.NotContains(t, text, server.SecretAccessKey)
				}
			}
			t.Log(publishErr)
		})
	}
}

func TestConfigurationsThatCannotBeRightAreRefused(t *testing.T) {
	good := s3store.Config{Endpoint: "http://127.0.0.1:1/", Bucket: "b", Credentials: s3store.Static(s3store.Credentials{})}
	_, err := s3store.New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*s3store.Config){
		"no endpoint":       func(c *s3store.Config) { c.Endpoint = "" },
		"no scheme":         func(c *s3store.Config) { c.Endpoint = "127.0.0.1:7070" },
		"other scheme":      func(c *s3store.Config) { c.Endpoint = "file:///x" },
		"password in URL":   func(c *s3store.Config) { c.Endpoint = "http://user:secret@host" },
		"query in URL":      func(c *s3store.Config) { c.Endpoint = "http://host?x=y" },
		"no bucket":         func(c *s3store.Config) { c.Bucket = "" },
		"bucket with slash": func(c *s3store.Config) { c.Bucket = "a/b" },
		"no credentials":    func(c *s3store.Config) { c.Credentials = nil },
		"prefix with ..":    func(c *s3store.Config) { c.Prefix = "a/../b" },
		"prefix with //":    func(c *s3store.Config) { c.Prefix = "a//b" },
	} {
		c := good
		change(&c)
		_, err := s3store.New(c)
		require.ErrorIs(t, err, s3publish.ErrInvalid, name)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestAPrefixIsAFolder(t *testing.T) {
	server := storetest.StartServer(t)
	c := config(server)
	for _, prefix := range []string{"p", "p/", "/p/"} {
		c.Prefix = prefix
		_, err := open(t, c).Put(t.Context(), "a", []byte(prefix), s3publish.PutOptions{})
		require.NoError(t, err)
		c.Prefix = ""
		o, err := open(t, c).Get(t.Context(), "p/a", 0, -1)
		require.NoError(t, err)
		require.Equal(t, prefix, string(o.Data))
	}
}

func TestMain(m *testing.M) {
	// The SDK must not pick up anything from the machine it runs on.
	os.Setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
	os.Setenv("AWS_ENDPOINT_URL", "http://192.0.2.1")
	os.Exit(m.Run())
}
