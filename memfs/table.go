package memfs

// The table of inodes: a radix tree by inode number.

func tableSpan(height uint8) Ino { return 1 << (inodeBits + fanBits*int(height)) }

func tableIndex(ino Ino, level int) int {
	if level == 0 {
		return int(ino % inodeFan)
	}
	return int(ino>>(inodeBits+fanBits*(level-1))) & (fan - 1)
}

// inode returns an inode for reading, or ENOENT. The pointer is good until the next edit.
func (f *FS) inode(r *root, ino Ino) (*inode, error) {
	if ino >= tableSpan(r.height) {
		return nil, ENOENT
	}
	l := &r.table
	for level := int(r.height); ; level-- {
		if l == nil || l.empty() {
			return nil, ENOENT
		}
		n := l.n // mostly; this and inodeSlot are much of what any call costs
		if n == nil {
			var err error
			if n, err = f.load(l, kindInodes, level); err != nil {
				return nil, err
			}
		}
		i := tableIndex(ino, level)
		if level > 0 {
			l = n.at(i)
			continue
		}
		if i >= len(n.inodes) || n.inodes[i].mode == 0 {
			return nil, ENOENT
		}
		return &n.inodes[i], nil
	}
}

// edit returns an inode of the live tree for editing, or ENOENT. The pointer is good until an inode is added.
func (f *FS) edit(ino Ino) (*inode, error) {
	if in := f.edited(ino); in != nil {
		return in, nil
	}
	if _, err := f.inode(f.live, ino); err != nil {
		return nil, err
	}
	return f.inodeSlot(ino)
}

// edited returns an inode whose whole path is the live tree's alone, and was edited since it was last stored: then nothing needs to be
// marked. It returns nil otherwise.
func (f *FS) edited(ino Ino) *inode {
	r := f.live
	if r.refs > 1 || r.clean || r.hash != nil || ino >= tableSpan(r.height) {
		return nil
	}
	l := &r.table
	for level := int(r.height); ; level-- {
		n, i := l.n, tableIndex(ino, level)
		if n == nil || n.refs > 1 || n.ref.ok() || n.hash != nil {
			return nil
		}
		if level == 0 {
			if i >= len(n.inodes) || n.inodes[i].mode == 0 {
				return nil
			}
			*f.edits++
			return &n.inodes[i]
		}
		if i >= len(n.links) {
			return nil
		}
		l = &n.links[i]
	}
}

// inodeSlot returns the slot of a number in the live tree, made if need be, for editing.
func (f *FS) inodeSlot(ino Ino) (*inode, error) {
	r := f.ownRoot()
	for ino >= tableSpan(r.height) {
		if !r.table.empty() {
			r.table = link{n: &node{refs: 1, kind: kindBranch, links: []link{r.table}}}
		}
		r.height++
	}
	l := &r.table
	for level := int(r.height); ; level-- {
		n := l.n
		if n != nil && n.refs == 1 {
			n.ref, n.hash = Ref{}, nil
		} else {
			var err error
			if n, err = f.own(l, kindInodes, level); err != nil {
				return nil, err
			}
		}
		i := tableIndex(ino, level)
		if level > 0 {
			l = n.slot(i)
			continue
		}
		if n.inodes == nil {
			n.inodes, f.spare = f.spare, nil
		}
		for len(n.inodes) <= i {
			n.inodes = append(n.inodes, inode{})
		}
		return &n.inodes[i], nil
	}
}

// newInode adds an inode with the lowest number never used. A number that was the last one given out
// is used again once it is free: so a journal that comes and goes does not spread the table.
func (f *FS) newInode(in inode, now int64) (Ino, error) {
	ino := f.live.next
	s, err := f.inodeSlot(ino)
	if err != nil {
		return 0, err
	}
	// No two births are equal, now being a moment: number and birth together name one file for ever.
	in.atime, in.mtime, in.ctime, in.btime = now, now, now, now
	*s = in
	f.live.next++
	f.live.files++
	return ino, nil
}

// freeInode drops an inode and its data from the live tree.
func (f *FS) freeInode(ino Ino) error {
	if _, err := f.edit(ino); err != nil {
		return err
	}
	f.freeEdited(ino)
	return nil
}

// freeEdited is freeInode for one that was edited just now.
func (f *FS) freeEdited(ino Ino) {
	r := f.live
	f.freeBelow(&r.table, int(r.height), ino)
	r.files--
	if ino == r.next-1 {
		r.next--
	}
}

// freeBelow empties a slot below an owned path, and drops the nodes that this leaves bare.
func (f *FS) freeBelow(l *link, level int, ino Ino) {
	n, i := l.n, tableIndex(ino, level)
	if level > 0 {
		if f.freeBelow(&n.links[i], level-1, ino); n.bare() {
			f.drop(l)
		}
		return
	}
	f.drop(&n.inodes[i].data)
	n.inodes[i] = inode{}
	for j := range n.inodes {
		if n.inodes[j].mode != 0 {
			return
		}
	}
	// What the next leaf is made of: journals come and go, at the beginning of a leaf as a rule.
	if n.refs == 1 {
		f.spare, n.inodes = n.inodes[:0], nil
	}
	f.drop(l)
}

// eachInode calls fn for every inode of a state, in order of number.
func (f *FS) eachInode(l *link, level int, base Ino, fn func(Ino, *inode) error) error {
	if l.empty() {
		return nil
	}
	n, err := f.load(l, kindInodes, level)
	if err != nil {
		return err
	}
	if level > 0 {
		for i := range n.links {
			if err := f.eachInode(&n.links[i], level-1, base+Ino(i)*tableSpan(uint8(level-1)), fn); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range n.inodes {
		if n.inodes[i].mode != 0 {
			if err := fn(base+Ino(i), &n.inodes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
