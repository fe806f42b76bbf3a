//go:build !holdfastcore

package memfs

import (
	"context"
	"io"
	"strings"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
	"github.com/zeebo/xxh3"
)

// Tree reads a published filesystem blob by blob, each when it is needed. It trusts nothing that a blob says; but what Import checks of
// a filesystem as a whole (link counts, say) it cannot know. It is safe for concurrent use.
type Tree struct {
	get   func(ctx context.Context, hashes []Hash) ([][]byte, error)
	root  *root
	table Hash

	mu    sync.Mutex
	nodes map[nodeKey]*treeNode // decoded lately
	order []nodeKey
}

// treeNode is a decoded blob. The offsets of its links and pages are places, from 1, in hashes.
type treeNode struct {
	*node
	hashes []Hash
}

// treeNodes bounds what a Tree remembers: at most 64 × 32 bytes of hashes each, as a rule.
const treeNodes = 4096

// treeInode is an inode and the hash of its data.
type treeInode struct {
	*inode
	ino  Ino
	data Hash // when inode.data is not empty
}

// OpenTree reads the root. get returns blobs that have these hashes, which it checks; it may block, and the bytes stay the Tree's to read.
func OpenTree(ctx context.Context, root Hash, get func(ctx context.Context, hashes []Hash) ([][]byte, error)) (*Tree, error) {
	t := &Tree{get: get, nodes: map[nodeKey]*treeNode{}}
	b, err := t.blob(ctx, root)
	if err != nil {
		return nil, err
	}
	var hashes []Hash
	if t.root, err = hashDecoder(b, &hashes).root(); err != nil {
		return nil, err
	}
	t.table = hashes[0]
	return t, nil
}

func (t *Tree) blob(ctx context.Context, h Hash) ([]byte, error) {
	b, err := t.get(ctx, []Hash{h})
	if err != nil {
		return nil, err
	}
	return b[0], nil
}

func (t *Tree) load(ctx context.Context, h Hash, k kind, level int) (*treeNode, error) {
	key := nodeKey{h, k, level}
	t.mu.Lock()
	n := t.nodes[key]
	t.mu.Unlock()
	if n != nil {
		return n, nil
	}
	b, err := t.blob(ctx, h)
	if err != nil {
		return nil, err
	}
	n = &treeNode{}
	if n.node, err = hashDecoder(b, &n.hashes).node(k, level); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nodes[key] == nil {
		t.nodes[key] = n
		if t.order = append(t.order, key); len(t.order) > treeNodes {
			delete(t.nodes, t.order[0])
			t.order = t.order[1:]
		}
	}
	return n, nil
}

// child is the hash behind a link; ok is false where there is none.
func (n *treeNode) child(i int) (h Hash, ok bool) {
	if i >= len(n.links) || n.links[i].empty() {
		return h, false
	}
	return n.hashes[n.links[i].ref.Off-1], true
}

func (t *Tree) inode(ctx context.Context, ino Ino) (treeInode, error) {
	if ino >= tableSpan(t.root.height) {
		return treeInode{}, ENOENT
	}
	h := t.table
	for level := int(t.root.height); ; level-- {
		n, err := t.load(ctx, h, kindInodes, level)
		if err != nil {
			return treeInode{}, err
		}
		i, ok := tableIndex(ino, level), false
		if level > 0 {
			if h, ok = n.child(i); !ok {
				return treeInode{}, ENOENT
			}
			continue
		}
		if i >= len(n.inodes) || n.inodes[i].mode == 0 {
			return treeInode{}, ENOENT
		}
		in := treeInode{inode: &n.inodes[i], ino: ino}
		if !in.inode.data.empty() {
			in.data = n.hashes[in.inode.data.ref.Off-1]
		}
		return in, nil
	}
}

// lookup finds a name in a directory, and its inode.
func (t *Tree) lookup(ctx context.Context, dir treeInode, name string) (treeInode, error) {
	if !dir.is(S_IFDIR) {
		return treeInode{}, ENOTDIR
	}
	if dir.inode.data.empty() {
		return treeInode{}, ENOENT
	}
	hash, h := xxh3.HashString(name), dir.data
	for depth := 0; depth <= maxHeight; depth++ {
		n, err := t.load(ctx, h, kindNames, nameLevel)
		if err != nil {
			return treeInode{}, err
		}
		if n.kind == kindBranch {
			var ok bool
			if h, ok = n.child(nameIndex(hash, depth)); !ok {
				return treeInode{}, ENOENT
			}
			continue
		}
		i, ok := search(n.names, name)
		if !ok {
			return treeInode{}, ENOENT
		}
		in, err := t.inode(ctx, n.names[i].Ino)
		if err == ENOENT || err == nil && in.mode&S_IFMT != n.names[i].Type {
			err = errtext.Errorf("%w: name %q leads nowhere", ErrBadNode, name)
		}
		return in, err
	}
	return treeInode{}, errtext.Errorf("%w: directory %d is too deep", ErrBadNode, dir.ino)
}

// resolve walks a path as FS.resolve does, to an inode that is there. It begins at the root, with or without "/".
func (t *Tree) resolve(ctx context.Context, path string, follow bool) (treeInode, error) {
	top, err := t.inode(ctx, RootIno)
	if err == nil && !top.is(S_IFDIR) {
		err = ENOENT
	}
	if err == ENOENT {
		err = errtext.Errorf("%w: no root directory", ErrBadNode)
	}
	if err != nil {
		return top, err
	}
	if path == "" || strings.ContainsRune(path, 0) {
		return top, ENOENT
	}
	at := top
	for links := 0; path != ""; {
		if strings.HasPrefix(path, "/") {
			at, path = top, strings.TrimLeft(path, "/")
			continue
		}
		name, rest, more := strings.Cut(path, "/")
		rest = strings.TrimLeft(rest, "/")
		switch {
		case !at.is(S_IFDIR):
			return at, ENOTDIR
		case name == ".":
			path = rest
			continue
		case name == "..":
			if at, err = t.inode(ctx, at.parent); err != nil || !at.is(S_IFDIR) {
				return at, errtext.Errorf("%w: a directory has no parent", ErrBadNode)
			}
			path = rest
			continue
		}
		in, err := t.lookup(ctx, at, name)
		if err != nil {
			return in, err
		}
		if in.is(S_IFLNK) && (more || follow) {
			if links++; links > maxFollow {
				return in, ELOOP
			}
			if path = in.target; more {
				path += "/" + rest
			}
			if path == "" {
				return in, ENOENT
			}
			continue
		}
		if more && !in.is(S_IFDIR) {
			return in, ENOTDIR
		}
		at, path = in, rest
	}
	return at, nil
}

// Stat describes what a path leads to; Lstat a symbolic link itself. ENOENT, ENOTDIR and ELOOP are as for files; other errors are get's, or
// wrap ErrBadNode.
func (t *Tree) Stat(ctx context.Context, path string) (Attr, error) { return t.stat(ctx, path, true) }

// Lstat describes a symbolic link itself.
func (t *Tree) Lstat(ctx context.Context, path string) (Attr, error) { return t.stat(ctx, path, false) }

func (t *Tree) stat(ctx context.Context, path string, follow bool) (Attr, error) {
	in, err := t.resolve(ctx, path, follow)
	if err != nil {
		return Attr{}, err
	}
	return in.attr(in.ino), nil
}

// ReadLink returns the target of a symbolic link; EINVAL when it is none.
func (t *Tree) ReadLink(ctx context.Context, path string) (string, error) {
	in, err := t.resolve(ctx, path, false)
	if err == nil && !in.is(S_IFLNK) {
		err = EINVAL
	}
	if err != nil {
		return "", err
	}
	return in.target, nil
}

// ReadDir lists a directory, sorted by name.
func (t *Tree) ReadDir(ctx context.Context, path string) ([]Dirent, error) {
	in, err := t.resolve(ctx, path, true)
	if err == nil && !in.is(S_IFDIR) {
		err = ENOTDIR
	}
	if err != nil || in.inode.data.empty() {
		return nil, err
	}
	var names []Dirent
	var walk func(h Hash, prefix uint64, depth int) error
	walk = func(h Hash, prefix uint64, depth int) error {
		n, err := t.load(ctx, h, kindNames, nameLevel)
		if err != nil {
			return err
		}
		for i := range n.links {
			if h, ok := n.child(i); ok {
				if depth > maxHeight {
					return errtext.Errorf("%w: directory %d is too deep", ErrBadNode, in.ino)
				}
				if err := walk(h, prefix|uint64(i)<<(fanBits*depth), depth+1); err != nil {
					return err
				}
			}
		}
		for _, d := range n.names {
			// A leaf that is used in two places, to unfold into many names, is in a wrong one.
			if (xxh3.HashString(d.Name)^prefix)&(1<<(fanBits*depth)-1) != 0 || int64(len(names)) >= in.size {
				return errtext.Errorf("%w: name %q is in the wrong place", ErrBadNode, d.Name)
			}
			names = append(names, d)
		}
		return nil
	}
	if err := walk(in.data, 0, 0); err != nil {
		return nil, err
	}
	sortNames(names)
	return names, nil
}

// ReadAt reads from a file as io.ReaderAt does. Pages that are holes cost nothing to read.
func (t *Tree) ReadAt(ctx context.Context, path string, p []byte, off int64) (int, error) {
	in, err := t.resolve(ctx, path, true)
	switch {
	case err != nil:
		return 0, err
	case in.is(S_IFDIR):
		return 0, EISDIR
	case off < 0:
		return 0, EINVAL
	case off >= in.size:
		return 0, io.EOF
	}
	short := int64(len(p)) > in.size-off
	if short {
		p = p[:in.size-off]
	}
	clear(p)
	if len(p) > 0 && !in.inode.data.empty() {
		if err := t.readPages(ctx, in, p, off); err != nil {
			return 0, err
		}
	}
	if short {
		err = io.EOF
	}
	return len(p), err
}

// readPages fills p, which is zeros.
func (t *Tree) readPages(ctx context.Context, in treeInode, p []byte, off int64) error {
	const batch = 1024 // pages asked for at a time
	var hashes []Hash
	var places []int64 // of the pages in the file
	flush := func() error {
		blobs, err := t.get(ctx, hashes)
		if err != nil {
			return err
		}
		for i, b := range blobs {
			if len(b) > PageSize {
				return errtext.Errorf("%w: page of %d bytes", ErrBadNode, len(b))
			}
			to, from := places[i]-off, int64(0)
			if to < 0 {
				to, from = 0, -to
			}
			if from < int64(len(b)) {
				copy(p[to:], b[from:])
			}
		}
		hashes, places = hashes[:0], places[:0]
		return nil
	}
	first, last := uint64(off)/PageSize, uint64(off+int64(len(p))-1)/PageSize
	var walk func(h Hash, level int, base uint64) error
	walk = func(h Hash, level int, base uint64) error {
		n, err := t.load(ctx, h, kindPages, level)
		if err != nil {
			return err
		}
		for i := range n.links {
			at, span := base+uint64(i)*pageSpan(uint8(level-1)), pageSpan(uint8(level-1))
			if h, ok := n.child(i); ok && at <= last && at+span > first {
				if err := walk(h, level-1, at); err != nil {
					return err
				}
			}
		}
		for i := range n.pages {
			at := base + uint64(i)
			if n.pages[i].hole() || at < first || at > last {
				continue
			}
			hashes, places = append(hashes, n.hashes[n.pages[i].off-1]), append(places, int64(at*PageSize))
			if len(hashes) >= batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(in.data, int(in.height), 0); err != nil {
		return err
	}
	return flush()
}
