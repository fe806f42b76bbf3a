package opfs

import (
	"context"
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

// What is left of a commit that was lost behind a lost map may stay in the log for a while: the header of a commit of many points, so with a sequence
// above those of the next commits. It is not taken for a part of the log that is missing.
func TestALostCommitBehindALostMapStaysLost(t *testing.T) {
	f := &MemFile{}
	s := open(t, f, Options{Keep: 300})
	commit := func(content string) {
		write(t, s, "f", content)
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	for i := range 200 { // so that the map is longer than a commit
		commit(fmt.Sprint(i))
	}
	before := slices.Clone(f.b)
	tail := s.tail
	require.NoError(t, s.checkpoint())
	require.Equal(t, firstWritten, s.unsettled, "the map has no flush of its own")
	lost := s.tail
	for range 9 {
		_, err := s.Snapshot("")
		require.NoError(t, err)
	}
	commit("lost")

	// Power fails in the flush of this commit: of what was written since the map began, only the sector with the commit's header arrived.
	off, n := s.space.tailPlace(lost)
	require.Positive(t, n)
	crashed := &MemFile{b: slices.Clone(before)}
	_, err := crashed.WriteAt(f.b[off:off+recordAlign], off)
	require.NoError(t, err)
	s = open(t, crashed, Options{Keep: 300})
	require.Equal(t, "199", read(t, s, "f"))
	require.Equal(t, tail, s.tail)
	for i := range 20 {
		commit(fmt.Sprint("after ", i))
		require.NoError(t, s.Verify(context.Background(), nil))
		if i == 0 {
			require.Less(t, s.tail, lost+recordAlign, "the header is still there")
		}
		again := open(t, &MemFile{b: slices.Clone(crashed.b)}, Options{Keep: 300})
		require.Equal(t, fmt.Sprint("after ", i), read(t, again, "f"))
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
