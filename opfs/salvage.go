package opfs

import (
	"cmp"
	"errors"
	"slices"
	"sort"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/memfs/errtext"
	"github.com/holdfast-fs/holdfast/memfs/order"
	"github.com/zeebo/xxh3"
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
// file, and never writes to it. It needs neither superblocks nor map: it takes every record and every segment that it finds, also old ones whose place
// was not used again yet. Commits on the store answer ErrReadOnly; its files can be read, copied and published.
// It answers ErrNotVolume when there is no trace of a volume, and ErrCorrupt when no commit is whole. progress is as in Verify.
func Salvage(stop memfs.Stopper, f File, o Options, progress func(done, total int64)) (*Store, Salvaged, error) {
	s := &Store{f: f, o: o.withDefaults(), readOnly: true, salvaged: &salvaged{}}
	s.cleaner.store = s
	var report Salvaged
	size, err := f.Size()
	if err != nil {
		return nil, report, failed("salvage", -1, err)
	}
	supers, err := s.readSuperblocks()
	if errors.Is(err, ErrVersion) {
		return nil, report, err
	}
	if err != nil {
		report.Damages = append(report.Damages, err.Error())
	} else {
		s.super = supers[0]
	}
	step := func(done int64) error {
		if progress != nil {
			progress(done, max(done, 2*size))
		}
		return stop.Err()
	}
	if err := s.salvaged.scan(s, size, step); err != nil {
		return nil, report, err
	}
	records := s.salvaged.commits
	if len(records) == 0 {
		if err != nil {
			return nil, report, &Error{Op: "salvage", Off: -1, Err: ErrNotVolume, Hint: "the file holds no commit of a volume"}
		}
		return nil, report, corrupt("salvage", -1, "the volume was created, and no commit is there")
	}
	if seq := s.super.seq; seq > records[0].seq {
		report.Lost = append(report.Lost, seq)
		report.Damages = append(report.Damages, errtext.Sprintf("commit %d, which was durable, was not found", seq))
	}
	reported := size
	for i, h := range records {
		err := s.tryRecord(stop, h, func(n int64) error {
			if size+n-reported < verifyStep {
				return stop.Err()
			}
			reported = size + n
			return step(reported)
		})
		if err == nil {
			s.listHistory(records[i:])
			report.Point = s.public(&s.point, true)
			return s, report, nil
		}
		if stop.Err() != nil {
			return nil, report, stop.Err()
		}
		report.Lost = append(report.Lost, h.seq)
		report.Damages = append(report.Damages, err.Error())
	}
	return nil, report, corrupt("salvage", -1, "none of the %d commits found is whole", len(records))
}

// tryRecord opens the commit of a record if everything that it needs is whole.
func (s *Store) tryRecord(stop memfs.Stopper, h header, step func(int64) error) error {
	at := s.pointOf(h)
	p, err := s.readPoint(at)
	var live *memfs.FS
	if err == nil && p.seq != h.seq {
		err = errtext.Errorf("%w: it ends with point %d", ErrCorrupt, p.seq)
	}
	if err == nil {
		live, err = memfs.Load(memfs.Options{Now: s.o.Now, Reader: s}, p.root)
	}
	if err == nil {
		err = live.NewVerifier(step).Check(stop, p.root)
	}
	if err != nil {
		return errtext.Errorf("commit %d: %w", h.seq, err)
	}
	s.fs, s.point, s.pointAt = live, p, at
	s.seq, s.base, s.notes = p.seq, p.seq, p.notes
	return nil
}

// listHistory lists the points of records that can be read. Their trees may still be damaged.
func (s *Store) listHistory(records []header) {
	for _, h := range slices.Backward(records) {
		at := s.pointOf(h)
		if p, err := s.readPoint(at); err == nil && p.seq == h.seq {
			s.history.add(entry{seq: p.seq, created: p.created, kept: p.label != "", at: at})
		}
	}
}

// salvaged is what a search of the whole file found: where positions of the log may be. There may be several places for one; the checksum of a
// block says which is right.
type salvaged struct {
	seed    uint64
	known   bool // seed is
	segment int64
	places  []extent // by position, overlapping
	longest int64
	commits []header // the newest first
}

// scan reads every place where a segment or a record may begin.
func (v *salvaged) scan(s *Store, size int64, step func(int64) error) error {
	v.segment = defaultSegment
	if s.super.generation > 0 {
		v.seed, v.known, v.segment = s.super.uuid.seed(), true, s.super.segment
	}
	b := make([]byte, verifyStep+2*headerSize)
	var end int64 // of the segment that was found last
	for off := int64(logStart); off+headerSize <= size; off += verifyStep {
		n := int(min(int64(len(b)), size-off))
		if ok, err := readFull(s.f, "salvage", b[:n], off); err != nil {
			return err
		} else if !ok {
			return corrupt("salvage", off, "the file is shorter than its size")
		}
		for i := 0; i < verifyStep && i+headerSize <= n; i += recordAlign {
			at := off + int64(i)
			var sg segmentHeader
			if seed, ok := sg.decode(b[i:n]); ok && (!v.known || seed == v.seed) {
				v.seed, v.known, v.segment = seed, true, int64(sg.size)
				end = at + v.segment
				v.add(extent{at: sg.at, phys: at, n: v.segment})
				v.record(b[i+headerSize:n], at+headerSize, end)
				continue
			}
			if at >= end {
				end = logStart + ((at-logStart)/v.segment+1)*v.segment
			}
			v.record(b[i:n], at, end)
		}
		if err := step(min(off+verifyStep, size)); err != nil {
			return err
		}
	}
	s.space.segment = v.segment
	order.SortFunc(v.commits, func(a, b header) int { return cmp.Compare(b.seq, a.seq) })
	v.commits = slices.CompactFunc(v.commits, func(a, b header) bool { return a == b })
	v.sort()
	var moved []extent
	for _, h := range v.commits {
		if p, err := s.readPoint(s.pointOf(h)); err == nil && p.moved.Len > 0 {
			moved = append(moved, v.follow(s, p.moved)...)
		}
	}
	v.places = append(v.places, moved...)
	v.sort()
	return nil
}

func (v *salvaged) add(e extent) {
	v.places = append(v.places, e)
	v.longest = max(v.longest, e.n, v.segment)
}

func (v *salvaged) sort() {
	order.SortFunc(v.places, func(a, b extent) int { return cmp.Compare(a.at, b.at) })
}

// record notes the record that bytes begin with, if any.
func (v *salvaged) record(b []byte, off, end int64) {
	var h header
	if !v.known || !h.decode(b, v.seed) {
		return
	}
	v.add(extent{at: h.at, phys: off, n: min(end-off, headerSize+int64(h.body))})
	if h.kind != mapRecord {
		v.commits = append(v.commits, h)
	}
}

// follow finds where a commit put what it moved.
func (v *salvaged) follow(s *Store, list memfs.Ref) (moved []extent) {
	b := make([]byte, list.Len)
	if v.readBlock(s, list, b) != nil {
		return nil
	}
	runs, ok := runsOf(b)
	if !ok {
		return nil
	}
	at := (list.Off + uint64(list.Len) + unit - 1) / unit * unit
	for _, r := range runs {
		for r.n > 0 {
			if at%uint64(v.segment) == 0 {
				at += headerSize
			}
			n := min(r.n, v.segment-int64(at%uint64(v.segment)))
			for i := 0; ; i++ {
				e, ok := v.covering(at, i)
				if !ok {
					break
				}
				moved = append(moved, extent{at: r.at, phys: e.phys, n: min(n, e.n)})
			}
			r = extent{at: r.at + uint64(n), n: r.n - n}
			at += uint64(n)
		}
	}
	return moved
}

// covering returns the rest, from a position on, of the i-th place that has it.
func (v *salvaged) covering(at uint64, i int) (extent, bool) {
	k := sort.Search(len(v.places), func(k int) bool { return v.places[k].at > at })
	for k--; k >= 0 && v.places[k].at+uint64(v.longest) > at; k-- {
		e := v.places[k]
		if e.end() <= at {
			continue
		}
		if i == 0 {
			d := int64(at - e.at)
			return extent{at: at, phys: e.phys + d, n: e.n - d}, true
		}
		i--
	}
	return extent{}, false
}

// maxTries bounds the combinations of places that a block is looked for in.
const maxTries = 256

// readBlock reads a block from wherever its checksum is right.
func (v *salvaged) readBlock(s *Store, r memfs.Ref, p []byte) error {
	tries := 0
	var fill func(at uint64, rest []byte) bool
	fill = func(at uint64, rest []byte) bool {
		if len(rest) == 0 {
			tries++
			return xxh3.Hash(p) == r.Sum
		}
		for i := 0; tries < maxTries; i++ {
			e, ok := v.covering(at, i)
			if !ok {
				return false
			}
			n := min(int64(len(rest)), e.n)
			if ok, err := readFull(s.f, "read", rest[:n], e.phys); err == nil && ok && fill(at+uint64(n), rest[n:]) {
				return true
			}
		}
		return false
	}
	if fill(r.Off, p) {
		return nil
	}
	e, ok := v.covering(r.Off, 0)
	if !ok {
		return corrupt("read", -1, "position %d of the log was not found", r.Off)
	}
	return corrupt("read", e.phys, "a block of %d bytes has another checksum", len(p))
}
