package memfs

import (
	"bytes"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// Stage collects blobs for an import as they come, in any order. Pages go into the filesystem's memory at once, so that it
// takes no more than the import itself. It is safe for concurrent use.
type Stage struct {
	im    importer
	nodes map[Hash][]byte
}

// NewStage returns an empty Stage. Import or Discard ends it.
func (f *FS) NewStage() *Stage {
	s := &Stage{nodes: map[Hash][]byte{}}
	s.im = importer{fs: f, nodes: map[nodeKey]*node{}, pages: map[Hash]pageID{}}
	s.im.get = func(h Hash) ([]byte, error) {
		b := s.nodes[h]
		if b == nil {
			return nil, errtext.Errorf("%w: blob %x is missing", ErrBadNode, h[:])
		}
		return b, nil
	}
	return s
}

// Add takes a blob that has this hash, which the caller checked. It keeps no reference to b. ENOSPC: there is no memory for it.
func (s *Stage) Add(h Hash, b []byte) error {
	_, isNode := PublishedRefs(b)
	isPage := len(b) > 0 && len(b) <= PageSize && b[len(b)-1] != 0
	f := s.im.fs
	f.mu.Lock()
	defer f.mu.Unlock()
	if isNode && s.nodes[h] == nil {
		s.nodes[h] = bytes.Clone(b)
	}
	if isPage && s.im.pages[h] == 0 {
		id, err := f.slabs.alloc()
		if err != nil {
			return err
		}
		p := f.slabs.bytes(id)
		clear(p[copy(p, b):])
		s.im.pages[h] = id
	}
	return nil
}

// Import builds the snapshot with this root, as FS.Import does, and ends the Stage.
func (s *Stage) Import(root Hash) (*Snapshot, error) {
	return s.im.build(root)
}

// Discard gives back the memory of what was added.
func (s *Stage) Discard() {
	s.im.fs.mu.Lock()
	defer s.im.fs.mu.Unlock()
	s.im.free()
	s.im.pages, s.nodes = map[Hash]pageID{}, map[Hash][]byte{}
}

// PublishedRefs lists the blobs that a published node names: the hashes of what lies below it. ok is false when the blob is not a
// well-formed node; a page of a file may look like one.
func PublishedRefs(blob []byte) (refs []Hash, ok bool) {
	if len(blob) == 0 {
		return nil, false
	}
	d := hashDecoder(blob, &refs)
	var err error
	switch kind(blob[0]) {
	case kindRoot:
		_, err = d.root()
	case kindBranch:
		_, err = d.node(kindPages, 1)
	case kindPages:
		_, err = d.node(kindPages, 0)
	case kindInodes:
		_, err = d.node(kindInodes, 0)
	case kindNames:
		_, err = d.node(kindNames, nameLevel)
	default:
		return nil, false
	}
	if err != nil {
		return nil, false
	}
	return refs, true
}

// hashDecoder reads a published node without what is below it: the offset of each link and page is the place, from 1, of its
// hash in the list.
func hashDecoder(b []byte, hashes *[]Hash) *decoder {
	next := func(d *decoder) Ref {
		*hashes = append(*hashes, d.hash())
		return Ref{Off: uint64(len(*hashes)), Len: 1}
	}
	return &decoder{
		b:    b,
		link: func(d *decoder, _ kind, _ int) link { return link{ref: next(d)} },
		page: func(d *decoder) (p page) {
			p.setRef(next(d))
			return p
		},
	}
}
