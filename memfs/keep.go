package memfs

// Kept is a file as it was under one name, so that a removal or a truncation whose commit fails can be taken back.
// It shares the file's pages and costs the same for any size.
type Kept struct {
	fs    *FS
	epoch uint32
	at    Place
	ino   Ino
	was   inode // its data holds a reference of its own
}

// File tells which file it was: its number and its birth name one for ever.
func (k *Kept) File() (ino Ino, born int64) { return k.ino, k.was.btime }

// Keep remembers the file under a name, or answers ENOENT, or EISDIR.
func (n *Inodes) Keep(at Place) (*Kept, error) {
	f := n.lock()
	defer f.mu.Unlock()
	e, err := f.lookup(f.live, at.Dir, at.Name)
	if err != nil {
		return nil, err
	}
	in, err := f.inode(f.live, e.Ino)
	if err != nil {
		return nil, err
	}
	if !in.is(S_IFREG) {
		return nil, EISDIR
	}
	k := &Kept{fs: f, epoch: f.epoch, at: at, ino: e.Ino, was: *in}
	retain(k.was.data.n)
	*f.edits++
	return k, nil
}

// PutBack makes the file what it was, under its name again if that was removed, and gives Kept up. Something else under the name
// stays, and so does everything after a restore: then it answers EEXIST or ESTALE.
func (k *Kept) PutBack() error {
	f := k.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.drop(&k.was.data)
	if k.epoch != f.epoch {
		return ESTALE
	}
	e, err := f.lookup(f.live, k.at.Dir, k.at.Name)
	if err == ENOENT && k.was.nlink == 1 {
		e.Ino, err = f.mknod(k.at.Dir, k.at.Name, inode{mode: k.was.mode, uid: k.was.uid, gid: k.was.gid})
		k.was.btime = f.last
	}
	if err != nil {
		return err
	}
	in, err := f.edit(e.Ino)
	if err != nil {
		return err
	}
	if in.btime != k.was.btime {
		return EEXIST
	}
	f.touched.inode(e.Ino)
	f.drop(&in.data)
	in.data, in.height, in.size = k.was.data, k.was.height, k.was.size
	in.atime, in.mtime = k.was.atime, k.was.mtime
	k.was.data = link{} // it is the file's again
	return nil
}

// Drop gives Kept up. A second Drop, or one after PutBack, does nothing.
func (k *Kept) Drop() {
	k.fs.mu.Lock()
	defer k.fs.mu.Unlock()
	k.fs.drop(&k.was.data)
}
