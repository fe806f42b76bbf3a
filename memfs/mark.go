package memfs

// Marker finds the stored blocks that a filesystem and its history still need, a few at a time, so that a store can tell what it may give up.
// What it finds is what was needed when it was made: blocks that are written later are not its concern.
type Marker struct {
	fs   *FS
	mark func(Ref) bool
	todo []stored
	buf  []byte
}

// stored is a node that was marked and has yet to be read.
type stored struct {
	ref   Ref
	kind  kind
	level int
}

// NewMarker returns a Marker of every state that is in memory now: the live tree, and all snapshots that were not released.
// mark is told of every block, and answers false for one that it was told of before.
func (f *FS) NewMarker(mark func(Ref) bool) *Marker {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &Marker{fs: f, mark: mark}
	for r := range f.states {
		m.link(&r.table, kindInodes, int(r.height))
	}
	return m
}

// Add marks from an encoded root on, too.
func (m *Marker) Add(encoded []byte) error {
	r, err := localDecoder(encoded).root()
	if err == nil {
		m.link(&r.table, kindInodes, int(r.height))
	}
	return err
}

// Step reads up to n nodes, and reports whether there are more. On an error, nothing may be concluded about any block.
func (m *Marker) Step(n int) (more bool, err error) {
	for ; n > 0 && len(m.todo) > 0; n-- {
		last := len(m.todo) - 1
		t := m.todo[last]
		m.todo = m.todo[:last]
		if cap(m.buf) < int(t.ref.Len) {
			m.buf = make([]byte, max(int(t.ref.Len), PageSize))
		}
		b := m.buf[:t.ref.Len]
		if err := m.fs.readBlock(t.ref, b); err != nil {
			return false, err
		}
		node, err := localDecoder(b).node(t.kind, t.level)
		if err != nil {
			return false, err
		}
		m.below(node, t.kind, t.level)
	}
	return len(m.todo) > 0, nil
}

// link marks what a link leads to. A node that is stored has everything below it stored; one that is not is in memory.
func (m *Marker) link(l *link, k kind, level int) {
	switch r := l.where(); {
	case r.ok():
		if m.mark(r) {
			m.todo = append(m.todo, stored{r, k, level})
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
