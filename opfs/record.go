package opfs

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
	"github.com/holdfast-fs/holdfast/memfs/order"
	"github.com/zeebo/xxh3"
)

// The structures of FORMAT.md.

const (
	formatVersion = 3
	oldestVersion = 2    // that is read as well: it has no pages with gaps, and a checksum in each commit that nothing needs
	slotSize      = 4096 // of a superblock
	superSize     = 128
	logStart      = 2 * slotSize
	recordAlign   = 512
	headerSize    = 64
	unit          = 64 // blocks begin at a multiple of it
	growStep      = 256 << 10

	defaultSegment = 1 << 20
	minSegment     = 8 << 10 // for tests, whose blocks are short
	maxSegment     = 1 << 26

	// MaxLabel bounds a label, in bytes.
	MaxLabel = 1024
	maxBody  = 1 << 44
	maxPoint = memfs.MaxBlock
	maxMap   = 1 << 28

	maxNotes   = 16
	maxNoteKey = 256 // bytes
	maxNote    = 256
	maxDrops   = 1 << 16 // labelled points that one commit deletes
)

var (
	superMagic   = []byte("HOLDFAST")
	segmentMagic = []byte("HFSG")
	recordMagic  = []byte("HFR")
	le           = binary.LittleEndian
)

// recordKind is what a record holds.
type recordKind byte

const (
	commitRecord recordKind = 'C' // blocks, moved bytes of older segments, and points
	mapRecord    recordKind = 'M' // a map
)

// UUID names a volume (RFC 9562, version 4).
type UUID [16]byte

func newUUID() (u UUID) {
	le.PutUint64(u[:], rand.Uint64()) // ChaCha8 with a seed of the system's, in a browser of crypto.getRandomValues
	le.PutUint64(u[8:], rand.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) String() string {
	return errtext.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// seed makes the headers of one volume invalid in any other.
func (u UUID) seed() uint64 { return le.Uint64(u[:8]) }

type superblock struct {
	uuid              UUID
	segment           int64
	generation, epoch uint64
	checkpoint        uint64 // position of a map record; 0 for none
	slot              uint32 // where the segment of the checkpoint is
	seq               uint64
	created           int64
}

func (s *superblock) encode() []byte {
	b := make([]byte, superSize)
	copy(b, superMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], uint32(s.segment))
	copy(b[16:], s.uuid[:])
	le.PutUint64(b[32:], s.generation)
	le.PutUint64(b[40:], s.epoch)
	le.PutUint64(b[48:], s.checkpoint)
	le.PutUint64(b[56:], s.seq)
	le.PutUint64(b[64:], uint64(s.created))
	le.PutUint32(b[72:], s.slot)
	le.PutUint64(b[120:], xxh3.Hash(b[:120]))
	return b
}

func (s *superblock) decode(b []byte) error {
	if len(b) < superSize || !bytes.Equal(b[:8], superMagic) {
		return ErrNotVolume
	}
	if le.Uint64(b[120:]) != xxh3.Hash(b[:120]) {
		return ErrCorrupt
	}
	if v := le.Uint32(b[8:]); v < oldestVersion || v > formatVersion {
		return errtext.Errorf("%w: %d, this program reads %d to %d", ErrVersion, v, oldestVersion, formatVersion)
	}
	s.segment = int64(le.Uint32(b[12:]))
	if s.segment < minSegment || s.segment > maxSegment || s.segment%recordAlign != 0 {
		return ErrCorrupt
	}
	copy(s.uuid[:], b[16:])
	s.generation = le.Uint64(b[32:])
	s.epoch = le.Uint64(b[40:])
	s.checkpoint = le.Uint64(b[48:])
	s.seq = le.Uint64(b[56:])
	s.created = int64(le.Uint64(b[64:]))
	s.slot = le.Uint32(b[72:])
	return nil
}

// segmentHeader begins a segment of the log.
type segmentHeader struct {
	at   uint64 // position in the log
	next uint32 // the slot where the log goes on
	size uint32 // bytes of a segment
}

func (h segmentHeader) encode(b []byte, id UUID) {
	copy(b, segmentMagic)
	le.PutUint32(b[4:], h.next)
	le.PutUint64(b[8:], h.at)
	copy(b[16:24], id[:8])
	le.PutUint32(b[24:], h.size)
	le.PutUint64(b[32:], xxh3.Hash(b[:32]))
}

func (h *segmentHeader) decode(b []byte) (seed uint64, ok bool) {
	if len(b) < headerSize || !bytes.Equal(b[:4], segmentMagic) || le.Uint64(b[32:]) != xxh3.Hash(b[:32]) {
		return 0, false
	}
	h.next, h.at, h.size = le.Uint32(b[4:]), le.Uint64(b[8:]), le.Uint32(b[24:])
	return le.Uint64(b[16:]), h.size >= minSegment && h.size <= maxSegment && h.at%uint64(h.size) == 0
}

// header begins a record.
type header struct {
	at        uint64 // position in the log
	kind      recordKind
	pointLen  uint32
	seq, prev uint64
	body      uint64 // bytes
	sum       uint64 // of the body of a map
	pointSum  uint64
}

func (h *header) encode(b []byte, id UUID) {
	copy(b, recordMagic)
	b[3] = byte(h.kind)
	le.PutUint32(b[4:], h.pointLen)
	le.PutUint64(b[8:], h.seq)
	le.PutUint64(b[16:], h.prev)
	le.PutUint64(b[24:], h.body)
	le.PutUint64(b[32:], h.sum)
	le.PutUint64(b[40:], h.at)
	le.PutUint64(b[48:], h.pointSum)
	le.PutUint64(b[56:], xxh3.HashSeed(b[:56], id.seed()))
}

// decode reports whether b begins a record of a volume, wherever it should stand.
func (h *header) decode(b []byte, seed uint64) bool {
	if len(b) < headerSize || !bytes.Equal(b[:3], recordMagic) || le.Uint64(b[56:]) != xxh3.HashSeed(b[:56], seed) {
		return false
	}
	*h = header{at: le.Uint64(b[40:]), kind: recordKind(b[3]), pointLen: le.Uint32(b[4:]), seq: le.Uint64(b[8:]), prev: le.Uint64(b[16:]),
		body: le.Uint64(b[24:]), sum: le.Uint64(b[32:]), pointSum: le.Uint64(b[48:])}
	switch h.kind {
	case commitRecord:
		return h.seq > h.prev && h.seq <= maxSeq && h.body <= maxBody && h.pointLen > 0 && h.pointLen <= maxPoint && uint64(h.pointLen) <= h.body
	case mapRecord:
		return h.seq == h.prev && h.body <= maxMap && h.pointLen == 0
	}
	return false
}

func align(n int64) int64 { return (n + recordAlign - 1) / recordAlign * recordAlign }

// point is a state that can be restored.
type point struct {
	seq, parent uint64
	created     int64
	label       string
	prev        memfs.Ref // the point before it in the log
	drops       []uint64  // points that were deleted since
	moved       memfs.Ref // the list of what its commit moved, if anything
	notes       map[string][]byte
	root        []byte
}

// noinline keeps the core module small: there are many calls, and none is hot.
//
//go:noinline
func putUint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

//go:noinline
func putInt(b []byte, v int64) []byte { return binary.AppendVarint(b, v) }

func appendRef(b []byte, r memfs.Ref) []byte {
	b = putUint(b, r.Off)
	b = putUint(b, uint64(r.Len))
	return le.AppendUint64(b, r.Sum)
}

func (p *point) encode() []byte { return p.append(nil) }

func (p *point) append(b []byte) []byte {
	b = append(b, 1)
	b = putUint(b, p.seq)
	b = putUint(b, p.parent)
	b = putInt(b, p.created)
	b = putUint(b, uint64(len(p.label)))
	b = append(b, p.label...)
	b = appendRef(b, p.prev)
	b = appendRef(b, p.moved)
	b = putUint(b, uint64(len(p.drops)))
	for _, seq := range p.drops {
		b = putUint(b, seq)
	}
	b = putUint(b, uint64(len(p.notes)))
	var keys []string
	if len(p.notes) > 0 {
		keys = slices.Collect(maps.Keys(p.notes))
		order.SortFunc(keys, strings.Compare)
	}
	for _, key := range keys {
		b = putUint(b, uint64(len(key)))
		b = append(b, key...)
		b = putUint(b, uint64(len(p.notes[key])))
		b = append(b, p.notes[key]...)
	}
	b = putUint(b, uint64(len(p.root)))
	return append(b, p.root...)
}

func (p *point) decode(b []byte) error {
	r := reader{b: b}
	if r.byte() != 1 {
		return errMalformed("point")
	}
	p.seq = r.uint(maxSeq)
	p.parent = r.uint(maxSeq)
	p.created = r.int()
	p.label = string(r.bytes(MaxLabel))
	p.prev, p.moved = r.ref(), r.ref()
	for range r.uint(min(maxDrops, uint64(len(r.b)))) {
		p.drops = append(p.drops, r.uint(maxSeq))
	}
	if n := r.uint(maxNotes); n > 0 {
		p.notes = make(map[string][]byte, n)
		for range n {
			key := string(r.bytes(maxNoteKey))
			p.notes[key] = r.bytes(maxNote)
		}
	}
	p.root = r.bytes(maxPoint)
	if r.bad || len(r.b) > 0 {
		return errMalformed("point")
	}
	return nil
}

const maxSeq = 1 << 53

//go:noinline
func errMalformed(what string) error { return errtext.Errorf("%w: malformed %s", ErrCorrupt, what) }

// fileMap is what a map record holds: all that open needs to know of the log before it.
type fileMap struct {
	pointAt memfs.Ref // the newest point
	history []entry   // oldest first
	extents []extent  // in order
}

func (m *fileMap) encode() []byte {
	b := []byte{1}
	b = appendRef(b, m.pointAt)
	b = putUint(b, uint64(len(m.history)))
	for _, e := range m.history {
		b = putUint(b, e.seq)
		b = putInt(b, e.created)
		var flags byte
		if e.kept {
			flags |= 1
		}
		if e.deleted {
			flags |= 2
		}
		b = append(b, flags)
		b = appendRef(b, e.at)
	}
	b = putUint(b, uint64(len(m.extents)))
	var end extent
	for _, e := range m.extents {
		b = putUint(b, (e.at-end.at)/unit)
		b = putUint(b, uint64(e.n/unit))
		b = putInt(b, (e.phys-end.phys)/unit)
		end = extent{at: e.at + uint64(e.n), phys: e.phys + e.n}
	}
	return b
}

func (m *fileMap) decode(b []byte) error {
	r := reader{b: b}
	if r.byte() != 1 {
		return errMalformed("map")
	}
	m.pointAt = r.ref()
	m.history = make([]entry, 0, min(len(b)/12, 1<<16))
	for range r.uint(uint64(len(r.b))) {
		e := entry{seq: r.uint(maxSeq), created: r.int()}
		flags := r.byte()
		e.kept, e.deleted = flags&1 != 0, flags&2 != 0
		e.at = r.ref()
		if k := len(m.history) - 1; r.bad || k >= 0 && m.history[k].seq >= e.seq {
			return errMalformed("map")
		}
		m.history = append(m.history, e)
	}
	var end extent
	const limit = 1 << 56
	for range r.uint(uint64(len(r.b))) {
		e := extent{at: end.at + r.uint(limit)*unit, n: int64(r.uint(limit)) * unit, phys: end.phys + r.int()*unit}
		if r.bad || e.n <= 0 || e.phys < logStart || e.n > maxBody || e.phys > 1<<60 || e.at > 1<<60 {
			return errMalformed("map")
		}
		m.extents = append(m.extents, e)
		end = extent{at: e.at + uint64(e.n), phys: e.phys + e.n}
	}
	if r.bad || len(r.b) > 0 {
		return errMalformed("map")
	}
	return nil
}

// reader reads numbers from bytes that nobody vouches for: the first fault makes it bad, and all that follows is zero.
type reader struct {
	b   []byte
	bad bool
}

// noinline keeps the core module small.
//
//go:noinline
func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(limit uint64) []byte {
	n := r.uint(min(limit, uint64(len(r.b))))
	if uint64(len(r.b)) < n {
		r.fail()
		return nil
	}
	out := slices.Clone(r.b[:n])
	r.b = r.b[n:]
	return out
}

func (r *reader) ref() (out memfs.Ref) {
	out.Off = r.uint(1 << 62)
	out.Len = uint32(r.uint(maxPoint))
	if len(r.b) < 8 {
		r.fail()
		return memfs.Ref{}
	}
	out.Sum = le.Uint64(r.b)
	r.b = r.b[8:]
	return out
}

// readFull reads exactly p, or answers false when the file ends before.
func readFull(f File, op string, p []byte, off int64) (bool, error) {
	n, err := f.ReadAt(p, off)
	if n < len(p) && err != nil && err != io.EOF {
		return false, failed(op, off, err)
	}
	return n == len(p), nil
}
