package s3publish

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-fs/holdfast/memfs"
)

// The pack; see LAYOUT.md, Pack.
const (
	packMagic       = "HOLDPACK"
	packEndMagic    = "HOLDPEND"
	packVersion     = 2
	packHeaderSize  = 16
	packTrailerSize = 128
	frameEntrySize  = 16
	blobEntrySize   = 36
	baseSize        = 36

	minPack      = packHeaderSize + 1 + frameEntrySize + blobEntrySize + baseSize + packTrailerSize
	maxPack      = 64 << 20
	maxPackRaw   = 128 << 20
	maxPackBlobs = 1 << 18
	maxFrame     = 2 << 20
	maxBlob      = 1 << 20

	// flagSealed, in packs and snapshot objects, says that they are encrypted.
	flagSealed = 1

	// flagFolded, in the size of a blob entry, says that the blob is folded.
	flagFolded = 1 << 31
)

// Codecs of frames; others are ErrVersion.
const (
	codecNone    = 0
	codecDeflate = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frameEntry struct {
	stored, raw uint32
	blobs       uint32
	codec       uint8
}

type blobEntry struct {
	hash   memfs.Hash
	size   uint32 // of the blob itself, folded or not
	folded bool
}

type packIndex struct {
	frames []frameEntry
	blobs  []blobEntry
	base   base
}

// content is the bytes of all blobs.
func (x *packIndex) content() (n uint64) {
	for _, e := range x.blobs {
		n += uint64(e.size)
	}
	return n
}

func encodePackHeader(b []byte, flags uint16, epoch uint32) []byte {
	b = append(b, packMagic...)
	b = binary.LittleEndian.AppendUint16(b, packVersion)
	b = binary.LittleEndian.AppendUint16(b, flags)
	return binary.LittleEndian.AppendUint32(b, epoch)
}

// checkPackHeader reads a header against the flags of the trailer.
func checkPackHeader(b []byte, flags uint16) error {
	le := binary.LittleEndian
	if len(b) < packHeaderSize || string(b[:8]) != packMagic {
		return corrupt("not a pack")
	}
	v, f := le.Uint16(b[8:]), le.Uint16(b[10:])
	if v != packVersion || f&^flagSealed != 0 {
		return fmt.Errorf("%w: pack of version %d with flags %#x", ErrVersion, v, f)
	}
	if f != flags {
		return corrupt("flags of the header and the trailer differ")
	}
	return nil
}

func (x *packIndex) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, len(x.frames)*frameEntrySize+len(x.blobs)*blobEntrySize+baseSize)
	for _, f := range x.frames {
		b = le.AppendUint32(b, f.stored)
		b = le.AppendUint32(b, f.raw)
		b = le.AppendUint32(b, f.blobs)
		b = append(b, f.codec, 0, 0, 0)
	}
	for _, e := range x.blobs {
		b = append(b, e.hash[:]...)
		size := e.size
		if e.folded {
			size |= flagFolded
		}
		b = le.AppendUint32(b, size)
	}
	b = le.AppendUint32(b, x.base.packs)
	return append(b, x.base.sum[:]...)
}

type packTrailer struct {
	indexOff      uint64
	stored        uint32 // bytes of the index in the pack
	frames, blobs uint32
	seal          seal // zero when the pack is not encrypted
	indexHash     [32]byte
}

func (t packTrailer) indexSize() uint32 {
	return t.frames*frameEntrySize + t.blobs*blobEntrySize + baseSize
}

func (t packTrailer) encode(b []byte) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = le.AppendUint64(b, t.indexOff)
	b = le.AppendUint32(b, t.stored)
	b = le.AppendUint32(b, t.frames)
	b = le.AppendUint32(b, t.blobs)
	b = le.AppendUint16(b, t.seal.flags())
	b = append(b, 0, 0)
	b = append(b, t.indexHash[:]...)
	b = append(b, t.seal.salt[:]...)
	b = append(b, t.seal.key[:]...)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint16(b, packVersion)
	b = append(b, 0, 0)
	sum := crc32.Checksum(b[start:], castagnoli)
	b = le.AppendUint32(b, crc32.Update(sum, castagnoli, []byte(packEndMagic)))
	return append(b, packEndMagic...)
}

// decodePackTrailer reads the last packTrailerSize bytes of a pack of the given size.
func decodePackTrailer(b []byte, size int64) (packTrailer, error) {
	le := binary.LittleEndian
	var t packTrailer
	if len(b) != packTrailerSize || string(b[120:]) != packEndMagic {
		return t, corrupt("no pack trailer")
	}
	if le.Uint32(b[116:]) != crc32.Update(crc32.Checksum(b[:116], castagnoli), castagnoli, b[120:]) {
		return t, corrupt("checksum of the pack trailer")
	}
	flags := le.Uint16(b[20:])
	if v := le.Uint16(b[112:]); v != packVersion || flags&^flagSealed != 0 {
		return t, fmt.Errorf("%w: pack of version %d with flags %#x", ErrVersion, v, flags)
	}
	t = packTrailer{indexOff: le.Uint64(b), stored: le.Uint32(b[8:]), frames: le.Uint32(b[12:]), blobs: le.Uint32(b[16:])}
	copy(t.indexHash[:], b[24:])
	if le.Uint16(b[22:]) != 0 || le.Uint64(b[104:]) != 0 || le.Uint16(b[114:]) != 0 {
		return t, corrupt("reserved bytes of the trailer are set")
	}
	var err error
	if t.seal, err = decodeSeal(b[56:104], flags); err != nil {
		return t, err
	}
	end := size - packTrailerSize
	switch {
	case size < minPack || size > maxPack:
		return t, corrupt("pack of %d bytes", size)
	case t.indexOff < packHeaderSize || t.indexOff > uint64(end) || uint64(t.stored) != uint64(end)-t.indexOff:
		return t, corrupt("index of %d bytes at %d in a pack of %d", t.stored, t.indexOff, size)
	case t.blobs < 1 || t.blobs > maxPackBlobs || t.frames < 1 || t.frames > t.blobs:
		return t, corrupt("%d frames, %d blobs", t.frames, t.blobs)
	case t.stored != t.indexSize()+t.seal.overhead():
		return t, corrupt("index of %d bytes for %d frames and %d blobs", t.stored, t.frames, t.blobs)
	}
	return t, nil
}

// decodeIndex reads an index, in the clear, vouched for by a trailer that decodePackTrailer accepted.
func decodeIndex(b []byte, t packTrailer) (*packIndex, error) {
	if uint64(len(b)) != uint64(t.indexSize()) {
		return nil, corrupt("index of %d bytes where %d were announced", len(b), t.indexSize())
	}
	le := binary.LittleEndian
	x := &packIndex{frames: make([]frameEntry, t.frames), blobs: make([]blobEntry, t.blobs)}
	entries := b[int(t.frames)*frameEntrySize:]
	seen := make(map[memfs.Hash]struct{}, t.blobs)
	for i := range x.blobs {
		e := &x.blobs[i]
		copy(e.hash[:], entries)
		size := le.Uint32(entries[32:])
		e.size, e.folded = size&^flagFolded, size&flagFolded != 0
		if e.size < 1 || e.size > maxBlob {
			return nil, corrupt("blob %s of %d bytes", hashString(e.hash), e.size)
		}
		if _, ok := seen[e.hash]; ok {
			return nil, corrupt("blob %s is listed twice", hashString(e.hash))
		}
		seen[e.hash] = struct{}{}
		entries = entries[blobEntrySize:]
	}
	x.base.packs = le.Uint32(entries)
	copy(x.base.sum[:], entries[4:])
	if x.base.packs > maxPacks || (x.base.packs == 0) != (x.base.sum == listSum{}) {
		return nil, corrupt("it builds on %d packs", x.base.packs)
	}
	stored, next := uint64(packHeaderSize), uint64(0)
	for i := range x.frames {
		f := &x.frames[i]
		*f = frameEntry{stored: le.Uint32(b), raw: le.Uint32(b[4:]), blobs: le.Uint32(b[8:]), codec: b[12]}
		if b[13] != 0 || le.Uint16(b[14:]) != 0 {
			return nil, corrupt("reserved bytes of frame %d are set", i)
		}
		if f.codec > codecDeflate {
			return nil, fmt.Errorf("%w: frame with codec %d", ErrVersion, f.codec)
		}
		payload := int64(f.stored) - int64(t.seal.overhead())
		if f.raw > maxFrame || payload < 1 || payload > int64(f.raw) || f.codec == codecNone && payload != int64(f.raw) ||
			f.blobs < 1 || uint64(f.blobs) > uint64(t.blobs)-next {
			return nil, corrupt("frame %d: %d bytes stored, %d raw, %d blobs", i, f.stored, f.raw, f.blobs)
		}
		var plain, folded uint64
		for _, e := range x.blobs[next : next+uint64(f.blobs)] {
			if e.folded {
				folded += uint64(e.size)
			} else {
				plain += uint64(e.size)
			}
		}
		// A folded blob is shorter than the blob.
		if folded == 0 && plain != uint64(f.raw) || folded > 0 && (plain >= uint64(f.raw) || plain+folded <= uint64(f.raw)) || plain+folded > maxFrame {
			return nil, corrupt("frame %d: blobs of %d bytes, and folded ones that stand for %d, in %d", i, plain, folded, f.raw)
		}
		next += uint64(f.blobs)
		stored += uint64(f.stored)
		b = b[frameEntrySize:]
	}
	if next != uint64(t.blobs) || stored != t.indexOff {
		return nil, corrupt("frames hold %d of %d blobs and end at %d, not %d", next, t.blobs, stored, t.indexOff)
	}
	return x, nil
}
