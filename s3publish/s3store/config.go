// Package s3store implements s3publish.ObjectStore on an S3-compatible service, with the AWS SDK and an
// HTTP client that is given: net/http in native programs, fetch in a browser.
//
// # Basics
//
// One request per call, and no retry: that is the business of s3publish, which knows what a repeated
// write means. Requests are signed (SigV4) with the hash of their content, so the service refuses what was damaged on
// the way. Only headers that a browser can send and that CORS rules usually allow are used.
//
// # Caveats
//
// The whole object is one request: no multipart upload. Services that ignore If-Match or If-None-Match
// cannot protect a head; this package does not detect them.
package s3store

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// Config says where a store is and who we are.
type Config struct {
	Endpoint string // URL of the service, without the bucket
	Region   string // default us-east-1
	Bucket   string
	Prefix   string // folder inside the bucket; a slash is put at its end if there is none

	// VirtualHosted puts the bucket into the host's name instead of the path.
	VirtualHosted bool

	// Credentials is asked for credentials when there are none yet, shortly before Expires, and once when the service
	// refuses them. Use Static for ones that do not change. What it returns is kept in memory only.
	Credentials func(ctx context.Context) (Credentials, error)

	// Client sends requests; nil is http.DefaultClient.
	Client interface {
		Do(*http.Request) (*http.Response, error)
	}
}

// Credentials of a request.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string

	Expires time.Time // zero: not known
}

// Format hides the credentials from everything that package fmt prints.
func (Credentials) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(credentials)") }

// MarshalJSON hides the credentials from logs in JSON.
func (Credentials) MarshalJSON() ([]byte, error) { return []byte(`"(credentials)"`), nil }

// Static always returns c.
func Static(c Credentials) func(context.Context) (Credentials, error) {
	return func(context.Context) (Credentials, error) { return c, nil }
}

// New does no request. It fails with ErrInvalid when the configuration cannot be right.
func New(c Config) (*Store, error) {
	if err := c.validate(); err != nil {
		return nil, &s3publish.Error{Op: "configure", Err: err}
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	c.Prefix = strings.Trim(c.Prefix, "/")
	if c.Prefix != "" {
		c.Prefix += "/"
	}
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	st := &Store{bucket: c.Bucket, prefix: c.Prefix, provider: &provider{get: c.Credentials}}
	st.cache = aws.NewCredentialsCache(st.provider, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute })
	st.client = s3.New(s3.Options{
		Region:                     c.Region,
		BaseEndpoint:               aws.String(c.Endpoint),
		UsePathStyle:               !c.VirtualHosted,
		Credentials:                st.cache,
		HTTPClient:                 c.Client,
		Retryer:                    aws.NopRetryer{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		// A browser cannot send Expect.
		ContinueHeaderThresholdBytes:              -1,
		DisableLogOutputChecksumValidationSkipped: true,
		APIOptions: apiOptions,
	})
	return st, nil
}

func (c *Config) validate() error {
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%w: endpoint: want a URL such as https://s3.example.org", s3publish.ErrInvalid)
	case u.User != nil:
		return fmt.Errorf("%w: endpoint: credentials do not belong into the URL", s3publish.ErrInvalid)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%w: endpoint: a URL with a query or a fragment", s3publish.ErrInvalid)
	case c.Bucket == "" || strings.ContainsAny(c.Bucket, "/?#%\\ \t\r\n") || c.Bucket == "." || c.Bucket == "..":
		return fmt.Errorf("%w: bucket: want the bucket's name", s3publish.ErrInvalid)
	case c.Credentials == nil:
		return fmt.Errorf("%w: credentials are missing", s3publish.ErrInvalid)
	}
	for _, part := range strings.Split(strings.Trim(c.Prefix, "/"), "/") {
		if part == "." || part == ".." || part == "" && c.Prefix != "" && strings.Trim(c.Prefix, "/") != "" {
			return fmt.Errorf("%w: prefix: empty names, . and .. are not allowed in it", s3publish.ErrInvalid)
		}
	}
	return nil
}
