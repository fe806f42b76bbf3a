//go:build !holdfastcore

package memfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"
)

// The methods of FS by path, named and shaped as those of package os and of hackpadfs. Paths are io/fs paths:
// no leading slash, "." is the root. Errors are *fs.PathError, or *os.LinkError where two names are involved.

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
)

// by locks the filesystem, resolves a path, and runs fn on what it leads to.
func (f *FS) by(op, name string, follow bool, fn func(at Resolved) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := error(EINVAL)
	if fs.ValidPath(name) {
		var at Resolved
		if at, err = f.resolve(f.live, RootIno, name, follow); err == nil {
			err = fn(at)
		}
	}
	if err != nil {
		return pathError(op, name, err)
	}
	return nil
}

// on is by for a path that must exist.
func (f *FS) on(op, name string, follow bool, fn func(ino Ino, in *inode) error) error {
	return f.by(op, name, follow, func(at Resolved) error {
		if at.Ino == 0 {
			return ENOENT
		}
		in, err := f.inode(f.live, at.Ino)
		if err != nil {
			return err
		}
		return fn(at.Ino, in)
	})
}

// Open opens a file or directory for reading.
func (f *FS) Open(name string) (fs.File, error) { return f.OpenFile(name, os.O_RDONLY, 0) }

// Create opens a file for reading and writing, made or emptied first.
func (f *FS) Create(name string) (fs.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// OpenFile is os.OpenFile. The file is a *File.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (fs.File, error) {
	var file *File
	err := f.by("open", name, true, func(at Resolved) error {
		write := flag&(os.O_WRONLY|os.O_RDWR) != 0
		switch {
		case at.Ino == 0 && flag&os.O_CREATE == 0:
			return ENOENT
		case at.Ino == 0:
			ino, err := f.mknod(at.Parent, at.Name, inode{mode: S_IFREG | linuxMode(perm)})
			if err != nil {
				return err
			}
			at.Ino = ino
		case flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL:
			return EEXIST
		case at.Type == S_IFDIR && (write || flag&os.O_CREATE != 0):
			return EISDIR
		case flag&os.O_TRUNC != 0 && write:
			if err := f.setAttr(at.Ino, SetSize, Attr{}); err != nil {
				return err
			}
		}
		h, err := f.openInode(at.Ino)
		if err != nil {
			return err
		}
		file = &File{h: h, name: name, flag: flag}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Mkdir makes a directory.
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return f.by("mkdir", name, false, func(at Resolved) error {
		if at.Ino != 0 {
			return EEXIST
		}
		_, err := f.mknod(at.Parent, at.Name, inode{mode: S_IFDIR | linuxMode(perm)})
		return err
	})
}

// MkdirAll makes a directory and those above it that are missing.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	if !fs.ValidPath(name) {
		return pathError("mkdir", name, EINVAL)
	}
	if info, err := f.Stat(name); err == nil {
		if info.IsDir() {
			return nil
		}
		return pathError("mkdir", name, ENOTDIR)
	}
	if dir := path.Dir(name); dir != "." {
		if err := f.MkdirAll(dir, perm); err != nil {
			return err
		}
	}
	if err := f.Mkdir(name, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error {
	return f.by("remove", name, false, func(at Resolved) error {
		switch {
		case at.Name == "":
			return EINVAL
		case at.Ino == 0:
			return ENOENT
		case at.Type == S_IFDIR:
			return f.rmdir(at.Parent, at.Name)
		}
		return f.unlink(at.Parent, at.Name)
	})
}

// RemoveAll removes a file, or a directory and everything below it. A missing one is no error.
func (f *FS) RemoveAll(name string) error {
	info, err := f.Lstat(name)
	if err == nil && info.IsDir() {
		list, err := f.ReadDir(name)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := f.RemoveAll(path.Join(name, e.Name())); err != nil {
				return err
			}
		}
	}
	if err == nil {
		err = f.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename is os.Rename: like it, and unlike the system call, it never replaces a directory.
func (f *FS) Rename(oldname, newname string) error {
	return f.twoNames("rename", oldname, newname, func(from, to Resolved) error {
		if to.Type == S_IFDIR {
			return EEXIST
		}
		return f.rename(from.Parent, from.Name, to.Parent, to.Name)
	})
}

// Link gives a file a further name.
func (f *FS) Link(oldname, newname string) error {
	return f.twoNames("link", oldname, newname, func(from, to Resolved) error {
		return f.link(from.Ino, to.Parent, to.Name)
	})
}

func (f *FS) twoNames(op, oldname, newname string, fn func(from, to Resolved) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := error(EINVAL)
	if fs.ValidPath(oldname) && fs.ValidPath(newname) {
		var from, to Resolved
		if from, err = f.resolve(f.live, RootIno, oldname, false); err == nil && from.Ino == 0 {
			err = ENOENT
		}
		if err == nil {
			to, err = f.resolve(f.live, RootIno, newname, false)
		}
		if err == nil {
			err = fn(from, to)
		}
	}
	if err != nil {
		return &os.LinkError{Op: op, Old: oldname, New: newname, Err: err}
	}
	return nil
}

// Symlink makes newname a symbolic link with the target oldname.
func (f *FS) Symlink(oldname, newname string) error {
	err := f.by("symlink", newname, false, func(at Resolved) error {
		if at.Ino != 0 {
			return EEXIST
		}
		_, err := f.symlink(at.Parent, at.Name, oldname)
		return err
	})
	if err != nil {
		return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: errors.Unwrap(err)}
	}
	return nil
}

// ReadLink returns a symbolic link's target.
func (f *FS) ReadLink(name string) (target string, err error) {
	err = f.on("readlink", name, false, func(_ Ino, in *inode) error {
		if !in.is(S_IFLNK) {
			return EINVAL
		}
		target = in.target
		return nil
	})
	return target, err
}

// Stat follows symbolic links.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat describes a symbolic link itself.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *FS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	info := fileInfo{name: path.Base(name)}
	err := f.on(op, name, follow, func(ino Ino, in *inode) error {
		info.attr = in.attr(ino)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// Chmod sets the permission bits.
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.set("chmod", name, SetMode, Attr{Mode: linuxMode(mode)})
}

// Chown sets owner and group; -1 leaves one as it is.
func (f *FS) Chown(name string, uid, gid int) error {
	var mask AttrMask
	if uid >= 0 {
		mask |= SetUID
	}
	if gid >= 0 {
		mask |= SetGID
	}
	return f.set("chown", name, mask, Attr{UID: uint32(uid), GID: uint32(gid)})
}

// Chtimes sets the access and modification times.
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	return f.set("chtimes", name, SetAtime|SetMtime, Attr{Atime: atime.UnixNano(), Mtime: mtime.UnixNano()})
}

// Truncate sets a file's size in bytes.
func (f *FS) Truncate(name string, size int64) error {
	return f.set("truncate", name, SetSize, Attr{Size: size})
}

func (f *FS) set(op, name string, mask AttrMask, a Attr) error {
	return f.on(op, name, true, func(ino Ino, _ *inode) error { return f.setAttr(ino, mask, a) })
}

// ReadDir returns a directory's entries in order of name.
func (f *FS) ReadDir(name string) (list []fs.DirEntry, err error) {
	var bad error
	err = f.on("open", name, true, func(ino Ino, _ *inode) error {
		list, bad = f.dirEntries(f.live, ino)
		return nil
	})
	if bad != nil {
		err = pathError("readdir", name, bad)
	}
	return list, err
}

// ReadFile returns a file's content.
func (f *FS) ReadFile(name string) (b []byte, err error) {
	err = f.on("open", name, true, func(_ Ino, in *inode) (err error) {
		b, err = f.readAll(in)
		return err
	})
	return b, err
}

// WriteFile sets a file's content, making the file if need be.
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	file, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = file.(*File).Write(data)
	return errors.Join(err, file.Close())
}
