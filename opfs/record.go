package opfs

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/zeebo/xxh3"
)

// The structures of FORMAT.md.

const (
	formatVersion = 1
	slotSize      = 4096
	superSize     = 128
	logStart      = 2 * slotSize
	recordAlign   = 512
	headerSize    = 64

	// MaxLabel bounds a label, in bytes.
	MaxLabel = 1024
	maxBody  = 1 << 44
	maxPoint = memfs.MaxBlock

	maxNotes   = 16
	maxNoteKey = 256 // bytes
	maxNote    = 256
)

var (
	superMagic  = []byte("HOLDFAST")
	recordMagic = []byte("HFCR")
	le          = binary.LittleEndian
)

// UUID names a volume (RFC 9562, version 4).
type UUID [16]byte

func newUUID() (u UUID) {
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

type superblock struct {
	uuid              UUID
	generation, epoch uint64
	checkpoint, seq   uint64
	created           int64
}

func (s *superblock) encode() []byte {
	b := make([]byte, superSize)
	copy(b, superMagic)
	le.PutUint32(b[8:], formatVersion)
	copy(b[16:], s.uuid[:])
	le.PutUint64(b[32:], s.generation)
	le.PutUint64(b[40:], s.epoch)
	le.PutUint64(b[48:], s.checkpoint)
	le.PutUint64(b[56:], s.seq)
	le.PutUint64(b[64:], uint64(s.created))
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
	if v := le.Uint32(b[8:]); v != formatVersion {
		return fmt.Errorf("%w: %d, this program reads %d", ErrVersion, v, formatVersion)
	}
	copy(s.uuid[:], b[16:])
	s.generation = le.Uint64(b[32:])
	s.epoch = le.Uint64(b[40:])
	s.checkpoint = le.Uint64(b[48:])
	s.seq = le.Uint64(b[56:])
	s.created = int64(le.Uint64(b[64:]))
	return nil
}

// header begins a commit record.
type header struct {
	off       int64
	pointLen  uint32
	seq, prev uint64
	body      uint64 // bytes
	sum       uint64
}

func (h *header) encode(b []byte, id UUID) {
	copy(b, recordMagic)
	le.PutUint32(b[4:], h.pointLen)
	le.PutUint64(b[8:], h.seq)
	le.PutUint64(b[16:], h.prev)
	le.PutUint64(b[24:], h.body)
	le.PutUint64(b[32:], h.sum)
	le.PutUint64(b[40:], uint64(h.off))
	copy(b[48:56], id[:8])
	le.PutUint64(b[56:], xxh3.Hash(b[:56]))
}

// decode reports whether b, found at an offset, begins a record of the volume.
func (h *header) decode(b []byte, off int64, id UUID) bool {
	if len(b) < headerSize || !bytes.Equal(b[:4], recordMagic) || !bytes.Equal(b[48:56], id[:8]) ||
		le.Uint64(b[40:]) != uint64(off) || le.Uint64(b[56:]) != xxh3.Hash(b[:56]) {
		return false
	}
	*h = header{off: off, pointLen: le.Uint32(b[4:]), seq: le.Uint64(b[8:]), prev: le.Uint64(b[16:]), body: le.Uint64(b[24:]), sum: le.Uint64(b[32:])}
	return h.seq > h.prev && h.body <= maxBody && h.pointLen > 0 && h.pointLen <= maxPoint && uint64(h.pointLen) <= h.body
}

// end is where the next record begins.
func (h *header) end() int64 { return align(h.off + headerSize + int64(h.body)) }

func align(n int64) int64 { return (n + recordAlign - 1) / recordAlign * recordAlign }

// point is a state that can be restored.
type point struct {
	seq, parent uint64
	created     int64
	label       string
	prev        memfs.Ref // the point before it in the log
	prevLabel   memfs.Ref // the labelled point before it in the log
	notes       map[string][]byte
	root        []byte
}

func (p *point) encode() []byte {
	b := []byte{1}
	b = binary.AppendUvarint(b, p.seq)
	b = binary.AppendUvarint(b, p.parent)
	b = binary.AppendVarint(b, p.created)
	b = binary.AppendUvarint(b, uint64(len(p.label)))
	b = append(b, p.label...)
	for _, r := range []memfs.Ref{p.prev, p.prevLabel} {
		b = binary.AppendUvarint(b, r.Off)
		b = binary.AppendUvarint(b, uint64(r.Len))
		b = le.AppendUint64(b, r.Sum)
	}
	b = binary.AppendUvarint(b, uint64(len(p.notes)))
	for _, key := range slices.Sorted(maps.Keys(p.notes)) {
		b = binary.AppendUvarint(b, uint64(len(key)))
		b = append(b, key...)
		b = binary.AppendUvarint(b, uint64(len(p.notes[key])))
		b = append(b, p.notes[key]...)
	}
	b = binary.AppendUvarint(b, uint64(len(p.root)))
	return append(b, p.root...)
}

func (p *point) decode(b []byte) error {
	bad := fmt.Errorf("%w: malformed point", ErrCorrupt)
	r := bytes.NewReader(b)
	var err error
	num := func(limit uint64) uint64 {
		v, e := binary.ReadUvarint(r)
		if e != nil || v > limit {
			err = bad
			return 0
		}
		return v
	}
	blob := func(limit uint64) []byte {
		n := num(min(limit, uint64(r.Len())))
		out := make([]byte, n)
		if _, e := io.ReadFull(r, out); e != nil {
			err = bad
		}
		return out
	}
	if v, e := r.ReadByte(); e != nil || v != 1 {
		return bad
	}
	p.seq = num(1 << 53)
	p.parent = num(1 << 53)
	created, e := binary.ReadVarint(r)
	if e != nil {
		return bad
	}
	p.created = created
	p.label = string(blob(MaxLabel))
	for _, ref := range []*memfs.Ref{&p.prev, &p.prevLabel} {
		ref.Off = num(1 << 62)
		ref.Len = uint32(num(maxPoint))
		var sum [8]byte
		if _, e := io.ReadFull(r, sum[:]); e != nil {
			return bad
		}
		ref.Sum = le.Uint64(sum[:])
	}
	if n := num(maxNotes); n > 0 && err == nil {
		p.notes = make(map[string][]byte, n)
		for range n {
			key := string(blob(maxNoteKey))
			p.notes[key] = blob(maxNote)
		}
	}
	p.root = blob(maxPoint)
	if r.Len() > 0 {
		return bad
	}
	return err
}
