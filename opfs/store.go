// Package opfs keeps a memfs filesystem in one crash-safe file: a log of commits over a FileSystemSyncAccessHandle of the
// Origin Private File System, a file of Node, or memory.
//
// A commit is one contiguous write and one flush. After a crash at any moment the volume opens at the last acknowledged commit, or at a
// later one that was written whole; never at anything between. FORMAT.md describes the file.
package opfs

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
	"github.com/zeebo/xxh3"
)

// Options are the settings of a store. The zero value is ready to use.
type Options struct {
	Now    func() int64 // nanoseconds since 1970; nil is the system's clock
	Keep   int          // how many points without a label the history lists; 0 is 50
	MaxAge int64        // in nanoseconds: older points without a label are not listed; 0 is no limit

	// Smaller ones than the default let short tests see much cleaning.
	Segment    int64 // bytes of a segment of a new volume, a multiple of 512 from 8 KiB to 64 MiB; 0 is 1 MiB. No block may be longer
	CleanEvery int64 // at least so many small commits lie between two cycles of cleaning; 0 is 512
}

// Point is a state of the volume that can be restored: a commit, or a snapshot.
type Point struct {
	ID        string // 16 hexadecimal digits: the sequence number
	Seq       uint64 // from 1
	CreatedAt int64  // nanoseconds since 1970
	Label     string
	ParentID  string // of the point that it was derived from; "" for none
	Durable   bool   // it is in the file, not only in memory
}

// Store is an open volume. It is safe for concurrent use; the file must be its alone.
type Store struct {
	mu     sync.Mutex
	f      File // nil in memory
	o      Options
	fs     *memfs.FS
	super  superblock
	closed atomic.Bool

	readOnly bool
	salvaged *salvaged // what Salvage found, nil otherwise

	space   space
	tail    uint64    // position where the next record begins
	point   point     // the newest durable point
	pointAt memfs.Ref // where it is
	history timeline  // the durable points; without a file, those that were committed
	drops   []uint64  // points that the next commit deletes
	seq     uint64    // of the newest point, durable or not
	base    uint64    // the point that the live tree is derived from
	pending []pending
	w       logWriter
	notes   map[string][]byte
	cleaner cleaner
	pins    int // while it is not 0, nothing is cleaned
	touched memfs.Touched

	// Kept from one commit to the next, so that a small one allocates next to nothing.
	added   []entry
	encoded []byte

	sinceCheckpoint int64 // bytes of the log
	mapBytes        int64 // how long the last map was; then where it is
	mapAt           uint64
	mapSlot         uint32
	mapSeq          uint64
	unsettled       unsettled
	alone           bool       // nothing may be written behind the newest map before a superblock leads there
	written         superblock // which counts with the next flush, if superWritten
	superWritten    bool
	long            bool // the newest commit is so long that further flushes add little to it, and space is wanted back soon
	flushes         int  // so far
}

// pending is a point in memory: a snapshot that the next commit makes durable, or all there is without a file.
type pending struct {
	point point
	snap  *memfs.Snapshot
}

// FS returns the live filesystem.
func (s *Store) FS() *memfs.FS { return s.fs }

// UUID names the volume, for ever.
func (s *Store) UUID() string { return s.super.uuid.String() }

// Dirty reports whether there is anything for a commit to write.
func (s *Store) Dirty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirty()
}

// Note returns what SetNote kept under a key, nil when nothing.
func (s *Store) Note(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes[key]
}

// SetNote keeps a few bytes about the volume, beside its files: restoring a point does not change them. They are written with the
// next commit, and are no reason for one. Too long a key or value, or too many, is ErrLabel.
func (s *Store) SetNote(key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.notes[key]
	if len(key) > maxNoteKey || len(value) > maxNote || !known && len(s.notes) >= maxNotes {
		return &Error{Op: "note", Off: -1, Err: ErrLabel}
	}
	notes := maps.Clone(s.notes) // a point may hold the old ones
	if notes == nil {
		notes = map[string][]byte{}
	}
	notes[key] = slices.Clone(value)
	s.notes = notes
	return nil
}

func (s *Store) dirty() bool { return len(s.pending) > 0 || len(s.drops) > 0 || s.fs.Dirty() }

// Close gives up the file without committing. A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil
	}
	var err error
	if s.f != nil && !s.readOnly && s.sinceCheckpoint > 0 && s.fenced("close") == nil {
		if err = s.checkpoint(); err == nil {
			err = s.settle()
		}
	}
	s.closed.Store(true)
	if s.f == nil {
		return nil
	}
	return errors.Join(err, s.f.Close())
}

// ReadBlock implements memfs.BlockReader. It takes no lock of the store: a commit reads blocks too.
func (s *Store) ReadBlock(r memfs.Ref, p []byte) error {
	if s.closed.Load() {
		return &Error{Op: "read", Off: -1, Err: ErrClosed}
	}
	if s.salvaged != nil {
		return s.salvaged.readBlock(s, r, p)
	}
	off, err := s.readAt(r.Off, p)
	if err == nil && xxh3.Hash(p) != r.Sum {
		err = corrupt("read", off, "a block of %d bytes has another checksum", len(p))
	}
	if errors.Is(err, ErrCorrupt) {
		if fenced := s.fenced("read"); fenced != nil { // the one who took over may have put something else there
			return fenced
		}
	}
	return err
}

// readAt reads from a position of the log. It returns where in the file that is.
func (s *Store) readAt(at uint64, p []byte) (off int64, err error) {
	s.space.mu.RLock()
	defer s.space.mu.RUnlock()
	for first := true; len(p) > 0; first = false {
		phys, n := s.space.place(at)
		if first {
			off = phys
		}
		n = min(n, int64(len(p)))
		if n <= 0 {
			return -1, corrupt("read", -1, "position %d of the log is nowhere in the file", at)
		}
		if ok, err := readFull(s.f, "read", p[:n], phys); err != nil {
			return off, err
		} else if !ok {
			return off, corrupt("read", phys, "the file ends inside a block")
		}
		at, p = at+uint64(n), p[n:]
	}
	return off, nil
}

// writeAll writes p or answers why not. A short count without an error is a full disk, as Firefox reports it.
func writeAll(f File, op string, p []byte, off int64) error {
	n, err := f.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = errtext.Errorf("%w: %d of %d bytes written", ErrQuota, n, len(p))
	}
	if err != nil {
		return failed(op, off, err)
	}
	return nil
}
