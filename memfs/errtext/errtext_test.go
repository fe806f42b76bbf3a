package errtext

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestItSaysWhatFmtSays(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []any
	}{
		{"", nil},
		{"100%% of it", nil},
		{"%d %d %d %d %d", []any{-1, int32(math.MinInt32), int64(math.MinInt64), uint32(math.MaxUint32), uint64(math.MaxUint64)}},
		{"%s, %q, %v", []any{"a\x00b", "a b", io.EOF}},
		{"%x", []any{[]byte{0, 1, 0xab, 0xff}}},
		{"%w: %s", []any{io.EOF, "text"}},
		{"100%% %w: point %d: %w", []any{fs.ErrNotExist, 5, fmt.Errorf("deep: %w", io.ErrShortWrite)}},
	} {
		want := fmt.Errorf(c.format, c.args...)
		got := Errorf(c.format, c.args...)
		require.EqualError(t, got, want.Error())
		for _, target := range []error{io.EOF, fs.ErrNotExist, io.ErrShortWrite} {
			require.Equal(t, errors.Is(want, target), errors.Is(got, target), "%s is %v", c.format, target)
		}
	}
}

func TestWhatIsOnlyTextIsNotWrapped(t *testing.T) {
	require.NotErrorIs(t, Errorf("%s and %v", io.EOF, io.EOF), io.EOF)
}
