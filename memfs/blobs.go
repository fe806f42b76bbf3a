package memfs

import (
	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// Content addressing, for stores that keep blobs by their SHA-256: a page without its trailing zeros is a blob, and so is
// a node encoded with the hashes of what is below it. So a root's hash stands for the whole filesystem.

// HashPages computes the hashes of the snapshot's pages that have none yet. sum is given up to batch pages at a time
// (each of 1 to PageSize bytes, good during the call only) and returns one hash for each. sum may block.
func (s *Snapshot) HashPages(stop Stopper, batch int, sum func(pages [][]byte) ([]Hash, error)) error {
	type slot struct {
		n *node
		i int
	}
	var slots []slot
	var pages [][]byte
	flush := func() error {
		if len(pages) == 0 {
			return nil
		}
		if err := stop.Err(); err != nil {
			return err
		}
		hashes, err := sum(pages)
		if err != nil {
			return err
		}
		if len(hashes) != len(pages) {
			return errtext.Errorf("memfs: %d hashes for %d pages: %w", len(hashes), len(pages), EINVAL)
		}
		s.fs.mu.Lock()
		for i, at := range slots {
			at.n.setHash(at.i, hashes[i])
		}
		s.fs.mu.Unlock()
		slots, pages = slots[:0], pages[:0]
		return nil
	}
	var walk func(l *link, k kind, level int) error
	walk = func(l *link, k kind, level int) error {
		n, err := s.step(l, k, level)
		if n == nil || err != nil || n.hash != nil {
			return err
		}
		for i := range n.links {
			if err := walk(&n.links[i], k, level-1); err != nil {
				return err
			}
		}
		for i := range n.inodes {
			if in := &n.inodes[i]; in.is(S_IFREG) {
				if err := walk(&in.data, kindPages, int(in.height)); err != nil {
					return err
				}
			}
		}
		for i := range n.pages {
			if i < len(n.hashes) && n.hashes[i] != (Hash{}) {
				continue
			}
			b, err := s.page(n, i)
			if err != nil {
				return err
			}
			if b == nil {
				continue
			}
			slots, pages = append(slots, slot{n, i}), append(pages, b)
			if len(pages) >= batch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if s.root == nil {
		return EINVAL
	}
	if err := walk(&s.root.table, kindInodes, int(s.root.height)); err != nil {
		return err
	}
	return flush()
}

// step loads the node behind a link of the snapshot; nil where there is none. What a snapshot holds does not change,
// so the node may be looked at without the lock.
func (s *Snapshot) step(l *link, k kind, level int) (*node, error) {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if l.empty() {
		return nil, nil
	}
	return s.fs.load(l, k, level)
}

// page returns a page without its trailing zeros; nil is a hole.
func (s *Snapshot) page(n *node, i int) ([]byte, error) {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	b, err := s.fs.loadPage(&n.pages[i])
	if err != nil || b == nil {
		return nil, err
	}
	if b = trimZeros(b); len(b) == 0 {
		s.fs.slabs.unref(n.pages[i].id)
		n.pages[i] = page{}
		return nil, nil
	}
	return b, nil
}

func (n *node) setHash(i int, h Hash) {
	for len(n.hashes) <= i {
		n.hashes = append(n.hashes, Hash{})
	}
	n.hashes[i] = h
}

// Export calls emit for each blob of the snapshot for which has is false, everything below a node before the node. A node that has is
// true for is left out with everything below it. emit may block; data is good during the call only.
// It returns the root's hash. sum is SHA-256: it is given nodes, and pages that HashPages has not seen; it may block, and what it is given is good
// during the call only. Hashes are remembered, so that the next Export of a tree costs what is new.
func (s *Snapshot) Export(sum func([]byte) (Hash, error), has func(Hash) bool, emit func(h Hash, data []byte) error) (Hash, error) {
	if s.root == nil {
		return Hash{}, EINVAL
	}
	e := exporter{s: s, sum: sum, has: has, emit: emit, seen: map[Hash]bool{}}
	e.enc = encoder{
		link: func(b []byte, l *link) []byte { return append(b, l.n.hash[:]...) },
		page: func(b []byte, n *node, i int) []byte { return append(b, n.hashes[i][:]...) },
	}
	if err := e.hash(&s.root.table, kindInodes, int(s.root.height)); err != nil {
		return Hash{}, err
	}
	s.fs.mu.Lock()
	e.enc.b = nil
	e.enc.root(s.root)
	encoded := e.enc.b
	e.enc.b = nil
	s.fs.mu.Unlock()
	h, err := sum(encoded)
	if err != nil || has(h) {
		return h, err
	}
	if err := e.send(&s.root.table, kindInodes, int(s.root.height)); err != nil {
		return Hash{}, err
	}
	return h, emit(h, encoded)
}

type exporter struct {
	s    *Snapshot
	sum  func([]byte) (Hash, error)
	has  func(Hash) bool
	emit func(Hash, []byte) error
	seen map[Hash]bool
	enc  encoder
}

// each calls fn for every link below a node.
func (n *node) each(k kind, level int, fn func(l *link, k kind, level int) error) error {
	for i := range n.links {
		if err := fn(&n.links[i], k, level-1); err != nil {
			return err
		}
	}
	for i := range n.inodes {
		in := &n.inodes[i]
		k, level := kindPages, int(in.height)
		if in.is(S_IFDIR) {
			k, level = kindNames, nameLevel
		}
		if err := fn(&in.data, k, level); err != nil {
			return err
		}
	}
	return nil
}

// hash gives a node its hash, after everything below it.
func (e *exporter) hash(l *link, k kind, level int) error {
	n, err := e.s.step(l, k, level)
	if n == nil || err != nil || n.hash != nil {
		return err
	}
	if err := n.each(k, level, e.hash); err != nil {
		return err
	}
	for i := range n.pages {
		if i < len(n.hashes) && n.hashes[i] != (Hash{}) {
			continue
		}
		b, err := e.s.page(n, i)
		if err != nil {
			return err
		}
		if b != nil {
			h, err := e.sum(b)
			if err != nil {
				return err
			}
			e.s.fs.mu.Lock()
			n.setHash(i, h)
			e.s.fs.mu.Unlock()
		}
	}
	h, err := e.sum(e.encode(n))
	if err != nil {
		return err
	}
	e.s.fs.mu.Lock()
	n.hash = &h
	e.s.fs.mu.Unlock()
	return nil
}

func (e *exporter) encode(n *node) []byte {
	e.s.fs.mu.Lock()
	defer e.s.fs.mu.Unlock()
	e.enc.b = e.enc.b[:0]
	e.enc.node(n)
	return e.enc.b
}

func (e *exporter) want(h Hash) bool {
	if e.seen[h] || e.has(h) {
		return false
	}
	e.seen[h] = true
	return true
}

func (e *exporter) send(l *link, k kind, level int) error {
	n, err := e.s.step(l, k, level)
	if n == nil || err != nil || !e.want(*n.hash) {
		return err
	}
	if err := n.each(k, level, e.send); err != nil {
		return err
	}
	for i := range n.pages {
		if n.pages[i].hole() || !e.want(n.hashes[i]) {
			continue
		}
		b, err := e.s.page(n, i)
		if err != nil {
			return err
		}
		if err := e.emit(n.hashes[i], b); err != nil {
			return err
		}
	}
	return e.emit(*n.hash, e.encode(n))
}

// Import builds a snapshot from the blobs that Export emitted. get returns a blob, checked against its hash by the caller; Import
// keeps no reference to its bytes. Nothing is visible until the snapshot is restored. What breaks the format, or is not a
// filesystem (cycles, lost or doubled names, wrong counts), is refused with an error that wraps ErrBadNode.
func (f *FS) Import(rootHash Hash, get func(Hash) ([]byte, error)) (*Snapshot, error) {
	im := importer{fs: f, get: get, nodes: map[nodeKey]*node{}, pages: map[Hash]pageID{}}
	return im.build(rootHash)
}

func (im *importer) build(rootHash Hash) (*Snapshot, error) {
	f := im.fs
	b, err := im.get(rootHash)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		im.free()
		return nil, err
	}
	r, err := im.decoder(b).root()
	if err == nil && r.files > im.inodes() {
		err = errtext.Errorf("%w: fewer inodes than the %d counted", ErrBadNode, r.files)
	}
	if err == nil {
		f.mu.Lock()
		err = f.validate(r)
		f.mu.Unlock()
	}
	if im.err != nil {
		err = im.err
	}
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		im.free()
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	im.settle()
	return &Snapshot{fs: f, root: f.hold(r)}, nil
}

// nodeKey tells apart equal blobs that are read as different levels.
type nodeKey struct {
	h     Hash
	k     kind
	level int
}

// importer builds nodes from blobs, each blob once. It holds one reference of its own to each node and page until it is done.
type importer struct {
	fs    *FS
	get   func(Hash) ([]byte, error)
	nodes map[nodeKey]*node
	pages map[Hash]pageID
	err   error // of get or of memory: more telling than what the decoder makes of it
}

// inodes is how many inodes the blobs hold. No two leaves of a table are equal, since births differ; so a table that uses
// one twice, to unfold into more, counts more than this.
func (im *importer) inodes() (n uint64) {
	for _, node := range im.nodes {
		for i := range node.inodes {
			if node.inodes[i].mode != 0 {
				n++
			}
		}
	}
	return n
}

func (im *importer) decoder(b []byte) *decoder {
	return &decoder{b: b, link: im.link, page: im.page}
}

func (d *decoder) hash() (h Hash) {
	copy(h[:], d.take(len(h)))
	return h
}

func (im *importer) blob(d *decoder, h Hash) []byte {
	b, err := im.get(h)
	if err != nil && im.err == nil {
		im.err = err
	}
	if err != nil {
		d.fail("blob is missing")
	}
	return b
}

func (im *importer) link(d *decoder, k kind, level int) link {
	key := nodeKey{d.hash(), k, level}
	if d.err != nil {
		return link{}
	}
	if n := im.nodes[key]; n != nil {
		n.refs++
		return link{n: n}
	}
	b := im.blob(d, key.h)
	if d.err != nil {
		return link{}
	}
	n, err := im.decoder(b).node(k, level)
	im.nodes[key] = n // also when it is bad, so that free finds what it holds
	if err != nil {
		d.fail(err.Error())
		return link{}
	}
	if n.refs++; n.kind == kindPages {
		im.pageHashes(b, n)
	}
	n.hash = &key.h
	return link{n: n}
}

// pageHashes keeps the hashes of a leaf's pages, which stand in its encoding after the kind and the bitmap.
func (im *importer) pageHashes(b []byte, n *node) {
	d := &decoder{b: b[1+8:]}
	for i := range n.pages {
		if n.pages[i].id != 0 {
			n.setHash(i, d.hash())
		}
	}
}

func (im *importer) page(d *decoder) page {
	h := d.hash()
	if d.err != nil {
		return page{}
	}
	f := im.fs
	if id, ok := im.pages[h]; ok {
		f.mu.Lock()
		f.slabs.ref(id)
		f.mu.Unlock()
		return page{id: id}
	}
	b := im.blob(d, h)
	if d.err == nil && (len(b) == 0 || len(b) > PageSize || b[len(b)-1] == 0) {
		d.fail("bad page")
	}
	if d.err != nil {
		return page{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id, err := f.slabs.alloc()
	if err != nil {
		im.err = err
		d.fail("no memory")
		return page{}
	}
	p := f.slabs.bytes(id)
	clear(p[copy(p, b):])
	f.slabs.ref(id)
	im.pages[h] = id
	return page{id: id}
}

// settle gives up the importer's own references: what remains is the snapshot's.
func (im *importer) settle() {
	for _, n := range im.nodes {
		n.refs--
	}
	for _, id := range im.pages {
		im.fs.slabs.unref(id)
	}
}

// free gives back every page of an import that failed.
func (im *importer) free() {
	for _, n := range im.nodes {
		for i := range n.pages {
			if id := n.pages[i].id; id != 0 {
				im.fs.slabs.unref(id)
			}
		}
	}
	for _, id := range im.pages {
		im.fs.slabs.unref(id)
	}
}
