package memfs

import (
	"errors"
	"fmt"
	"testing"
)

// A sum that fails, at whichever node or page, leaves no wrong hash behind.
func TestAnExportThatFailedCanBeDoneAgain(t *testing.T) {
	f := New(Options{})
	for i := range 20 {
		if err := f.WriteFile(fmt.Sprintf("f%d", i), []byte(fmt.Sprint("content ", i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	never := func(Hash) bool { return false }
	failed := errors.New("failed")
	for n := 0; ; n++ {
		snap := f.Snapshot()
		calls := 0
		_, err := snap.Export(func(b []byte) (Hash, error) {
			if calls++; calls > n {
				return Hash{1}, failed
			}
			return sha(b)
		}, never, func(Hash, []byte) error { return nil })
		if err != nil && err != failed {
			t.Fatal(err)
		}
		blobs := map[Hash][]byte{}
		root, again := snap.Export(sha, never, func(h Hash, b []byte) error {
			if want, _ := sha(b); want != h {
				t.Fatalf("after %d hashes: a blob under a wrong hash", n)
			}
			blobs[h] = append([]byte(nil), b...)
			return nil
		})
		if again != nil || blobs[root] == nil {
			t.Fatalf("after %d hashes: %v", n, again)
		}
		snap.Release()
		if err == nil {
			if n < 1 {
				t.Fatal("nothing was hashed")
			}
			return
		}
		// Something to hash again.
		if err := f.WriteFile("f0", []byte(fmt.Sprint("changed ", n)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
