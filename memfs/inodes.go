package memfs

import "slices"

// Inodes is a live filesystem by inode number, as guests such as Emscripten use it.
// Its errors are Errno values, or the store's error where a block could not be read.
// Nothing updates access times but SetAttr (as Linux's noatime), since each would be a change to commit.
type Inodes FS

func (n *Inodes) lock() *FS {
	n.mu.Lock()
	return (*FS)(n)
}

// dir returns a directory of the live tree, or ENOENT, or ENOTDIR.
func (f *FS) dir(r *root, ino Ino) (*inode, error) {
	in, err := f.inode(r, ino)
	if err != nil {
		return nil, err
	}
	if !in.is(S_IFDIR) {
		return nil, ENOTDIR
	}
	return in, nil
}

func (f *FS) lookup(r *root, dir Ino, name string) (Dirent, error) {
	d, err := f.dir(r, dir)
	if err != nil {
		return Dirent{}, err
	}
	if len(name) > MaxName {
		return Dirent{}, ENAMETOOLONG
	}
	return f.findName(&d.data, name)
}

// Lookup returns the inode that a name in a directory stands for.
func (n *Inodes) Lookup(dir Ino, name string) (Ino, error) {
	f := n.lock()
	defer f.mu.Unlock()
	d, err := f.lookup(f.live, dir, name)
	return d.Ino, err
}

// Attr returns an inode's attributes.
func (n *Inodes) Attr(ino Ino) (Attr, error) {
	f := n.lock()
	defer f.mu.Unlock()
	in, err := f.inode(f.live, ino)
	if err != nil {
		return Attr{}, err
	}
	return in.attr(ino), nil
}

// SetAttr changes the attributes that the mask names, and the change time.
// Of Mode only the permission bits count. Only files have a size to set.
func (n *Inodes) SetAttr(ino Ino, set AttrMask, a Attr) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.setAttr(ino, set, a)
}

func (f *FS) setAttr(ino Ino, set AttrMask, a Attr) error {
	in, err := f.edit(ino)
	if err != nil {
		return err
	}
	f.touched.inode(ino)
	now := f.now()
	if set&SetSize != 0 {
		switch {
		case in.is(S_IFDIR):
			return EISDIR
		case !in.is(S_IFREG) || a.Size < 0:
			return EINVAL
		}
		if err := f.truncate(in, a.Size); err != nil {
			return err
		}
		in.mtime = now
	}
	if set&SetMode != 0 {
		in.mode = in.mode&S_IFMT | a.Mode&permBits
	}
	if set&SetUID != 0 {
		in.uid = a.UID
	}
	if set&SetGID != 0 {
		in.gid = a.GID
	}
	if set&SetAtime != 0 {
		in.atime = a.Atime
	}
	if set&SetMtime != 0 {
		in.mtime = a.Mtime
	}
	in.ctime = now
	if set&SetCtime != 0 {
		in.ctime = a.Ctime
	}
	return nil
}

// Chmod sets the permission bits, and answers how many names the inode has.
func (n *Inodes) Chmod(ino Ino, mode uint32) (nlink uint32, err error) {
	f := n.lock()
	defer f.mu.Unlock()
	in, err := f.edit(ino)
	if err != nil {
		return 0, err
	}
	f.touched.inode(ino)
	in.mode = in.mode&S_IFMT | mode&permBits
	in.ctime = f.now()
	return in.nlink, nil
}

// Mknod makes a file, a directory or a special file, as the type bits of mode say; none is a file.
func (n *Inodes) Mknod(dir Ino, name string, mode uint32, rdev uint64) (Ino, error) {
	f := n.lock()
	defer f.mu.Unlock()
	return f.mknod(dir, name, inode{mode: mode, rdev: rdev})
}

// Symlink makes a symbolic link.
func (n *Inodes) Symlink(dir Ino, name, target string) (Ino, error) {
	f := n.lock()
	defer f.mu.Unlock()
	return f.symlink(dir, name, target)
}

func (f *FS) symlink(dir Ino, name, target string) (Ino, error) {
	if target == "" {
		return 0, ENOENT
	}
	if len(target) > MaxTarget {
		return 0, ENAMETOOLONG
	}
	return f.mknod(dir, name, inode{mode: S_IFLNK | 0o777, target: target, size: int64(len(target))})
}

func (f *FS) mknod(dir Ino, name string, in inode) (Ino, error) {
	if in.mode&S_IFMT == 0 {
		in.mode |= S_IFREG
	}
	switch in.mode & S_IFMT {
	case S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK:
	default:
		return 0, EINVAL
	}
	if err := f.absent(dir, name); err != nil {
		return 0, err
	}
	in.mode &= S_IFMT | permBits
	in.nlink, in.parent = 1, dir
	if in.is(S_IFDIR) {
		in.nlink = 2
	}
	now := f.moment()
	ino, err := f.newInode(in, now)
	if err != nil {
		return 0, err
	}
	if err := f.enter(dir, Dirent{Name: name, Ino: ino, Type: in.mode & S_IFMT}, now); err != nil {
		_ = f.freeInode(ino)
		return 0, err
	}
	if in.is(S_IFREG) {
		f.knowPlace(ino, Place{dir, name})
	}
	return ino, nil
}

// absent checks that a name could be made in a directory.
func (f *FS) absent(dir Ino, name string) error {
	if name == "." || name == ".." {
		return EEXIST
	}
	if err := checkName(name); err != nil {
		return err
	}
	d, err := f.dir(f.live, dir)
	if err != nil {
		return err
	}
	switch _, err := f.findName(&d.data, name); {
	case err == nil:
		return EEXIST
	case err != ENOENT:
		return err
	}
	if d.nlink == 0 {
		return ENOENT // it was removed while it was open
	}
	return nil
}

// enter puts a name into a directory, over an old one if it is there.
func (f *FS) enter(dir Ino, e Dirent, now int64) error {
	d, err := f.edit(dir)
	if err != nil {
		return err
	}
	f.touched.name(dir, e.Name)
	added, err := f.putName(&d.data, 0, e)
	if err != nil {
		return err
	}
	if added {
		d.size++
		if e.Type == S_IFDIR {
			d.nlink++
		}
	}
	d.mtime, d.ctime = now, now
	return nil
}

// leave takes a name that is there out of a directory.
func (f *FS) leave(dir Ino, e Dirent, now int64) error {
	d, err := f.edit(dir)
	if err != nil {
		return err
	}
	f.touched.name(dir, e.Name)
	if err := f.removeName(&d.data, 0, e.Name); err != nil {
		return err
	}
	d.size--
	if e.Type == S_IFDIR {
		d.nlink--
	}
	d.mtime, d.ctime = now, now
	return nil
}

// unlinked takes one name, that of directory dir, away from an inode that was edited, and frees it with its last one unless it is open.
func (f *FS) unlinked(ino Ino, in *inode, dir Ino, now int64) error {
	f.touched.inode(ino)
	in.ctime = now
	if in.is(S_IFDIR) {
		in.nlink = 0
	} else {
		in.nlink--
	}
	if in.nlink > 0 {
		if in.parent == dir {
			in.parent, in.others = in.others[0], in.others[1:]
		} else if i := slices.Index(in.others, dir); i >= 0 {
			in.others = slices.Delete(slices.Clone(in.others), i, i+1)
		}
		return nil
	}
	if !f.isOpen(ino) {
		f.freeEdited(ino)
		return nil
	}
	r := f.ownRoot()
	r.orphans = append(slices.Clone(r.orphans), ino)
	return nil
}

// ReadAt reads from a file that is not open, as io.ReaderAt does.
func (n *Inodes) ReadAt(ino Ino, p []byte, off int64) (int, error) {
	f := n.lock()
	defer f.mu.Unlock()
	in, err := f.inode(f.live, ino)
	if err != nil {
		return 0, err
	}
	if in.is(S_IFDIR) {
		return 0, EISDIR
	}
	return f.readAt(in, p, off)
}

// Readlink returns a symbolic link's target, or EINVAL for anything else.
func (n *Inodes) Readlink(ino Ino) (string, error) {
	f := n.lock()
	defer f.mu.Unlock()
	in, err := f.inode(f.live, ino)
	if err != nil {
		return "", err
	}
	if !in.is(S_IFLNK) {
		return "", EINVAL
	}
	return in.target, nil
}

// Link gives a file a further name.
func (n *Inodes) Link(ino, dir Ino, name string) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.link(ino, dir, name)
}

func (f *FS) link(ino, dir Ino, name string) error {
	in, err := f.inode(f.live, ino)
	switch {
	case err != nil:
		return err
	case in.is(S_IFDIR):
		return EPERM
	case in.nlink == 0:
		return ENOENT
	case in.nlink >= maxLinks:
		return EMLINK
	}
	if err := f.absent(dir, name); err != nil {
		return err
	}
	if _, err := f.edit(ino); err != nil { // read what may fail before anything changes
		return err
	}
	now := f.moment()
	if err := f.enter(dir, Dirent{Name: name, Ino: ino, Type: in.mode & S_IFMT}, now); err != nil {
		return err
	}
	if in, err = f.edit(ino); err != nil {
		return err
	}
	f.touched.inode(ino)
	in.nlink++
	in.others = append(slices.Clone(in.others), dir)
	in.ctime = now
	return nil
}

// Unlink removes a name that is not a directory's, and keeps no part of what it is given. An open file lives on until its last handle closes.
func (n *Inodes) Unlink(dir Ino, name string) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.unlink(dir, name)
}

func (f *FS) unlink(dir Ino, name string) error {
	e, err := f.lookup(f.live, dir, name)
	if err != nil {
		return err
	}
	if e.Type == S_IFDIR {
		return EISDIR
	}
	in, err := f.edit(e.Ino) // read what may fail before anything changes
	if err != nil {
		return err
	}
	now := f.moment()
	if err := f.leave(dir, e, now); err != nil {
		return err
	}
	return f.unlinked(e.Ino, in, dir, now)
}

// Rmdir removes an empty directory.
func (n *Inodes) Rmdir(dir Ino, name string) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.rmdir(dir, name)
}

func (f *FS) rmdir(dir Ino, name string) error {
	switch name {
	case ".":
		return EINVAL
	case "..":
		return ENOTEMPTY
	}
	e, err := f.lookup(f.live, dir, name)
	if err != nil {
		return err
	}
	d, err := f.dir(f.live, e.Ino)
	if err != nil {
		return err
	}
	if d.size > 0 {
		return ENOTEMPTY
	}
	in, err := f.edit(e.Ino)
	if err != nil {
		return err
	}
	now := f.moment()
	if err := f.leave(dir, e, now); err != nil {
		return err
	}
	return f.unlinked(e.Ino, in, dir, now)
}

// Rename moves a name, over an old one of a fitting type: a directory only over an empty directory.
func (n *Inodes) Rename(dir Ino, name string, newDir Ino, newName string) error {
	f := n.lock()
	defer f.mu.Unlock()
	return f.rename(dir, name, newDir, newName)
}

func (f *FS) rename(dir Ino, name string, newDir Ino, newName string) error {
	e, err := f.lookup(f.live, dir, name)
	if err != nil {
		return err
	}
	if err := checkName(newName); err != nil {
		return err
	}
	into, err := f.dir(f.live, newDir)
	if err != nil {
		return err
	}
	if into.nlink == 0 {
		return ENOENT
	}
	if e.Type == S_IFDIR {
		if err := f.notBelow(newDir, e.Ino); err != nil {
			return err
		}
	}
	old, err := f.lookup(f.live, newDir, newName)
	replace := err == nil
	if err != nil && err != ENOENT {
		return err
	}
	if replace {
		if old.Ino == e.Ino {
			return nil // two names of one file: rename does nothing (POSIX)
		}
		if old.Type == S_IFDIR && f.notBelow(dir, old.Ino) == EINVAL {
			return ENOTEMPTY // it holds what is to replace it: Linux says so before it looks at types
		}
		if err := f.replaceable(e, old); err != nil {
			return err
		}
		if _, err := f.edit(old.Ino); err != nil {
			return err
		}
	}
	if _, err := f.edit(e.Ino); err != nil {
		return err
	}
	if _, err := f.edit(newDir); err != nil {
		return err
	}
	now := f.moment()
	if err := f.leave(dir, e, now); err != nil {
		return err
	}
	if replace {
		if err := f.leave(newDir, old, now); err != nil {
			return err
		}
	}
	if err := f.enter(newDir, Dirent{Name: newName, Ino: e.Ino, Type: e.Type}, now); err != nil {
		return err
	}
	in, err := f.edit(e.Ino)
	if err != nil {
		return err
	}
	f.touched.inode(e.Ino)
	if in.parent == dir {
		in.parent = newDir
	} else if i := slices.Index(in.others, dir); i >= 0 {
		in.others = slices.Clone(in.others)
		in.others[i] = newDir
	}
	in.ctime = now
	if replace {
		if in, err = f.edit(old.Ino); err != nil {
			return err
		}
		return f.unlinked(old.Ino, in, newDir, now)
	}
	return nil
}

func (f *FS) replaceable(e, old Dirent) error {
	switch {
	case e.Type == S_IFDIR && old.Type != S_IFDIR:
		return ENOTDIR
	case e.Type != S_IFDIR && old.Type == S_IFDIR:
		return EISDIR
	case old.Type == S_IFDIR:
		d, err := f.inode(f.live, old.Ino)
		if err != nil {
			return err
		}
		if d.size > 0 {
			return ENOTEMPTY
		}
	}
	return nil
}

// notBelow answers EINVAL when dir is ino or lies below it.
func (f *FS) notBelow(dir, ino Ino) error {
	for {
		if dir == ino {
			return EINVAL
		}
		if dir == RootIno {
			return nil
		}
		in, err := f.inode(f.live, dir)
		if err != nil {
			return err
		}
		dir = in.parent
	}
}

// ReadDir returns a directory's names in order, without "." and "..".
func (n *Inodes) ReadDir(dir Ino) ([]Dirent, error) {
	f := n.lock()
	defer f.mu.Unlock()
	return f.readDir(f.live, dir)
}

func (f *FS) readDir(r *root, dir Ino) ([]Dirent, error) {
	d, err := f.dir(r, dir)
	if err != nil {
		return nil, err
	}
	names := make([]Dirent, 0, d.size)
	err = f.eachName(&d.data, func(e Dirent) error {
		names = append(names, e)
		return nil
	})
	sortNames(names)
	return names, err
}

// StatFS is what statfs reports.
type StatFS struct {
	BlockSize    int64 // bytes
	Blocks, Free uint64
	Files        uint64
	MaxName      int
}

// StatFS reports the memory that pages take, and how much more they may take.
func (n *Inodes) StatFS() StatFS {
	f := n.lock()
	defer f.mu.Unlock()
	return StatFS{BlockSize: PageSize, Blocks: uint64(f.slabs.max), Free: uint64(f.slabs.max - f.slabs.used),
		Files: f.live.files, MaxName: MaxName}
}
