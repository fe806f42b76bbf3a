package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// What S3 error codes mean to us. Source: Amazon S3 API Reference, "Error responses", List of error codes.
var byCode = map[string]error{
	"NoSuchKey":                  s3publish.ErrNotFound,
	"NoSuchBucket":               s3publish.ErrNoBucket,
	"PreconditionFailed":         s3publish.ErrPrecondition,
	"InvalidRange":               s3publish.ErrRange,
	"SignatureDoesNotMatch":      s3publish.ErrCredentials,
	"InvalidAccessKeyId":         s3publish.ErrCredentials,
	"AccessDenied":               s3publish.ErrCredentials,
	"AccountProblem":             s3publish.ErrCredentials,
	"ExpiredToken":               s3publish.ErrCredentials,
	"InvalidToken":               s3publish.ErrCredentials,
	"TokenRefreshRequired":       s3publish.ErrCredentials,
	"XAdminUserNotFound":         s3publish.ErrCredentials, // versitygw's InvalidAccessKeyId, with status 404
	"RequestTimeTooSkewed":       s3publish.ErrClock,
	"RequestExpired":             s3publish.ErrClock,
	"NotImplemented":             s3publish.ErrUnsupported,
	"SlowDown":                   s3publish.ErrUnreachable,
	"RequestTimeout":             s3publish.ErrUnreachable,
	"InternalError":              s3publish.ErrUnreachable,
	"OperationAborted":           s3publish.ErrUnreachable,
	"ConditionalRequestConflict": s3publish.ErrUnreachable, // another conditional write is under way: the next try tells if it succeeded
	// What arrived was not what was sent: damaged on the way.
	"BadDigest":                   s3publish.ErrUnreachable,
	"IncompleteBody":              s3publish.ErrUnreachable,
	"XAmzContentSHA256Mismatch":   s3publish.ErrUnreachable,
	"XAmzContentChecksumMismatch": s3publish.ErrUnreachable,
}

func byStatus(status int) error {
	switch {
	case status == 401 || status == 403:
		return s3publish.ErrCredentials
	case status == 404:
		return s3publish.ErrUnsupported // without a code of S3
	case status == 412:
		return s3publish.ErrPrecondition
	case status == 416:
		return s3publish.ErrRange
	case status == 501:
		return s3publish.ErrUnsupported
	case status == 408 || status == 409 || status == 425 || status == 429 || status >= 500:
		return s3publish.ErrUnreachable
	}
	return nil
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 when there is nothing to wait for.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

var hints = map[error]string{
	s3publish.ErrCredentials: "Check the access key, the secret, the region, and what the key may do in this bucket.",
	s3publish.ErrNoBucket:    "Create the bucket, or correct its name, the endpoint or the region.",
	s3publish.ErrClock:       "Set this machine's clock. In a browser, also add Date to ExposeHeaders in the bucket's CORS rules: then the difference is corrected.",
	s3publish.ErrUnsupported: "Publishing needs an S3 service that supports conditional writes (If-Match, If-None-Match) and range requests. Check the endpoint.",
}

// mapError never passes on the SDK's own text, which could one day hold more than it should.
func (s *Store) mapError(ctx context.Context, op, key string, err error) error {
	e := &s3publish.Error{Op: op, Key: key}
	var known *s3publish.Error
	var api smithy.APIError
	var resp *smithyhttp.ResponseError
	switch {
	case ctx.Err() != nil:
		e.Err = fmt.Errorf("%w: %w", s3publish.ErrAborted, context.Cause(ctx))
		return e
	case errors.As(err, &known):
		// From the HTTP client, which knows best.
		e.Err, e.Hint = known.Err, known.Hint
		return e
	case errors.As(err, &resp) && resp.HTTPStatusCode() != 0:
		status := resp.HTTPStatusCode()
		e.Date, _ = http.ParseTime(resp.Response.Header.Get("Date"))
		e.RetryAfter = retryAfter(resp.Response.Header.Get("Retry-After"), time.Now())
		code, message := "", ""
		if errors.As(err, &api) {
			code, message = api.ErrorCode(), api.ErrorMessage()
		}
		sentinel := byCode[code]
		if sentinel == nil {
			sentinel = byStatus(status)
		}
		if status < 300 {
			sentinel = s3publish.ErrUnreachable // an answer that is not S3's, or was cut
		}
		said := s.provider.clean(fmt.Sprintf("HTTP %d %.64s: %.300s", status, code, message))
		if sentinel == nil {
			e.Err = errors.New(said)
			return e
		}
		e.Err, e.Hint = fmt.Errorf("%w: %s", sentinel, said), hints[sentinel]
		return e
	}
	for _, own := range []struct{ is, as error }{
		{errProvider, fmt.Errorf("%w: %w", s3publish.ErrCredentials, errProvider)},
		{errNoSecret, fmt.Errorf("%w: %w", s3publish.ErrCredentials, errNoSecret)},
		{s3publish.ErrUnsupported, err}, // Get's
	} {
		if errors.Is(err, own.is) {
			e.Err, e.Hint = own.as, hints[s3publish.FromCode(s3publish.Code(own.as))]
			return e
		}
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		err = send.Err
	}
	e.Err = fmt.Errorf("%w: %s", s3publish.ErrUnreachable, s.provider.clean(err.Error()))
	e.Hint = "Check the endpoint and the network."
	return e
}
