package opfs

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sink is a File that keeps nothing but its first bytes: what a commit costs without a disk.
type sink struct{ MemFile }

func (s *sink) WriteAt(p []byte, off int64) (int, error) {
	if off < logStart {
		return s.MemFile.WriteAt(p, off)
	}
	return len(p), nil
}

// BenchmarkFirstCommit commits a tree that was just written, in files of up to 26 kB.
func BenchmarkFirstCommit(b *testing.B) {
	const files = 2174
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 26<<10)
	for i := range content {
		content[i] = byte(rng.Uint32()) | 1
	}
	for range b.N {
		b.StopTimer()
		s, err := Open(&sink{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		var bytes int64
		for i := range files {
			n := 1 + rng.IntN(len(content))
			bytes += int64(n)
			if err := s.FS().WriteFile(fmt.Sprintf("f%d", i), content[:n], 0o644); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(bytes)
		b.StartTimer()
		if _, err := s.Commit(""); err != nil {
			b.Fatal(err)
		}
	}
}
