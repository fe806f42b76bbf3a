package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// Store is a bucket, or a folder of one.
type Store struct {
	client   *s3.Client
	bucket   string
	prefix   string
	provider *provider
	cache    *aws.CredentialsCache
}

var _ s3publish.ObjectStore = (*Store)(nil)

// do makes the error of a call, and calls again with new credentials when the old ones were refused.
func (s *Store) do(ctx context.Context, op, key string, f func() error) error {
	before, err := s.cache.Retrieve(ctx)
	if err != nil {
		return s.mapError(ctx, op, key, err)
	}
	if err = f(); err == nil {
		return nil
	}
	mapped := s.mapError(ctx, op, key, err)
	if errors.Is(mapped, s3publish.ErrCredentials) {
		s.cache.Invalidate()
		after, err := s.cache.Retrieve(ctx)
		if err == nil && (after.AccessKeyID != before.AccessKeyID || after.SecretAccessKey != before.SecretAccessKey || after.SessionToken != before.SessionToken) {
			if err := f(); err != nil {
				return s.mapError(ctx, op, key, err)
			}
			return nil
		}
	}
	return mapped
}

// Get implements s3publish.ObjectStore.
func (s *Store) Get(ctx context.Context, key string, off, n int64) (o s3publish.Object, err error) {
	if off < 0 || n == 0 {
		return o, &s3publish.Error{Op: "get", Key: key, Err: s3publish.ErrInvalid}
	}
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)}
	switch {
	case n > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	err = s.do(ctx, "get", key, func() error {
		out, err := s.client.GetObject(ctx, in)
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if off > 0 && out.ContentRange != nil && !strings.HasPrefix(*out.ContentRange, fmt.Sprintf("bytes %d-", off)) {
			return fmt.Errorf("%w: the service sent %.60q for %s", s3publish.ErrUnsupported, *out.ContentRange, *in.Range)
		}
		body := io.Reader(out.Body)
		if n > 0 {
			body = io.LimitReader(body, n+1) // one more tells that the service ignored the range
		}
		if o.Data, err = readAll(body, out.ContentLength, n); err != nil {
			return err
		}
		if n > 0 && int64(len(o.Data)) > n {
			return fmt.Errorf("%w: the service ignores ranges", s3publish.ErrUnsupported)
		}
		o.ETag = aws.ToString(out.ETag)
		o.Date, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
		return nil
	})
	if err != nil {
		return s3publish.Object{}, err
	}
	return o, nil
}

func readAll(r io.Reader, announced *int64, n int64) ([]byte, error) {
	var b bytes.Buffer
	if announced != nil && *announced > 0 && n > 0 {
		b.Grow(int(min(*announced, n, 64<<20)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// Put implements s3publish.ObjectStore.
func (s *Store) Put(ctx context.Context, key string, data []byte, o s3publish.PutOptions) (string, error) {
	if o.SHA256 == nil {
		sum := sha256.Sum256(data)
		o.SHA256 = &sum
	}
	return s.PutReader(ctx, key, bytes.NewReader(data), int64(len(data)), o)
}

// PutReader is Put for content that is not in Go's memory: r is handed to the HTTP client as it is, and with o.SHA256
// given, which it must be, nobody else reads it.
func (s *Store) PutReader(ctx context.Context, key string, r io.ReadSeeker, size int64, o s3publish.PutOptions) (etag string, err error) {
	if o.SHA256 == nil || o.IfMatch != "" && o.IfNoneMatch {
		return "", &s3publish.Error{Op: "put", Key: key, Err: s3publish.ErrInvalid}
	}
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + key),
		Body: r, ContentLength: &size, ContentType: aws.String("application/octet-stream"),
	}
	if o.IfMatch != "" {
		in.IfMatch = &o.IfMatch
	}
	if o.IfNoneMatch {
		in.IfNoneMatch = aws.String("*")
	}
	err = s.do(ctx, "put", key, func() error {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
		out, err := s.client.PutObject(ctx, in, payloadHash(*o.SHA256))
		if err != nil {
			return err
		}
		etag = aws.ToString(out.ETag)
		return nil
	})
	if o.IfMatch != "" && errors.Is(err, s3publish.ErrNotFound) {
		// That is how S3 says that there is nothing to match.
		err = &s3publish.Error{Op: "put", Key: key, Err: s3publish.ErrPrecondition}
	}
	return etag, err
}

// List implements s3publish.ObjectStore.
func (s *Store) List(ctx context.Context, prefix string) ([]s3publish.Listed, error) {
	var all []s3publish.Listed
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
	for {
		var out *s3.ListObjectsV2Output
		err := s.do(ctx, "list", prefix, func() (err error) {
			out, err = s.client.ListObjectsV2(ctx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range out.Contents {
			key, ok := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
			if ok && strings.HasPrefix(key, prefix) {
				all = append(all, s3publish.Listed{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
			}
		}
		if !aws.ToBool(out.IsTruncated) || out.NextContinuationToken == nil {
			slices.SortFunc(all, func(a, b s3publish.Listed) int { return strings.Compare(a.Key, b.Key) })
			return all, nil
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// Delete implements s3publish.ObjectStore.
func (s *Store) Delete(ctx context.Context, key string) error {
	err := s.do(ctx, "delete", key, func() error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
		return err
	})
	if errors.Is(err, s3publish.ErrNotFound) {
		return nil
	}
	return err
}
