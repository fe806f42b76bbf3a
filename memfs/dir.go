package memfs

import (
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/holdfast-fs/holdfast/memfs/order"
)

// A directory is a hash trie: a leaf holds up to maxNames names in order; a fuller
// one becomes a branch on the next bits of the names' hash. Its shape depends on the names only.

func nameIndex(hash uint64, depth int) int { return int(hash>>(fanBits*depth)) & (fan - 1) }

func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return EINVAL
	case len(name) > MaxName:
		return ENAMETOOLONG
	case strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0:
		return EINVAL
	}
	return nil
}

// search tells where a name is among names in order, or belongs. It compares by itself, and no byte twice that is known to be equal: as WebAssembly the
// runtime's comparison is three calls.
func search(names []Dirent, name string) (int, bool) {
	low, high := 0, len(names)
	lowSame, highSame := 0, 0 // bytes that name has in common with the names next to these
	for low < high {
		m := int(uint(low+high) / 2)
		s, i := names[m].Name, min(lowSame, highSame)
		for i < len(s) && i < len(name) && s[i] == name[i] {
			i++
		}
		switch {
		case i < len(name) && (i == len(s) || s[i] < name[i]):
			low, lowSame = m+1, i
		case i < len(s):
			high, highSame = m, i
		default:
			return m, true
		}
	}
	return low, false
}

// nameLevel is the level to load a directory's node with: its kind is known only once it is read.
const nameLevel = -1

// findName looks a name up.
func (f *FS) findName(l *link, name string) (Dirent, error) {
	var hash uint64 // which few directories are large enough to need
	for depth := 0; ; depth++ {
		if l == nil || l.empty() {
			return Dirent{}, ENOENT
		}
		if depth > maxHeight {
			return Dirent{}, ErrBadNode
		}
		n := l.n
		if n == nil {
			var err error
			if n, err = f.load(l, kindNames, nameLevel); err != nil {
				return Dirent{}, err
			}
		}
		if n.kind == kindBranch {
			if depth == 0 {
				hash = xxh3.HashString(name)
			}
			l = n.at(nameIndex(hash, depth))
			continue
		}
		if i, ok := search(n.names, name); ok {
			return n.names[i], nil
		}
		return Dirent{}, ENOENT
	}
}

// putName sets a name below an owned link, and reports whether it is new.
func (f *FS) putName(l *link, depth int, d Dirent) (bool, error) {
	n, err := f.own(l, kindNames, nameLevel)
	if err != nil {
		return false, err
	}
	if n.kind == kindBranch {
		return f.putName(n.slot(nameIndex(xxh3.HashString(d.Name), depth)), depth+1, d)
	}
	i, ok := search(n.names, d.Name)
	if ok {
		n.names[i] = d
		return false, nil
	}
	n.names = append(n.names, Dirent{})
	copy(n.names[i+1:], n.names[i:])
	n.names[i] = d
	if len(n.names) > maxNames && depth < maxHeight {
		names := n.names
		n.kind, n.names = kindBranch, nil
		for _, d := range names {
			if _, err := f.putName(n.slot(nameIndex(xxh3.HashString(d.Name), depth)), depth+1, d); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// removeName removes a name that is there, below an owned link.
func (f *FS) removeName(l *link, depth int, name string) error {
	n, err := f.own(l, kindNames, nameLevel)
	if err != nil {
		return err
	}
	if n.kind == kindBranch {
		if err := f.removeName(n.slot(nameIndex(xxh3.HashString(name), depth)), depth+1, name); err != nil {
			return err
		}
		f.joinNames(n)
		return nil
	}
	i, ok := search(n.names, name)
	if !ok {
		return ENOENT
	}
	n.names = append(n.names[:i], n.names[i+1:]...)
	if len(n.names) == 0 {
		f.drop(l)
	}
	return nil
}

// joinNames makes an owned branch a leaf again when its names fit in one. Where the store cannot be read it leaves
// the branch: that is no less right, only less tidy.
func (f *FS) joinNames(n *node) {
	total := 0
	for i := range n.links {
		if n.links[i].empty() {
			continue
		}
		c, err := f.load(&n.links[i], kindNames, nameLevel)
		if err != nil || c.kind == kindBranch {
			return
		}
		if total += len(c.names); total > maxNames {
			return
		}
	}
	names := make([]Dirent, 0, total)
	for i := range n.links {
		if c := n.links[i].n; c != nil {
			names = append(names, c.names...)
		}
	}
	for i := range n.links {
		f.drop(&n.links[i])
	}
	sortNames(names)
	n.kind, n.links, n.names = kindNames, nil, names
}

func sortNames(names []Dirent) {
	order.SortFunc(names, func(a, b Dirent) int { return strings.Compare(a.Name, b.Name) })
}

// eachName calls fn for every name, in the order of the trie.
func (f *FS) eachName(l *link, fn func(Dirent) error) error {
	if l.empty() {
		return nil
	}
	n, err := f.load(l, kindNames, nameLevel)
	if err != nil {
		return err
	}
	for i := range n.links {
		if err := f.eachName(&n.links[i], fn); err != nil {
			return err
		}
	}
	for _, d := range n.names {
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}
