//go:build !js

package s3store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
)

// answer is a server that says the same to everything.
func answer(t *testing.T, status int, header http.Header, body string) s3store.Config {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return s3store.Config{Endpoint: server.URL, Bucket: "b",
		Credentials: s3store.Static(s3store.Credentials{AccessKeyID: "the-key-id", SecretAccessKey: "the-secret", SessionToken: "the-token"})}
}

func s3error(code, message string) string {
	return "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
}

func TestAnswersMeanWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   error
	}{
		{403, s3error("SignatureDoesNotMatch", ""), s3publish.ErrCredentials},
		{403, s3error("InvalidAccessKeyId", ""), s3publish.ErrCredentials},
		{403, s3error("AccessDenied", ""), s3publish.ErrCredentials},
		{400, s3error("ExpiredToken", ""), s3publish.ErrCredentials},
		{403, s3error("RequestTimeTooSkewed", ""), s3publish.ErrClock},
		{403, "<html>proxy</html>", s3publish.ErrCredentials},
		{404, s3error("NoSuchBucket", ""), s3publish.ErrNoBucket},
		{404, s3error("NoSuchKey", ""), s3publish.ErrNotFound},
		{404, s3error("XAdminUserNotFound", ""), s3publish.ErrCredentials},
		{412, s3error("PreconditionFailed", ""), s3publish.ErrPrecondition},
		{409, s3error("ConditionalRequestConflict", ""), s3publish.ErrUnreachable},
		{409, s3error("OperationAborted", ""), s3publish.ErrUnreachable},
		{416, s3error("InvalidRange", ""), s3publish.ErrRange},
		{501, s3error("NotImplemented", ""), s3publish.ErrUnsupported},
		{400, s3error("RequestTimeout", ""), s3publish.ErrUnreachable},
		{429, "", s3publish.ErrUnreachable},
		{500, s3error("InternalError", ""), s3publish.ErrUnreachable},
		{502, "<html>bad gateway</html>", s3publish.ErrUnreachable},
		{503, s3error("SlowDown", ""), s3publish.ErrUnreachable},
	} {
		s := open(t, answer(t, c.status, nil, c.body))
		_, err := s.Get(t.Context(), "a", 0, 10)
		require.ErrorIs(t, err, c.want, "%d %s", c.status, c.body)
		var e *s3publish.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "a", e.Key)
	}
}

func TestHowLongTheServiceAsksUsToWaitIsPassedOn(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for value, want := range map[string]time.Duration{"": 0, "0": 0, "17": 17 * time.Second, "-1": 0, "soon": 0, in(-time.Hour): 0, "99999999999999999999": 0} {
		_, err := open(t, answer(t, 503, http.Header{"Retry-After": {value}}, "")).Get(t.Context(), "a", 0, 10)
		var e *s3publish.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.RetryAfter, value)
	}
	_, err := open(t, answer(t, 429, http.Header{"Retry-After": {in(time.Hour)}}, "")).Get(t.Context(), "a", 0, 10)
	var e *s3publish.Error
	require.ErrorAs(t, err, &e)
	require.InDelta(t, time.Hour.Seconds(), e.RetryAfter.Seconds(), 600)
}

func TestAnAnswerThatIsNotS3sIsNoMissingObject(t *testing.T) {
	s := open(t, answer(t, 404, nil, "<html>There is no such page.</html>"))
	_, err := s.Get(t.Context(), "a", 0, 10)
	require.ErrorIs(t, err, s3publish.ErrUnsupported)
}

func TestTextsFromTheServerShowNoCredentialsAndAreBounded(t *testing.T) {
	s := open(t, answer(t, 400, nil, s3error("Odd", "the-key-id the-secret the-token "+strings.Repeat("x", 100_000))))
	_, err := s.Get(t.Context(), "a", 0, 10)
	require.ErrorContains(t, err, "*** *** ***")
	require.Less(t, len(err.Error()), 1000)
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	c := s3store.Credentials{AccessKeyID: "the-key-id", SecretAccessKey: "the-secret", SessionToken: "the-token"}
	for _, v := range []any{c, &c, []s3store.Credentials{c}, struct{ C s3store.Credentials }{c}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
			require.NotContains(t, fmt.Sprintf(format, v), "the-")
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(b), "the-")
	}
}

func TestAServiceThatIgnoresRangesIsRefused(t *testing.T) {
	s := open(t, answer(t, 200, nil, strings.Repeat("x", 1000)))
	_, err := s.Get(t.Context(), "a", 0, 10)
	require.ErrorIs(t, err, s3publish.ErrUnsupported)
	s = open(t, answer(t, 206, http.Header{"Content-Range": {"bytes 0-9/1000"}}, strings.Repeat("x", 10)))
	_, err = s.Get(t.Context(), "a", 5, 10)
	require.ErrorIs(t, err, s3publish.ErrUnsupported)
}

func TestADifferentClockIsCorrected(t *testing.T) {
	const ahead = 5 * time.Hour
	var dates []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(ahead).UTC()
		dates = append(dates, r.Header.Get("X-Amz-Date"))
		w.Header().Set("Date", now.Format(http.TimeFormat))
		if at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || now.Sub(at).Abs() > 15*time.Minute {
			w.WriteHeader(403)
			io.WriteString(w, s3error("RequestTimeTooSkewed", ""))
			return
		}
		w.Header().Set("ETag", `"e"`)
		io.WriteString(w, "data")
	}))
	defer server.Close()
	s := open(t, s3store.Config{Endpoint: server.URL, Bucket: "b", Credentials: s3store.Static(s3store.Credentials{AccessKeyID: "a", SecretAccessKey: "b"})})
	_, err := s.Get(t.Context(), "a", 0, 10)
	require.ErrorIs(t, err, s3publish.ErrClock)
	_, err = s.Get(t.Context(), "a", 0, 10)
	require.NoError(t, err, "the next request, which s3publish's retry makes, is signed with the right time")
	require.Len(t, dates, 2)
}

func TestCredentialsAreAskedForAgainWhenTheyExpireOrAreRefused(t *testing.T) {
	var asked, refused int
	valid := "key1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), valid+"/") || r.Header.Get("X-Amz-Security-Token") != "token" {
			refused++
			w.WriteHeader(400)
			io.WriteString(w, s3error("ExpiredToken", ""))
			return
		}
		io.WriteString(w, "data")
	}))
	defer server.Close()
	expires := time.Time{}
	s := open(t, s3store.Config{Endpoint: server.URL, Bucket: "b", Credentials: func(context.Context) (s3store.Credentials, error) {
		asked++
		return s3store.Credentials{AccessKeyID: fmt.Sprintf("key%d", asked), SecretAccessKey: "s", SessionToken: "token", Expires: expires}, nil
	}})
	get := func() error { _, err := s.Get(t.Context(), "a", 0, 10); return err }
	require.NoError(t, get())
	require.NoError(t, get())
	require.Equal(t, 1, asked, "kept")
	valid, expires = "key2", time.Now().Add(61*time.Second)
	require.NoError(t, get(), "refused, so asked for again")
	require.Equal(t, 2, asked)
	time.Sleep(1500 * time.Millisecond)
	valid, expires = "key3", time.Now().Add(time.Hour)
	require.NoError(t, get(), "shortly before they expire")
	require.Equal(t, 3, asked)
	require.Equal(t, 1, refused, "so that they are not refused")
	valid = "none"
	require.ErrorIs(t, get(), s3publish.ErrCredentials)
	require.LessOrEqual(t, asked, 4)
}

func TestACancelledRequestEndsAtOnce(t *testing.T) {
	stop := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	s := open(t, s3store.Config{Endpoint: server.URL, Bucket: "b", Credentials: s3store.Static(s3store.Credentials{AccessKeyID: "a", SecretAccessKey: "b"})})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("the user left")) })
	start := time.Now()
	_, err := s.Get(ctx, "a", 0, 10)
	require.ErrorIs(t, err, s3publish.ErrAborted)
	require.ErrorContains(t, err, "the user left")
	require.Less(t, time.Since(start), 5*time.Second)
}
