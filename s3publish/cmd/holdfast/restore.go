package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

type restoreOptions struct {
	force bool // replace a directory that is not empty
	owner bool // owner, group and the special bits
	warn  func(format string, args ...any)
}

// restore writes a tree to disk, all at once or not at all: it is built in a directory of its own beside the target, synced, and then takes
// the target's name. When it fails the target is what it was.
//
// Everything is written through an os.Root, so that no name and no symbolic link, of the tree or put there meanwhile by somebody
// else, leads out of that directory; files are only ever created, never opened; and symbolic links are made last. A link's own target is kept as it
// is, wherever it points: nothing is written through it. Without owner, files belong to whoever runs this and no program becomes
// set-user-id. Times of symbolic links are not kept. Devices, pipes and sockets are left out, with a warning.
//
// To replace a directory takes two renames; between them, for a moment, there is no target.
func restore(ctx context.Context, files *memfs.FS, target string, o restoreOptions) (err error) {
	if err := checkTarget(target, o.force); err != nil {
		return err
	}
	target, err = filepath.Abs(target)
	if err != nil {
		return err
	}
	parent := filepath.Dir(target)
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(target)+".holdfast-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(temp)
		}
	}()
	root, err := os.OpenRoot(temp)
	if err != nil {
		return err
	}
	w := &treeWriter{ctx: ctx, files: files, root: root, o: o, first: map[memfs.Ino]string{}}
	err = w.all()
	if e := root.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := takeName(temp, target, o.force); err != nil {
		return err
	}
	return syncDirectory(parent)
}

// checkTarget tells if something may be restored there.
func checkTarget(target string, force bool) error {
	abs, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	if abs == filepath.Dir(abs) {
		return wrongUsage(abs + " cannot be replaced")
	}
	info, err := os.Lstat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return wrongUsage(abs + " is there and is no directory")
	}
	if here, err := os.Stat("."); err == nil && os.SameFile(here, info) {
		return wrongUsage("the working directory cannot be replaced: name another, or go elsewhere")
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return err
	}
	if len(entries) > 0 && !force {
		return wrongUsage(abs + " is not empty; -force replaces it")
	}
	return nil
}

// takeName gives temp the name target. What has the name is removed, if it is empty or force is set.
func takeName(temp, target string, force bool) error {
	if _, err := os.Lstat(target); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(temp, target)
	}
	old := temp + ".old"
	if err := os.Rename(target, old); err != nil {
		return err
	}
	err := error(nil)
	if entries, e := os.ReadDir(old); e != nil || len(entries) > 0 && !force {
		err = fmt.Errorf("%s was filled meanwhile", target)
	}
	if err == nil {
		err = os.Rename(temp, target)
	}
	if err != nil {
		return errors.Join(err, os.Rename(old, target))
	}
	return os.RemoveAll(old)
}

// treeWriter writes below root, which was empty.
type treeWriter struct {
	ctx   context.Context
	files *memfs.FS
	root  *os.Root
	o     restoreOptions
	first map[memfs.Ino]string // the name under which an inode is there already

	special, outside, dropped int
}

func (w *treeWriter) all() error {
	type entry struct {
		path string
		attr memfs.Attr
	}
	var folders, links []entry
	err := walk(w.files, func(p string, a memfs.Attr) error {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		switch a.Mode & memfs.S_IFMT {
		case memfs.S_IFDIR:
			folders = append(folders, entry{p, a})
			if p == "." {
				return nil
			}
			return w.root.Mkdir(p, 0o700)
		case memfs.S_IFLNK:
			links = append(links, entry{p, a})
			return nil
		case memfs.S_IFREG:
			return w.file(p, a)
		}
		w.special++
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := w.symlink(l.path, l.attr); err != nil {
			return err
		}
	}
	// From the deepest on, since writing into a directory changes its time, and its mode may forbid it.
	for _, d := range slices.Backward(folders) {
		if err := w.folder(d.path, d.attr); err != nil {
			return err
		}
	}
	for _, n := range []struct {
		count int
		text  string
	}{
		{w.special, "%d devices, pipes or sockets were left out"},
		{w.outside, "%d symbolic links point out of the directory"},
		{w.dropped, "%d files lost their set-user-id, set-group-id or sticky bit; -owner keeps them"},
	} {
		if n.count > 0 {
			w.o.warn(n.text, n.count)
		}
	}
	return nil
}

// file writes a regular file, or another name of one that is there.
func (w *treeWriter) file(p string, a memfs.Attr) error {
	if first, ok := w.first[a.Ino]; ok {
		return w.root.Link(first, p)
	}
	f, err := w.root.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = w.content(f, p, a)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = w.root.Chtimes(p, time.Unix(0, a.Atime), time.Unix(0, a.Mtime))
	}
	w.first[a.Ino] = p
	return err
}

func (w *treeWriter) content(f *os.File, p string, a memfs.Attr) error {
	h, err := w.files.Inodes().Open(a.Ino)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	defer h.Close()
	err = eachPiece(h, a.Size, func(off int64, b []byte) error {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		_, err := f.WriteAt(b, off)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	if err := f.Truncate(a.Size); err != nil {
		return err
	}
	if w.o.owner {
		if err := f.Chown(int(a.UID), int(a.GID)); err != nil {
			return err
		}
	}
	if err := f.Chmod(w.mode(a)); err != nil {
		return err
	}
	return f.Sync()
}

// mode is what a file gets. Setting the owner clears the special bits, so it comes before.
func (w *treeWriter) mode(a memfs.Attr) fs.FileMode {
	if !w.o.owner && a.Mode&specialBits != 0 {
		w.dropped++
		return fileMode(a.Mode &^ specialBits)
	}
	return fileMode(a.Mode)
}

func (w *treeWriter) symlink(p string, a memfs.Attr) error {
	if first, ok := w.first[a.Ino]; ok {
		return w.root.Link(first, p)
	}
	w.first[a.Ino] = p
	target, err := w.files.Inodes().Readlink(a.Ino)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	if path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(p), target)) {
		w.outside++
	}
	if err := w.root.Symlink(target, p); err != nil {
		return err
	}
	if w.o.owner {
		return w.root.Lchown(p, int(a.UID), int(a.GID))
	}
	return nil
}

// folder gives a directory that is complete its mode and times.
func (w *treeWriter) folder(p string, a memfs.Attr) error {
	d, err := w.root.Open(p)
	if err != nil {
		return err
	}
	if w.o.owner {
		err = d.Chown(int(a.UID), int(a.GID))
	}
	if err == nil {
		err = d.Chmod(w.mode(a))
	}
	if err == nil {
		err = syncOpen(d)
	}
	if e := d.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return w.root.Chtimes(p, time.Unix(0, a.Atime), time.Unix(0, a.Mtime))
}

func syncDirectory(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpen(d)
}

// syncOpen syncs a directory, where the system can.
func syncOpen(d *os.File) error {
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
