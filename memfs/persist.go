package memfs

import (
	"encoding/binary"
)

// BlockWriter takes the blocks of one commit.
type BlockWriter interface {
	// WriteBlock appends a block of 1 to MaxBlock bytes and says where it will be: behind all blocks before it. p is good during the call only.
	WriteBlock(p []byte) (Ref, error)
}

// Persist writes every block that the store does not have yet of the given snapshots and of the live tree, then calls finish with their
// encoded roots, the live tree's last, to make them durable. If anything fails, everything counts as unwritten again
// and the next Persist writes it anew. The filesystem stands still meanwhile; finish must not call it.
func (f *FS) Persist(w BlockWriter, snaps []*Snapshot, finish func(roots [][]byte) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.edits++ // what is stored now is not stored any more once it is written to
	p := &f.persister
	p.begin(f, w)
	defer p.end()
	var roots [][]byte
	err := func() error {
		for _, s := range snaps {
			if s.root == nil {
				return EINVAL
			}
			b, err := p.root(s.root)
			if err != nil {
				return err
			}
			roots = append(roots, b)
		}
		b, err := p.root(f.live)
		if err != nil {
			return err
		}
		return finish(append(roots, b))
	}()
	if err != nil {
		p.undo()
		return err
	}
	f.live.clean = true
	f.touched.reset()
	return nil
}

// persister is what Persist works with. It is kept for the next one, so that a small commit allocates next to nothing.
type persister struct {
	fs    *FS
	w     BlockWriter
	enc   encoder
	nodes []*node // whose blocks, or blocks below, were or are to be written
	first Ref     // block that was written: those before it are from earlier
}

// maxKept bounds, in nodes, what a large commit leaves allocated.
const maxKept = 1024

func (p *persister) begin(f *FS, w BlockWriter) {
	p.fs, p.w, p.first = f, w, Ref{}
	p.enc.link, p.enc.page = putRef, putPage
}

func (p *persister) end() {
	clear(p.nodes)
	p.nodes, p.w = p.nodes[:0], nil
	if cap(p.nodes) > maxKept || cap(p.enc.b) > MaxBlock {
		*p = persister{}
	}
}

func (p *persister) undo() {
	for _, n := range p.nodes {
		n.ref = Ref{}
		for i := range n.pages {
			if pg := &n.pages[i]; p.first.ok() && pg.len != 0 && pg.off >= p.first.Off {
				pg.setRef(Ref{})
			}
		}
	}
}

func (p *persister) write(b []byte) (Ref, error) {
	ref, err := p.w.WriteBlock(b)
	if !p.first.ok() {
		p.first = ref
	}
	return ref, err
}

func (p *persister) root(r *root) ([]byte, error) {
	if err := p.below(&r.table); err != nil {
		return nil, err
	}
	p.enc.b = p.enc.b[:0]
	p.enc.root(r)
	return append([]byte(nil), p.enc.b...), nil
}

// below writes a node after everything below it, unless the store has it.
func (p *persister) below(l *link) error {
	n := l.n
	if n == nil || n.ref.ok() {
		return nil
	}
	p.nodes = append(p.nodes, n)
	for i := range n.links {
		if err := p.below(&n.links[i]); err != nil {
			return err
		}
	}
	for i := range n.inodes {
		if err := p.below(&n.inodes[i].data); err != nil {
			return err
		}
	}
	for i := range n.pages {
		if err := p.page(&n.pages[i]); err != nil {
			return err
		}
	}
	p.enc.b = p.enc.b[:0]
	p.enc.node(n)
	var err error
	n.ref, err = p.write(p.enc.b)
	return err
}

func (p *persister) page(pg *page) error {
	if pg.id == 0 || pg.len != 0 {
		return nil
	}
	b, gapped := squeeze(p.fs.slabs.bytes(pg.id), &p.fs.block)
	if len(b) == 0 { // a page of zeros is a hole
		p.fs.slabs.unref(pg.id)
		*pg = page{}
		return nil
	}
	ref, err := p.write(b)
	if err != nil {
		return err
	}
	pg.setRef(ref)
	if gapped {
		pg.len += PageSize
	}
	return nil
}

func appendRef(b []byte, r Ref) []byte {
	b = binary.AppendUvarint(b, r.Off)
	b = binary.AppendUvarint(b, uint64(r.Len))
	return binary.LittleEndian.AppendUint64(b, r.Sum)
}

func putRef(b []byte, l *link) []byte { return appendRef(b, l.where()) }

func putPage(b []byte, n *node, i int) []byte {
	p := &n.pages[i]
	return appendRef(b, Ref{Off: p.off, Len: p.len, Sum: p.sum})
}

func (d *decoder) ref(limit uint64) Ref {
	r := Ref{Off: d.uint(1 << 62), Len: uint32(d.uint(limit))}
	if p := d.take(8); p != nil {
		r.Sum = binary.LittleEndian.Uint64(p)
	}
	if d.err == nil && !r.ok() {
		d.fail("empty block")
	}
	return r
}

//go:noinline
func localDecoder(b []byte) *decoder {
	return &decoder{
		b:    b,
		link: func(d *decoder, _ kind, _ int) link { return link{ref: d.ref(MaxBlock)} },
		page: func(d *decoder) page {
			var p page
			if p.setRef(d.ref(2 * PageSize)); p.gapped() && p.len <= PageSize+gapSuffix {
				d.fail("page with a bad gap")
			}
			return p
		},
	}
}

// readNode reads a node from the local store.
func (f *FS) readNode(r Ref, k kind, level int) (*node, error) {
	if cap(f.readBuf) < int(r.Len) {
		f.readBuf = make([]byte, r.Len)
	}
	b := f.readBuf[:r.Len]
	if err := f.readBlock(r, b); err != nil {
		return nil, err
	}
	n, err := localDecoder(b).node(k, level)
	if err != nil {
		return nil, err
	}
	n.ref = r
	return n, nil
}

// Load opens the filesystem whose encoded root Persist gave to finish. Everything below the root is read on first use.
func Load(o Options, encoded []byte) (*FS, error) {
	r, err := localDecoder(encoded).root()
	if err != nil {
		return nil, err
	}
	f := newFS(o)
	f.live = &root{refs: 1} // an empty state for become to leave
	if err := f.become(f.hold(r)); err != nil {
		return nil, err
	}
	f.dropRoot(r)
	f.live.clean = len(r.orphans) == 0
	f.touched.reset()
	f.epoch = 0
	return f, nil
}

// LoadSnapshot opens an earlier state of the same store, by its encoded root. What it shares with the live tree it shares in
// memory too, so that it costs what differs.
func (f *FS) LoadSnapshot(encoded []byte) (*Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.edits++
	r, err := localDecoder(encoded).root()
	if err != nil {
		return nil, err
	}
	if r.height == f.live.height {
		f.share(&r.table, &f.live.table, kindInodes, int(r.height))
	}
	return &Snapshot{fs: f, root: f.hold(r)}, nil
}

// share makes a link that is only stored lead to the nodes in memory that hold the same blocks. Nodes that cannot be read
// are left for the caller that needs them.
func (f *FS) share(l, m *link, k kind, level int) {
	if l.n != nil || l.empty() || m.n == nil {
		return
	}
	if l.ref == m.n.ref {
		l.n, l.ref = m.n, Ref{}
		m.n.refs++
		return
	}
	n, err := f.load(l, k, level)
	if err != nil || n.kind != m.n.kind {
		return
	}
	for i := range min(len(n.links), len(m.n.links)) {
		f.share(&n.links[i], &m.n.links[i], k, level-1)
	}
	for i := range min(len(n.inodes), len(m.n.inodes)) {
		a, b := &n.inodes[i], &m.n.inodes[i]
		switch {
		case a.mode&S_IFMT != b.mode&S_IFMT || a.height != b.height:
		case a.is(S_IFDIR):
			f.share(&a.data, &b.data, kindNames, nameLevel)
		default:
			f.share(&a.data, &b.data, kindPages, int(a.height))
		}
	}
	for i := range min(len(n.pages), len(m.n.pages)) {
		a, b := &n.pages[i], &m.n.pages[i]
		if b.id != 0 && a.len != 0 && a.ref() == b.ref() {
			a.id = b.id
			f.slabs.ref(b.id)
		}
	}
}
