package storetest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Server is an S3 server for tests.
type Server struct {
	Endpoint, Region, Bucket     string
	AccessKeyID, SecretAccessKey string
}

// StartServer gives the server that the environment names, with a bucket that exists:
// HOLDFAST_S3_ENDPOINT, _REGION, _BUCKET, _ACCESS_KEY and _SECRET_KEY for one that runs already, or else
// HOLDFAST_TEST_S3 = path of a versitygw binary, which is run until the test ends. With neither the test is skipped.
func StartServer(t *testing.T) Server {
	t.Helper()
	if e := os.Getenv("HOLDFAST_S3_ENDPOINT"); e != "" {
		return Server{e, os.Getenv("HOLDFAST_S3_REGION"), os.Getenv("HOLDFAST_S3_BUCKET"),
			os.Getenv("HOLDFAST_S3_ACCESS_KEY"), os.Getenv("HOLDFAST_S3_SECRET_KEY")}
	}
	program := os.Getenv("HOLDFAST_TEST_S3")
	if program == "" {
		t.Skip("set HOLDFAST_TEST_S3 to the path of a versitygw binary")
	}
	s := Server{Region: "us-east-1", Bucket: "bucket", AccessKeyID: "test-access-key", SecretAccessKey: "test+secret/key"}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "buckets", s.Bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	s.Endpoint = "http://" + address
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--port", address, "--region", s.Region, "--cors-allow-origin", "*", "--quiet",
		"posix", filepath.Join(dir, "buckets"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKeyID, "ROOT_SECRET_KEY="+s.SecretAccessKey)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", program, err)
		}
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
