package memfs

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
	return refs, err == nil
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
