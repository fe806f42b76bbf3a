package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gateway is the HTTP side of this package; GATEWAY.md describes it. One of S3 and Bucket is set.
type Gateway struct {
	Keys    [][]byte // of tokens; the first is the current one
	Origins []string // of pages that may use it; "*" for all
	S3      *S3
	Bucket  Bucket
	Prefix  string           // of the keys in Bucket, "" or with a slash at its end
	Now     func() time.Time // nil: time.Now
}

var _ http.Handler = (*Gateway)(nil)

// signedFor is how long a browser should use a signed request, well below the 15 minutes that S3 gives it.
const signedFor = 5 * time.Minute

// maxQuestion bounds the JSON of a Request.
const maxQuestion = 4 << 10

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	now := time.Now()
	if g.Now != nil {
		now = g.Now()
	}
	h.Set("Date", now.UTC().Format(http.TimeFormat)) // the bucket's clock, for who prunes
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" && (slices.Contains(g.Origins, origin) || slices.Contains(g.Origins, "*")) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "ETag, Date, Content-Range, Retry-After")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, PUT, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match, Range, X-Content-SHA256")
			h.Set("Access-Control-Max-Age", "86400")
		}
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := g.serve(w, r, now); err != nil {
		answerError(w, err)
	}
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, now time.Time) error {
	if len(g.Keys) == 0 || slices.ContainsFunc(g.Keys, func(k []byte) bool { return len(k) < MinKey }) || (g.S3 == nil) == (g.Bucket == nil) {
		return errConfiguration
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ErrToken
	}
	grant, err := Verify(g.Keys, token, now)
	if err != nil {
		return err
	}
	question, err := read(r)
	if err != nil {
		return err
	}
	if err := grant.Allow(question); err != nil {
		return err
	}
	// The volume's name has no slash and is not "..", so nothing leaves this folder.
	folder := grant.Volume + "/"
	if r.Method == http.MethodPost {
		if g.Bucket != nil {
			return answer(w, map[string]any{"direct": true})
		}
		signed, err := g.S3.Sign(folder, question, now)
		if err != nil {
			return errConfiguration
		}
		return answer(w, struct {
			Signed
			Seconds int    `json:"seconds"`
			Folder  string `json:"folder"`
		}{signed, int(signedFor / time.Second), g.S3.Prefix + folder})
	}
	if g.Bucket == nil {
		return errMethod
	}
	return g.direct(w, r, question, g.Prefix+folder)
}

// read makes a Request of the JSON of a POST, or of the method, query and headers of the others.
func read(r *http.Request) (q Request, err error) {
	if r.Method == http.MethodPost {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxQuestion+1))
		if err != nil || len(b) > maxQuestion || json.Unmarshal(b, &q) != nil {
			return q, errQuestion
		}
		return q, nil
	}
	values := r.URL.Query()
	for name, v := range values {
		if len(v) > 1 || name != "key" && name != "list" && name != "after" {
			return q, errQuestion
		}
	}
	q.Key = values.Get("key")
	switch r.Method {
	case http.MethodGet:
		q.Op = Get
		if values.Has("list") {
			q.Op, q.Key, q.After = List, values.Get("list"), values.Get("after")
		}
	case http.MethodDelete:
		q.Op = Delete
	case http.MethodPut:
		q.Op, q.Size, q.SHA256 = Put, r.ContentLength, r.Header.Get("X-Content-SHA256")
		for _, name := range []string{"If-Match", "If-None-Match"} {
			if len(r.Header.Values(name)) > 1 {
				return q, errQuestion
			}
		}
		q.IfMatch = r.Header.Get("If-Match")
		switch none := r.Header.Get("If-None-Match"); none {
		case "":
		case "*":
			q.IfNoneMatch = true
		default:
			return q, errQuestion
		}
	default:
		return q, errMethod
	}
	return q, nil
}

// direct serves what is in the bucket. The request is allowed.
func (g *Gateway) direct(w http.ResponseWriter, r *http.Request, q Request, folder string) error {
	ctx := r.Context()
	switch q.Op {
	case Get:
		off, n, err := parseRange(r.Header.Get("Range"))
		if err != nil {
			return err
		}
		o, err := g.Bucket.Get(ctx, folder+q.Key, off, n)
		if err != nil {
			return err
		}
		defer o.Body.Close()
		h := w.Header()
		h.Set("ETag", o.ETag)
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Length", strconv.FormatInt(o.Size, 10))
		if off > 0 || n >= 0 {
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", o.Off, o.Off+o.Size-1, o.Total))
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = io.Copy(w, o.Body) // what is cut off is noticed at the other end, by its length
		return nil
	case Put:
		etag, err := g.Bucket.Put(ctx, folder+q.Key, r.Body, q)
		if err != nil {
			return err
		}
		w.Header().Set("ETag", etag)
		return answer(w, map[string]any{})
	case List:
		if q.After != "" {
			q.After = folder + q.After
		}
		found, err := g.Bucket.List(ctx, folder+q.Key, q.After)
		if err != nil {
			return err
		}
		for i, o := range found {
			found[i].Key = strings.TrimPrefix(o.Key, folder)
		}
		return answer(w, map[string]any{"objects": append([]Listed{}, found...), "more": len(found) >= listPage})
	case Delete:
		if err := g.Bucket.Delete(ctx, folder+q.Key); err != nil {
			return err
		}
		return answer(w, map[string]any{})
	}
	return errMethod
}

// parseRange reads "bytes=a-b" and "bytes=a-"; no header is everything. Other forms are never sent by Holdfast.
func parseRange(s string) (off, n int64, err error) {
	if s == "" {
		return 0, -1, nil
	}
	first, last, ok := strings.Cut(strings.TrimPrefix(s, "bytes="), "-")
	off, err = strconv.ParseInt(first, 10, 64)
	if !ok || err != nil || off < 0 || !strings.HasPrefix(s, "bytes=") {
		return 0, 0, errQuestion
	}
	if last == "" {
		return off, -1, nil
	}
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil || end < off {
		return 0, 0, errQuestion
	}
	return off, end - off + 1, nil
}

func answer(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b)
	return nil
}

var (
	errConfiguration = errors.New("the gateway is not configured rightly")
	errQuestion      = errors.New("the request is malformed")
	errMethod        = errors.New("this method is not for this gateway")
)

// What an error means to the browser: a status, the code of a HoldfastError, and what to do. Nothing of the error's own text is
// passed on where it could be a server's.
var meanings = []struct {
	err    error
	status int
	code   string
	hint   string
}{
	{ErrExpired, 401, "ErrCredentials", "Get a new token from the server that makes them."},
	{ErrToken, 401, "ErrCredentials", "Get a token from the server that makes them, and check that it has the gateway's key."},
	{ErrRefused, 403, "ErrCredentials", "A token is for one volume, and for reading, writing or pruning it."},
	{ErrNotFound, 404, "ErrNotFound", ""},
	{ErrPrecondition, 412, "ErrPrecondition", ""},
	{ErrRange, 416, "ErrRange", ""},
	{ErrHash, 422, "ErrUnreachable", "What arrived is not what was sent: it was damaged on the way."},
	{errQuestion, 400, "ErrInvalid", ""},
	{errMethod, 405, "ErrInvalid", ""},
	{errConfiguration, 500, "ErrUnsupported", "Set TOKEN_KEYS to keys of 32 bytes or more, and either bind an R2 bucket as BUCKET or set S3_ENDPOINT, S3_BUCKET and the access key."},
}

func answerError(w http.ResponseWriter, err error) {
	status, code, hint, text := 502, "ErrUnreachable", "", "the bucket does not answer"
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			status, code, hint, text = m.status, m.code, m.hint, err.Error()
			break
		}
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	b, _ := json.Marshal(map[string]string{"code": code, "message": text, "hint": hint})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
