package memfs

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/holdfast-fs/holdfast/memfs/order"
)

// ChangeKind says what became of a path between two snapshots.
type ChangeKind uint8

// What can become of a path.
const (
	Create   ChangeKind = iota + 1 // the path is new
	Update                         // other content: Ranges says where
	Metadata                       // the same content, another mode, owner or modification time
	Rename                         // the same file was at From; a change of its content is an Update of its own
	Delete                         // the path is gone
)

func (k ChangeKind) String() string {
	return [...]string{"", "create", "update", "metadata", "rename", "delete"}[k]
}

// Change is one difference between two snapshots. Paths begin without a slash.
type Change struct {
	Path, From string
	Type       uint32 // S_IFMT bits
	Kind       ChangeKind
	Size       int64   // bytes after the change; of a deleted file, before it
	Ranges     []Range // where a file's content differs, in order
}

// Range is a range of bytes.
type Range struct{ Off, Len int64 }

// Diff lists what changed from snapshot a to snapshot b of one filesystem, at a cost in proportion to the change: what they share
// is skipped. Everything but deletions comes in order of path; deletions come last, the deepest first. A directory's own
// modification time is not a change of its own when its names changed. Access and change times are not compared.
func Diff(a, b *Snapshot) ([]Change, error) {
	f := a.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	if a.root == nil || b.root == nil || b.fs != f {
		return nil, EINVAL
	}
	d := differ{f: f, a: paths{f: f, r: a.root}, b: paths{f: f, r: b.root}}
	l, m := lift(f, a.root, b.root)
	if err := d.table(&l, &m, int(max(a.root.height, b.root.height)), 0); err != nil {
		return nil, err
	}
	for _, c := range d.changed {
		if err := d.inode(c); err != nil {
			return nil, err
		}
	}
	order.SortFunc(d.out, func(x, y Change) int {
		if x.Kind == Delete || y.Kind == Delete {
			if x.Kind != y.Kind {
				return int(x.Kind) - int(y.Kind) // Delete is the highest
			}
			return strings.Compare(y.Path, x.Path)
		}
		if c := strings.Compare(x.Path, y.Path); c != 0 {
			return c
		}
		return int(y.Kind) - int(x.Kind) // a rename before the update of the same file
	})
	return d.out, nil
}

// lift gives two tables one height.
func lift(f *FS, a, b *root) (link, link) {
	l, m := a.table, b.table
	for h := a.height; h < b.height; h++ {
		l = link{n: &node{refs: 1, kind: kindBranch, links: []link{l}}}
	}
	for h := b.height; h < a.height; h++ {
		m = link{n: &node{refs: 1, kind: kindBranch, links: []link{m}}}
	}
	return l, m
}

type changedInode struct {
	ino  Ino
	a, b *inode // nil where there is none
}

type differ struct {
	f       *FS
	a, b    paths
	changed []changedInode
	out     []Change
}

var none node // stands for an absent node

func (f *FS) loadOrNone(l *link, k kind, level int) (*node, error) {
	if l.empty() {
		return &none, nil
	}
	return f.load(l, k, level)
}

// table collects the inodes that differ.
func (d *differ) table(l, m *link, level int, base Ino) error {
	if l.same(m) {
		return nil
	}
	x, err := d.f.loadOrNone(l, kindInodes, level)
	if err != nil {
		return err
	}
	y, err := d.f.loadOrNone(m, kindInodes, level)
	if err != nil {
		return err
	}
	if level > 0 {
		for i := range max(len(x.links), len(y.links)) {
			if err := d.table(linkAt(x, i), linkAt(y, i), level-1, base+Ino(i)*tableSpan(uint8(level-1))); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range max(len(x.inodes), len(y.inodes)) {
		a, b := x.inodeAt(i), y.inodeAt(i)
		if a == nil && b == nil || a != nil && b != nil && a.equal(b) {
			continue
		}
		if a != nil && b != nil && (a.btime != b.btime || a.mode&S_IFMT != b.mode&S_IFMT) {
			// The number was given to another file meanwhile.
			d.changed = append(d.changed, changedInode{base + Ino(i), a, nil}, changedInode{base + Ino(i), nil, b})
			continue
		}
		d.changed = append(d.changed, changedInode{base + Ino(i), a, b})
	}
	return nil
}

func linkAt(n *node, i int) *link {
	if i < len(n.links) {
		return &n.links[i]
	}
	return &link{}
}

func (n *node) inodeAt(i int) *inode {
	if i < len(n.inodes) && n.inodes[i].mode != 0 {
		return &n.inodes[i]
	}
	return nil
}

func (in *inode) equal(o *inode) bool {
	return in.mode == o.mode && in.nlink == o.nlink && in.uid == o.uid && in.gid == o.gid && in.rdev == o.rdev && in.size == o.size &&
		in.mtime == o.mtime && in.ctime == o.ctime && in.btime == o.btime && in.target == o.target && in.parent == o.parent &&
		slices.Equal(in.others, o.others) && in.height == o.height && in.data.same(&o.data)
}

func (d *differ) inode(c changedInode) error {
	var before, after []place
	var err error
	if c.a != nil {
		if before, err = d.a.of(c.ino, c.a); err != nil {
			return err
		}
	}
	if c.b != nil {
		if after, err = d.b.of(c.ino, c.b); err != nil {
			return err
		}
	}
	gone := slices.DeleteFunc(slices.Clone(before), func(p place) bool { return slices.Contains(after, p) })
	made := slices.DeleteFunc(slices.Clone(after), func(p place) bool { return slices.Contains(before, p) })
	stayed := len(after) - len(made)
	add := func(p *paths, at place, in *inode, ch Change) error {
		if ch.Path, err = p.path(at); err != nil {
			return err
		}
		ch.Type = in.mode & S_IFMT
		if in.is(S_IFREG) {
			ch.Size = in.size
		}
		d.out = append(d.out, ch)
		return nil
	}
	for len(gone) > 0 && len(made) > 0 { // the same file, elsewhere
		from, err := d.a.path(gone[0])
		if err == nil {
			err = add(&d.b, made[0], c.b, Change{Kind: Rename, From: from})
		}
		if err != nil {
			return err
		}
		gone, made = gone[1:], made[1:]
		stayed++
	}
	for _, at := range gone {
		if err := add(&d.a, at, c.a, Change{Kind: Delete}); err != nil {
			return err
		}
	}
	for _, at := range made {
		ch := Change{Kind: Create}
		if c.b.is(S_IFREG) && c.b.size > 0 {
			ch.Ranges = []Range{{0, c.b.size}}
		}
		if err := add(&d.b, at, c.b, ch); err != nil {
			return err
		}
	}
	if stayed == 0 {
		return nil
	}
	ch := Change{}
	if c.b.is(S_IFREG) {
		if ch.Ranges, err = d.content(c.a, c.b); err != nil {
			return err
		}
	}
	switch {
	case len(ch.Ranges) > 0 || c.a.size != c.b.size && c.b.is(S_IFREG) || c.a.target != c.b.target:
		ch.Kind = Update
	case c.a.mode != c.b.mode || c.a.uid != c.b.uid || c.a.gid != c.b.gid || c.a.rdev != c.b.rdev,
		c.a.mtime != c.b.mtime && (!c.b.is(S_IFDIR) || c.a.data.same(&c.b.data)):
		ch.Kind = Metadata
	default:
		return nil
	}
	for _, at := range after {
		if slices.Contains(made, at) {
			continue
		}
		if err := add(&d.b, at, c.b, ch); err != nil {
			return err
		}
	}
	return nil
}

// content lists the ranges in which two files differ, down to the byte in each page.
func (d *differ) content(a, b *inode) ([]Range, error) {
	var out []Range
	add := func(off, n int64) {
		if n = min(n, b.size-off); n <= 0 {
			return
		}
		if k := len(out) - 1; k >= 0 && out[k].Off+out[k].Len == off {
			out[k].Len += n
			return
		}
		out = append(out, Range{off, n})
	}
	var walk func(l, m *link, h, g int, first uint64) error
	walk = func(l, m *link, h, g int, first uint64) error {
		if h == g && l.same(m) || l.empty() && m.empty() {
			return nil
		}
		x, err := d.f.loadOrNone(l, kindPages, h)
		if err != nil {
			return err
		}
		y, err := d.f.loadOrNone(m, kindPages, g)
		if err != nil {
			return err
		}
		if top := max(h, g); top > 0 {
			for i := range fan {
				lo, hi := linkAt(x, i), linkAt(y, i)
				hl, gl := h-1, g-1
				if h < g { // the lower tree is the first link of one that is as high
					lo, hl = &link{}, g-1
					if i == 0 {
						lo, hl = l, h
					}
				} else if g < h {
					hi, gl = &link{}, h-1
					if i == 0 {
						hi, gl = m, g
					}
				}
				if err := walk(lo, hi, hl, gl, first+uint64(i)*pageSpan(uint8(top-1))); err != nil {
					return err
				}
			}
			return nil
		}
		for i := range max(len(x.pages), len(y.pages)) {
			lo, hi, same, err := d.pages(x, y, i)
			if err != nil {
				return err
			}
			if !same {
				add(int64(first+uint64(i))*PageSize+int64(lo), int64(hi-lo))
			}
		}
		return nil
	}
	err := walk(&a.data, &b.data, int(a.height), int(b.height), 0)
	if err == nil && b.size > a.size {
		// What is past the old end is new, zeros too.
		for k := len(out) - 1; k >= 0 && out[k].Off+out[k].Len > a.size; k-- {
			if out[k].Off >= a.size {
				out = out[:k]
				continue
			}
			out[k].Len = a.size - out[k].Off
		}
		add(a.size, b.size-a.size)
	}
	return out, err
}

// pages compares the i-th pages of two leaves and returns the range in which they differ.
func (d *differ) pages(x, y *node, i int) (lo, hi int, same bool, err error) {
	var p, q page
	if i < len(x.pages) {
		p = x.pages[i]
	}
	if i < len(y.pages) {
		q = y.pages[i]
	}
	if p.id == q.id && p.id != 0 || p.hole() && q.hole() || p.len != 0 && p.ref() == q.ref() {
		return 0, 0, true, nil
	}
	bytesOf := func(n *node, p page) ([]byte, error) {
		if p.hole() {
			return zeroPage[:], nil
		}
		return d.f.loadPage(&n.pages[i])
	}
	a, err := bytesOf(x, p)
	if err != nil {
		return 0, 0, false, err
	}
	b, err := bytesOf(y, q)
	if err != nil {
		return 0, 0, false, err
	}
	if bytes.Equal(a, b) {
		return 0, 0, true, nil
	}
	for a[lo] == b[lo] {
		lo++
	}
	for hi = PageSize; a[hi-1] == b[hi-1]; hi-- {
	}
	return lo, hi, false, nil
}

// place is a name in a directory: what a path is, whatever the directories above are called.
type place struct {
	dir  Ino
	name string
}

// paths finds the names of inodes in one state. Directories do not list names by inode: for few inodes of one its names are gone through each
// time, for more a list by inode is made.
type paths struct {
	f    *FS
	r    *root
	dirs map[Ino]*dirNames
}

type dirNames struct {
	asked int
	all   map[Ino][]string
}

const fewAsked = 4

var errFound = errors.New("found")

// names returns an inode's names in a directory. only says that it has no second one.
func (p *paths) names(dir, ino Ino, only bool) ([]string, error) {
	if p.dirs == nil {
		p.dirs = map[Ino]*dirNames{}
	}
	known := p.dirs[dir]
	if known == nil {
		known = &dirNames{}
		p.dirs[dir] = known
	}
	if known.all != nil {
		return known.all[ino], nil
	}
	d, err := p.f.dir(p.r, dir)
	if err != nil {
		return nil, err
	}
	if known.asked++; known.asked > fewAsked {
		known.all = make(map[Ino][]string, d.size)
		err = p.f.eachName(&d.data, func(e Dirent) error {
			known.all[e.Ino] = append(known.all[e.Ino], e.Name)
			return nil
		})
		return known.all[ino], err
	}
	var found []string
	err = p.f.eachName(&d.data, func(e Dirent) error {
		if e.Ino != ino {
			return nil
		}
		if found = append(found, e.Name); only {
			return errFound
		}
		return nil
	})
	if err == errFound {
		err = nil
	}
	return found, err
}

func (p *paths) of(ino Ino, in *inode) ([]place, error) {
	if ino == RootIno {
		return []place{{RootIno, "."}}, nil
	}
	if in.nlink == 0 {
		return nil, nil
	}
	dirs := append([]Ino{in.parent}, in.others...)
	sortInos(dirs)
	var out []place
	for _, dir := range slices.Compact(dirs) {
		names, err := p.names(dir, ino, in.nlink == 1 || in.is(S_IFDIR))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			out = append(out, place{dir, name})
		}
	}
	return out, nil
}

func sortInos(list []Ino) { order.SortFunc(list, func(a, b Ino) int { return cmp.Compare(a, b) }) }

func (p *paths) path(at place) (string, error) {
	name := at.name
	for dir := at.dir; dir != RootIno; {
		in, err := p.f.dir(p.r, dir)
		if err != nil {
			return "", err
		}
		names, err := p.names(in.parent, dir, true)
		if err != nil {
			return "", err
		}
		if len(names) == 0 {
			return "", ErrBadNode
		}
		name = names[0] + "/" + name
		dir = in.parent
	}
	return name, nil
}
