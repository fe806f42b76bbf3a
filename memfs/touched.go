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

// Touched fills *t with what changed since the last commit, using what it has room for.
func (f *FS) Touched(t *Touched) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*t = Touched{Inodes: append(t.Inodes[:0], f.touched.Inodes...), Names: append(t.Names[:0], f.touched.Names...), Many: f.touched.Many}
}

// Settle declares the live tree stored, for a store that keeps it as a snapshot.
func (f *FS) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.edits++
	f.live.clean = true
	f.touched.reset()
}

// placesKnown is how many names of inodes are remembered: those of a database and its journal are asked for at every sync.
const placesKnown = 4

type knownPlace struct {
	ino Ino
	Place
}

// knowPlace remembers a name of an inode, and forgets the one that was remembered first.
func (f *FS) knowPlace(ino Ino, p Place) {
	f.places[f.oldest] = knownPlace{ino, p}
	f.oldest = (f.oldest + 1) % placesKnown
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
	for i := range f.places {
		k := &f.places[i]
		if k.ino != ino || k.Dir != in.parent {
			continue
		}
		if e, err := f.lookup(f.live, k.Dir, k.Name); err == nil && e.Ino == ino {
			return k.Place, nil
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
	if err == nil {
		f.knowPlace(ino, found)
	}
	return found, err
}
