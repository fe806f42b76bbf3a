package opfs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A map that no superblock leads to is not flushed before the next commit is written behind it: it may be lost where that commit is not.
func TestLogGoesOnBehindALostMap(t *testing.T) {
	f := &countingFile{}
	s := open(t, f, Options{Keep: 3})
	commit := func(i int) Commit {
		write(t, s, "f", fmt.Sprint(i))
		c, err := s.Commit("")
		require.NoError(t, err)
		return c
	}
	var before []byte // the file as it was before the checkpoint
	i := 0
	for ; s.unsettled == settled; i++ {
		before = slices.Clone(f.b[:logStart])
		commit(i)
		require.Less(t, i, 10_000)
	}
	require.Equal(t, firstWritten, s.unsettled)
	mapOff, n := s.space.tailPlace(s.mapAt)
	require.Positive(t, n)
	first := s.tail
	commit(i)
	second := s.tail
	commit(i + 1)

	place := func(at uint64) int64 {
		off, n := s.space.tailPlace(at)
		require.Positive(t, n)
		return off
	}
	lost := func(commits int, damage ...int64) *MemFile {
		b := slices.Clone(f.b)
		copy(b, before)
		clear(b[mapOff : mapOff+recordAlign])
		if commits == 1 {
			clear(b[place(second):])
		}
		for _, off := range damage {
			b[off] ^= 1
		}
		return &MemFile{b: b}
	}
	require.Equal(t, fmt.Sprint(i), read(t, open(t, lost(1), Options{}), "f"), "the commit behind the map counts")
	require.Equal(t, fmt.Sprint(i-1), read(t, open(t, lost(1, place(first)+headerSize), Options{}), "f"), "it is torn")
	require.Equal(t, fmt.Sprint(i-1), read(t, open(t, lost(1, place(first)), Options{}), "f"), "it never arrived")
	require.Equal(t, fmt.Sprint(i+1), read(t, open(t, lost(2), Options{}), "f"), "so do those after it")
	_, err := Open(lost(2, place(first)), Options{})
	require.ErrorIs(t, err, ErrCorrupt, "a commit that is lost was flushed before the next one was written")

	// A volume that was opened so goes on, over what is left of the torn commit.
	torn := lost(1, place(first)+headerSize)
	s = open(t, torn, Options{Keep: 3})
	for k := range 20 {
		commit(i + k)
		require.Equal(t, fmt.Sprint(i+k), read(t, open(t, &MemFile{b: slices.Clone(torn.b)}, Options{}), "f"))
	}
}

// A checkpoint takes no flush of its own, and its superblocks are not written before what they lead to is durable.
func TestCheckpointsTakeNoFlush(t *testing.T) {
	f := &countingFile{}
	s := open(t, f, Options{Keep: 1})
	maps := map[uint64]bool{}
	f.flushes = 0
	const commits = 1000
	for i := range commits {
		write(t, s, "f", strings.Repeat(fmt.Sprint(i), 3000))
		c, err := s.Commit("")
		require.NoError(t, err)
		require.Equal(t, 1, c.Flushes)
		if s.unsettled == settled {
			maps[s.super.checkpoint] = true
			require.Equal(t, s.mapAt, s.super.checkpoint)
		}
	}
	require.Equal(t, commits, f.flushes)
	require.Greater(t, len(maps), 3)
}
