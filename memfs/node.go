package memfs

// The filesystem is one tree of nodes: the table of inodes is a radix tree by inode
// number, every directory a hash trie of names, every file a radix tree of pages.
// Nodes are counted by reference, and a node may be edited in place only while every
// node from the live root down to it has exactly one. So a snapshot is one more
// reference to the root, and what it shares is copied when it is first edited.

// Ref says where a store keeps a block. The zero Ref is no block.
// Off and Len are bytes; Sum is the checksum that the store made of the block.
type Ref struct {
	Off, Sum uint64
	Len      uint32
}

func (r Ref) ok() bool { return r.Len != 0 }

// Hash is the SHA-256 of a blob: a page without its trailing zeros, or an encoded node.
type Hash [32]byte

type kind uint8

const (
	kindBranch kind = iota + 1 // links to nodes one level down
	kindPages                  // pages of a file
	kindInodes                 // inodes of the table
	kindNames                  // names of a directory
)

const (
	fanBits   = 6
	fan       = 1 << fanBits // links of a branch, pages of a leaf
	inodeBits = 4
	inodeFan  = 1 << inodeBits
	maxNames  = 32 // names in a leaf before it is split
	maxHeight = 10
)

type node struct {
	refs int32
	kind kind
	ref  Ref   // where the store has it; none when it was edited since
	hash *Hash // the SHA-256 of its encoding for publishing, once known

	links  []link
	pages  []page
	hashes []Hash // of pages, in step with them; empty until one is known
	inodes []inode
	names  []Dirent
}

// link points to a node that is loaded (n), only stored (ref), or absent (neither).
// Once n is set, n.ref counts and ref does not.
type link struct {
	n   *node
	ref Ref
}

func (l *link) empty() bool { return l.n == nil && !l.ref.ok() }

func (l *link) where() Ref {
	if l.n != nil {
		return l.n.ref
	}
	return l.ref
}

// same reports that two links certainly lead to equal subtrees.
func (l *link) same(m *link) bool {
	if l.n != nil && l.n == m.n || l.empty() && m.empty() {
		return true
	}
	if w := l.where(); w.ok() && w == m.where() {
		return true
	}
	return l.n != nil && m.n != nil && l.n.hash != nil && m.n.hash != nil && *l.n.hash == *m.n.hash
}

// page is loaded (id), only stored (ref), both, or a hole (neither).
type page struct {
	id  pageID
	len uint32 // of the stored block, plus PageSize when it has a gap
	off uint64
	sum uint64
}

func (p *page) ref() Ref {
	n := p.len
	if p.gapped() {
		n -= PageSize
	}
	return Ref{Off: p.off, Sum: p.sum, Len: n}
}

func (p *page) setRef(r Ref) { p.off, p.sum, p.len = r.Off, r.Sum, r.Len }
func (p *page) hole() bool   { return p.id == 0 && p.len == 0 }
func (p *page) gapped() bool { return p.len > PageSize }

// inode is what the table holds for one number. Mode 0 is an empty slot.
type inode struct {
	mode, nlink, uid, gid      uint32
	rdev                       uint64
	size                       int64 // directories: the number of names
	atime, mtime, ctime, btime int64
	data                       link // pages or names
	height                     uint8
	target                     string
	parent                     Ino   // a directory that names it
	others                     []Ino // the directories of its further names; never edited in place
}

func (in *inode) is(typ uint32) bool { return in.mode&S_IFMT == typ }

func (in *inode) attr(ino Ino) Attr {
	a := Attr{Ino: ino, Mode: in.mode, Nlink: in.nlink, UID: in.uid, GID: in.gid, Rdev: in.rdev, Size: in.size,
		Atime: in.atime, Mtime: in.mtime, Ctime: in.ctime, Btime: in.btime}
	if in.is(S_IFDIR) {
		a.Size = PageSize
	}
	return a
}

// root is the top of one state of the filesystem.
type root struct {
	refs    int32
	clean   bool // the store has exactly this
	table   link
	height  uint8 // levels of branches above the leaves of the table
	next    Ino   // the lowest number never used
	files   uint64
	orphans []Ino // unlinked while open; never edited in place
	hash    *Hash
}

// load returns the node behind a link that is not empty.
func (f *FS) load(l *link, k kind, level int) (*node, error) {
	if l.n != nil {
		return l.n, nil
	}
	n, err := f.readNode(l.ref, k, level)
	if err != nil {
		return nil, err
	}
	l.n, l.ref = n, Ref{}
	return n, nil
}

// own returns the node behind a link, alone and marked as edited. The link must belong to a node
// that is owned already. An empty link gets a new node.
func (f *FS) own(l *link, k kind, level int) (*node, error) {
	if l.empty() {
		if level > 0 {
			k = kindBranch
		}
		l.n = &node{refs: 1, kind: k}
		return l.n, nil
	}
	n, err := f.load(l, k, level)
	if err != nil {
		return nil, err
	}
	if n.refs > 1 {
		c := f.clone(n)
		n.refs--
		l.n, n = c, c
	}
	n.ref, n.hash = Ref{}, nil
	return n, nil
}

func (f *FS) clone(n *node) *node {
	c := &node{refs: 1, kind: n.kind}
	c.links = append(c.links, n.links...)
	c.pages = append(c.pages, n.pages...)
	c.hashes = append(c.hashes, n.hashes...)
	c.inodes = append(c.inodes, n.inodes...)
	c.names = append(c.names, n.names...)
	for i := range c.links {
		retain(c.links[i].n)
	}
	for i := range c.pages {
		if id := c.pages[i].id; id != 0 {
			f.slabs.ref(id)
		}
	}
	for i := range c.inodes {
		retain(c.inodes[i].data.n)
	}
	return c
}

func retain(n *node) {
	if n != nil {
		n.refs++
	}
}

// drop gives up a link's reference and empties it.
func (f *FS) drop(l *link) {
	n := l.n
	*l = link{}
	if n == nil {
		return
	}
	if n.refs--; n.refs > 0 {
		return
	}
	for i := range n.links {
		f.drop(&n.links[i])
	}
	for i := range n.pages {
		if id := n.pages[i].id; id != 0 {
			f.slabs.unref(id)
		}
	}
	for i := range n.inodes {
		f.drop(&n.inodes[i].data)
	}
	n.pages, n.inodes = nil, nil
}

// slot returns the i-th link of an owned branch, making room for it.
func (n *node) slot(i int) *link {
	for len(n.links) <= i {
		n.links = append(n.links, link{})
	}
	return &n.links[i]
}

// at returns the i-th link of a branch, or nil.
func (n *node) at(i int) *link {
	if i < len(n.links) && !n.links[i].empty() {
		return &n.links[i]
	}
	return nil
}

// bare reports a branch without links.
func (n *node) bare() bool {
	for i := range n.links {
		if !n.links[i].empty() {
			return false
		}
	}
	return true
}
