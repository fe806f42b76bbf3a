package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
)

// S3 is a bucket, and the credentials that the browser does not get.
type S3 struct {
	Endpoint string // URL of the service, without the bucket
	Region   string // default us-east-1
	Bucket   string
	Prefix   string // folder inside the bucket, "" or with a slash at its end; it holds a folder for each volume

	VirtualHosted bool // the bucket in the host's name instead of the path

	AccessKeyID, SecretAccessKey, SessionToken string
}

// Format hides the credentials from everything that package fmt prints.
func (S3) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(S3 bucket)") }

// MarshalJSON hides the credentials from logs in JSON.
func (S3) MarshalJSON() ([]byte, error) { return []byte(`"(S3 bucket)"`), nil }

// Signed is a request that an S3 service accepts.
type Signed struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"` // as they are; Host and Content-Length are the sender's, and signed too
}

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// Sign makes the request for an operation in a folder of the bucket. It does not ask if that is allowed. The method, the key,
// the conditions, the length and the hash of the content are part of the signature; a Range header may be added. S3 accepts it
// for 15 minutes around now.
//
// Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single
// Chunk". With a signature in the query instead, S3 would not check the content's hash.
func (s S3) Sign(folder string, r Request, now time.Time) (Signed, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Signed{}, fmt.Errorf("the endpoint is not a URL")
	}
	region := s.Region
	if region == "" {
		region = "us-east-1"
	}
	host, path := u.Host, strings.TrimSuffix(u.Path, "/")
	if s.VirtualHosted {
		host = s.Bucket + "." + host
	} else {
		path += "/" + s.Bucket
	}
	method, query := "GET", ""
	hash := emptyHash
	headers := map[string]string{}
	switch r.Op {
	case Get:
		path += "/" + s.Prefix + folder + r.Key
	case Put:
		method, hash = "PUT", r.SHA256
		path += "/" + s.Prefix + folder + r.Key
		if r.IfMatch != "" {
			headers["if-match"] = r.IfMatch
		}
		if r.IfNoneMatch {
			headers["if-none-match"] = "*"
		}
	case Delete:
		method = "DELETE"
		path += "/" + s.Prefix + folder + r.Key
	case List:
		values := [][2]string{{"list-type", "2"}, {"prefix", s.Prefix + folder + r.Key}}
		if r.After != "" {
			values = append(values, [2]string{"start-after", s.Prefix + folder + r.After})
		}
		for i, v := range values {
			if i > 0 {
				query += "&"
			}
			query += escape(v[0], false) + "=" + escape(v[1], false)
		}
		if path == "" {
			path = "/"
		}
	default:
		return Signed{}, refuse("there is no operation %.20q", r.Op)
	}
	path = escape(path, true)

	date := now.UTC().Format("20060102T150405Z")
	headers["x-amz-date"] = date
	headers["x-amz-content-sha256"] = hash
	if s.SessionToken != "" {
		headers["x-amz-security-token"] = s.SessionToken
	}
	signed := map[string]string{"host": host}
	for k, v := range headers {
		signed[k] = v
	}
	if r.Op == Put {
		signed["content-length"] = fmt.Sprint(r.Size)
	}
	names := make([]string, 0, len(signed))
	for k := range signed {
		names = append(names, k)
	}
	slices.Sort(names)
	canonical := method + "\n" + path + "\n" + query + "\n"
	for _, k := range names {
		canonical += k + ":" + signed[k] + "\n"
	}
	list := strings.Join(names, ";")
	canonical += "\n" + list + "\n" + hash

	scope := date[:8] + "/" + region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + s.SecretAccessKey)
	for _, part := range []string{date[:8], region, "s3", "aws4_request"} {
		key = sign256(key, part)
	}
	signature := sign256(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	headers["authorization"] = "AWS4-HMAC-SHA256 Credential=" + s.AccessKeyID + "/" + scope + ", SignedHeaders=" + list +
		", Signature=" + hex.EncodeToString(signature)

	address := u.Scheme + "://" + host + path
	if query != "" {
		address += "?" + query
	}
	return Signed{Method: method, URL: address, Headers: headers}, nil
}

// escape is UriEncode of the source above.
func escape(s string, path bool) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if alphanumeric(c) || strings.IndexByte("-._~", c) >= 0 || path && c == '/' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
