package s3publish

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/holdfast-fs/holdfast/memfs"
)

// The snapshot object; see LAYOUT.md, Snapshot object.
const (
	snapshotMagic   = "HOLDSNAP"
	snapshotVersion = 1
	snapshotFixed   = 112
	packEntrySize   = 80
	detailsFixed    = 60

	maxPacks    = 1 << 14
	maxLabel    = 4096
	maxOrigin   = 128
	maxDetails  = detailsFixed + maxLabel + maxOrigin + tagSize
	maxSnapshot = snapshotFixed + maxPacks*packEntrySize + maxDetails
)

// snapshotObject is what retention needs, in the clear, and the details, which may be encrypted.
type snapshotObject struct {
	parent  ID
	created int64
	packs   []packEntry
	seal    seal
	details // zero while locked is set
	locked  error
}

type details struct {
	root   memfs.Hash
	files  int64
	bytes  int64
	live   int64 // bytes of the blobs that the tree reaches, when they were last counted
	label  string
	origin string
}

// packEntry is what a snapshot says about a pack.
type packEntry struct {
	id        ID
	indexHash [32]byte
	size      uint32
	indexOff  uint32
	blobs     uint32
	raw       uint32 // bytes of its blobs
}

func (e packEntry) validate() error {
	if e.size < minPack || e.size > maxPack {
		return corrupt("pack %s: size %d", e.id, e.size)
	}
	if e.indexOff < packHeaderSize || e.indexOff > e.size-packTrailerSize {
		return corrupt("pack %s: index offset %d of %d", e.id, e.indexOff, e.size)
	}
	if e.blobs < 1 || e.blobs > maxPackBlobs || e.raw < e.blobs || e.raw > maxPackRaw {
		return corrupt("pack %s: %d blobs of %d bytes", e.id, e.blobs, e.raw)
	}
	return nil
}

// Info describes a published snapshot. Of one that is encrypted with another key than ours, what the details say is missing: Root, Label,
// Origin, Files and Bytes.
type Info struct {
	ID        ID
	Parent    ID // zero when there is none
	Root      memfs.Hash
	CreatedAt int64 // nanoseconds since 1970
	Label     string
	Origin    string // the local volume that published it
	Files     int64  // as the publisher counted them, 0 when not known
	Bytes     int64  // likewise
	Packs     int
	PackBytes int64 // what a pull of everything fetches
	Encrypted bool
	Locked    bool // the details could not be read with the key that we have
}

func (s *snapshotObject) info(id ID) Info {
	in := Info{
		ID: id, Parent: s.parent, Root: s.root, CreatedAt: s.created, Label: s.label, Origin: s.origin,
		Files: s.files, Bytes: s.bytes, Packs: len(s.packs), Encrypted: s.seal.sealed(), Locked: s.locked != nil,
	}
	for _, p := range s.packs {
		in.PackBytes += int64(p.size)
	}
	return in
}

func (d *details) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, detailsFixed+len(d.label)+len(d.origin))
	b = append(b, d.root[:]...)
	b = le.AppendUint64(b, uint64(d.files))
	b = le.AppendUint64(b, uint64(d.bytes))
	b = le.AppendUint64(b, uint64(d.live))
	b = le.AppendUint16(b, uint16(len(d.label)))
	b = le.AppendUint16(b, uint16(len(d.origin)))
	b = append(b, d.label...)
	return append(b, d.origin...)
}

func decodeDetails(b []byte) (d details, err error) {
	le := binary.LittleEndian
	if len(b) < detailsFixed {
		return d, corrupt("details of %d bytes", len(b))
	}
	copy(d.root[:], b)
	files, size, live := le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	if files > math.MaxInt64 || size > math.MaxInt64 || live > math.MaxInt64 {
		return d, corrupt("%d files, %d bytes, %d bytes of blobs", files, size, live)
	}
	label, origin := int(le.Uint16(b[56:])), int(le.Uint16(b[58:]))
	if label > maxLabel || origin > maxOrigin || len(b) != detailsFixed+label+origin {
		return d, corrupt("label of %d bytes and origin of %d in details of %d", label, origin, len(b))
	}
	b = b[detailsFixed:]
	d.files, d.bytes, d.live = int64(files), int64(size), int64(live)
	d.label, d.origin = string(b[:label]), string(b[label:])
	if !utf8.ValidString(d.label) || !utf8.ValidString(d.origin) {
		return d, corrupt("label or origin is not UTF-8")
	}
	return d, nil
}

// encodeSnapshot fails with ErrInvalid when a field is past its limit.
func (c *coder) encodeSnapshot(ctx context.Context, s *snapshotObject) ([]byte, error) {
	switch {
	case len(s.label) > maxLabel || !utf8.ValidString(s.label):
		return nil, fmt.Errorf("%w: a label is UTF-8 of at most %d bytes", ErrInvalid, maxLabel)
	case len(s.origin) > maxOrigin || !utf8.ValidString(s.origin):
		return nil, fmt.Errorf("%w: an origin is UTF-8 of at most %d bytes", ErrInvalid, maxOrigin)
	case s.files < 0 || s.bytes < 0 || s.live < 0:
		return nil, fmt.Errorf("%w: negative count", ErrInvalid)
	case len(s.packs) == 0 || len(s.packs) > maxPacks:
		return nil, fmt.Errorf("%w: a snapshot has 1 to %d packs, not %d", ErrInvalid, maxPacks, len(s.packs))
	}
	plain := s.details.encode()
	if c.key != nil {
		s.seal = seal{}
		s.seal = c.newSeal("snapshot", sha256.Sum256(append(s.encodeClear(0), plain...)))
	}
	clear := s.encodeClear(uint32(len(plain)) + s.seal.overhead())
	box, err := c.box(ctx, "snapshot", s.seal)
	if err != nil {
		return nil, err
	}
	stored, err := box.seal(ctx, nonceIndex, plain, clear)
	return append(clear, stored...), err
}

func (s *snapshotObject) encodeClear(details uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, snapshotFixed+packEntrySize*len(s.packs)+maxDetails)
	b = append(b, snapshotMagic...)
	b = le.AppendUint16(b, snapshotVersion)
	b = le.AppendUint16(b, s.seal.flags())
	b = le.AppendUint32(b, uint32(len(s.packs)))
	b = append(b, s.parent[:]...)
	b = le.AppendUint64(b, uint64(s.created))
	b = le.AppendUint32(b, details)
	b = append(b, 0, 0, 0, 0)
	b = append(b, s.seal.salt[:]...)
	b = append(b, s.seal.key[:]...)
	for _, p := range s.packs {
		b = append(b, p.id[:]...)
		b = append(b, p.indexHash[:]...)
		b = le.AppendUint32(b, p.size)
		b = le.AppendUint32(b, p.indexOff)
		b = le.AppendUint32(b, p.blobs)
		b = le.AppendUint32(b, p.raw)
	}
	return b
}

// decodeSnapshot trusts nothing: b may come from anyone. With a key that does not fit, locked says so.
func (c *coder) decodeSnapshot(ctx context.Context, b []byte) (*snapshotObject, error) {
	le := binary.LittleEndian
	if len(b) < snapshotFixed || string(b[:8]) != snapshotMagic {
		return nil, corrupt("not a snapshot object")
	}
	flags := le.Uint16(b[10:])
	if v := le.Uint16(b[8:]); v != snapshotVersion || flags&^flagSealed != 0 {
		return nil, fmt.Errorf("%w: snapshot object of version %d with flags %#x", ErrVersion, v, flags)
	}
	packs, size := le.Uint32(b[12:]), le.Uint32(b[56:])
	if packs < 1 || packs > maxPacks || size > maxDetails || le.Uint32(b[60:]) != 0 {
		return nil, corrupt("%d packs, details of %d bytes", packs, size)
	}
	end := snapshotFixed + packEntrySize*int(packs)
	if len(b) != end+int(size) {
		return nil, corrupt("%d bytes where %d were announced", len(b), end+int(size))
	}
	s := &snapshotObject{created: int64(le.Uint64(b[48:]))}
	copy(s.parent[:], b[16:])
	var err error
	if s.seal, err = decodeSeal(b[64:snapshotFixed], flags); err != nil {
		return nil, err
	}
	s.packs = make([]packEntry, packs)
	seen := make(map[ID]bool, packs)
	at := b[snapshotFixed:end]
	for i := range s.packs {
		p := &s.packs[i]
		copy(p.id[:], at)
		copy(p.indexHash[:], at[32:])
		p.size, p.indexOff, p.blobs, p.raw = le.Uint32(at[64:]), le.Uint32(at[68:]), le.Uint32(at[72:]), le.Uint32(at[76:])
		if err := p.validate(); err != nil {
			return nil, err
		}
		if seen[p.id] {
			return nil, corrupt("pack %s is listed twice", p.id)
		}
		seen[p.id] = true
		at = at[packEntrySize:]
	}
	plain := b[end:]
	if s.seal.sealed() {
		if s.locked = c.fits(s.seal); s.locked != nil {
			return s, nil
		}
		box, err := c.box(ctx, "snapshot", s.seal)
		if err != nil {
			return nil, err
		}
		if plain, err = box.open(ctx, nonceIndex, plain, b[:end]); err != nil {
			return nil, err
		}
	}
	s.details, err = decodeDetails(plain)
	return s, err
}
