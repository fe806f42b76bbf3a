package opfs

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cleaned is a small volume, closed, that has been through several cycles of cleaning, and what its points hold.
func cleaned(t *testing.T) (content []byte, points map[string]string, blocks []extent) {
	t.Helper()
	f := NewMemFile()
	s := open(t, f, Options{Keep: 3, Segment: minSegment, CleanEvery: 10})
	for i := range 150 {
		write(t, s, fmt.Sprintf("f%d", i%5), strings.Repeat(fmt.Sprint(i), 100))
		if i%20 == 0 {
			write(t, s, fmt.Sprintf("stays%d", i), strings.Repeat(fmt.Sprint(i), 100))
		}
		if i == 20 || i == 130 {
			_, err := s.Snapshot("kept")
			require.NoError(t, err)
		}
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	require.NotEmpty(t, movedExtents(s), "nothing was moved: the test shows nothing")
	s = open(t, f, s.o)
	blocks, _ = needed(t, s)
	require.NoError(t, s.Close())
	return f.b, everyPoint(t, s, f), blocks
}

func movedExtents(s *Store) (moved []extent) {
	for _, e := range s.space.extents {
		if int64(e.at%uint64(s.space.segment)) != (e.phys-logStart)%s.space.segment {
			moved = append(moved, e)
		}
	}
	return moved
}

// everyPoint opens a copy of a file and lists what every point of its history holds.
func everyPoint(t *testing.T, s *Store, f *MemFile) map[string]string {
	t.Helper()
	out, err := tryEveryPoint(&MemFile{b: slices.Clone(f.b)}, s.o)
	require.NoError(t, err)
	return out
}

func tryEveryPoint(f File, o Options) (map[string]string, error) {
	s, err := Open(f, o)
	if err != nil {
		return nil, err
	}
	points, err := s.Points()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, p := range points {
		snap, err := s.Load(p.ID)
		if err != nil {
			return nil, err
		}
		state, err := tryDump(snap)
		snap.Release()
		if err != nil {
			return nil, err
		}
		out[p.ID+p.Label] = state
	}
	return out, nil
}

// Every flipped byte of what a volume needs is noticed by open or by Verify. Of the others, nothing needs them: every point of the history
// holds what it held.
func TestVerifyNoticesEveryFlippedByteThatMatters(t *testing.T) {
	whole, points, blocks := cleaned(t)
	matters := make([]bool, len(whole))
	for _, e := range blocks {
		for i := range e.n {
			matters[e.phys+i] = true
		}
	}
	other := 7
	if testing.Short() || runtime.GOOS == "js" {
		other = 97
	}
	noticed, sampled := 0, 0
	for i := range whole {
		if !matters[i] && i%other != 0 {
			continue
		}
		if i%128 == 0 {
			runtime.GC() // as WebAssembly the collector gets no time of its own in a loop like this, and memory ends at 4 GB
		}
		f := &MemFile{b: slices.Clone(whole)}
		f.b[i] ^= 0x40
		s, err := Open(f, Options{Keep: 3})
		if err == nil {
			err = s.Verify(context.Background(), nil)
		}
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
			noticed++
			continue
		}
		require.False(t, matters[i], "byte %d", i)
		sampled++
		got, err := tryEveryPoint(f, Options{Keep: 3})
		require.NoError(t, err, "byte %d", i)
		require.Equal(t, points, got, "byte %d", i)
	}
	t.Logf("%d flipped bytes noticed; nothing needs %d others, of a file of %d", noticed, sampled, len(whole))
}

// The same for random bytes of a larger volume, of which some reads give the damaged block: never wrong data.
func TestVerifyNoticesFlippedBytesOfALargeVolume(t *testing.T) {
	r := newRand(t)
	f := NewMemFile()
	s := open(t, f, Options{})
	want := map[string]string{}
	for i := range 60 {
		name := fmt.Sprintf("f%d", i%40)
		want[name] = strings.Repeat(fmt.Sprint(r.Uint64())+strings.Repeat("\x00", r.IntN(2)*1000), 1+r.IntN(150))
		write(t, s, name, want[name])
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	points := everyPoint(t, s, f)
	noticed := 0
	for range 120 {
		i := logStart + r.IntN(len(f.b)-logStart)
		bit := byte(1) << r.IntN(8)
		f.b[i] ^= bit
		s, err := Open(f, Options{})
		if err == nil {
			for name, content := range want {
				if b, err := s.FS().ReadFile(name); err == nil {
					require.Equal(t, content, string(b), "byte %d", i)
				} else {
					require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
				}
			}
			err = s.Verify(context.Background(), nil)
		}
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
			noticed++
		} else {
			require.Equal(t, points, everyPoint(t, s, f), "byte %d", i)
		}
		f.b[i] ^= bit
	}
	t.Logf("%d of 120 noticed; nothing needs the others", noticed)
	require.Greater(t, noticed, 60)
}

func TestVerifyShowsProgressAndStops(t *testing.T) {
	s := open(t, NewMemFile(), Options{})
	require.NoError(t, s.FS().WriteFile("big", bytes.Repeat([]byte("0123456789"), 500_000), 0o644))
	_, err := s.Commit("")
	require.NoError(t, err)
	var last int64
	require.NoError(t, s.Verify(context.Background(), func(done, total int64) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, total)
		last = done
	}))
	require.Greater(t, last, int64(5_000_000))
	ctx, cancel := context.WithCancel(context.Background())
	err = s.Verify(ctx, func(done, total int64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Verify(context.Background(), nil), ErrClosed)
}
