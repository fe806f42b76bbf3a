package opfs

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// volumeWithHistory is a small volume with a few commits and a snapshot, closed.
func volumeWithHistory(t *testing.T) (content []byte, used func(i int) bool) {
	t.Helper()
	f := NewMemFile()
	s := open(t, f, Options{})
	var ends []header
	for i := range 4 {
		write(t, s, fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 700))
		if i == 2 {
			_, err := s.Snapshot("kept")
			require.NoError(t, err)
		}
		_, err := s.Commit("")
		require.NoError(t, err)
		ends = append(ends, s.last)
	}
	require.NoError(t, s.Close())
	return f.b, func(i int) bool {
		if i < logStart {
			return i%slotSize < superSize
		}
		for _, h := range ends {
			if int64(i) >= h.off && int64(i) < h.off+headerSize+int64(h.body) {
				return true
			}
		}
		return false // zeros between records
	}
}

// Every byte that the format uses is noticed by open or by Verify when it is flipped, or mended by open (a superblock);
// bytes that it does not use do no harm.
func TestVerifyNoticesEveryFlippedByte(t *testing.T) {
	whole, used := volumeWithHistory(t)
	ctx := context.Background()
	for i := 0; i < len(whole); i++ {
		if !used(i) && i%97 != 0 {
			continue // a sample will do
		}
		f := &MemFile{b: slices.Clone(whole)}
		f.b[i] ^= 0x40
		s, err := Open(f, Options{})
		if err == nil {
			err = s.Verify(ctx, nil)
		}
		if i < logStart && err == nil {
			continue // the newer superblock: open found the same from the older one, and wrote it anew
		}
		if used(i) {
			require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
		} else {
			require.NoError(t, err, "byte %d", i)
		}
		f.b[i] ^= 0x40
		require.True(t, bytes.Equal(f.b[logStart:], whole[logStart:]), "byte %d: the file was changed", i)
	}
}

// The same for random bytes of a larger volume, of which some reads give the damaged block: never wrong data.
func TestVerifyNoticesFlippedBytesOfALargeVolume(t *testing.T) {
	r := newRand(t)
	f := NewMemFile()
	s := open(t, f, Options{})
	var last header
	want := map[string]string{}
	for i := range 60 {
		name := fmt.Sprintf("f%d", i%40)
		want[name] = strings.Repeat(fmt.Sprint(r.Uint64()), 1+r.IntN(9000))
		write(t, s, name, want[name])
		_, err := s.Commit("")
		require.NoError(t, err)
		last = s.last
	}
	require.NoError(t, s.Close())
	noticed := 0
	for range 120 {
		i := logStart + r.IntN(int(last.off)+headerSize+int(last.body)-logStart)
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
		}
		f.b[i] ^= bit
	}
	t.Logf("%d of 120 noticed, the others in zeros between records", noticed)
	require.Greater(t, noticed, 100)
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
	require.Greater(t, last, int64(10_000_000))
	ctx, cancel := context.WithCancel(context.Background())
	err = s.Verify(ctx, func(done, total int64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Verify(context.Background(), nil), ErrClosed)
}
