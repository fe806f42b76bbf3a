package memfs

import (
	"io/fs"
	"testing"
)

// Every path of up to five of these parts.
func TestValidPathIsThatOfIOFS(t *testing.T) {
	parts := []string{"", "/", ".", "..", "a", "é", "\xff", "a/b"}
	var try func(path string, left int)
	try = func(path string, left int) {
		if validPath(path) != fs.ValidPath(path) {
			t.Errorf("%q: %v", path, validPath(path))
		}
		if left > 0 {
			for _, p := range parts {
				try(path+p, left-1)
			}
		}
	}
	try("", 5)
}
