//go:build !js

package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

func run(t *testing.T, s storetest.Server, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(environment(), env...)
	cmd.Env = append(cmd.Env, "HOLDFAST_S3_ENDPOINT="+s.Endpoint, "HOLDFAST_S3_REGION="+s.Region, "HOLDFAST_S3_BUCKET="+s.Bucket,
		"HOLDFAST_S3_ACCESS_KEY="+s.AccessKeyID, "HOLDFAST_S3_SECRET_KEY="+s.SecretAccessKey)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
}

// environment is what the programs need of ours: Go's runtime accepts only 8 KiB of it under GOOS=js.
func environment() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "PATH", name == "HOME", name == "TMPDIR", strings.HasPrefix(name, "GO"), strings.HasPrefix(name, "XDG_"):
			env = append(env, v)
		}
	}
	return env
}

// needNode also reads what the programs are built from: go test then knows when a cached result is out of date.
func needNode(t *testing.T) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, folder := range []string{"memfs", "s3publish", "wasm"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" || filepath.Ext(path) == ".mjs" {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node here")
	}
}

func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// The module under Node, whose fetch is that of browsers but for CORS.
func TestTheModuleUnderNode(t *testing.T) {
	needNode(t)
	server := storetest.StartServer(t)
	wasm := filepath.Join(t.TempDir(), "s3.wasm")
	run(t, server, []string{"GOOS=js", "GOARCH=wasm"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, ".")
	run(t, server, []string{"S3_WASM=" + wasm, "WASM_EXEC=" + filepath.Join(goroot(t), "lib/wasm/wasm_exec.js")},
		"node", "--test-reporter=spec", filepath.Join("testdata", "module.mjs"))
}

// The store's contract, with the SDK over fetch.
func TestTheContractOverFetch(t *testing.T) {
	needNode(t)
	server := storetest.StartServer(t)
	exe := filepath.Join(t.TempDir(), "fetch.test")
	run(t, server, []string{"GOOS=js", "GOARCH=wasm"}, "go", "test", "-c", "-o", exe, "./fetch")
	run(t, server, nil, filepath.Join(goroot(t), "lib/wasm/go_js_wasm_exec"), exe, "-test.v", "-test.run=Contract")
}
