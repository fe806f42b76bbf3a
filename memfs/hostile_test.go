package memfs

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
)

func sha(b []byte) (Hash, error) { return sha256.Sum256(b), nil }

// forge builds blobs as a hostile publisher would.
type forge map[Hash][]byte

func (m forge) put(b []byte) Hash {
	h := Hash(sha256.Sum256(b))
	m[h] = b
	return h
}

func (m forge) get(h Hash) ([]byte, error) {
	if b, ok := m[h]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("no blob %x", h[:4])
}

func (m forge) encoder() *encoder {
	return &encoder{
		link: func(b []byte, l *link) []byte { return append(b, l.n.hash[:]...) },
		page: func(b []byte, n *node, i int) []byte { return append(b, n.hashes[i][:]...) },
	}
}

func (m forge) node(n *node) *node {
	e := m.encoder()
	e.node(n)
	h := m.put(e.b)
	n.hash = &h
	return n
}

func (m forge) root(r *root) Hash {
	e := m.encoder()
	e.root(r)
	return m.put(e.b)
}

func (m forge) names(d ...Dirent) link { return link{n: m.node(&node{kind: kindNames, names: d})} }

// table makes a root of inodes 0 to 15.
func (m forge) table(files uint64, inodes ...inode) Hash {
	return m.root(&root{next: 16, files: files, table: link{n: m.node(&node{kind: kindInodes, inodes: inodes})}})
}

func dirOf(parent Ino, nlink uint32, size int64, data link) inode {
	return inode{mode: S_IFDIR | 0o755, nlink: nlink, size: size, parent: parent, data: data}
}

// A published tree that is no filesystem is refused, whatever it pretends, and leaves nothing behind.
func TestHostileTreesAreRefused(t *testing.T) {
	file := inode{mode: S_IFREG | 0o644, nlink: 1, parent: 1}
	for name, build := range map[string]func(m forge) Hash{
		"no root directory":       func(m forge) Hash { return m.table(1, inode{}, file) },
		"name that leads nowhere": func(m forge) Hash { return m.table(1, inode{}, dirOf(1, 2, 1, m.names(Dirent{"a", 9, S_IFREG}))) },
		"name with a slash": func(m forge) Hash {
			return m.table(2, inode{}, dirOf(1, 2, 1, m.names(Dirent{"../a", 2, S_IFREG})), file)
		},
		"name ..": func(m forge) Hash {
			return m.table(2, inode{}, dirOf(1, 2, 1, m.names(Dirent{"..", 2, S_IFREG})), file)
		},
		"name twice": func(m forge) Hash {
			return m.table(2, inode{}, dirOf(1, 2, 2, m.names(Dirent{"a", 2, S_IFREG}, Dirent{"a", 2, S_IFREG})), file)
		},
		"names out of order": func(m forge) Hash {
			return m.table(2, inode{}, dirOf(1, 2, 2, m.names(Dirent{"b", 2, S_IFREG}, Dirent{"a", 2, S_IFREG})), file)
		},
		"wrong count of names":  func(m forge) Hash { return m.table(2, inode{}, dirOf(1, 2, 7, m.names(Dirent{"a", 2, S_IFREG})), file) },
		"wrong type in a name":  func(m forge) Hash { return m.table(2, inode{}, dirOf(1, 3, 1, m.names(Dirent{"a", 2, S_IFDIR})), file) },
		"wrong count of inodes": func(m forge) Hash { return m.table(9, inode{}, dirOf(1, 2, 1, m.names(Dirent{"a", 2, S_IFREG})), file) },
		"inode without a name":  func(m forge) Hash { return m.table(2, inode{}, dirOf(1, 2, 0, link{}), file) },
		"directory in itself": func(m forge) Hash {
			return m.table(2, inode{}, dirOf(1, 2, 0, link{}), dirOf(2, 3, 1, m.names(Dirent{"a", 2, S_IFDIR})))
		},
		"directories in a circle": func(m forge) Hash {
			return m.table(3, inode{}, dirOf(1, 2, 0, link{}),
				dirOf(3, 3, 1, m.names(Dirent{"a", 3, S_IFDIR})), dirOf(2, 3, 1, m.names(Dirent{"b", 2, S_IFDIR})))
		},
		"a tree that unfolds": func(m forge) Hash {
			n := m.node(&node{kind: kindInodes, inodes: []inode{{}, file}})
			for range maxTableHeight {
				b := &node{kind: kindBranch}
				for range fan {
					b.links = append(b.links, link{n: n})
				}
				n = m.node(b)
			}
			return m.root(&root{next: 1 << 52, files: 1 << 39, height: maxTableHeight, table: link{n: n}})
		},
		"a directory that unfolds": func(m forge) Hash {
			n := m.node(&node{kind: kindNames, names: []Dirent{{"a", 2, S_IFREG}}})
			for range maxHeight {
				b := &node{kind: kindBranch}
				for range fan {
					b.links = append(b.links, link{n: n})
				}
				n = m.node(b)
			}
			return m.table(2, inode{}, dirOf(1, 2, 1<<40, link{n: n}), file)
		},
		"page that is too long": func(m forge) Hash {
			n := &node{kind: kindPages, pages: []page{{len: 1}}}
			n.hashes = []Hash{m.put(make([]byte, PageSize+1))}
			big := file
			big.size, big.data = 10, link{n: m.node(n)}
			return m.table(2, inode{}, dirOf(1, 2, 1, m.names(Dirent{"a", 2, S_IFREG})), big)
		},
		"missing blob": func(m forge) Hash {
			return m.root(&root{next: 16, files: 1, table: link{n: &node{hash: &Hash{1}}}})
		},
		"not a root": func(m forge) Hash { return m.put([]byte("{}")) },
		"nothing":    func(m forge) Hash { return m.put(nil) },
		"too many bits": func(m forge) Hash {
			return m.put([]byte{kindRoot, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
		},
	} {
		m := forge{}
		f := New(Options{})
		_, err := f.Import(build(m), m.get)
		if err == nil {
			t.Fatalf("%s: imported", name)
		}
		if name != "missing blob" && !errors.Is(err, ErrBadNode) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := f.Check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	// The forge is good enough to make what is accepted.
	m := forge{}
	f := New(Options{})
	s, err := f.Import(m.table(2, inode{}, dirOf(1, 2, 1, m.names(Dirent{"a", 2, S_IFREG})), file), m.get)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Restore(s); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(s); err != nil {
		t.Fatal(err)
	}
}

// No bytes make the decoder of a local node panic, and what it accepts it encodes again to the same meaning.
func FuzzLocalNode(f *testing.F) {
	src := New(Options{})
	store := &blockStore{}
	_ = src.WriteFile("a", make([]byte, 9000), 0o644)
	_ = src.WriteFile("b", []byte("some content"), 0o644)
	_ = src.Symlink("a", "c")
	_ = src.Persist(store, nil, func(roots [][]byte) error {
		f.Add(roots[0], uint8(0), int8(0))
		return nil
	})
	for _, k := range []kind{kindPages, kindInodes, kindNames} {
		f.Add(store.b, uint8(k), int8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, k uint8, level int8) {
		if k == 0 {
			if r, err := localDecoder(b).root(); err == nil {
				e := encoder{link: putRef}
				e.root(r)
				if _, err := localDecoder(e.b).root(); err != nil {
					t.Fatal(err)
				}
			}
			return
		}
		n, err := localDecoder(b).node(kind(k), int(level))
		if err != nil {
			return
		}
		e := encoder{link: putRef, page: putPage}
		e.node(n)
		if _, err := localDecoder(e.b).node(kind(k), int(level)); err != nil {
			t.Fatal(err)
		}
	})
}
