package s3publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Reader reads a published snapshot without pulling it: it fetches the indexes of its packs when it is opened, and then, by range requests, the
// frames that hold what is read. Every blob is checked before it is used. Its methods may be called from several goroutines.
type Reader struct {
	Info
	tree  *memfs.Tree
	r     *Remote
	packs []*readerPack
	place map[memfs.Hash]blobPlace

	mu     sync.Mutex
	frames map[frameKey][]byte // checked, and read lately
	order  []frameKey
	held   int
}

type readerPack struct {
	*packTail
	entry packEntry
	off   []uint32 // of each frame in the pack
	first []int    // the number of its first blob
}

type blobPlace struct {
	frame frameKey
	off   uint32
	size  uint32
}

type frameKey struct{ pack, frame int32 }

const (
	readerCache = 32 << 20 // bytes of frames that a Reader keeps
	rangeTarget = 2 << 20  // bytes that it asks for in one request, where what is read lies together
	rangeGap    = 64 << 10 // that it rather reads over than makes two requests
)

// Open reads the indexes of a snapshot's packs. Errors as of Fetch.
func (r *Remote) Open(ctx context.Context, o PullOptions) (*Reader, error) {
	rep := &reporter{fn: o.Progress}
	rep.phase(PhaseRead)
	if err := r.lock(ctx, "open"); err != nil {
		return nil, err
	}
	id, snap, err := r.find(ctx, o)
	r.unlock()
	if err != nil {
		return nil, at("open", o.Volume, err)
	}
	d := &Reader{Info: snap.info(id), r: r, place: map[memfs.Hash]blobPlace{}, frames: map[frameKey][]byte{}}
	d.packs = make([]*readerPack, len(snap.packs))
	var bytes int64
	for _, e := range snap.packs {
		bytes += int64(e.size - e.indexOff)
	}
	rep.start(PhaseDownload, bytes, len(snap.packs))
	g := newGroup(ctx, r.width)
	for i, e := range snap.packs {
		ok := g.run(func(ctx context.Context) error {
			p, err := r.openTail(ctx, e)
			d.packs[i] = p
			rep.done(int64(e.size-e.indexOff), 1)
			return err
		})
		if !ok {
			break
		}
	}
	if err := g.wait("open", o.Volume); err != nil {
		return nil, err
	}
	sums := listSums(snap.packs)
	for i, p := range d.packs {
		if err := p.base.check(sums, i); err != nil {
			return nil, at("get", packKey(p.entry.id), err)
		}
		for f, frame := range p.packIndex.frames {
			var off uint32
			for _, b := range p.packIndex.blobs[p.first[f] : p.first[f]+int(frame.blobs)] {
				d.place[b.hash] = blobPlace{frameKey{int32(i), int32(f)}, off, b.size}
				off += b.size
			}
		}
	}
	if d.tree, err = memfs.OpenTree(ctx, snap.root, d.get); err != nil {
		return nil, d.fail(err)
	}
	rep.phase(PhaseDone)
	return d, nil
}

func (r *Remote) openTail(ctx context.Context, e packEntry) (*readerPack, error) {
	key := packKey(e.id)
	o, err := r.store.Get(ctx, key, int64(e.indexOff), int64(e.size-e.indexOff))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) {
		err = &Error{Op: "get", Key: key, Err: corrupt("a snapshot names this pack, but: %v", err)}
	}
	if err != nil {
		return nil, err
	}
	t, err := r.coder.readIndex(ctx, o.Data, e)
	if err != nil {
		return nil, at("get", key, err)
	}
	p := &readerPack{packTail: t, entry: e}
	off, first := uint32(packHeaderSize), 0
	for _, f := range t.packIndex.frames {
		p.off, p.first = append(p.off, off), append(p.first, first)
		off += f.stored
		first += int(f.blobs)
	}
	return p, nil
}

// fail names the snapshot where the tree is not a filesystem.
func (d *Reader) fail(err error) error {
	if errors.Is(err, memfs.ErrBadNode) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	var no memfs.Errno
	if errors.As(err, &no) && !errors.Is(err, ErrCorrupt) {
		return err // ENOENT and the like are about the path
	}
	return at("read", snapshotKey(d.ID), err)
}

// get returns blobs, in slices of frames.
func (d *Reader) get(ctx context.Context, hashes []memfs.Hash) ([][]byte, error) {
	want := map[frameKey]bool{}
	places := make([]blobPlace, len(hashes))
	for i, h := range hashes {
		p, ok := d.place[h]
		if !ok {
			return nil, &Error{Op: "read", Key: snapshotKey(d.ID), Err: corrupt("blob %s is in none of its packs", hashString(h))}
		}
		places[i] = p
		want[p.frame] = true
	}
	got := map[frameKey][]byte{}
	d.mu.Lock()
	for k := range want {
		if b := d.frames[k]; b != nil {
			got[k] = b
			delete(want, k)
		}
	}
	d.mu.Unlock()
	if err := d.fetch(ctx, want, got); err != nil {
		return nil, err
	}
	out := make([][]byte, len(hashes))
	for i, p := range places {
		out[i] = got[p.frame][p.off : p.off+p.size : p.off+p.size]
	}
	return out, nil
}

// fetch reads frames into got, those that lie together in one request.
func (d *Reader) fetch(ctx context.Context, want map[frameKey]bool, got map[frameKey][]byte) error {
	keys := make([]frameKey, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b frameKey) int { return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.frame, b.frame)) })
	var mu sync.Mutex
	g := newGroup(ctx, d.r.width)
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && d.together(keys[0], keys[n-1], keys[n]) {
			n++
		}
		run := keys[:n]
		keys = keys[n:]
		ok := g.run(func(ctx context.Context) error {
			frames, err := d.fetchRange(ctx, run)
			mu.Lock()
			defer mu.Unlock()
			for i, b := range frames {
				got[run[i]] = b
				d.keep(run[i], b)
			}
			return err
		})
		if !ok {
			break
		}
	}
	return g.wait("read", snapshotKey(d.ID))
}

func (d *Reader) end(k frameKey) uint32 {
	p := d.packs[k.pack]
	return p.off[k.frame] + p.packIndex.frames[k.frame].stored
}

func (d *Reader) together(first, last, next frameKey) bool {
	if first.pack != next.pack {
		return false
	}
	off := d.packs[first.pack].off
	return off[next.frame]-d.end(last) <= rangeGap && d.end(next)-off[first.frame] <= rangeTarget
}

func (d *Reader) fetchRange(ctx context.Context, run []frameKey) ([][]byte, error) {
	p := d.packs[run[0].pack]
	key := packKey(p.entry.id)
	off := p.off[run[0].frame]
	n := d.end(run[len(run)-1]) - off
	o, err := d.r.store.Get(ctx, key, int64(off), int64(n))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrRange) || err == nil && len(o.Data) != int(n) {
		err = &Error{Op: "get", Key: key, Err: corrupt("%d bytes at %d are missing", n, off)}
	}
	if err != nil {
		return nil, err
	}
	var frames [][]byte
	for _, k := range run {
		f := p.packIndex.frames[k.frame]
		from := p.off[k.frame] - off
		b, err := d.r.coder.readFrame(ctx, p.packTail, int(k.frame), o.Data[from:from+f.stored])
		if err == nil {
			first := p.first[k.frame]
			b, err = d.unfold(ctx, p, b, p.packIndex.blobs[first:first+int(f.blobs)])
		}
		if err != nil {
			return nil, at("get", key, err)
		}
		frames = append(frames, b)
	}
	return frames, nil
}

// unfold checks the blobs of a frame and returns them one after the other.
func (d *Reader) unfold(ctx context.Context, p *readerPack, b []byte, entries []blobEntry) ([]byte, error) {
	parts, err := cutFrame(b, entries)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(entries, func(e blobEntry) bool { return e.folded }) {
		to := indexes{p.packIndex.blobs}
		for _, q := range d.packs[:p.base.packs] {
			to = append(to, q.packIndex.blobs)
		}
		var f folder
		for i, e := range entries {
			if e.folded {
				if parts[i], err = f.unfold(parts[i], int(e.size), to); err != nil {
					return nil, err
				}
			}
		}
		b = slices.Concat(parts...)
	}
	return b, d.r.coder.checkBlobs(ctx, parts, entries, func(memfs.Hash, []byte) error { return nil })
}

// keep remembers a frame, and forgets the oldest.
func (d *Reader) keep(k frameKey, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.frames[k] != nil {
		return
	}
	d.frames[k] = b
	d.order = append(d.order, k)
	for d.held += len(b); d.held > readerCache && len(d.order) > 1; d.order = d.order[1:] {
		d.held -= len(d.frames[d.order[0]])
		delete(d.frames, d.order[0])
	}
}

// Stat describes what a path leads to. Paths begin at the root, with or without "/". Errors: memfs.ENOENT and its like, or as of Fetch.
func (d *Reader) Stat(ctx context.Context, path string) (memfs.Attr, error) {
	a, err := d.tree.Stat(ctx, path)
	return a, d.fail(err)
}

// Lstat describes a symbolic link itself.
func (d *Reader) Lstat(ctx context.Context, path string) (memfs.Attr, error) {
	a, err := d.tree.Lstat(ctx, path)
	return a, d.fail(err)
}

// ReadLink returns the target of a symbolic link.
func (d *Reader) ReadLink(ctx context.Context, path string) (string, error) {
	target, err := d.tree.ReadLink(ctx, path)
	return target, d.fail(err)
}

// ReadDir lists a directory, sorted by name.
func (d *Reader) ReadDir(ctx context.Context, path string) ([]memfs.Dirent, error) {
	names, err := d.tree.ReadDir(ctx, path)
	return names, d.fail(err)
}

// ReadAt reads from a file as io.ReaderAt does.
func (d *Reader) ReadAt(ctx context.Context, path string, p []byte, off int64) (int, error) {
	n, err := d.tree.ReadAt(ctx, path, p, off)
	if err == io.EOF {
		return n, err
	}
	return n, d.fail(err)
}
