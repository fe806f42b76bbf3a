package opfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-fs/holdfast/memfs"
)

// ErrReadOnly: the store was opened by Salvage, which never writes.
var ErrReadOnly = errors.New("volume is read-only")

// Salvaged says what Salvage found.
type Salvaged struct {
	Point   Point    // what was opened
	Lost    []uint64 // sequence numbers of newer commits of which parts are damaged, newest first
	Damages []string // what is wrong with each of them, and with the superblocks
}

// Salvage opens a damaged volume, read-only, at the newest commit of which every block is whole, and says what was lost. It reads the whole
// file, and never writes to it. Commits on the store answer ErrReadOnly; its files can be read, copied and published.
// It answers ErrNotVolume when there is no trace of a volume, and ErrCorrupt when no commit is whole. progress is as in Verify.
func Salvage(ctx context.Context, f File, o Options, progress func(done, total int64)) (*Store, Salvaged, error) {
	o = o.withDefaults()
	s := &Store{f: f, o: o, readOnly: true}
	var report Salvaged
	size, err := f.Size()
	if err != nil {
		return nil, report, failed("salvage", -1, err)
	}
	if err := s.readSuperblocks(); err != nil {
		if errors.Is(err, ErrVersion) {
			return nil, report, err
		}
		report.Damages = append(report.Damages, err.Error())
	}
	step := func(done int64) error {
		if progress != nil {
			progress(done, max(done, 2*size))
		}
		return ctx.Err()
	}
	records, err := s.findRecords(size, step)
	if err != nil {
		return nil, report, err
	}
	if len(records) == 0 {
		if len(report.Damages) > 0 {
			return nil, report, &Error{Op: "salvage", Off: -1, Err: ErrNotVolume, Hint: "the file holds no commit of a volume"}
		}
		return nil, report, corrupt("salvage", -1, "the volume was created, and no commit is there")
	}
	if seq := s.super.seq; seq > records[0].seq {
		report.Lost = append(report.Lost, seq)
		report.Damages = append(report.Damages, fmt.Sprintf("commit %d, which was durable, was not found", seq))
	}
	reported := size
	for _, h := range records {
		err := s.tryRecord(ctx, h, func(n int64) error {
			if size+n-reported < verifyStep {
				return ctx.Err()
			}
			reported = size + n
			return step(reported)
		})
		if err == nil {
			report.Point = s.public(&s.point, true)
			return s, report, nil
		}
		if ctx.Err() != nil {
			return nil, report, ctx.Err()
		}
		report.Lost = append(report.Lost, h.seq)
		report.Damages = append(report.Damages, err.Error())
	}
	return nil, report, corrupt("salvage", -1, "none of the %d commits found is whole", len(records))
}

// findRecords searches every place where a record may begin, and returns the headers found, the newest first.
func (s *Store) findRecords(size int64, step func(int64) error) ([]header, error) {
	var out []header
	b := make([]byte, max(headerSize, min(size, verifyStep)))
	for off := int64(logStart); off+headerSize <= size; {
		n, err := s.f.ReadAt(b[:min(int64(len(b)), size-off)], off)
		if err != nil && err != io.EOF {
			return nil, failed("salvage", off, err)
		}
		for i := 0; i+headerSize <= n; i += recordAlign {
			if !bytes.Equal(b[i:i+4], recordMagic) {
				continue
			}
			id := s.super.uuid
			if s.super.generation == 0 { // no superblock says which volume this is: any record in its own place will do
				copy(id[:], b[i+48:i+56])
			}
			var h header
			if h.decode(b[i:n], off+int64(i), id) {
				out = append(out, h)
			}
		}
		if n < headerSize {
			break
		}
		if off += align(int64(n)); off > size {
			off = size
		}
		if err := step(off); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b header) int {
		switch {
		case a.seq > b.seq:
			return -1
		case a.seq < b.seq:
			return 1
		}
		return 0
	})
	return out, nil
}

// tryRecord opens the commit of a record if everything that it needs is whole.
func (s *Store) tryRecord(ctx context.Context, h header, step func(int64) error) error {
	p, at, err := s.pointOf(h)
	if err != nil {
		return err
	}
	live, err := memfs.Load(memfs.Options{Now: s.o.Now, Reader: s}, p.root)
	if err == nil {
		err = live.NewVerifier(step).Check(ctx, p.root)
	}
	if err != nil {
		return fmt.Errorf("commit %d: %w", h.seq, err)
	}
	s.fs, s.last, s.tail, s.point, s.pointAt = live, h, h.end(), p, at
	s.seq, s.base, s.notes = p.seq, p.seq, p.notes
	return nil
}
