//go:build !js

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

// site is a tree with one of everything that a directory of the host can hold.
func site(t *testing.T) *memfs.FS {
	t.Helper()
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	at := func(name string, mode uint32, content string) memfs.Ino {
		ino, err := in.Mknod(memfs.RootIno, name, mode, 0)
		require.NoError(t, err)
		if content != "" {
			h, err := in.Open(ino)
			require.NoError(t, err)
			_, err = h.WriteAt([]byte(content), 0)
			require.NoError(t, err)
			require.NoError(t, h.Close())
		}
		return ino
	}
	at("empty", memfs.S_IFREG|0o600, "")
	at("read-only", memfs.S_IFREG|0o400, "content")
	at("no-mode", memfs.S_IFREG, "x")
	at("name with spaces, ü and \n", memfs.S_IFREG|0o644, "y")
	at(`back\slash`, memfs.S_IFREG|0o644, "z")
	at("-rf", memfs.S_IFREG|0o644, "not a flag")
	at("setuid", memfs.S_IFREG|0o4755, "#!/bin/sh")
	large := at("large", memfs.S_IFREG|0o644, strings.Repeat("0123456789abcdef", 20_000))
	sparse := at("sparse", memfs.S_IFREG|0o644, "start")
	require.NoError(t, in.SetAttr(sparse, memfs.SetSize, memfs.Attr{Size: 200 << 20}))
	h, err := in.Open(sparse)
	require.NoError(t, err)
	_, err = h.WriteAt([]byte("end"), 200<<20-3)
	require.NoError(t, err)
	folder := at("folder", memfs.S_IFDIR|0o750, "")
	require.NoError(t, in.Link(large, folder, "second name"))
	_, err = in.Mknod(folder, "f", memfs.S_IFREG|0o640, 0)
	require.NoError(t, err)
	at("locked", memfs.S_IFDIR|0o500, "")
	for name, target := range map[string]string{"inside": "folder/f", "dangling": "nowhere", "outside": "../../etc/passwd", "absolute": "/etc/passwd"} {
		_, err = in.Symlink(memfs.RootIno, name, target)
		require.NoError(t, err)
	}
	require.NoError(t, walk(f, func(_ string, a memfs.Attr) error {
		when := 1_600_000_000_123_456_000 + int64(a.Ino)*1e9
		return in.SetAttr(a.Ino, memfs.SetAtime|memfs.SetMtime, memfs.Attr{Atime: when + 5e8, Mtime: when})
	}))
	return f
}

// onDisk lists what a directory holds, and of holds what the tree says, in the same words.
func onDisk(t *testing.T, dir string) (lines []string) {
	t.Helper()
	seen := map[identity]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := os.Lstat(p)
		require.NoError(t, err)
		rel, _ := filepath.Rel(dir, p)
		line := fmt.Sprintf("%q %o", rel, linuxMode(info.Mode()))
		switch info.Mode().Type() {
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			require.NoError(t, err)
			line = fmt.Sprintf("%q -> %s", rel, target)
		case 0:
			id, _ := identify(info)
			if seen[id] == "" {
				seen[id] = rel
			}
			line += fmt.Sprintf(" %d %d %q", info.ModTime().UnixNano(), info.Size(), seen[id])
			if info.Size() < 1<<20 {
				b, err := os.ReadFile(p)
				require.NoError(t, err)
				line += " " + string(b)
			}
		default:
			line += fmt.Sprintf(" %d", info.ModTime().UnixNano())
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

func inTree(t *testing.T, f *memfs.FS, special bool) (lines []string) {
	t.Helper()
	in := f.Inodes()
	seen := map[memfs.Ino]string{}
	require.NoError(t, walk(f, func(p string, a memfs.Attr) error {
		mode := a.Mode & 0o7777
		if !special {
			mode &= 0o777
		}
		line := fmt.Sprintf("%q %o", p, mode)
		switch a.Mode & memfs.S_IFMT {
		case memfs.S_IFLNK:
			target, err := in.Readlink(a.Ino)
			require.NoError(t, err)
			line = fmt.Sprintf("%q -> %s", p, target)
		case memfs.S_IFREG:
			if seen[a.Ino] == "" {
				seen[a.Ino] = p
			}
			line += fmt.Sprintf(" %d %d %q", a.Mtime, a.Size, seen[a.Ino])
			if a.Size < 1<<20 {
				h, err := in.Open(a.Ino)
				require.NoError(t, err)
				b := make([]byte, a.Size)
				_, _ = h.ReadAt(b, 0)
				line += " " + string(b)
			}
		default:
			line += fmt.Sprintf(" %d", a.Mtime)
		}
		lines = append(lines, line)
		return nil
	}))
	return lines
}

// warnings collects what a user is told.
func warnings() (*[]string, func(string, ...any)) {
	all := &[]string{}
	return all, func(format string, args ...any) { *all = append(*all, fmt.Sprintf(format, args...)) }
}

func TestATreeIsRestoredExactlyAndCapturedAgain(t *testing.T) {
	f := site(t)
	for _, owner := range []bool{false, true} {
		if owner && os.Getuid() != 0 {
			continue
		}
		target := filepath.Join(t.TempDir(), "out")
		said, warn := warnings()
		require.NoError(t, restore(t.Context(), f, target, restoreOptions{owner: owner, warn: warn}))
		require.Equal(t, inTree(t, f, owner), onDisk(t, target))
		require.Contains(t, *said, "2 symbolic links point out of the directory")
		require.Equal(t, !owner, strings.Contains(fmt.Sprint(*said), "1 files lost their set-user-id"))
		info, err := os.Stat(filepath.Join(target, "sparse"))
		require.NoError(t, err)
		if blocks := blocksOf(info); blocks >= 0 {
			require.Less(t, blocks, int64(1<<20), "holes take no room")
		}

		again, counted, err := capture(t.Context(), target, owner, warn)
		require.NoError(t, err)
		require.Equal(t, inTree(t, f, owner), inTree(t, again, true))
		require.EqualValues(t, 10, counted.files)
	}
}

func TestOnlyAnEmptyDirectoryIsReplacedUnlessForced(t *testing.T) {
	f := memfs.New(memfs.Options{})
	require.NoError(t, f.WriteFile("new", []byte("new"), 0o644))
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	_, warn := warnings()
	put := func(o restoreOptions) error {
		o.warn = warn
		return restore(t.Context(), f, target, o)
	}
	clean := func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing is left beside it: %v", entries)
	}
	require.NoError(t, os.Mkdir(target, 0o755))
	require.NoError(t, put(restoreOptions{}), "an empty one")
	clean()
	err := put(restoreOptions{})
	require.ErrorContains(t, err, "-force")
	require.Equal(t, exitUsage, exitCode(err))
	clean()
	require.NoError(t, os.WriteFile(filepath.Join(target, "old"), nil, 0o600))
	require.NoError(t, put(restoreOptions{force: true}))
	require.NoFileExists(t, filepath.Join(target, "old"))
	require.FileExists(t, filepath.Join(target, "new"))
	clean()

	// Not through a symbolic link, not in place of a file, not the working directory, not the root.
	outside := t.TempDir()
	require.NoError(t, os.RemoveAll(target))
	require.NoError(t, os.Symlink(outside, target))
	require.Error(t, put(restoreOptions{force: true}))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, entries)
	require.NoError(t, os.Remove(target))
	require.NoError(t, os.WriteFile(target, []byte("a file"), 0o600))
	require.Error(t, put(restoreOptions{force: true}))
	clean()
	require.Error(t, restore(t.Context(), f, "/", restoreOptions{force: true, warn: warn}))
	t.Chdir(outside)
	for _, here := range []string{".", "", outside} {
		require.Error(t, restore(t.Context(), f, here, restoreOptions{force: true, warn: warn}), here)
	}
	require.Error(t, restore(t.Context(), f, filepath.Join(dir, "no", "such"), restoreOptions{warn: warn}))
}

func TestARestoreThatFailsChangesNothing(t *testing.T) {
	f := site(t)
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	require.NoError(t, os.Mkdir(target, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(target, "old"), []byte("old"), 0o600))
	_, warn := warnings()
	steps := 0
	require.NoError(t, walk(f, func(string, memfs.Attr) error { steps++; return nil }))
	for stop := range steps {
		ctx := &countdown{Context: t.Context(), left: stop}
		err := restore(ctx, f, target, restoreOptions{force: true, warn: warn})
		require.ErrorIs(t, err, errStopped)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "nothing is left: %v", entries)
		require.FileExists(t, filepath.Join(target, "old"))
	}
}

var errStopped = errors.New("stopped")

// countdown is a context that is done when it has been asked often enough.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return errStopped
	}
	return nil
}

func (c *countdown) Value(key any) any { return nil }

// memfs makes no such tree; what writes to disk relies on nobody.
func TestNothingIsWrittenOutsideTheTarget(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	require.NoError(t, os.Mkdir(inside, 0o755))
	require.NoError(t, os.Mkdir(outside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("precious"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(inside, "link")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "victim"), filepath.Join(inside, "file-link")))
	require.NoError(t, os.Symlink("../out", filepath.Join(inside, "relative")))
	require.NoError(t, os.WriteFile(filepath.Join(inside, "taken-name"), []byte("precious"), 0o600))
	require.NoError(t, os.Symlink("taken-name", filepath.Join(inside, "inner-link")))
	root, err := os.OpenRoot(inside)
	require.NoError(t, err)
	defer root.Close()

	f := memfs.New(memfs.Options{})
	require.NoError(t, f.WriteFile("f", []byte("evil"), 0o644))
	require.NoError(t, f.Symlink("f", "l"))
	attr := func(name string) memfs.Attr {
		ino, err := f.Inodes().Lookup(memfs.RootIno, name)
		require.NoError(t, err)
		a, err := f.Inodes().Attr(ino)
		require.NoError(t, err)
		return a
	}
	before := onDisk(t, outside)
	for _, p := range []string{"../out/x", "../x", "link/x", "link/victim", "file-link", "relative/x", "/" + outside + "/x", outside + "/x", "a/../../x", "..", ".", ""} {
		w := func() *treeWriter {
			return &treeWriter{ctx: t.Context(), files: f, root: root, first: map[memfs.Ino]string{}}
		}
		require.Error(t, w().file(p, attr("f")), p)
		require.Error(t, w().symlink(p, attr("l")), p)
		linked := w()
		require.NoError(t, linked.file("first", attr("f")))
		require.Error(t, linked.file(p, attr("f")), "a hard link at %s", p)
		if p != "." {
			require.Error(t, w().folder(p, attr("f")), p)
		}
		require.NoError(t, root.Remove("first"))
		// Nor is anything outside linked into it.
		from := w()
		from.first[attr("f").Ino] = p
		if p != "." && p != "file-link" {
			require.Error(t, from.file("taken", attr("f")), p)
		}
		_ = root.Remove("taken")
	}
	require.Equal(t, before, onDisk(t, outside))
	for _, p := range []string{"taken-name", "inner-link"} {
		w := &treeWriter{ctx: t.Context(), files: f, root: root, first: map[memfs.Ino]string{}}
		require.ErrorIs(t, w.file(p, attr("f")), fs.ErrExist)
		require.ErrorIs(t, w.symlink(p, attr("l")), fs.ErrExist)
	}
	b, err := root.ReadFile("taken-name")
	require.NoError(t, err)
	require.Equal(t, "precious", string(b))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, name := range []string{"", ".", "..", "a/b", "a\x00b", "/"} {
		require.False(t, safeName(name), "%q", name)
	}
}

func TestATreeThatIsDeeperThanPathsAreLongIsRefused(t *testing.T) {
	f := memfs.New(memfs.Options{})
	at := memfs.RootIno
	for range 3000 {
		var err error
		at, err = f.Inodes().Mknod(at, "d", memfs.S_IFDIR|0o755, 0)
		require.NoError(t, err)
	}
	require.ErrorContains(t, walk(f, func(string, memfs.Attr) error { return nil }), "4095 bytes")
	require.ErrorContains(t, writeTar(t.Context(), f, io.Discard, nil), "4095 bytes")
}

func TestAFileThatChangesWhileItIsReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(name, make([]byte, 100), 0o600))
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	info, err := root.Lstat("f")
	require.NoError(t, err)
	for what, change := range map[string]func() error{
		"longer":  func() error { return os.WriteFile(name, make([]byte, 200), 0o600) },
		"shorter": func() error { return os.WriteFile(name, make([]byte, 50), 0o600) },
		"touched": func() error { return os.Chtimes(name, time.Now(), time.Now().Add(time.Hour)) },
		"replaced": func() error {
			other := filepath.Join(dir, "other")
			return errors.Join(os.WriteFile(other, make([]byte, 100), 0o600), os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, name))
		},
		"now a link": func() error {
			return errors.Join(os.Remove(name), os.WriteFile(filepath.Join(dir, "g"), nil, 0o600), os.Symlink("g", name))
		},
	} {
		require.NoError(t, change(), what)
		f := memfs.New(memfs.Options{})
		ino, err := f.Inodes().Mknod(memfs.RootIno, "f", memfs.S_IFREG|0o600, 0)
		require.NoError(t, err)
		c := &capturer{ctx: t.Context(), root: root, in: f.Inodes()}
		require.ErrorContains(t, c.content("f", ino, info), "changed while it was read", what)
	}
}
