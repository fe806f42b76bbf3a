package memfs

// File data: a radix tree of pages. A tree of height h spans fan^(h+1) pages, at least
// the file's size; bytes past the size in the last page are zero.

func pageSpan(height uint8) uint64 { return 1 << (fanBits * (int(height) + 1)) }

func pageIndex(i uint64, level int) int { return int(i>>(fanBits*level)) & (fan - 1) }

func pagesOf(size int64) uint64 { return uint64(size+PageSize-1) / PageSize }

// pageBytes returns the i-th page of a file for reading; nil is a hole.
func (f *FS) pageBytes(in *inode, i uint64) ([]byte, error) {
	n, err := f.leaf(in, i)
	if err != nil {
		return nil, err
	}
	return f.leafPage(n, i)
}

// leafPage returns the i-th page of a file out of its leaf.
func (f *FS) leafPage(n *node, i uint64) ([]byte, error) {
	if k := pageIndex(i, 0); n != nil && k < len(n.pages) {
		return f.loadPage(&n.pages[k])
	}
	return nil, nil
}

// leaf returns the leaf of the i-th page of a file for reading; nil is a hole.
func (f *FS) leaf(in *inode, i uint64) (*node, error) {
	if i >= pageSpan(in.height) {
		return nil, nil
	}
	l := &in.data
	for level := int(in.height); ; level-- {
		if l == nil || l.empty() {
			return nil, nil
		}
		n, err := f.load(l, kindPages, level)
		if err != nil || level == 0 {
			return n, err
		}
		l = n.at(pageIndex(i, level))
	}
}

// run looks at few pages, because each costs a little, or at all of a leaf for a guest that goes on where the last run ended.
const shortRun = 4

// run returns how many bytes of a file lie side by side in memory from off on. The first page has just been read or, if writable is set, written:
// then those bytes may be overwritten without any other change, since their pages are the live tree's alone and known to no store.
func (f *FS) run(in *inode, off int64, atMost int, writable bool) int {
	i := uint64(off) / PageSize
	n, err := f.leaf(in, i)
	k := pageIndex(i, 0)
	if err != nil || n == nil || k >= len(n.pages) {
		return 0
	}
	pages := 0
	first := n.pages[k].id
	for j := k; j < len(n.pages) && pages < atMost; j++ {
		p, id := &n.pages[j], first+pageID(pages)
		if id == 0 || p.id != id || pages > 0 && (id-1)%slabPages == 0 {
			break
		}
		if writable && (f.slabs.shared(id) || p.ref().ok() || j < len(n.hashes) && n.hashes[j] != (Hash{})) {
			break
		}
		pages++
	}
	return int(max(0, min(int64(pages)*PageSize-off%PageSize, in.size-off)))
}

// loadPage returns a page's bytes, read from the store on first use; nil is a hole.
func (f *FS) loadPage(p *page) ([]byte, error) {
	if p.id != 0 {
		return f.slabs.bytes(p.id), nil
	}
	if p.len == 0 {
		return nil, nil
	}
	id, err := f.slabs.alloc()
	if err != nil {
		return nil, err
	}
	b := f.slabs.bytes(id)
	r := p.ref()
	if err = f.readBlock(r, b[:r.Len]); err == nil {
		if p.gapped() {
			err = spread(b, int(r.Len))
		} else {
			clear(b[r.Len:])
		}
	}
	if err != nil {
		f.slabs.unref(id)
		return nil, err
	}
	p.id = id
	return b, nil
}

// grow raises a file's tree until it spans n pages. The inode is owned.
func (f *FS) grow(in *inode, n uint64) {
	for n > pageSpan(in.height) {
		if !in.data.empty() {
			in.data = link{n: &node{refs: 1, kind: kindBranch, links: []link{in.data}}}
		}
		in.height++
	}
}

// ownLeaf returns the leaf and slot of the i-th page, owned. The tree spans it.
func (f *FS) ownLeaf(in *inode, i uint64) (*node, int, error) {
	l := &in.data
	for level := int(in.height); ; level-- {
		n, err := f.own(l, kindPages, level)
		if err != nil {
			return nil, 0, err
		}
		k := pageIndex(i, level)
		if level > 0 {
			l = n.slot(k)
			continue
		}
		for len(n.pages) <= k {
			n.pages = append(n.pages, page{})
		}
		return n, k, nil
	}
}

// editPage makes the k-th page of an owned leaf writable. keep says that its old bytes will not all be overwritten.
func (f *FS) editPage(n *node, k int, keep bool) ([]byte, error) {
	p := &n.pages[k]
	if keep {
		if _, err := f.loadPage(p); err != nil {
			return nil, err
		}
	}
	if p.id == 0 || f.slabs.shared(p.id) {
		id, err := f.slabs.alloc()
		if err != nil {
			return nil, err
		}
		if b := f.slabs.bytes(id); keep && p.id != 0 {
			copy(b, f.slabs.bytes(p.id))
		} else {
			clear(b)
		}
		if p.id != 0 {
			f.slabs.unref(p.id)
		}
		p.id = id
	}
	p.setRef(Ref{})
	if k < len(n.hashes) {
		n.hashes[k] = Hash{}
	}
	return f.slabs.bytes(p.id), nil
}

// truncate sets a file's size. The inode is owned.
func (f *FS) truncate(in *inode, size int64) error {
	if size > MaxFileSize {
		return EFBIG
	}
	if size >= in.size {
		f.grow(in, pagesOf(size))
		in.size = size
		return nil
	}
	if tail := int(size % PageSize); tail != 0 {
		i := uint64(size) / PageSize
		b, err := f.pageBytes(in, i)
		if err != nil {
			return err
		}
		if b != nil {
			n, k, err := f.ownLeaf(in, i)
			if err != nil {
				return err
			}
			if b, err = f.editPage(n, k, true); err != nil {
				return err
			}
			clear(b[tail:])
		}
	}
	if err := f.cut(&in.data, int(in.height), pagesOf(size)); err != nil {
		return err
	}
	in.size = size
	for in.height > 0 && pagesOf(size) <= pageSpan(in.height-1) {
		if n := in.data.n; n != nil {
			first := link{}
			if len(n.links) > 0 {
				first, n.links[0] = n.links[0], link{}
			}
			f.drop(&in.data)
			in.data = first
		}
		in.height--
	}
	return nil
}

// cut drops the pages from the keep-th on below an owned link.
func (f *FS) cut(l *link, level int, keep uint64) error {
	if l.empty() {
		return nil
	}
	if keep == 0 {
		f.drop(l)
		return nil
	}
	n, err := f.own(l, kindPages, level)
	if err != nil {
		return err
	}
	if level > 0 {
		span := pageSpan(uint8(level - 1))
		for i := len(n.links) - 1; i >= 0; i-- {
			first := uint64(i) * span
			if first+span <= keep {
				break
			}
			below := uint64(0)
			if keep > first {
				below = keep - first
			}
			if err := f.cut(&n.links[i], level-1, below); err != nil {
				return err
			}
		}
		return nil
	}
	for i := int(keep); i < len(n.pages); i++ {
		if id := n.pages[i].id; id != 0 {
			f.slabs.unref(id)
		}
	}
	n.pages = n.pages[:min(len(n.pages), int(keep))]
	n.hashes = n.hashes[:min(len(n.hashes), int(keep))]
	return nil
}

// readViews appends views of a file's bytes [off, off+n) to dst and returns how many bytes they cover:
// fewer than n only at the end of the file. Pages that lie side by side make one view.
func (f *FS) readViews(in *inode, dst [][]byte, off int64, n int) ([][]byte, int, error) {
	if off < 0 || n < 0 {
		return dst, 0, EINVAL
	}
	if off >= in.size {
		return dst, 0, nil
	}
	n = int(min(int64(n), in.size-off))
	var leaf *node
	for left := n; left > 0; {
		i, skip := uint64(off)/PageSize, int(off%PageSize)
		if leaf == nil || pageIndex(i, 0) == 0 {
			var err error
			if leaf, err = f.leaf(in, i); err != nil {
				return dst, 0, err
			}
		}
		b, err := f.leafPage(leaf, i)
		if err != nil {
			return dst, 0, err
		}
		if b == nil {
			b = zeroPage[:]
		}
		b = b[skip:min(PageSize, skip+left)]
		dst = appendView(dst, b)
		off += int64(len(b))
		left -= len(b)
	}
	return dst, n, nil
}

// writeViews makes a file's bytes [off, off+n) writable and appends views of them to dst.
// The inode is owned. On an error the file's content is as it was: all that can fail comes first.
func (f *FS) writeViews(in *inode, dst [][]byte, off int64, n int) ([][]byte, error) {
	end := off + int64(n)
	switch {
	case off < 0 || n < 0:
		return dst, EINVAL
	case n == 0:
		return dst, nil
	case end > MaxFileSize || end < off:
		return dst, EFBIG
	}
	first, last := uint64(off)/PageSize, uint64(end-1)/PageSize
	// Old bytes of the first and last page that this write does not cover are kept; past the end there are none.
	keepFirst := off%PageSize != 0 && int64(first)*PageSize < in.size
	keepLast := end%PageSize != 0 && end < in.size
	f.grow(in, max(last+1, pagesOf(in.size)))
	if first == last {
		leaf, k, err := f.ownLeaf(in, first)
		if err != nil {
			return dst, err
		}
		b, err := f.editPage(leaf, k, keepFirst || keepLast)
		if err != nil {
			return dst, err
		}
		in.size = max(in.size, end)
		skip := int(off % PageSize)
		return append(dst, b[skip:skip+n]), nil
	}
	if err := f.slabs.reserve(int(last-first) + 3); err != nil {
		return dst, err
	}
	for i := first; i <= last; i = (i/fan + 1) * fan {
		if _, _, err := f.ownLeaf(in, i); err != nil {
			return dst, err
		}
	}
	if keepFirst {
		if _, err := f.pageBytes(in, first); err != nil {
			return dst, err
		}
	}
	if keepLast {
		if _, err := f.pageBytes(in, last); err != nil {
			return dst, err
		}
	}
	for i, at := first, off; i <= last; i++ {
		leaf, k, err := f.ownLeaf(in, i)
		if err != nil {
			return dst, err
		}
		b, err := f.editPage(leaf, k, i == first && keepFirst || i == last && keepLast)
		if err != nil {
			return dst, err
		}
		skip := int(at % PageSize)
		b = b[skip:min(PageSize, skip+int(end-at))]
		dst = appendView(dst, b)
		at += int64(len(b))
	}
	in.size = max(in.size, end)
	return dst, nil
}

// appendView appends b, joined to the last view where it continues it in memory:
// a page's slice has room to the end of its slab.
func appendView(dst [][]byte, b []byte) [][]byte {
	if k := len(dst) - 1; k >= 0 {
		if v := dst[k]; cap(v) > len(v) && &v[:len(v)+1][len(v)] == &b[0] {
			dst[k] = v[:len(v)+len(b)]
			return dst
		}
	}
	return append(dst, b)
}
