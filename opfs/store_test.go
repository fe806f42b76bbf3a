package opfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

func open(t *testing.T, f File, o Options) *Store {
	t.Helper()
	s, err := Open(f, o)
	require.NoError(t, err)
	return s
}

func write(t *testing.T, s *Store, name, content string) {
	t.Helper()
	require.NoError(t, s.FS().WriteFile(name, []byte(content), 0o644))
}

func read(t *testing.T, s *Store, name string) string {
	t.Helper()
	b, err := s.FS().ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

// countingFile counts what a commit costs.
type countingFile struct {
	MemFile
	writes, flushes int
}

func (c *countingFile) WriteAt(p []byte, off int64) (int, error) {
	c.writes++
	return c.MemFile.WriteAt(p, off)
}

func (c *countingFile) Flush() error {
	c.flushes++
	return nil
}

func TestCommitIsOneWriteAndOneFlush(t *testing.T) {
	f := &countingFile{}
	s := open(t, f, Options{})
	writes := 0
	for i := range 60 {
		write(t, s, fmt.Sprintf("f%d", i%7), strings.Repeat("x", i*100))
		f.writes, f.flushes = 0, 0
		c, err := s.Commit("")
		require.NoError(t, err)
		require.Equal(t, 1, f.flushes)
		writes += f.writes
		require.Equal(t, uint64(i+1), c.Seq)
		f.writes, f.flushes = 0, 0
		c, err = s.Commit("")
		require.NoError(t, err)
		require.Zero(t, f.writes+f.flushes, "a commit without a change")
		require.Equal(t, uint64(i+1), c.Seq)
		require.Zero(t, c.BytesWritten)
	}
	require.LessOrEqual(t, writes, 60+2, "but for the steps in which the file grows")
}

// A volume in memory has the same history, and gives back what the history drops.
func TestVolumeInMemoryKeepsItsHistory(t *testing.T) {
	s := NewMemory(Options{Keep: 5})
	write(t, s, "a", "zero")
	labelled, err := s.Snapshot("before")
	require.NoError(t, err)
	for i := range 2000 {
		write(t, s, "a", strings.Repeat(fmt.Sprint("version ", i), 1000))
		c, err := s.Commit("")
		require.NoError(t, err)
		require.EqualValues(t, i+2, c.Seq)
		require.False(t, s.Dirty())
		again, err := s.Commit("")
		require.NoError(t, err)
		require.Equal(t, c.Seq, again.Seq)
	}
	free := s.FS().Inodes().StatFS()
	require.Less(t, free.Blocks-free.Free, uint64(100), "pages of dropped points are given back")
	points, err := s.Points()
	require.NoError(t, err)
	require.Len(t, points, 6)
	require.Equal(t, labelled.ID, points[5].ID)
	require.True(t, points[0].Durable)
	require.NoError(t, s.Verify(context.Background(), nil))
	snap, err := s.Load(points[4].ID)
	require.NoError(t, err)
	b, err := snap.ReadFile("a")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(b), "version 1995"))
	snap.Release()
	require.NoError(t, s.Restore(labelled.ID))
	require.Equal(t, "zero", read(t, s, "a"))
	require.True(t, s.Dirty())
	c, err := s.Commit("back")
	require.NoError(t, err)
	require.Equal(t, labelled.ID, c.ParentID)
	require.NoError(t, s.Close())
	_, err = s.Commit("")
	require.ErrorIs(t, err, ErrClosed)
}

func TestHistoryOutlivesTheSession(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{Keep: 5})
	write(t, s, "a", "zero")
	labelled, err := s.Snapshot("before")
	require.NoError(t, err)
	require.False(t, labelled.Durable)
	for i := range 20 {
		write(t, s, "a", fmt.Sprint("version ", i))
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Commit("")
	require.ErrorIs(t, err, ErrClosed)

	s = open(t, f, Options{Keep: 5})
	points, err := s.Points()
	require.NoError(t, err)
	require.Len(t, points, 6)
	require.Equal(t, "before", points[5].Label)
	require.Equal(t, labelled.ID, points[5].ID)
	require.Equal(t, "version 19", read(t, s, "a"))
	for i, p := range points[:5] {
		snap, err := s.Load(p.ID)
		require.NoError(t, err)
		b, err := snap.ReadFile("a")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("version ", 19-i), string(b))
		snap.Release()
	}
	_, err = s.Load("00000000000000ff")
	require.ErrorIs(t, err, ErrNotFound)

	require.NoError(t, s.Restore(labelled.ID))
	require.Equal(t, "zero", read(t, s, "a"))
	c, err := s.Commit("")
	require.NoError(t, err)
	require.Equal(t, labelled.ID, c.ParentID)
	s = open(t, f, Options{})
	require.Equal(t, "zero", read(t, s, "a"))
	require.NoError(t, s.FS().Check())
}

func TestHistoryDropsWhatIsTooOld(t *testing.T) {
	for _, f := range []File{NewMemFile(), nil} {
		now := int64(1e18)
		o := Options{Now: func() int64 { return now }, MaxAge: int64(time.Minute)}
		var s *Store
		if f == nil {
			s = NewMemory(o)
		} else {
			s = open(t, f, o)
		}
		for i := range 10 {
			now += int64(20 * time.Second)
			write(t, s, "a", fmt.Sprint(i))
			label := ""
			if i == 2 {
				label = "kept"
			}
			_, err := s.Commit(label)
			require.NoError(t, err)
		}
		points, err := s.Points()
		require.NoError(t, err)
		var seqs []uint64
		for _, p := range points {
			seqs = append(seqs, p.Seq)
		}
		require.Equal(t, []uint64{10, 9, 8, 7, 3}, seqs, "a minute, and what has a label")
		now += int64(time.Hour)
		points, err = s.Points()
		require.NoError(t, err)
		require.Equal(t, uint64(10), points[0].Seq, "the newest is never dropped")
	}
}

func TestLongCommitsArriveWhole(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{})
	big := make([]byte, 12<<20+12345)
	for i := range big {
		big[i] = byte(i*7 + i>>9)
	}
	require.NoError(t, s.FS().WriteFile("big", big, 0o600))
	_, err := s.Commit("")
	require.NoError(t, err)
	write(t, s, "small", "after")
	_, err = s.Commit("")
	require.NoError(t, err)
	s = open(t, f, Options{})
	b, err := s.FS().ReadFile("big")
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, b))
	require.Equal(t, "after", read(t, s, "small"))
}

// quotaFile is full at a size; as Firefox, it may write short instead of failing.
type quotaFile struct {
	MemFile
	limit int64
	short bool
}

func (q *quotaFile) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > q.limit {
		if !q.short {
			return 0, ErrQuota
		}
		n, _ := q.MemFile.WriteAt(p[:max(0, q.limit-off)], off)
		return n, nil
	}
	return q.MemFile.WriteAt(p, off)
}

func TestFullDiskLosesNothing(t *testing.T) {
	for _, short := range []bool{false, true} {
		f := &quotaFile{limit: 20000, short: short}
		s := open(t, f, Options{})
		write(t, s, "a", "kept")
		_, err := s.Commit("")
		require.NoError(t, err)
		write(t, s, "b", strings.Repeat("big", 10000))
		_, err = s.Commit("")
		require.ErrorIs(t, err, ErrQuota)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Hint)
		require.Equal(t, "kept", read(t, open(t, &MemFile{b: slices.Clone(f.b)}, Options{}), "a"))
		f.limit = 1 << 20
		_, err = s.Commit("")
		require.NoError(t, err)
		require.Equal(t, 30000, len(read(t, open(t, f, Options{}), "b")))
	}
}

// A writer that was taken over is refused, says so, and still has what it had in memory.
func TestWhoeverOpensLastMayWrite(t *testing.T) {
	f := NewMemFile()
	first := open(t, f, Options{})
	write(t, first, "a", "1")
	_, err := first.Commit("")
	require.NoError(t, err)
	write(t, first, "a", "not committed")
	second := open(t, f, Options{})
	_, err = first.Commit("")
	require.ErrorIs(t, err, ErrFenced)
	write(t, second, "a", "2")
	for range 100 { // also past checkpoints
		_, err = second.Commit("x")
		require.NoError(t, err)
	}
	content := slices.Clone(f.b)
	_, err = first.Commit("")
	require.ErrorIs(t, err, ErrFenced)
	require.Equal(t, "not committed", read(t, first, "a"))
	require.NoError(t, first.Close())
	require.Equal(t, content, f.b, "written to by the writer that was taken over")
	_, err = second.Commit("")
	require.NoError(t, err)
	require.Equal(t, "2", read(t, open(t, f, Options{}), "a"))
}

func TestWhatIsNoVolumeIsNeverOpenedNorOverwritten(t *testing.T) {
	for _, content := range []string{strings.Repeat("something else ", 1000), strings.Repeat("\x00", 100000)} {
		f := NewMemFile()
		_, _ = f.WriteAt([]byte(content), 0)
		_, err := Open(f, Options{})
		require.ErrorIs(t, err, ErrNotVolume)
		require.Equal(t, content, string(f.b))
	}
	f := NewMemFile()
	open(t, f, Options{})
	f.b[8] = 9
	f.b[4096+8] = 9
	for _, slot := range []int{0, slotSize} { // a later version, with its checksum
		f.b = slices.Clone(f.b)
		le.PutUint64(f.b[slot+120:], sumOf(f.b[slot:slot+120]))
	}
	_, err := Open(f, Options{})
	require.ErrorIs(t, err, ErrVersion)
}

// A volume of the version before opens, and is of this one from then on.
func TestTheVersionBeforeIsRead(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{})
	write(t, s, "a", "content")
	_, err := s.Commit("")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, slot := range []int{0, slotSize} {
		le.PutUint32(f.b[slot+8:], 2)
		le.PutUint64(f.b[slot+120:], sumOf(f.b[slot:slot+120]))
	}
	s = open(t, f, Options{})
	require.Equal(t, "content", read(t, s, "a"))
	write(t, s, "b", "more")
	_, err = s.Commit("")
	require.NoError(t, err)
	require.EqualValues(t, formatVersion, le.Uint32(f.b[8:]))
	require.EqualValues(t, formatVersion, le.Uint32(f.b[slotSize+8:]))
	s = open(t, f, Options{})
	require.Equal(t, "content"+"more", read(t, s, "a")+read(t, s, "b"))
}

// Every flipped byte of a small volume is noticed by open or by the read that needs it, or changes nothing: never wrong data, never an empty start.
func TestFlippedBytesNeverGiveWrongData(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{})
	var want []string
	for i := range 3 {
		write(t, s, fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 1000))
		want = append(want, dump(t, s.FS()))
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	whole := slices.Clone(f.b)
	lastRecord := int(s.fileOffset(s.pointAt.Off)) / recordAlign * recordAlign // or before: see below
	end := logStart + int(s.tail)                                              // all is in one segment
	for i := 0; i < len(whole); i++ {
		if at := i % slotSize; i < logStart && at >= superSize && at%64 != 0 || i >= end && i%1009 != 0 {
			continue // bytes that the format does not use: a sample will do
		}
		f.b = slices.Clone(whole)
		f.b[i] ^= 0x10
		s, err := Open(f, Options{})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("byte %d: %v", i, err)
			}
			continue
		}
		got, err := tryDump(s.FS())
		switch {
		case err != nil && errors.Is(err, ErrCorrupt):
		case err != nil:
			t.Fatalf("byte %d: %v", i, err)
		case got == want[2]:
		case got == want[1] && i >= lastRecord-8192: // like a torn write: FORMAT.md says so
		default:
			t.Fatalf("byte %d: wrong data", i)
		}
	}
}

func sumOf(b []byte) uint64 { return xxh3.Hash(b) }

func TestNotesStayWithTheVolume(t *testing.T) {
	f := NewMemFile()
	s := open(t, f, Options{})
	write(t, s, "a", "1")
	first, err := s.Commit("")
	require.NoError(t, err)
	require.Nil(t, s.Note("k"))
	require.NoError(t, s.SetNote("k", []byte("v1")))
	require.False(t, s.Dirty())
	write(t, s, "a", "2")
	_, err = s.Commit("")
	require.NoError(t, err)
	require.NoError(t, s.Restore(first.ID))
	_, err = s.Commit("")
	require.NoError(t, err)
	s = open(t, f, Options{})
	require.Equal(t, "v1", string(s.Note("k")))
	require.Equal(t, "1", read(t, s, "a"))
	require.ErrorIs(t, s.SetNote(strings.Repeat("k", 300), nil), ErrLabel)
	for i := range 15 {
		require.NoError(t, s.SetNote(fmt.Sprint(i), nil))
	}
	require.ErrorIs(t, s.SetNote("one more", nil), ErrLabel)
	require.NoError(t, s.SetNote("k", []byte("v2")))
}
