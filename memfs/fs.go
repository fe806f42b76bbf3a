package memfs

import (
	"slices"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// Options are the settings of a new FS. The zero value is ready to use.
type Options struct {
	Now      func() int64 // nanoseconds since 1970; nil is the system's clock
	Created  int64        // when the root was born, in nanoseconds since 1970; 0 is now
	MaxBytes int64        // of file pages in memory; 0 is 3.5 GiB. Past it, writes answer ENOSPC
	Reader   BlockReader  // where stored blocks are read from; nil when nothing is stored
}

// BlockReader reads blocks that a BlockWriter wrote.
type BlockReader interface {
	// ReadBlock fills p, which has the length of the block, after checking the block's checksum.
	ReadBlock(r Ref, p []byte) error
}

// FS is a live filesystem in memory. Its methods take paths as io/fs does, and
// Inodes gives the same filesystem by inode number. All are safe for concurrent use.
type FS struct {
	mu      mutex
	slabs   slabs
	live    *root
	states  map[*root]struct{} // live, and what snapshots hold
	epoch   uint32
	open    []*Handle // of this epoch
	clock   func() int64
	reader  BlockReader
	last    int64 // moment
	readBuf []byte
	block   [PageSize]byte // that Persist makes
	touched Touched
	places  [placesKnown]knownPlace
	oldest  int      // of these
	edits   *float64 // CountEdits

	persister persister
	spare     []inode // freeBelow
}

// New returns an empty filesystem: a root directory with mode 0755.
func New(o Options) *FS {
	f := newFS(o)
	f.live = f.hold(&root{refs: 1, next: RootIno})
	f.touched.Many = true
	ino, err := f.newInode(inode{mode: S_IFDIR | 0o755, nlink: 2, parent: RootIno}, f.moment())
	if err != nil || ino != RootIno {
		panic(errtext.Sprintf("memfs: root is %d, %v", ino, err)) // nothing of an empty tree can fail
	}
	if in, _ := f.edit(RootIno); o.Created != 0 {
		in.atime, in.mtime, in.ctime, in.btime = o.Created, o.Created, o.Created, o.Created
	}
	return f
}

func newFS(o Options) *FS {
	if o.Now == nil {
		o.Now = Now
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 7 << 29
	}
	return &FS{clock: o.Now, reader: o.Reader, states: map[*root]struct{}{}, slabs: slabs{max: int(o.MaxBytes / PageSize)}, edits: new(float64)}
}

func (f *FS) now() int64 { return f.clock() }

// moment is now, but never the same twice. Births and changes of names have such times, so that a file whose number or name was used again within one
// tick of a coarse clock is still told from the one before.
func (f *FS) moment() int64 {
	f.last = max(f.now(), f.last+1)
	return f.last
}

// Inodes returns the same filesystem, by inode number.
func (f *FS) Inodes() *Inodes { return (*Inodes)(f) }

// CountEdits makes *n rise, from now on, whenever memory that Run told of may stop being what it was. It is a float64, which JavaScript can
// read and which does not come round.
func (f *FS) CountEdits(n *float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*n = *f.edits + 1
	f.edits = n
}

// Epoch counts the restores. A handle answers ESTALE in any epoch but its own.
func (f *FS) Epoch() uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// Dirty reports whether the live tree holds anything that Persist has not stored.
func (f *FS) Dirty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.live.clean
}

// ownRoot returns the live root, alone and marked as edited.
func (f *FS) ownRoot() *root {
	*f.edits++
	if f.live.refs > 1 {
		c := *f.live
		c.refs = 1
		retain(c.table.n)
		f.live.refs--
		f.live = f.hold(&c)
	}
	f.live.clean, f.live.hash = false, nil
	return f.live
}

// hold notes that a state is in memory, until dropRoot drops its last reference.
func (f *FS) hold(r *root) *root {
	f.states[r] = struct{}{}
	return r
}

func (f *FS) dropRoot(r *root) {
	if r.refs--; r.refs == 0 {
		delete(f.states, r)
		f.drop(&r.table)
	}
}

// Snapshot returns the filesystem as it is now, at a cost that does not depend on its size.
// Its memory is shared with the live tree; Release gives back what only it holds.
func (f *FS) Snapshot() *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot()
}

func (f *FS) snapshot() *Snapshot {
	*f.edits++ // what was the live tree's alone is so no more
	// A table that is only a stored reference would be loaded once by each holder.
	if !f.live.table.empty() {
		_, _ = f.load(&f.live.table, kindInodes, int(f.live.height))
	}
	f.live.refs++
	return &Snapshot{fs: f, root: f.live}
}

// Restore makes the live tree equal to the snapshot: bytes, modes, times, links, and
// nothing that the snapshot does not have. It costs what the change since was, not the size.
// Handles opened before answer ESTALE from then on. The snapshot stays good.
func (f *FS) Restore(s *Snapshot) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.fs != f || s.root == nil {
		return EINVAL
	}
	return f.become(s.root)
}

// become swaps the live root, and frees what was kept only by handles of another time.
func (f *FS) become(r *root) error {
	*f.edits++
	r.refs++
	old := f.live
	f.live = r
	for _, ino := range slices.Clone(r.orphans) {
		if err := f.freeInode(ino); err != nil {
			f.dropRoot(f.live)
			f.live = old
			return err
		}
	}
	if len(f.live.orphans) > 0 {
		f.ownRoot().orphans = nil
	}
	f.dropRoot(old)
	f.touched = Touched{Many: true}
	f.epoch++
	clear(f.open)
	f.open = f.open[:0]
	return nil
}

func (f *FS) readBlock(r Ref, p []byte) error {
	if f.reader == nil {
		return errtext.Errorf("memfs: no store to read block at %d from: %w", r.Off, EIO)
	}
	return f.reader.ReadBlock(r, p)
}
