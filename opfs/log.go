package opfs

import (
	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
	"github.com/zeebo/xxh3"
)

// logWriter writes one record at the end of the log: in one piece, unless it goes on in a further segment. Nothing that it does counts until
// the record's header is in the file and the file is flushed; a writer that is not finished leaves no trace.
type logWriter struct {
	f     File
	space *space
	id    UUID
	kind  recordKind

	at     uint64 // position of the record
	first  uint32 // the slot of its segment
	slot   uint32 // of the segment that is being written
	next   uint32 // of the one after it
	opened []uint32
	buf    []byte // what is to be written of that segment
	from   uint64 // position of buf
	skip   int    // bytes of buf that come before the body: headers
	held   int64  // where in the file the record's header goes, when it goes last
	body   uint64
	sum    uint64    // of a map's body
	last   memfs.Ref // the block written last
}

// smallCommit is how long a record's buffer becomes by and by.
const smallCommit = 64 << 10

// reset begins a record of a kind at a position.
func (w *logWriter) reset(s *Store, kind recordKind) {
	buf := w.buf[:0]
	if cap(buf) > 2*int(s.space.segment) {
		buf = nil
	}
	*w = logWriter{f: s.f, space: &s.space, id: s.super.uuid, kind: kind, at: s.tail, from: s.tail, next: s.space.next, slot: noSlot, buf: buf, held: -1}
	if w.at%uint64(w.space.segment) == 0 {
		w.open()
		w.at += headerSize
	} else {
		w.slot = w.space.chain[len(w.space.chain)-1]
	}
	w.first = w.slot
	w.buf = append(w.buf, make([]byte, headerSize)...)
	w.skip = len(w.buf)
}

// open begins the next segment.
func (w *logWriter) open() {
	w.slot = w.next
	w.opened = append(w.opened, w.slot)
	w.next = w.space.free(w.opened)
	w.buf = append(w.buf[:0], make([]byte, headerSize)...)
	segmentHeader{at: w.from, next: w.next, size: uint32(w.space.segment)}.encode(w.buf, w.id)
	w.skip = headerSize
}

func (w *logWriter) pos() uint64 { return w.from + uint64(len(w.buf)) }

// room is how many bytes the segment still has.
func (w *logWriter) room() int {
	return int(w.space.segment) - int(w.from%uint64(w.space.segment)) - len(w.buf)
}

func (w *logWriter) phys() int64 { return w.space.base(w.slot) + int64(w.from%uint64(w.space.segment)) }

// cross writes what there is of a full segment, and begins the next.
func (w *logWriter) cross() error {
	w.body += uint64(len(w.buf) - w.skip)
	off, buf := w.phys(), w.buf
	if w.held < 0 { // the header goes last, so that a record without its end is none
		w.held = off + int64(w.skip) - headerSize
		if err := w.write(buf[w.skip:], off+int64(w.skip)); err != nil {
			return err
		}
		buf = buf[:w.skip-headerSize]
	}
	if err := w.write(buf, off); err != nil {
		return err
	}
	w.from = w.space.begin(w.from) + uint64(w.space.segment)
	w.open()
	return nil
}

func (w *logWriter) write(p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	return writeAll(w.f, "commit", p, off)
}

// stream appends bytes that need not stay together.
func (w *logWriter) stream(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), w.room())
		w.buf = append(w.buf, p[:n]...)
		if p = p[n:]; len(p) > 0 {
			if err := w.cross(); err != nil {
				return err
			}
		}
	}
	return nil
}

// ahead lets the file grow in steps, by zeros written behind a record that ends past its end: a flush of what was written before is quicker by a
// quarter to a half (FORMAT.md) than one that must store how long the file has become. When there is no room for them, the record may still fit.
func (w *logWriter) ahead(end int64) {
	if end <= w.space.size {
		return
	}
	w.space.size = end
	to := min((end+growStep-1)/growStep*growStep, w.space.base(w.slot)+w.space.segment)
	if to > end && writeAll(w.f, "commit", zeros[:to-end], end) == nil {
		w.space.size = to
	}
}

var zeros [growStep]byte

// pad appends zeros up to a multiple of unit.
func (w *logWriter) pad() {
	if n := len(w.buf) % unit; n > 0 { // w.from is a multiple of it
		w.buf = append(w.buf, zeros[:unit-n]...)
	}
}

// WriteBlock implements memfs.BlockWriter. A block begins at a multiple of unit, and lies in one segment.
func (w *logWriter) WriteBlock(p []byte) (memfs.Ref, error) {
	if len(p) == 0 || len(p) > memfs.MaxBlock || len(p) > int(w.space.segment)-2*headerSize {
		return memfs.Ref{}, &Error{Op: "commit", Off: -1, Err: errtext.Errorf("%w: block of %d bytes", ErrIO, len(p))}
	}
	w.pad()
	if n := w.room(); n < len(p) {
		w.buf = append(w.buf, make([]byte, n)...)
		if err := w.cross(); err != nil {
			return memfs.Ref{}, err
		}
	}
	if len(w.buf)+len(p) > cap(w.buf) && len(w.buf) > smallCommit { // a large one fills segments
		w.buf = append(make([]byte, 0, w.space.segment), w.buf...)
	}
	w.last = memfs.Ref{Off: w.pos(), Len: uint32(len(p)), Sum: xxh3.Hash(p)}
	w.buf = append(w.buf, p...)
	return w.last, nil
}

// finish writes what is left, and the header. A record of a commit ends with the block written last, a point.
// The end of the record is where the next one begins.
func (w *logWriter) finish(seq, prev uint64) (h header, end uint64, err error) {
	h = header{at: w.at, kind: w.kind, seq: seq, prev: prev, sum: w.sum}
	if w.kind != mapRecord {
		h.pointLen, h.pointSum = w.last.Len, w.last.Sum
	}
	h.body = w.body + uint64(len(w.buf)-w.skip)
	end = w.pos()
	if n := int(align(int64(end)) - int64(end)); n > 0 {
		w.buf = append(w.buf, zeros[:n]...)
		end += uint64(n)
	}
	w.ahead(w.phys() + int64(len(w.buf)))
	if w.held < 0 {
		h.encode(w.buf[w.skip-headerSize:w.skip], w.id)
		return h, end, w.write(w.buf, w.phys())
	}
	if err := w.write(w.buf, w.phys()); err != nil {
		return h, end, err
	}
	var b [headerSize]byte
	h.encode(b[:], w.id)
	return h, end, w.write(b[:], w.held)
}
