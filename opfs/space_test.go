package opfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/stretchr/testify/require"
)

// needed returns the blocks that the volume's points and its memory need, by offset in the file, and how many bytes that is.
func needed(t *testing.T, s *Store) (blocks []extent, bytes int64) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[uint64]bool{}
	mark := func(r memfs.Ref) bool {
		if seen[r.Off] {
			return false
		}
		seen[r.Off] = true
		bytes += int64(r.Len)
		for at, left := r.Off, int64(r.Len); left > 0; {
			phys, n := s.space.place(at)
			n = min(n, left)
			require.Positive(t, n, "position %d is nowhere", at)
			blocks = append(blocks, extent{at: at, phys: phys, n: n})
			at, left = at+uint64(n), left-n
		}
		return true
	}
	m := s.fs.NewMarker(mark)
	for _, e := range s.retained() {
		mark(e.at)
		p, err := s.readPoint(e.at)
		require.NoError(t, err)
		require.NoError(t, m.Add(p.root))
	}
	for more := true; more; {
		var err error
		more, err = m.Step(1000)
		require.NoError(t, err)
	}
	return blocks, bytes
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		le.PutUint64(append(b[i:i:n], make([]byte, 8)...), r.Uint64())
	}
	for i := range b {
		b[i] |= 1 // no zeros, so that nothing is stored shorter
	}
	return b
}

// The file is never longer than twice what the live tree and the history need, and 16 MiB, where a need that has fallen counts for 300 commits more;
// and a commit of little moves little.
func TestSizeStaysBounded(t *testing.T) {
	r := newRand(t)
	commits := 3000
	if testing.Short() || runtime.GOOS == "js" {
		commits = 400
	}
	f := NewMemFile()
	o := Options{Keep: 1 + r.IntN(20)}
	s := open(t, f, o)
	write(t, s, "db", "")
	worst, most := 0.0, int64(0)
	var lately []int64 // what was needed after each of the last hundreds of commits
	for i := range commits {
		file := fmt.Sprintf("f%d", r.IntN(40))
		var changed int
		switch k := r.IntN(100); {
		case k < 70: // a transaction of a few pages in a database of 8 MiB
			h, err := s.FS().OpenFile("db", 2, 0)
			require.NoError(t, err)
			for range 1 + r.IntN(4) {
				_, err = h.(interface {
					WriteAt([]byte, int64) (int, error)
				}).WriteAt(noise(r, 4096), r.Int64N(2048)*4096)
				require.NoError(t, err)
				changed += 4096
			}
			require.NoError(t, h.Close())
		case k < 90:
			b := noise(r, r.IntN(60_000))
			require.NoError(t, s.FS().WriteFile(file, b, 0o644))
			changed = len(b)
		case k < 94:
			b := noise(r, r.IntN(2_000_000))
			require.NoError(t, s.FS().WriteFile(file, b, 0o644))
			changed = len(b)
		default:
			require.NoError(t, s.FS().RemoveAll(file))
		}
		label := ""
		if r.IntN(100) == 0 {
			label = "labelled"
		}
		c, err := s.Commit(label)
		require.NoError(t, err)
		most = max(most, c.BytesWritten-3*int64(changed))
		if points, err := s.Points(); err == nil && r.IntN(60) == 0 {
			require.NoError(t, s.Delete(points[len(points)-1].ID))
		}
		if i%100 == 99 {
			_, now := needed(t, s)
			lately = append(lately[max(0, len(lately)-3):], now)
			need := slices.Max(lately)
			require.LessOrEqual(t, int64(len(f.b)), 2*need+16<<20, "after commit %d, %d bytes are needed", i, need)
			worst = max(worst, float64(len(f.b)-16<<20)/float64(need))
			require.True(t, s.space.check())
		}
		if r.IntN(700) == 0 {
			_, err := s.Commit("") // deletions
			require.NoError(t, err)
			require.NoError(t, s.Verify(context.Background(), nil))
			want := everyPoint(t, s, f)
			if r.IntN(2) == 0 {
				require.NoError(t, s.Close())
			}
			s = open(t, f, o)
			require.Equal(t, want, everyPoint(t, s, f))
		}
	}
	require.False(t, s.cleaner.broken)
	require.NoError(t, s.Verify(context.Background(), nil))
	t.Logf("at worst (size - 16 MiB) / needed = %.2f; a commit wrote at most %d bytes more than three times what changed", worst, most)
	require.Less(t, most, int64(300_000))
}

// Deleting and rewriting a large database again and again takes no more than that.
func TestRewritingALargeDatabaseDoesNotGrowTheFile(t *testing.T) {
	r := newRand(t)
	size := 100 << 20
	if testing.Short() || runtime.GOOS == "js" {
		size = 20 << 20
	}
	f := NewMemFile()
	s := open(t, f, Options{Keep: 1})
	b := noise(r, size)
	for i := range 10 {
		require.NoError(t, s.FS().RemoveAll("db"))
		if i%2 == 0 {
			_, err := s.Commit("")
			require.NoError(t, err)
		}
		b[i*4096]++
		require.NoError(t, s.FS().WriteFile("db", b, 0o644))
		_, err := s.Commit("")
		require.NoError(t, err)
		_, need := needed(t, s)
		require.LessOrEqual(t, int64(len(f.b)), 2*need+16<<20, "round %d", i)
	}
	got, err := open(t, f, Options{}).FS().ReadFile("db")
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, got))
}

func removeAll(s *Store) error {
	names, err := s.FS().ReadDir(".")
	for _, e := range names {
		err = errors.Join(err, s.FS().RemoveAll(e.Name()))
	}
	return err
}

// When a large deletion has left the history, the file becomes short again.
func TestFileBecomesShortAgain(t *testing.T) {
	r := newRand(t)
	f := NewMemFile()
	s := open(t, f, Options{Keep: 3})
	for i := range 40 {
		require.NoError(t, s.FS().WriteFile(fmt.Sprintf("f%d", i), noise(r, 1<<20), 0o644))
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	size := len(f.b)
	for i := range 39 {
		require.NoError(t, s.FS().RemoveAll(fmt.Sprintf("f%d", i)))
	}
	for i := range 1500 {
		write(t, s, "a", fmt.Sprint(i))
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	require.Greater(t, size, 40<<20)
	require.Less(t, len(f.b), 12<<20)
	require.NoError(t, s.Verify(context.Background(), nil))
}

// What a snapshot that a program still reads needs is not given up, though the history has dropped it.
func TestWhatIsBeingReadIsKept(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{Keep: 2, Segment: minSegment, CleanEvery: 5})
	for i := range 30 {
		write(t, s, fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint("content ", i), 300))
	}
	c, err := s.Commit("")
	require.NoError(t, err)
	s = open(t, f, s.o) // nothing is in memory
	snap, err := s.Load(c.ID)
	require.NoError(t, err)
	require.NoError(t, removeAll(s))
	for i := range 300 {
		write(t, s, "g", fmt.Sprint(i))
		_, err = s.Commit("")
		require.NoError(t, err)
	}
	require.NotZero(t, s.cleaner.live)
	_, err = s.Load(c.ID)
	require.ErrorIs(t, err, ErrNotFound)
	for i := range 30 {
		b, err := snap.ReadFile(fmt.Sprintf("f%d", i))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(fmt.Sprint("content ", i), 300), string(b))
	}
	size := len(f.b)
	snap.Release()
	for i := range 100 {
		write(t, s, "g", fmt.Sprint(i))
		_, err = s.Commit("")
		require.NoError(t, err)
	}
	require.Less(t, len(f.b), size+10*minSegment)
}

// When anything cannot be read, nothing is given up.
func TestNothingIsGivenUpOfADamagedVolume(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{Keep: 2, Segment: minSegment, CleanEvery: 5})
	for i := range 30 {
		require.NoError(t, s.FS().MkdirAll(fmt.Sprintf("d%d", i), 0o755))
		write(t, s, fmt.Sprintf("d%d/f", i), fmt.Sprint("content ", i))
	}
	_, err := s.Commit("kept")
	require.NoError(t, err)
	p, err := s.readPoint(s.pointAt)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, f, s.o)
	var at int64 // of the node that the kept point's root leads to
	m := s.fs.NewMarker(func(r memfs.Ref) bool {
		at, _ = s.space.place(r.Off)
		return false
	})
	at = 0
	require.NoError(t, m.Add(p.root))
	require.NotZero(t, at)
	for i := range 300 {
		write(t, s, "g", fmt.Sprint(i))
		if i == 2 {
			f.b[at] ^= 1
		}
		_, err = s.Commit("")
		require.NoError(t, err)
	}
	require.True(t, s.cleaner.broken)
	f.b[at] ^= 1
	state := everyPoint(t, s, f)
	require.Len(t, state, 3)
}

func TestDeletedPointsAreGoneForEver(t *testing.T) {
	f := NewMemFile()
	for _, s := range []*Store{open(t, f, Options{Keep: 3}), NewMemory(Options{Keep: 3})} {
		var ids []string
		for i := range 6 {
			write(t, s, "a", fmt.Sprint(i))
			c, err := s.Commit("label")
			require.NoError(t, err)
			ids = append(ids, c.ID)
		}
		_, err := s.Snapshot("pending")
		require.NoError(t, err)
		list := func(s *Store) (out []string) {
			points, err := s.Points()
			require.NoError(t, err)
			for _, p := range points {
				out = append(out, p.ID)
			}
			return out
		}
		require.Len(t, list(s), 7)
		require.NoError(t, s.Delete(list(s)[0]))
		require.NoError(t, s.Delete(ids[1]))
		require.NoError(t, s.Delete(ids[5])) // the newest: listed until there is a newer one
		require.ErrorIs(t, s.Delete(ids[1]), ErrNotFound)
		require.Equal(t, []string{ids[5], ids[4], ids[3], ids[2], ids[0]}, list(s))
		_, err = s.Load(ids[1])
		require.ErrorIs(t, err, ErrNotFound)
		write(t, s, "a", "more")
		c, err := s.Commit("")
		require.NoError(t, err)
		want := []string{c.ID, ids[4], ids[3], ids[2], ids[0]}
		require.Equal(t, want, list(s))
		if s.f != nil {
			again := open(t, &MemFile{b: slices.Clone(f.b)}, Options{Keep: 3}) // from the log
			require.Equal(t, want, list(again))
			require.NoError(t, s.Close())
			require.Equal(t, want, list(open(t, f, Options{Keep: 3}))) // from the map
		}
	}
}
