package memfs

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Names are found, and belong, where the order of their bytes says: long prefixes in common, one the beginning of another, bytes above 127.
func TestNamesAreInTheOrderOfTheirBytes(t *testing.T) {
	r := newRand(t)
	parts := []string{"a", "b", "ab", "class-wp-", "\xff", "é", "0"}
	random := func() string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	for range 2000 {
		var list []string
		for range r.IntN(maxNames + 1) {
			list = append(list, random())
		}
		slices.Sort(list)
		list = slices.Compact(list)
		var names []Dirent
		for _, name := range list {
			names = append(names, Dirent{Name: name})
		}
		for _, name := range append(list, random(), random(), "") {
			i, ok := search(names, name)
			wantI, wantOK := slices.BinarySearch(list, name)
			require.Equal(t, wantOK, ok, "%q in %q", name, list)
			require.Equal(t, wantI, i, "%q in %q", name, list)
		}
	}
}

// Unlink may be called with bytes that are its caller's: what it tells of the change keeps a copy.
func TestUnlinkKeepsNoNameOfItsCaller(t *testing.T) {
	f := New(Options{})
	f.Settle()
	require.NoError(t, f.WriteFile("kept", nil, 0o644))
	f.Settle()
	lent := []byte("kept")
	require.NoError(t, f.Inodes().Unlink(RootIno, unsafe.String(&lent[0], len(lent))))
	copy(lent, "lost")
	var touched Touched
	f.Touched(&touched)
	require.Equal(t, []Place{{RootIno, "kept"}}, touched.Names)
}

func TestChmodChangesPermissionBitsOnly(t *testing.T) {
	clock := int64(1000)
	f := New(Options{Now: func() int64 { return clock }})
	n := f.Inodes()
	ino, err := n.Mknod(RootIno, "f", S_IFREG|0o777, 0)
	require.NoError(t, err)
	require.NoError(t, n.Link(ino, RootIno, "g"))
	want, err := n.Attr(ino)
	require.NoError(t, err)
	f.Settle()

	clock = 2000
	nlink, err := n.Chmod(ino, S_IFDIR|0o640)
	require.NoError(t, err)
	require.Equal(t, uint32(2), nlink)
	want.Mode, want.Ctime = S_IFREG|0o640, 2000
	got, err := n.Attr(ino)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.True(t, f.Dirty())
	var touched Touched
	f.Touched(&touched)
	require.Equal(t, []Ino{ino}, touched.Inodes)

	_, err = n.Chmod(ino+1, 0)
	require.Equal(t, ENOENT, err)
}
