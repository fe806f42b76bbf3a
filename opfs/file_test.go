package opfs

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileContract is what a store relies on. Every implementation of File runs it, on an empty file.
func fileContract(t *testing.T, f File) {
	t.Helper()
	size := func() int64 {
		n, err := f.Size()
		require.NoError(t, err)
		return n
	}
	require.Zero(t, size())
	b := make([]byte, 10)
	n, err := f.ReadAt(b, 0)
	require.Equal(t, io.EOF, err)
	require.Zero(t, n)

	n, err = f.WriteAt([]byte("hello"), 3)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.EqualValues(t, 8, size())
	n, err = f.ReadAt(b, 0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "\x00\x00\x00hello", string(b[:n]))
	n, err = f.ReadAt(b[:4], 4)
	require.NoError(t, err)
	require.Equal(t, "ello", string(b[:n]))

	require.NoError(t, f.Flush())
	require.NoError(t, f.Truncate(5))
	require.EqualValues(t, 5, size())
	require.NoError(t, f.Truncate(9))
	n, _ = f.ReadAt(b, 0)
	require.Equal(t, "\x00\x00\x00he\x00\x00\x00\x00", string(b[:n]))

	big := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	n, err = f.WriteAt(big, 1<<20)
	require.NoError(t, err)
	require.Equal(t, len(big), n)
	got := make([]byte, len(big))
	_, err = f.ReadAt(got, 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big, got))
	require.NoError(t, f.Truncate(0))
	require.Zero(t, size())
}

// storeContract is a short life of a volume on a real file.
func storeContract(t *testing.T, f File) {
	t.Helper()
	s := open(t, f, Options{})
	var kept []string
	for i := range 80 { // past a checkpoint
		content := strings.Repeat(string(rune('a'+i%26)), 1+i*97)
		write(t, s, "f", content)
		kept = append(kept, content)
		_, err := s.Commit("")
		require.NoError(t, err)
	}
	s = open(t, f, Options{})
	require.Equal(t, kept[79], read(t, s, "f"))
	points, err := s.Points()
	require.NoError(t, err)
	require.Len(t, points, 50)
	require.NoError(t, s.Restore(points[49].ID))
	require.Equal(t, kept[30], read(t, s, "f"))
	require.NoError(t, s.FS().Check())
}

func TestMemFileKeepsTheContract(t *testing.T) {
	fileContract(t, NewMemFile())
	storeContract(t, NewMemFile())
}
