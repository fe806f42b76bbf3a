package opfs

import (
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/zeebo/xxh3"
)

// Whether all of a record arrived. A map has a checksum. A commit has none of its own: its header has that of the last point, which leads to
// everything else that the commit wrote, and each reference has the checksum of its block. So the bytes of a commit are hashed once.

// isWhole reports whether all that counts of a record is in the file.
func (s *Store) isWhole(h header, size int64) (bool, error) {
	if h.kind == mapRecord {
		_, ok, err := s.readMapBody(h, size)
		return ok, err
	}
	if ok, err := s.reach(s.endOf(h), size); !ok {
		return false, err
	}
	c := checking{s: s, first: h.at + headerSize, end: s.space.advance(h.at+headerSize, h.body), size: size, left: int64(h.body), seen: map[uint64]struct{}{}}
	err := c.commit(h)
	if errors.Is(err, errTorn) {
		return false, nil
	}
	return err == nil, err
}

// readMapBody reads the body of a map; false when it is not all there with its checksum.
func (s *Store) readMapBody(h header, size int64) ([]byte, bool, error) {
	if ok, err := s.reach(s.endOf(h), size); !ok {
		return nil, false, err
	}
	b := make([]byte, h.body)
	for at, rest := h.at+headerSize, b; len(rest) > 0; {
		if at%uint64(s.space.segment) == 0 {
			at += headerSize
		}
		off, n := s.space.tailPlace(at)
		n = min(n, int64(len(rest)))
		if n <= 0 || off+n > size {
			return nil, false, nil
		}
		if ok, err := readFull(s.f, "open", rest[:n], off); !ok {
			return nil, false, err
		}
		at, rest = at+uint64(n), rest[n:]
	}
	return b, xxh3.Hash(b) == h.sum, nil
}

// errTorn says that a block is not all there.
var errTorn = errors.New("torn")

// checking reads the blocks of one commit's record, a segment at a time.
type checking struct {
	s          *Store
	first, end uint64 // where the body begins and ends
	size       int64  // of the file
	left       int64  // how many bytes blocks can still have: no two share any
	seen       map[uint64]struct{}
	window     []byte // what was read last
	at         uint64 // its position
	err        error
}

// commit reads everything that the record's points lead to, as far as it is in the record.
func (c *checking) commit(h header) error {
	m := memfs.NewStoredMarker(c, c.isNew)
	for at := c.s.pointOf(h); c.isNew(at); {
		b, err := c.block(at)
		if err != nil {
			return err
		}
		var p point
		if err := p.decode(b); err != nil {
			return &Error{Op: "open", Off: c.s.fileOffset(at.Off), Err: err, Hint: hintCorrupt}
		}
		if p.moved.Len > 0 {
			c.isNew(p.moved)
		}
		if err := m.Add(p.root); err != nil {
			return corruptRoot("open", err)
		}
		at = p.prev
	}
	for more := true; more && c.err == nil; {
		var err error
		if more, err = m.Step(64); err != nil && c.err == nil {
			c.err = err
		}
	}
	if errors.Is(c.err, memfs.ErrBadNode) {
		return corruptRoot("open", c.err)
	}
	return c.err
}

// isNew reads a block that it is told of for the first time, if it is in the record, and compares its checksum.
func (c *checking) isNew(r memfs.Ref) bool {
	if r.Off < c.first || c.err != nil {
		return false
	}
	if _, ok := c.seen[r.Off]; ok {
		return false
	}
	c.seen[r.Off] = struct{}{}
	if c.left -= int64(r.Len); c.left < 0 {
		c.err = corrupt("open", c.s.fileOffset(r.Off), "the blocks of a commit are longer than it")
		return false
	}
	b, err := c.block(r)
	if err == nil && xxh3.Hash(b) != r.Sum {
		err = errTorn
	}
	c.err = err
	return err == nil
}

// ReadBlock implements memfs.BlockReader, for blocks that isNew has checked.
func (c *checking) ReadBlock(r memfs.Ref, p []byte) error {
	b, err := c.block(r)
	copy(p, b)
	return err
}

// block returns a block's bytes, good until the next call.
func (c *checking) block(r memfs.Ref) ([]byte, error) {
	end := r.Off + uint64(r.Len)
	if r.Off < c.at || end > c.at+uint64(len(c.window)) {
		if err := c.read(r.Off); err != nil {
			return nil, err
		}
		if end > c.at+uint64(len(c.window)) {
			return nil, errTorn
		}
	}
	return c.window[r.Off-c.at : end-c.at], nil
}

// read reads the record's part of the segment of a position.
func (c *checking) read(at uint64) error {
	begin := c.s.space.begin(at)
	c.at = max(begin, c.first)
	off, n := c.s.space.tailPlace(c.at)
	n = min(n, int64(c.end-c.at), c.size-off)
	if at < c.at || at >= c.end || n <= 0 {
		return errTorn
	}
	if cap(c.window) < int(n) {
		c.window = make([]byte, n)
	}
	c.window = c.window[:n]
	ok, err := readFull(c.s.f, "open", c.window, off)
	if err == nil && !ok {
		err = errTorn
	}
	return err
}
