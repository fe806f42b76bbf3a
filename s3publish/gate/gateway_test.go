//go:build !js

package gate_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/gate"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

// memBucket is a gate.Bucket over the object store in memory.
type memBucket struct{ s *s3publish.MemoryStore }

var same = []struct{ from, to error }{
	{s3publish.ErrNotFound, gate.ErrNotFound}, {s3publish.ErrPrecondition, gate.ErrPrecondition}, {s3publish.ErrRange, gate.ErrRange},
}

func translate(err error) error {
	for _, e := range same {
		if errors.Is(err, e.from) {
			return e.to
		}
	}
	return err
}

func (b memBucket) Get(ctx context.Context, key string, off, n int64) (*gate.Object, error) {
	whole, err := b.s.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, translate(err)
	}
	o, err := b.s.Get(ctx, key, off, n)
	if err != nil {
		return nil, translate(err)
	}
	return &gate.Object{Body: io.NopCloser(bytes.NewReader(o.Data)), ETag: o.ETag, Off: off, Size: int64(len(o.Data)), Total: int64(len(whole.Data))}, nil
}

func (b memBucket) Put(ctx context.Context, key string, content io.Reader, r gate.Request) (string, error) {
	data, err := io.ReadAll(content)
	if err != nil {
		return "", err
	}
	if hash(data) != r.SHA256 {
		return "", gate.ErrHash
	}
	etag, err := b.s.Put(ctx, key, data, s3publish.PutOptions{IfMatch: r.IfMatch, IfNoneMatch: r.IfNoneMatch})
	return etag, translate(err)
}

func (b memBucket) List(ctx context.Context, prefix, after string) ([]gate.Listed, error) {
	keys, err := b.s.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var out []gate.Listed
	for _, k := range keys {
		if k.Key > after && len(out) < 1000 {
			out = append(out, gate.Listed{Key: k.Key, Size: k.Size, Modified: 1})
		}
	}
	return out, nil
}

func (b memBucket) Delete(ctx context.Context, key string) error { return b.s.Delete(ctx, key) }

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// client asks a gateway as a page does.
type client struct {
	t     *testing.T
	url   string
	token string
}

func start(t *testing.T, g *gate.Gateway, volume string, rights gate.Rights) client {
	t.Helper()
	g.Keys = [][]byte{key1}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	token, err := gate.Mint(key1, gate.Grant{Volume: volume, Rights: rights, Expires: time.Now().Add(time.Minute)})
	require.NoError(t, err)
	return client{t, server.URL, token}
}

// do sends a request and returns the answer with its content.
func (c client) do(method, address string, header map[string]string, body []byte) (*http.Response, []byte) {
	c.t.Helper()
	req, err := http.NewRequest(method, address, bytes.NewReader(body))
	require.NoError(c.t, err)
	if strings.HasPrefix(address, c.url) {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res, b
}

func (c client) ask(r gate.Request) (int, gate.Signed) {
	c.t.Helper()
	b, err := json.Marshal(r)
	require.NoError(c.t, err)
	res, body := c.do("POST", c.url, nil, b)
	var s gate.Signed
	require.NoError(c.t, json.Unmarshal(body, &s), "%s", body)
	return res.StatusCode, s
}

// send does what the gateway signed.
func (c client) send(s gate.Signed, more map[string]string, body []byte) (int, string) {
	c.t.Helper()
	header := map[string]string{}
	for k, v := range s.Headers {
		header[k] = v
	}
	for k, v := range more {
		header[k] = v
	}
	res, b := c.do(s.Method, s.URL, header, body)
	return res.StatusCode, string(b)
}

func TestSignedRequestsDoWhatWasAllowedAndNothingElse(t *testing.T) {
	server := storetest.StartServer(t)
	s3 := &gate.S3{Endpoint: server.Endpoint, Region: server.Region, Bucket: server.Bucket, Prefix: fmt.Sprintf("gate-%d/", time.Now().UnixNano()),
		AccessKeyID: server.AccessKeyID, SecretAccessKey: server.SecretAccessKey}
	c := start(t, &gate.Gateway{S3: s3}, "site", gate.Prune)
	signed := func(r gate.Request) gate.Signed {
		t.Helper()
		status, s := c.ask(r)
		require.Equal(t, 200, status)
		return s
	}
	pack := []byte("the bytes of a pack")
	key := "packs/" + hash(pack)
	put := signed(gate.Request{Op: gate.Put, Key: key, Size: int64(len(pack)), SHA256: hash(pack), IfNoneMatch: true})

	// Other bytes, a longer body, another object, another method, without the condition: the service refuses them.
	for name, f := range map[string]func(s gate.Signed) (int, string){
		"other bytes": func(s gate.Signed) (int, string) { return c.send(s, nil, bytes.Repeat([]byte("x"), len(pack))) },
		"longer":      func(s gate.Signed) (int, string) { return c.send(s, nil, append(pack[:len(pack):len(pack)], 'x')) },
		"another name": func(s gate.Signed) (int, string) {
			s.URL = strings.Replace(s.URL, "packs/", "packs/0", 1)
			return c.send(s, nil, pack)
		},
		"another folder": func(s gate.Signed) (int, string) {
			s.URL = strings.Replace(s.URL, "/site/", "/other/", 1)
			return c.send(s, nil, pack)
		},
		"another method": func(s gate.Signed) (int, string) { s.Method = "DELETE"; return c.send(s, nil, pack) },
		"no condition": func(s gate.Signed) (int, string) {
			return c.send(s, map[string]string{"if-none-match": ""}, pack)
		},
		"another hash": func(s gate.Signed) (int, string) {
			return c.send(s, map[string]string{"x-amz-content-sha256": hash(pack[1:])}, pack[1:])
		},
		"unsigned content": func(s gate.Signed) (int, string) {
			return c.send(s, map[string]string{"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, pack)
		},
	} {
		status, body := f(put)
		require.GreaterOrEqual(t, status, 400, "%s: %s", name, body)
		require.Less(t, status, 500, "%s: %s", name, body)
	}
	status, body := c.send(signed(gate.Request{Op: gate.Get, Key: key}), nil, nil)
	require.Equal(t, 404, status, body)

	status, body = c.send(put, nil, pack)
	require.Equal(t, 200, status, body)
	status, body = c.send(put, nil, pack)
	require.Equal(t, 412, status, body)
	get := signed(gate.Request{Op: gate.Get, Key: key})
	status, body = c.send(get, nil, nil)
	require.Equal(t, 200, status)
	require.Equal(t, string(pack), body)
	status, body = c.send(get, map[string]string{"Range": "bytes=4-8"}, nil)
	require.Equal(t, 206, status)
	require.Equal(t, "bytes", body)
	_, body = c.send(signed(gate.Request{Op: gate.List, Key: "packs/"}), nil, nil)
	require.Contains(t, body, "<Key>"+s3.Prefix+"site/"+key+"</Key>")
	_, body = c.send(signed(gate.Request{Op: gate.List, Key: "packs/", After: key}), nil, nil)
	require.NotContains(t, body, "<Key>")
	status, _ = c.send(signed(gate.Request{Op: gate.Delete, Key: key}), nil, nil)
	require.Equal(t, 204, status)
	status, _ = c.send(get, nil, nil)
	require.Equal(t, 404, status)

	// The head, by compare-and-swap.
	one, two := []byte(strings.Repeat("1", 81)), []byte(strings.Repeat("2", 81))
	status, _ = c.send(signed(gate.Request{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: hash(one), IfNoneMatch: true}), nil, one)
	require.Equal(t, 200, status)
	etag := func() string {
		s := signed(gate.Request{Op: gate.Get, Key: "heads/site"})
		res, _ := c.do(s.Method, s.URL, s.Headers, nil)
		return res.Header.Get("ETag")
	}
	first := etag()
	status, _ = c.send(signed(gate.Request{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: hash(two), IfMatch: first}), nil, two)
	require.Equal(t, 200, status)
	status, _ = c.send(signed(gate.Request{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: hash(one), IfMatch: first}), nil, one)
	require.Equal(t, 412, status)
}

func TestABucketIsServed(t *testing.T) {
	store := &s3publish.MemoryStore{}
	c := start(t, &gate.Gateway{Bucket: memBucket{store}, Prefix: "p/"}, "site", gate.Prune)
	res, body := c.do("POST", c.url, nil, []byte(`{"op":"get","key":"heads/site"}`))
	require.Equal(t, 200, res.StatusCode)
	require.JSONEq(t, `{"direct":true}`, string(body))

	pack := []byte("the bytes of a pack")
	at := func(key string) string { return c.url + "/?key=" + url.QueryEscape(key) }
	key := "packs/" + hash(pack)
	put := func(key string, data []byte, h map[string]string) (*http.Response, []byte) {
		if h["X-Content-SHA256"] == "" {
			h["X-Content-SHA256"] = hash(data)
		}
		return c.do("PUT", at(key), h, data)
	}
	res, body = put(key, pack, map[string]string{"If-None-Match": "*"})
	require.Equal(t, 200, res.StatusCode, "%s", body)
	keys, err := store.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, "p/site/"+key, keys[0].Key)
	res, _ = put(key, pack, map[string]string{"If-None-Match": "*"})
	require.Equal(t, 412, res.StatusCode)
	res, _ = put("packs/"+hash([]byte("other")), []byte("OTHER"), map[string]string{"X-Content-SHA256": hash([]byte("other"))})
	require.Equal(t, 422, res.StatusCode, "content that does not have the hash that was announced")

	res, body = c.do("GET", at(key), nil, nil)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, pack, body)
	require.NotEmpty(t, res.Header.Get("ETag"))
	for _, r := range []struct{ header, want, content string }{
		{"bytes=4-8", "bytes 4-8/19", "bytes"}, {"bytes=15-", "bytes 15-18/19", "pack"}, {"bytes=15-1000", "bytes 15-18/19", "pack"},
	} {
		res, body = c.do("GET", at(key), map[string]string{"Range": r.header}, nil)
		require.Equal(t, 206, res.StatusCode)
		require.Equal(t, r.want, res.Header.Get("Content-Range"))
		require.Equal(t, r.content, string(body))
	}
	res, _ = c.do("GET", at(key), map[string]string{"Range": "bytes=19-20"}, nil)
	require.Equal(t, 416, res.StatusCode)
	for _, bad := range []string{"bytes=-5", "bytes=5-4", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-"} {
		res, _ = c.do("GET", at(key), map[string]string{"Range": bad}, nil)
		require.Equal(t, 400, res.StatusCode, bad)
	}
	_, body = c.do("GET", c.url+"?list=packs/", nil, nil)
	require.JSONEq(t, `{"objects":[{"key":"`+key+`","size":19,"modified":1}],"more":false}`, string(body))
	_, body = c.do("GET", c.url+"?list=packs/&after="+key, nil, nil)
	require.JSONEq(t, `{"objects":[],"more":false}`, string(body))
	for range 2 {
		res, _ = c.do("DELETE", at(key), nil, nil)
		require.Equal(t, 200, res.StatusCode)
	}
	res, body = c.do("GET", at(key), nil, nil)
	require.Equal(t, 404, res.StatusCode)
	require.Contains(t, string(body), `"code":"ErrNotFound"`)

	head := []byte("head")
	res, _ = put("heads/site", head, map[string]string{"If-None-Match": "*"})
	require.Equal(t, 200, res.StatusCode)
	res, _ = put("heads/site", []byte("next"), map[string]string{"If-Match": `"wrong"`})
	require.Equal(t, 412, res.StatusCode)
	res, _ = put("heads/site", []byte("next"), map[string]string{"If-Match": `"2"`})
	require.Equal(t, 200, res.StatusCode)
}

func TestWhoHasNoTokenForItGetsNothing(t *testing.T) {
	store := &s3publish.MemoryStore{}
	pack := []byte("a pack of another volume")
	for _, k := range []string{"other/packs/" + hash(pack), "other/heads/other"} {
		_, err := store.Put(t.Context(), k, pack, s3publish.PutOptions{})
		require.NoError(t, err)
	}
	g := &gate.Gateway{Bucket: memBucket{store}}
	c := start(t, g, "site", gate.Write)
	for _, key := range []string{"heads/other", "other/heads/other", "../other/heads/other", "heads/site/../../../other/heads/other"} {
		res, body := c.do("GET", c.url+"?key="+url.QueryEscape(key), nil, nil)
		require.Equal(t, 403, res.StatusCode, key)
		require.NotContains(t, string(body), string(pack))
	}
	// A pack's name is all it takes, but it is looked for in the volume's own folder.
	res, _ := c.do("GET", c.url+"?key=packs/"+hash(pack), nil, nil)
	require.Equal(t, 404, res.StatusCode)
	res, _ = c.do("DELETE", c.url+"?key=packs/"+hash(pack), nil, nil)
	require.Equal(t, 403, res.StatusCode, "this token may not delete")

	get := c.url + "?key=heads/site"
	expired, err := gate.Mint(key1, gate.Grant{Volume: "site", Rights: gate.Write, Expires: time.Now().Add(-time.Second)})
	require.NoError(t, err)
	foreign, err := gate.Mint(key2, gate.Grant{Volume: "site", Rights: gate.Write, Expires: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	for name, authorization := range map[string]string{
		"none": "", "another scheme": "Basic " + c.token, "only the token": c.token, "altered": "Bearer " + c.token[:len(c.token)-2] + "AA",
		"expired": "Bearer " + expired, "another key": "Bearer " + foreign, "empty": "Bearer ", "two": "Bearer " + c.token + " " + c.token,
	} {
		res, body := c.do("GET", get, map[string]string{"Authorization": authorization}, nil)
		require.Equal(t, 401, res.StatusCode, name)
		require.Contains(t, string(body), "ErrCredentials")
		require.Equal(t, "Bearer", res.Header.Get("WWW-Authenticate"))
		res, _ = c.do("POST", c.url, map[string]string{"Authorization": authorization}, []byte(`{"op":"get","key":"heads/site"}`))
		require.Equal(t, 401, res.StatusCode, name)
	}
	for _, bad := range []string{"", "{", "[]", "null x", `{"op":5}`, `{"op":"get","key":"` + strings.Repeat("a", 5000) + `"}`} {
		res, _ := c.do("POST", c.url, nil, []byte(bad))
		require.Equal(t, 400, res.StatusCode, bad)
	}
	for _, query := range []string{"?key=heads/site&key=heads/site", "?key=heads/site&x=y"} {
		res, _ := c.do("GET", c.url+query, nil, nil)
		require.Equal(t, 400, res.StatusCode, query)
	}
	req, err := http.NewRequest("PUT", get, strings.NewReader("x"))
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + c.token}, "X-Content-Sha256": {hash([]byte("x"))}, "If-Match": {`"a"`, `"b"`}}
	twice, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	twice.Body.Close()
	require.Equal(t, 400, twice.StatusCode, "two conditions")
	for _, method := range []string{"PATCH", "HEAD", "CONNECTX"} {
		res, _ := c.do(method, get, nil, nil)
		require.Equal(t, 405, res.StatusCode)
	}
	keys, err := store.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, keys, 2, "nothing was written")
}

func TestPagesOfOtherOriginsAreNotAnswered(t *testing.T) {
	g := &gate.Gateway{Bucket: memBucket{&s3publish.MemoryStore{}}, Origins: []string{"https://app.example.org"}}
	c := start(t, g, "site", gate.Read)
	for origin, want := range map[string]string{"https://app.example.org": "https://app.example.org", "https://evil.example.org": "", "null": "", "": ""} {
		for _, method := range []string{"GET", "OPTIONS"} {
			res, _ := c.do(method, c.url+"?key=heads/site", map[string]string{"Origin": origin}, nil)
			require.Equal(t, want, res.Header.Get("Access-Control-Allow-Origin"), origin)
			require.Equal(t, "Origin", res.Header.Get("Vary"))
			if method == "OPTIONS" {
				require.Equal(t, 204, res.StatusCode)
				require.Equal(t, want != "", strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization"))
			}
		}
	}
}

func TestAGatewayThatIsNotConfiguredSaysSo(t *testing.T) {
	b := memBucket{&s3publish.MemoryStore{}}
	for _, g := range []*gate.Gateway{
		{Keys: [][]byte{key1}}, {Keys: [][]byte{key1}, Bucket: b, S3: &bucket}, {Bucket: b}, {Keys: [][]byte{key1, []byte("short")}, Bucket: b},
		{Keys: [][]byte{key1}, S3: &gate.S3{Endpoint: "nowhere"}},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"op":"get","key":"heads/v"}`))
		r.Header.Set("Authorization", "Bearer "+mint(t, gate.Grant{Volume: "v", Rights: gate.Read, Expires: time.Now().Add(time.Hour)}))
		g.ServeHTTP(w, r)
		require.Equal(t, 500, w.Code)
		require.Contains(t, w.Body.String(), "TOKEN_KEYS")
	}
}
