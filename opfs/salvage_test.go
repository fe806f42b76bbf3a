package opfs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// However one byte of a volume is damaged, Salvage opens a whole commit, says which newer ones it had to leave, and writes nothing.
func TestSalvageOpensTheNewestWholeCommit(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{})
	states := map[uint64]string{}
	for i := range 5 {
		write(t, s, fmt.Sprintf("f%d", i%3), strings.Repeat(fmt.Sprint(i), 600))
		c, err := s.Commit("")
		require.NoError(t, err)
		states[c.Seq] = dump(t, s.FS())
	}
	require.NoError(t, s.Close())
	whole := slices.Clone(f.b)
	ctx := context.Background()
	unfit := 0
	end := logStart + int(s.tail) // all is in one segment
	for i := 0; i < len(whole); i += 13 {
		if i >= end && i%1009 != 0 {
			continue
		}
		f.b = slices.Clone(whole)
		f.b[i] ^= 0x21
		damaged := slices.Clone(f.b)
		s, report, err := Salvage(ctx, f, Options{}, nil)
		if err != nil {
			// The very first commit's own blocks may be in every later one: then nothing is whole.
			require.ErrorIs(t, err, ErrCorrupt, "byte %d", i)
			unfit++
			continue
		}
		require.Equal(t, states[report.Point.Seq], dump(t, s.FS()), "byte %d", i)
		for _, seq := range report.Lost {
			require.Greater(t, seq, report.Point.Seq)
		}
		if report.Point.Seq < 5 {
			require.NotEmpty(t, report.Damages)
		}
		_, err = s.Commit("x")
		require.ErrorIs(t, err, ErrReadOnly)
		require.NoError(t, s.Close())
		require.Equal(t, damaged, f.b, "byte %d: written to", i)
	}
	require.Zero(t, unfit, "one flipped byte never spoils every commit of this workload")

	// Without any superblock, too.
	f.b = slices.Clone(whole)
	clear(f.b[:logStart])
	s, report, err := Salvage(ctx, f, Options{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, report.Point.Seq)
	require.Equal(t, states[5], dump(t, s.FS()))

	_, _, err = Salvage(ctx, &MemFile{b: []byte(strings.Repeat("something else ", 2000))}, Options{}, nil)
	require.ErrorIs(t, err, ErrNotVolume)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err = Salvage(cancelled, f, Options{}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
