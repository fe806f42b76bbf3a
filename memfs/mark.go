package memfs

// Marker finds the stored blocks that states of a filesystem need, a few at a time: so that a store can tell what it may give up, or whether all
// is there. What it finds is what was needed when it was made: blocks that are written later are not its concern.
type Marker struct {
	fs   *FS // nil when nothing is looked at in memory
	read BlockReader
	mark func(Ref) bool
	todo []stored
	buf  []byte
}

// stored is a node that was marked and has yet to be looked at.
type stored struct {
	ref   Ref
	kind  kind
	level int
	n     *node // what it was in memory; it counts as long as it is stored there
}

// NewMarker returns a Marker of every state that is in memory now: the live tree, and all snapshots that were not released.
// mark is told of every block, and answers false for one that it was told of before.
func (f *FS) NewMarker(mark func(Ref) bool) *Marker {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &Marker{fs: f, read: f.reader, mark: mark}
	for r := range f.states {
		m.link(&r.table, kindInodes, int(r.height))
	}
	return m
}

// NewStoredMarker returns a Marker of states that are to be added, all read from a store. What mark answers false for is not looked at.
func NewStoredMarker(r BlockReader, mark func(Ref) bool) *Marker {
	return &Marker{read: r, mark: mark}
}

// Add marks from an encoded root on, too.
func (m *Marker) Add(encoded []byte) error {
	r, err := localDecoder(encoded).root()
	if err == nil {
		m.link(&r.table, kindInodes, int(r.height))
	}
	return err
}

// Step looks at up to n nodes, and reports whether there are more. On an error, nothing may be concluded about any block.
func (m *Marker) Step(n int) (more bool, err error) {
	if m.fs != nil {
		m.fs.mu.Lock()
		defer m.fs.mu.Unlock()
	}
	for ; n > 0 && len(m.todo) > 0; n-- {
		last := len(m.todo) - 1
		t := m.todo[last]
		m.todo = m.todo[:last]
		if t.n == nil || t.n.refs <= 0 || t.n.ref != t.ref { // edited since, or given up
			if t.n, err = m.node(t); err != nil {
				return false, err
			}
		}
		m.below(t.n, t.kind, t.level)
	}
	return len(m.todo) > 0, nil
}

func (m *Marker) node(t stored) (*node, error) {
	if cap(m.buf) < int(t.ref.Len) {
		m.buf = make([]byte, max(int(t.ref.Len), PageSize))
	}
	b := m.buf[:t.ref.Len]
	if err := m.read.ReadBlock(t.ref, b); err != nil {
		return nil, err
	}
	return localDecoder(b).node(t.kind, t.level)
}

// link marks what a link leads to. A node that is stored has everything below it stored; one that is not is in memory.
func (m *Marker) link(l *link, k kind, level int) {
	switch r := l.where(); {
	case r.ok():
		if m.mark(r) {
			m.todo = append(m.todo, stored{r, k, level, l.n})
		}
	case l.n != nil:
		m.below(l.n, k, level)
	}
}

func (m *Marker) below(n *node, k kind, level int) {
	for i := range n.pages {
		if r := n.pages[i].ref(); r.ok() {
			m.mark(r)
		}
	}
	_ = n.each(k, level, func(l *link, k kind, level int) error {
		m.link(l, k, level)
		return nil
	})
}
