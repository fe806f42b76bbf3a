package memfs

// Snapshot is the filesystem at one instant. It never changes, and is an io/fs.FS (with ReadDirFS,
// ReadFileFS, StatFS and ReadLinkFS); a path follows symbolic links inside the snapshot.
// It is safe for concurrent use, beside the live tree too.
type Snapshot struct {
	fs   *FS
	root *root
}

// Release gives back the memory that only this snapshot holds. The snapshot answers EINVAL from then on.
// A second Release does nothing.
func (s *Snapshot) Release() {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.root != nil {
		s.fs.dropRoot(s.root)
		s.root = nil
	}
}

// Clone returns another hold on the same state, to be released on its own.
func (s *Snapshot) Clone() *Snapshot {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.root != nil {
		*s.fs.edits++
		s.root.refs++
	}
	return &Snapshot{fs: s.fs, root: s.root}
}

// at locks the filesystem and resolves a path of io/fs. The caller unlocks, on an error too.
func (s *Snapshot) at(name string, follow bool) (Ino, *inode, error) {
	s.fs.mu.Lock()
	if !validPath(name) || s.root == nil {
		return 0, nil, EINVAL
	}
	return s.fs.exists(s.root, name, follow)
}

// Attr is Stat, or Lstat, without io/fs around it.
func (s *Snapshot) Attr(name string, follow bool) (Attr, error) {
	ino, in, err := s.at(name, follow)
	defer s.fs.mu.Unlock()
	if err != nil {
		return Attr{}, pathError("stat", name, err)
	}
	return in.attr(ino), nil
}

// Names is ReadDir without io/fs around it: sorted, and without "." and "..".
func (s *Snapshot) Names(name string) ([]Dirent, error) {
	ino, _, err := s.at(name, true)
	defer s.fs.mu.Unlock()
	if err == nil {
		var list []Dirent
		if list, err = s.fs.readDir(s.root, ino); err == nil {
			return list, nil
		}
	}
	return nil, pathError("readdir", name, err)
}

// ReadInode reads a file by its inode number, as io.ReaderAt does. EBADF: the snapshot was released.
func (s *Snapshot) ReadInode(ino Ino, p []byte, off int64) (int, error) {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.root == nil {
		return 0, EBADF
	}
	in, err := s.fs.inode(s.root, ino)
	if err != nil {
		return 0, err
	}
	if in.is(S_IFDIR) {
		return 0, EISDIR
	}
	if len(p) == 0 {
		return 0, nil
	}
	return s.fs.readAt(in, p, off)
}

// ReadLink implements io/fs.ReadLinkFS.
func (s *Snapshot) ReadLink(name string) (string, error) {
	_, in, err := s.at(name, false)
	defer s.fs.mu.Unlock()
	if err == nil && !in.is(S_IFLNK) {
		err = EINVAL
	}
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return in.target, nil
}
