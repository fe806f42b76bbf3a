// Package policy keeps the product's shape: which part may import what.
package policy

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/holdfast-fs/holdfast/"
)

// The folders with the product's Go code; node_modules and tests stay out.
var folders = []string{"memfs", "opfs", "s3publish", "wasm"}

// JavaScript is reached from the wasm programs (the fetch transport is one of
// their packages) and from the js-tagged files of opfs, nowhere else.
func TestOnlyWasmAndJSFilesOfOPFSReachJavaScript(t *testing.T) {
	native := build.Default
	native.GOOS, native.GOARCH = "linux", "amd64"
	for _, folder := range folders {
		walk(t, filepath.Join(root, folder), func(path string, imports []string) {
			if !slices.Contains(imports, "syscall/js") && !slices.Contains(imports, "github.com/hack-pad/safejs") {
				return
			}
			if folder != "wasm" && folder != "opfs" {
				t.Errorf("%s imports JavaScript; only wasm/ and js-tagged files of opfs/ may", path)
			}
			if ok, err := native.MatchFile(filepath.Split(path)); err != nil || ok {
				t.Errorf("%s imports JavaScript without a js build tag (%v)", path, err)
			}
		})
	}
}

func TestStorePackagesDoNotKnowEachOther(t *testing.T) {
	forbidden := map[string][]string{
		"memfs":     {"opfs", "s3publish", "wasm"},
		"opfs":      {"s3publish", "wasm"},
		"s3publish": {"opfs", "wasm"},
	}
	for folder, others := range forbidden {
		walk(t, filepath.Join(root, folder), func(path string, imports []string) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			for _, other := range others {
				for _, imported := range imports {
					if imported == module+other || strings.HasPrefix(imported, module+other+"/") {
						t.Errorf("%s imports %s; %s must not know %s", path, imported, folder, other)
					}
				}
			}
		})
	}
}

// The page loads the core module before anything works, so it stays small: publishing is another module, and the packages named here
// would bring more machine code than what they do is worth.
func TestCoreModuleStaysSmall(t *testing.T) {
	heavy := []string{"context", "crypto", "crypto/rand", "crypto/sha256", "encoding/hex", "encoding/json", "fmt", "internal/godebug", "io/fs", "math/big", "net", "os",
		"path/filepath", "regexp", "syscall", "text/template", "time"}
	for _, pkg := range dependencies(t, "./wasm/core", "-tags=holdfastcore") {
		if slices.Contains(heavy, pkg) || strings.HasPrefix(pkg, "net/") || strings.HasPrefix(pkg, module+"s3publish") || strings.HasPrefix(pkg, "github.com/aws/") {
			t.Errorf("./wasm/core links %s", pkg)
		}
	}
}

// Nor does the module that publishes carry a client of its own: net/http alone would double its size.
func TestRemoteModuleLinksNeitherHTTPNorTheAWSSDKNorTheStore(t *testing.T) {
	for _, pkg := range dependencies(t, "./wasm/remote") {
		if pkg == "net" || pkg == "net/http" || pkg == "crypto/tls" || strings.HasPrefix(pkg, "github.com/aws/") || pkg == module+"opfs" {
			t.Errorf("./wasm/remote links %s", pkg)
		}
	}
}

// The gateway fits the free plan of Cloudflare because it carries none of this.
func TestGatewayLinksNeitherTheAWSSDKNorWhatItDoesNotServe(t *testing.T) {
	for _, pkg := range dependencies(t, "./wasm/gateway") {
		if strings.HasPrefix(pkg, "github.com/aws/") || pkg == module+"memfs" || pkg == module+"s3publish" || strings.HasPrefix(pkg, module+"opfs") {
			t.Errorf("./wasm/gateway links %s", pkg)
		}
	}
}

// What a token allows is decided by Go that runs anywhere, and is tested there.
func TestTheGatewaysPolicyKnowsNothingOfWorkers(t *testing.T) {
	for _, pkg := range dependencies(t, "./s3publish/gate") {
		if strings.HasPrefix(pkg, "github.com/") && pkg != module+"s3publish/gate" {
			t.Errorf("./s3publish/gate links %s", pkg)
		}
	}
}

// memfs is pure: what it needs of the system, it is given.
func TestMemfsLinksNoNetworkAndNoJavaScript(t *testing.T) {
	for _, pkg := range dependencies(t, "./memfs") {
		if pkg == "net" || strings.HasPrefix(pkg, "net/") || pkg == "github.com/hack-pad/safejs" {
			t.Errorf("./memfs links %s", pkg)
		}
	}
}

func dependencies(t *testing.T, pkg string, flags ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append(append([]string{"list", "-deps"}, flags...), pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		if failed, ok := err.(*exec.ExitError); ok {
			t.Fatalf("go list -deps %s: %v\n%s", pkg, err, failed.Stderr)
		}
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// walk calls fn with the imports of every Go file below folder.
func walk(t *testing.T, folder string, fn func(path string, imports []string)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, spec := range file.Imports {
			imports = append(imports, strings.Trim(spec.Path.Value, `"`))
		}
		files++
		fn(path, imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Errorf("no Go files below %s: this test looks in the wrong place", folder)
	}
}
