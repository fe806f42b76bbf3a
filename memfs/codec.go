package memfs

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// How nodes are encoded. There are two dialects that differ in how a node names what is below it:
// by place (Ref) in a local store, by Hash in a published one. NODES.md has the tables.

// ErrBadNode says that an encoded node breaks the format: the bytes are damaged, or were made to deceive.
var ErrBadNode = errors.New("memfs: malformed node")

const (
	kindRoot = 9 // first byte of an encoded root

	// MaxBlock bounds an encoded node, in bytes.
	MaxBlock       = 1 << 20
	maxTableHeight = 9
)

// encoder appends nodes to b. page and link append what names a page or a node.
type encoder struct {
	b    []byte
	link func(b []byte, l *link) []byte
	page func(b []byte, n *node, i int) []byte
}

// Here and below, noinline keeps the core module small where calls are many and not hot.
//
//go:noinline
func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

//go:noinline
func (e *encoder) str(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }

func (e *encoder) set(bit uint64) {
	e.b = binary.LittleEndian.AppendUint64(e.b, bit)
}

func (e *encoder) node(n *node) {
	e.b = append(e.b, byte(n.kind))
	switch n.kind {
	case kindBranch:
		var present uint64
		for i := range n.links {
			if !n.links[i].empty() {
				present |= 1 << i
			}
		}
		e.set(present)
		for i := range n.links {
			if !n.links[i].empty() {
				e.b = e.link(e.b, &n.links[i])
			}
		}
	case kindPages:
		var present uint64
		for i := range n.pages {
			if !n.pages[i].hole() {
				present |= 1 << i
			}
		}
		e.set(present)
		for i := range n.pages {
			if !n.pages[i].hole() {
				e.b = e.page(e.b, n, i)
			}
		}
	case kindInodes:
		var present uint64
		for i := range n.inodes {
			if n.inodes[i].mode != 0 {
				present |= 1 << i
			}
		}
		e.b = binary.LittleEndian.AppendUint16(e.b, uint16(present))
		for i := range n.inodes {
			if n.inodes[i].mode != 0 {
				e.inode(&n.inodes[i])
			}
		}
	case kindNames:
		e.uint(uint64(len(n.names)))
		for _, d := range n.names {
			e.str(d.Name)
			e.uint(uint64(d.Ino))
			e.b = append(e.b, byte(d.Type>>12))
		}
	}
}

func (e *encoder) inode(in *inode) {
	b := e.b // in a register: a commit encodes hundreds of these numbers
	for _, v := range [...]uint64{uint64(in.mode), uint64(in.nlink), uint64(in.uid), uint64(in.gid), in.rdev, uint64(in.size)} {
		b = appendUvarint(b, v)
	}
	// Times lie close together: the first whole, the others as distances from it, zigzag as binary.AppendVarint has them.
	for _, v := range [...]int64{in.btime, in.atime - in.btime, in.mtime - in.btime, in.ctime - in.btime} {
		b = appendUvarint(b, uint64(v<<1)^uint64(v>>63))
	}
	b = appendUvarint(b, uint64(in.parent))
	b = appendUvarint(b, uint64(len(in.others)))
	for _, p := range in.others {
		b = appendUvarint(b, uint64(p))
	}
	switch {
	case in.is(S_IFLNK):
		b = append(appendUvarint(b, uint64(len(in.target))), in.target...)
	case in.data.empty():
		b = append(b, 0)
	default:
		b = e.link(append(b, in.height+1), &in.data)
	}
	e.b = b
}

// appendUvarint is binary.AppendUvarint, quicker for what has one byte.
func appendUvarint(b []byte, v uint64) []byte {
	if v < 1<<7 {
		return append(b, byte(v))
	}
	return binary.AppendUvarint(b, v)
}

func (e *encoder) root(r *root) {
	e.b = append(e.b, kindRoot)
	e.uint(uint64(r.next))
	e.uint(r.files)
	e.uint(uint64(len(r.orphans)))
	for _, ino := range r.orphans {
		e.uint(uint64(ino))
	}
	e.b = append(e.b, r.height)
	e.b = e.link(e.b, &r.table)
}

// decoder reads nodes from bytes that nobody vouches for: the first fault stops it, and it never reads past the end
// nor makes room for more than the bytes can hold.
type decoder struct {
	b    []byte
	err  error
	link func(d *decoder, k kind, level int) link
	page func(d *decoder) page
}

//go:noinline
func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = errtext.Errorf("%w: %s", ErrBadNode, what)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n > len(d.b) {
		d.fail("too short")
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.fail("number out of range")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("bad number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bitmap() uint64 {
	if p := d.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// count reads the number of things that take at least one byte each.
func (d *decoder) count() int { return int(d.uint(uint64(len(d.b)))) }

func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("bytes left over")
	}
	return d.err
}

// node reads one node that must be of the kind and level named; level nameLevel-depth is a directory's.
func (d *decoder) node(want kind, level int) (*node, error) {
	k := kind(d.byte())
	switch {
	case level > 0 && k != kindBranch, level == 0 && k != want, level < 0 && k != kindBranch && k != kindNames,
		level < nameLevel-maxHeight:
		d.fail("node of another kind")
	}
	n := &node{refs: 1, kind: k}
	if d.err == nil {
		switch k {
		case kindBranch:
			d.branch(n, want, level-1)
		case kindPages:
			d.pages(n)
		case kindInodes:
			d.inodes(n)
		case kindNames:
			d.names(n)
		}
	}
	return n, d.done()
}

func (d *decoder) branch(n *node, want kind, level int) {
	present := d.bitmap()
	if present == 0 {
		d.fail("empty branch")
		return
	}
	n.links = make([]link, bits.Len64(present))
	for i := range n.links {
		if present>>i&1 != 0 && d.err == nil {
			n.links[i] = d.link(d, want, level)
		}
	}
}

func (d *decoder) pages(n *node) {
	present := d.bitmap()
	n.pages = make([]page, bits.Len64(present))
	for i := range n.pages {
		if present>>i&1 != 0 && d.err == nil {
			n.pages[i] = d.page(d)
		}
	}
}

func (d *decoder) inodes(n *node) {
	p := d.take(2)
	if p == nil {
		return
	}
	present := binary.LittleEndian.Uint16(p)
	if present == 0 {
		d.fail("empty leaf")
	}
	n.inodes = make([]inode, bits.Len16(present))
	for i := range n.inodes {
		if present>>i&1 != 0 && d.err == nil {
			d.inode(&n.inodes[i])
		}
	}
}

func (d *decoder) inode(in *inode) {
	const u32 = 1<<32 - 1
	in.mode = uint32(d.uint(S_IFMT | permBits))
	in.nlink = uint32(d.uint(u32))
	in.uid = uint32(d.uint(u32))
	in.gid = uint32(d.uint(u32))
	in.rdev = d.uint(1<<64 - 1)
	in.size = int64(d.uint(MaxFileSize))
	in.btime = d.int()
	in.atime = in.btime + d.int()
	in.mtime = in.btime + d.int()
	in.ctime = in.btime + d.int()
	in.parent = d.ino()
	if n := d.count(); n > 0 {
		in.others = make([]Ino, n)
		for i := range in.others {
			in.others[i] = d.ino()
		}
	}
	k := kindPages
	level := 0
	switch in.mode & S_IFMT {
	case S_IFLNK:
		n := d.uint(MaxTarget)
		in.target = string(d.take(int(n)))
		return
	case S_IFDIR:
		k = kindNames
	case S_IFREG, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK:
	default:
		d.fail("inode of no type")
		return
	}
	h := d.byte()
	if h == 0 || d.err != nil {
		return
	}
	if h--; h > 7 {
		d.fail("file too deep")
		return
	}
	if in.height, level = h, int(h); k == kindNames {
		in.height, level = 0, nameLevel
	}
	in.data = d.link(d, k, level)
}

func (d *decoder) ino() Ino { return Ino(d.uint(1<<53 - 1)) }

func (d *decoder) names(n *node) {
	count := d.count()
	if count == 0 {
		d.fail("empty leaf")
	}
	n.names = make([]Dirent, 0, min(count, len(d.b)/4+1))
	for range count {
		name := string(d.take(int(d.uint(MaxName))))
		e := Dirent{Name: name, Ino: d.ino(), Type: uint32(d.byte()) << 12}
		if d.err != nil {
			return
		}
		if checkName(name) != nil || len(n.names) > 0 && n.names[len(n.names)-1].Name >= name {
			d.fail("bad name or order of names")
			return
		}
		n.names = append(n.names, e)
	}
}

func (d *decoder) root() (*root, error) {
	if d.byte() != kindRoot {
		d.fail("not a root")
	}
	r := &root{refs: 1}
	r.next = d.ino()
	r.files = d.uint(1 << 40)
	if n := d.count(); n > 0 {
		r.orphans = make([]Ino, n)
		for i := range r.orphans {
			r.orphans[i] = d.ino()
		}
	}
	if r.height = d.byte(); r.height > maxTableHeight {
		d.fail("table too deep")
	}
	if d.err == nil {
		r.table = d.link(d, kindInodes, int(r.height))
	}
	return r, d.done()
}
