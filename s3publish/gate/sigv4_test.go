package gate_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish/gate"
)

var bucket = gate.S3{Endpoint: "https://s3.example.org", Region: "eu-central-1", Bucket: "sites", Prefix: "hold fast/ü+&/",
	AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}

// The AWS SDK signs the same requests the same way.
func TestSignaturesAreThoseOfTheAWSSDK(t *testing.T) {
	for _, s3 := range []gate.S3{
		bucket,
		{Endpoint: "http://127.0.0.1:9000/base path", Bucket: "b", AccessKeyID: "a", SecretAccessKey: "s", SessionToken: "token=/+"},
		{Endpoint: "https://s3.example.org/", Region: "auto", Bucket: "sites", VirtualHosted: true, AccessKeyID: "a", SecretAccessKey: "s"},
	} {
		for _, r := range []gate.Request{
			{Op: gate.Get, Key: "heads/site"},
			{Op: gate.Put, Key: "packs/" + id, Size: 12345, SHA256: id},
			{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: id, IfMatch: `"0123456789abcdef"`},
			{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: id, IfNoneMatch: true},
			{Op: gate.Delete, Key: "heads/site-x~"},
			{Op: gate.List, Key: "packs/"},
			{Op: gate.List, Key: "packs/", After: "packs/" + id},
		} {
			got, err := s3.Sign("site/", r, now)
			require.NoError(t, err)
			req, err := http.NewRequest(got.Method, got.URL, nil)
			require.NoError(t, err)
			if r.Op == gate.Put {
				req.ContentLength = r.Size
			}
			for k, v := range got.Headers {
				if k != "authorization" && k != "x-amz-date" && k != "x-amz-security-token" {
					req.Header.Set(k, v)
				}
			}
			region := s3.Region
			if region == "" {
				region = "us-east-1"
			}
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			creds := aws.Credentials{AccessKeyID: s3.AccessKeyID, SecretAccessKey: s3.SecretAccessKey, SessionToken: s3.SessionToken}
			require.NoError(t, signer.SignHTTP(t.Context(), creds, req, got.Headers["x-amz-content-sha256"], "s3", region, now))
			require.Equal(t, req.Header.Get("Authorization"), got.Headers["authorization"], "%v %+v", s3.Endpoint, r)
			require.Equal(t, req.Header.Get("X-Amz-Date"), got.Headers["x-amz-date"])
		}
	}
}

func TestASignatureBindsWhatWasAllowed(t *testing.T) {
	base := gate.Request{Op: gate.Put, Key: "heads/site", Size: 81, SHA256: id, IfMatch: `"a"`}
	sign := func(s gate.S3, folder string, r gate.Request, at time.Time) string {
		signed, err := s.Sign(folder, r, at)
		require.NoError(t, err)
		return signed.Headers["authorization"]
	}
	seen := map[string]string{}
	for name, f := range map[string]func(r *gate.Request, s *gate.S3, folder *string, at *time.Time){
		"nothing":           func(*gate.Request, *gate.S3, *string, *time.Time) {},
		"the method":        func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.Op = gate.Delete },
		"the key":           func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.Key += "x" },
		"the length":        func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.Size++ },
		"the hash":          func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.SHA256 = "00" + id[2:] },
		"the condition":     func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.IfMatch = `"b"` },
		"no condition":      func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.IfMatch = "" },
		"another condition": func(r *gate.Request, _ *gate.S3, _ *string, _ *time.Time) { r.IfMatch, r.IfNoneMatch = "", true },
		"the folder":        func(_ *gate.Request, _ *gate.S3, folder *string, _ *time.Time) { *folder = "other/" },
		"the time":          func(_ *gate.Request, _ *gate.S3, _ *string, at *time.Time) { *at = at.Add(time.Second) },
		"the bucket":        func(_ *gate.Request, s *gate.S3, _ *string, _ *time.Time) { s.Bucket = "others" },
	} {
		r, s, folder, at := base, bucket, "site/", now
		f(&r, &s, &folder, &at)
		a := sign(s, folder, r, at)
		require.Empty(t, seen[a], "%s does not change the signature", name)
		seen[a] = name
	}
}

func TestTheSecretIsNotPrinted(t *testing.T) {
	for _, v := range []any{bucket, &bucket, []gate.S3{bucket}, gate.Gateway{S3: &bucket}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q"} {
			require.NotContains(t, fmt.Sprintf(format, v), bucket.SecretAccessKey)
		}
		b, err := json.Marshal(v)
		require.NotContains(t, string(b)+fmt.Sprint(err), bucket.SecretAccessKey)
	}
	signed, err := bucket.Sign("site/", gate.Request{Op: gate.Get, Key: "heads/site"}, now)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(signed), bucket.SecretAccessKey)
	_, err = gate.S3{Endpoint: "://" + bucket.SecretAccessKey}.Sign("site/", gate.Request{Op: gate.Get}, now)
	require.Error(t, err)
	require.NotContains(t, err.Error(), bucket.SecretAccessKey)
}
