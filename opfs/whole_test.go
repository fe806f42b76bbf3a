package opfs

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

// A commit of which any sector that counts did not arrive is not there: open answers with the one before. One of which only bytes between blocks, or
// moved ones, are missing is there: nothing reads them.
func TestATornCommitIsNotThere(t *testing.T) {
	r := newRand(t)
	f := NewMemFile()
	s := open(t, f, Options{Segment: 2 * minSegment, CleanEvery: 5, Keep: 2})
	for range 120 { // so that a commit also moves bytes
		work(t, r, s.FS())
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	states := 0
	for range 12 {
		before := f.b
		f.b = slices.Clone(f.b)
		was := dump(t, s.FS())
		work(t, r, s.FS())
		write(t, s, "more", string(make([]byte, r.IntN(3000)))+"x")
		_, err := s.Snapshot("one")
		require.NoError(t, err)
		work(t, r, s.FS())
		mapAt, at := s.mapAt, s.tail
		_, err = s.Commit("")
		require.NoError(t, err)
		is := dump(t, s.FS())
		if s.mapAt != mapAt { // a checkpoint followed, so the commit was flushed before
			continue
		}
		counts := map[int64]bool{} // sectors of the file
		m := s.fs.NewMarker(func(ref memfs.Ref) bool {
			if ref.Off < at {
				return false
			}
			phys, n := s.space.place(ref.Off)
			require.GreaterOrEqual(t, n, int64(ref.Len))
			for sector := phys / 512; sector <= (phys+int64(ref.Len)-1)/512; sector++ {
				counts[sector] = true
			}
			return true
		})
		for more := true; more; {
			more, err = m.Step(100)
			require.NoError(t, err)
		}
		require.NotEmpty(t, counts)
		for off := int64(logStart); off < int64(len(f.b)); off += 512 {
			end := min(off+512, int64(len(f.b)))
			old := make([]byte, end-off) // what is past the end of the file before reads as zeros
			if off < int64(len(before)) {
				copy(old, before[off:])
			}
			if slices.Equal(old, f.b[off:end]) {
				continue
			}
			torn := &MemFile{b: slices.Clone(f.b)}
			copy(torn.b[off:], old)
			again, err := Open(torn, Options{})
			require.NoError(t, err)
			states++
			if got := dump(t, again.FS()); counts[off/512] || got != is {
				require.Equal(t, was, got, "sector at %d", off)
			}
		}
	}
	t.Logf("%d torn commits", states)
	require.NotZero(t, states)
}
