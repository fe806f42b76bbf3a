package memfs

import (
	"slices"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

//go:noinline
func badNode(format string, args ...any) error {
	return errtext.Errorf("%w: %s", ErrBadNode, errtext.Sprintf(format, args...))
}

// validate checks that a state is a filesystem: every name leads to an inode of its type, every inode has as many names as it counts,
// in the directories it says, and every directory hangs on the root. It visits no more than the state says it has.
func (f *FS) validate(r *root) error {
	type seen struct {
		in    *inode
		names []Ino // the directories that name it, as found
	}
	inodes := map[Ino]*seen{}
	var dirs []Ino
	names := 0
	err := f.eachInode(&r.table, int(r.height), 0, func(ino Ino, in *inode) error {
		if uint64(len(inodes)) >= r.files {
			return badNode("more inodes than the %d counted", r.files)
		}
		if ino == 0 || ino >= r.next {
			return badNode("inode %d out of range", ino)
		}
		inodes[ino] = &seen{in: in}
		if in.is(S_IFDIR) {
			dirs = append(dirs, ino)
			names++
			if len(in.others) > 0 {
				return badNode("directory %d has two names", ino)
			}
		} else {
			names += int(min(in.nlink, maxLinks))
			if in.nlink > 0 && len(in.others) != int(in.nlink)-1 {
				return badNode("inode %d counts %d names and places %d", ino, in.nlink, len(in.others)+1)
			}
		}
		if in.is(S_IFREG) && pagesOf(in.size) > pageSpan(in.height) && !in.data.empty() {
			return badNode("inode %d is larger than its tree", ino)
		}
		if in.is(S_IFLNK) && in.size != int64(len(in.target)) {
			return badNode("symbolic link %d has another size than its target", ino)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if uint64(len(inodes)) != r.files {
		return badNode("%d inodes where %d are counted", len(inodes), r.files)
	}
	if top := inodes[RootIno]; top == nil || !top.in.is(S_IFDIR) || top.in.parent != RootIno {
		return badNode("no root directory")
	}
	for _, dir := range dirs {
		d := inodes[dir].in
		var count, subdirs int64
		err := f.eachName(&d.data, func(e Dirent) error {
			if count++; count > d.size {
				return badNode("directory %d has more names than it counts", dir)
			}
			if names--; names < 0 {
				return badNode("more names than inodes count")
			}
			at, err := f.findName(&d.data, e.Name)
			if err != nil || at != e {
				return badNode("name %q of directory %d is in the wrong place", e.Name, dir)
			}
			c := inodes[e.Ino]
			if c == nil || c.in.mode&S_IFMT != e.Type || c.in.nlink == 0 || e.Ino == RootIno {
				return badNode("name %q of directory %d leads nowhere", e.Name, dir)
			}
			if c.names = append(c.names, dir); e.Type == S_IFDIR {
				subdirs++
			}
			return nil
		})
		if err != nil {
			return err
		}
		if count != d.size || d.nlink != 0 && int64(d.nlink) != 2+subdirs {
			return badNode("directory %d counts %d names and %d links", dir, d.size, d.nlink)
		}
	}
	for ino, c := range inodes {
		want := append(slices.Clone(c.in.others), c.in.parent)
		if c.in.nlink == 0 {
			if want = nil; !slices.Contains(r.orphans, ino) {
				return badNode("inode %d has no name", ino)
			}
		} else if ino == RootIno {
			want = nil
		}
		sortInos(want)
		sortInos(c.names)
		if !slices.Equal(want, c.names) {
			return badNode("inode %d is named in %d directories, and not in those %d that it says", ino, len(c.names), len(want))
		}
	}
	for _, ino := range r.orphans {
		if c := inodes[ino]; c == nil || c.in.nlink != 0 {
			return badNode("orphan %d is none", ino)
		}
	}
	// Each directory has one parent; all hang on the root if no walk upwards goes in a circle.
	rooted := map[Ino]bool{RootIno: true}
	for _, dir := range dirs {
		var way []Ino
		for at := dir; !rooted[at]; at = inodes[at].in.parent {
			if inodes[at].in.nlink == 0 {
				break
			}
			if way = append(way, at); len(way) > len(dirs) {
				return badNode("directory %d is in a circle", dir)
			}
		}
		for _, at := range way {
			rooted[at] = true
		}
	}
	return nil
}

// Check verifies the live tree and the accounts of memory: every node and page is counted as often as it is held, by the live tree
// and by the snapshots named, and no page is both free and held. It is for tests and takes time in proportion to everything held.
func (f *FS) Check(held ...*Snapshot) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.validate(f.live); err != nil {
		return err
	}
	roots := map[*root]int32{f.live: 1}
	for _, s := range held {
		if s.root != nil {
			roots[s.root]++
		}
	}
	nodes := map[*node]int32{}
	pages := map[pageID]uint32{}
	var hold func(l *link)
	hold = func(l *link) {
		n := l.n
		if n == nil {
			return
		}
		if nodes[n]++; nodes[n] > 1 {
			return
		}
		for i := range n.links {
			hold(&n.links[i])
		}
		for i := range n.inodes {
			hold(&n.inodes[i].data)
		}
		for i := range n.pages {
			if id := n.pages[i].id; id != 0 {
				pages[id]++
			}
		}
	}
	for r, n := range roots {
		if r.refs != n {
			return errtext.Errorf("memfs: a root counts %d holders and has %d", r.refs, n)
		}
		hold(&r.table)
	}
	for n, refs := range nodes {
		if n.refs != refs {
			return errtext.Errorf("memfs: a node of kind %d counts %d holders and has %d", int(n.kind), n.refs, refs)
		}
	}
	for _, id := range f.slabs.free {
		if pages[id] != 0 || f.slabs.refs[id-1] != 0 {
			return errtext.Errorf("memfs: page %d is free and held", uint32(id))
		}
	}
	for i, refs := range f.slabs.refs {
		if id := pageID(i + 1); refs != pages[id] {
			return errtext.Errorf("memfs: page %d counts %d holders and has %d", uint32(id), refs, pages[id])
		}
	}
	if f.slabs.used != len(pages) || f.slabs.used+len(f.slabs.free) != len(f.slabs.refs) {
		return errtext.Errorf("memfs: %d pages used, %d held, %d free of %d", f.slabs.used, len(pages), len(f.slabs.free), len(f.slabs.refs))
	}
	return nil
}
