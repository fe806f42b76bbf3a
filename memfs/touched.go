package memfs

import "slices"

// What changed since the last commit, as long as it is little: so that a store can tell whether a commit
// may wait (opfs/COMMIT.md).

const maxTouched = 8

// Place is a name in a directory.
type Place struct {
	Dir  Ino
	Name string
}

// Touched says what changed since Persist last succeeded.
type Touched struct {
	Inodes []Ino   // whose content or attributes changed. Not those of directories whose names did
	Names  []Place // made, removed or led elsewhere
	Many   bool    // there is more than is listed here
}

func (t *Touched) inode(ino Ino) {
	if t.Many || slices.Contains(t.Inodes, ino) {
		return
	}
	if t.Many = len(t.Inodes) >= maxTouched; !t.Many {
		t.Inodes = append(t.Inodes, ino)
	}
}

func (t *Touched) name(dir Ino, name string) {
	p := Place{dir, name}
	if t.Many || slices.Contains(t.Names, p) {
		return
	}
	if t.Many = len(t.Names) >= maxTouched; !t.Many {
		t.Names = append(t.Names, p)
	}
}

func (t *Touched) reset() { *t = Touched{Inodes: t.Inodes[:0], Names: t.Names[:0]} }

// Touched returns what changed since the last commit.
func (f *FS) Touched() Touched {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.touched
	return Touched{Inodes: slices.Clone(t.Inodes), Names: slices.Clone(t.Names), Many: t.Many}
}

// Settle declares the live tree stored, for a store that keeps it as a snapshot.
func (f *FS) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.edits++
	f.live.clean = true
	f.touched.reset()
}

// PlaceOf returns a name of an inode, or ENOENT when it has none any more.
func (n *Inodes) PlaceOf(ino Ino) (Place, error) {
	f := n.lock()
	defer f.mu.Unlock()
	in, err := f.inode(f.live, ino)
	if err != nil {
		return Place{}, err
	}
	if in.nlink == 0 {
		return Place{}, ENOENT
	}
	if p := f.placed; p.Name != "" && p.Dir == in.parent { // asked for again, as a rule
		if e, err := f.lookup(f.live, p.Dir, p.Name); err == nil && e.Ino == ino {
			return p, nil
		}
	}
	d, err := f.dir(f.live, in.parent)
	if err != nil {
		return Place{}, err
	}
	found := Place{}
	err = f.eachName(&d.data, func(e Dirent) error {
		if e.Ino == ino {
			found = Place{in.parent, e.Name}
		}
		return nil
	})
	if err == nil && found.Name == "" {
		err = ENOENT
	}
	f.placed = found
	return found, err
}
