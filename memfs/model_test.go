package memfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
)

// newRand takes its seed from HOLDFAST_SEED, or from the clock, and prints it.
func newRand(t *testing.T) *rand.Rand {
	seed, err := strconv.ParseUint(os.Getenv("HOLDFAST_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("run again with HOLDFAST_SEED=%d go test -run '^%s$'", seed, t.Name())
	return rand.New(rand.NewPCG(seed, 1))
}

// entry is all that a path has that a guest can see.
type entry struct {
	attr    Attr
	content string
	target  string
}

type state map[string]entry

// stateOf walks a state from the root.
func stateOf(t *testing.T, f *FS, r *root) state {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	out := state{}
	var walk func(p string, ino Ino)
	walk = func(p string, ino Ino) {
		in, err := f.inode(r, ino)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		e := entry{attr: in.attr(ino), target: in.target}
		if in.is(S_IFREG) {
			b, err := f.readAll(in)
			if err != nil {
				t.Fatalf("%s: %v", p, err)
			}
			e.content = string(b)
		}
		out[p] = e
		if !in.is(S_IFDIR) {
			return
		}
		names, err := f.readDir(r, ino)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		for _, d := range names {
			walk(path.Join(p, d.Name), d.Ino)
		}
	}
	walk(".", RootIno)
	return out
}

func sameState(t *testing.T, what string, got, want state) {
	t.Helper()
	for p, w := range want {
		g, ok := got[p]
		if !ok {
			t.Fatalf("%s: %s is missing", what, p)
		}
		if g.attr != w.attr || g.target != w.target {
			t.Fatalf("%s: %s is %+v, want %+v", what, p, g.attr, w.attr)
		}
		if g.content != w.content {
			t.Fatalf("%s: %s has other content", what, p)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Fatalf("%s: %s is left over", what, p)
		}
	}
}

// blockStore keeps blocks in one slice, as a log does.
type blockStore struct {
	b    []byte
	fail int // the write that fails, counted down; 0 is none

	unchecked bool // so that bytes can be changed
}

var errWrite = errors.New("no room")

func (s *blockStore) WriteBlock(p []byte) (Ref, error) {
	if s.fail > 0 {
		if s.fail--; s.fail == 0 {
			return Ref{}, errWrite
		}
	}
	r := Ref{Off: uint64(len(s.b)), Len: uint32(len(p)), Sum: xxh3.Hash(p)}
	s.b = append(s.b, p...)
	return r, nil
}

func (s *blockStore) ReadBlock(r Ref, p []byte) error {
	copy(p, s.b[r.Off:])
	if !s.unchecked && xxh3.Hash(p) != r.Sum {
		return errors.New("checksum")
	}
	return nil
}

// model drives an FS with random operations and keeps beside it, in the plainest way, what every path should hold.
type model struct {
	t       *testing.T
	r       *rand.Rand
	f       *FS
	files   map[string]*[]byte // path → content, shared by hard links
	dirs    map[string]bool
	links   map[string]string
	open    []openFile
	closed  *Handle // to be used again
	lastRun *run
}

// run is memory that Handle.Run told of.
type run struct {
	fs       *FS
	edits    float64
	view     []byte
	off      int
	data     *[]byte
	writable bool
}

type openFile struct {
	h    *Handle
	data *[]byte
}

func newModel(t *testing.T, r *rand.Rand, f *FS) *model {
	return &model{t: t, r: r, f: f, files: map[string]*[]byte{}, dirs: map[string]bool{".": true}, links: map[string]string{}}
}

func pick[V any](r *rand.Rand, m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	return slices.Sorted(maps.Keys(m))[r.IntN(len(m))]
}

func (m *model) fresh() string {
	return path.Join(pick(m.r, m.dirs), fmt.Sprintf("n%d", m.r.IntN(200)))
}

func (m *model) taken(p string) bool {
	_, link := m.links[p]
	return m.files[p] != nil || m.dirs[p] || link
}

func (m *model) ok(err error, what ...any) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(append(what, err)...)
	}
}

func (m *model) bytes() []byte {
	n := []int{m.r.IntN(20), m.r.IntN(5000), m.r.IntN(300000)}[min(m.r.IntN(6), 5)%3]
	b := make([]byte, n)
	for i := 0; i < len(b); i += 8 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], m.r.Uint64())
		copy(b[i:], w[:])
	}
	if m.r.IntN(4) == 0 {
		clear(b[len(b)/3:])
	}
	return b
}

func writeTo(data *[]byte, b []byte, off int) {
	if len(b) == 0 {
		return
	}
	if need := off + len(b); need > len(*data) {
		*data = append(*data, make([]byte, need-len(*data))...)
	}
	copy((*data)[off:], b)
}

// useRun checks that memory that Run told of holds the file's bytes as long as the count of edits says so, and writes to it.
func (m *model) useRun() {
	r := m.lastRun
	if r == nil || r.fs != m.f || r.edits != *m.f.edits {
		return
	}
	if r.off+len(r.view) > len(*r.data) || !bytes.Equal(r.view, (*r.data)[r.off:r.off+len(r.view)]) {
		m.t.Fatalf("a run of %d bytes at %d is not what a file of %d bytes holds there, and the count of edits did not tell", len(r.view), r.off, len(*r.data))
	}
	if r.writable && len(r.view) > 0 {
		at := m.r.IntN(len(r.view))
		b := m.bytes()
		b = b[:min(len(b), len(r.view)-at)]
		copy(r.view[at:], b)
		writeTo(r.data, b, r.off+at)
	}
}

// takeRun reads from an open file, or writes to it, and keeps the run.
func (m *model) takeRun() {
	if len(m.open) == 0 {
		return
	}
	o := m.open[m.r.IntN(len(m.open))]
	off, write := m.r.IntN(len(*o.data)+1), m.r.IntN(2) == 0
	var views [][]byte
	var err error
	if write {
		b := make([]byte, 1+m.r.IntN(2*PageSize))
		if views, _, err = o.h.WriteViews(nil, int64(off), len(b)); err == nil {
			writeTo(o.data, b, off)
			for _, v := range views {
				clear(v)
			}
		}
	} else {
		views, _, err = o.h.ReadViews(nil, int64(off), 1+m.r.IntN(2*PageSize))
	}
	m.ok(err, "views of an open file")
	m.lastRun = nil
	if n, _ := o.h.Run(); n > 0 {
		m.lastRun = &run{m.f, *m.f.edits, views[0][:n], off, o.data, write}
	}
}

func (m *model) step() {
	m.useRun()
	if m.r.IntN(3) == 0 {
		m.takeRun()
		m.useRun()
		return
	}
	switch m.r.IntN(14) {
	case 0, 1:
		if p := m.fresh(); !m.taken(p) {
			b := m.bytes()
			m.ok(m.f.WriteFile(p, b, 0o644), "write", p)
			m.files[p] = &b
		}
	case 2:
		if p := m.fresh(); !m.taken(p) && len(m.dirs) < 60 {
			m.ok(m.f.Mkdir(p, 0o755), "mkdir", p)
			m.dirs[p] = true
		}
	case 3:
		if p := pick(m.r, m.files); p != "" {
			m.ok(m.f.Remove(p), "remove", p)
			delete(m.files, p)
		}
	case 4, 5, 6:
		if p := pick(m.r, m.files); p != "" {
			m.write(p, m.bytes(), m.r.IntN(min(2*len(*m.files[p]), 1<<19)+1+m.r.IntN(300000)*m.r.IntN(2)))
		}
	case 7:
		if p := pick(m.r, m.files); p != "" {
			n := m.r.IntN(min(len(*m.files[p])*2, 1<<19) + 10)
			m.ok(m.f.Truncate(p, int64(n)), "truncate", p, n)
			data := m.files[p]
			if n <= len(*data) {
				*data = (*data)[:n:n]
			} else {
				*data = append(*data, make([]byte, n-len(*data))...)
			}
		}
	case 8:
		p, q := pick(m.r, m.files), m.fresh()
		if p != "" && !m.dirs[q] {
			m.ok(m.f.Rename(p, q), "rename", p, q)
			if p == q || m.files[p] == m.files[q] {
				return
			}
			m.files[q] = m.files[p]
			delete(m.files, p)
			delete(m.links, q)
		}
	case 9:
		m.renameDir(pick(m.r, m.dirs), m.fresh())
	case 10:
		if p, q := pick(m.r, m.files), m.fresh(); p != "" && !m.taken(q) {
			m.ok(m.f.Link(p, q), "link", p, q)
			m.files[q] = m.files[p]
		}
	case 11:
		if q := m.fresh(); !m.taken(q) {
			m.ok(m.f.Symlink("some/target", q), "symlink", q)
			m.links[q] = "some/target"
		}
	case 12:
		if p := pick(m.r, m.dirs); p != "." {
			err := m.f.Remove(p)
			if m.empty(p) {
				m.ok(err, "rmdir", p)
				delete(m.dirs, p)
			} else if !errors.Is(err, ENOTEMPTY) {
				m.t.Fatalf("removing %s, which is not empty: %v", p, err)
			}
		}
	case 13:
		m.stepOpen()
	}
}

func (m *model) write(p string, b []byte, off int) {
	file, err := m.f.OpenFile(p, os.O_RDWR, 0)
	m.ok(err, "open", p)
	n, err := file.(*File).WriteAt(b, int64(off))
	m.ok(err, "write", p)
	if n != len(b) {
		m.t.Fatalf("wrote %d of %d", n, len(b))
	}
	m.ok(file.Close())
	writeTo(m.files[p], b, off)
}

// stepOpen opens a file, or writes to, compares and closes one that may have lost its names meanwhile.
func (m *model) stepOpen() {
	if p := pick(m.r, m.files); p != "" && len(m.open) < 5 {
		at, err := m.f.Inodes().Resolve(RootIno, p, true)
		m.ok(err)
		h := m.closed
		if m.closed = nil; h != nil {
			m.ok(m.f.Inodes().Reopen(h, at.Ino))
		} else {
			h, err = m.f.Inodes().Open(at.Ino)
			m.ok(err)
		}
		m.open = append(m.open, openFile{h, m.files[p]})
		return
	}
	if len(m.open) == 0 {
		return
	}
	i := m.r.IntN(len(m.open))
	o := m.open[i]
	b, off := m.bytes(), m.r.IntN(len(*o.data)+1)
	_, err := o.h.WriteAt(b, int64(off))
	m.ok(err, "write to an open file")
	writeTo(o.data, b, off)
	got := make([]byte, len(*o.data))
	if _, err := o.h.ReadAt(got, 0); err != nil || !bytes.Equal(got, *o.data) {
		m.t.Fatalf("an open file reads otherwise than written (%v)", err)
	}
	m.ok(o.h.Close())
	m.closed = o.h
	m.open = slices.Delete(m.open, i, i+1)
}

func (m *model) empty(dir string) bool {
	for _, ps := range [][]string{slices.Collect(maps.Keys(m.files)), slices.Collect(maps.Keys(m.dirs)), slices.Collect(maps.Keys(m.links))} {
		for _, p := range ps {
			if p != "." && path.Dir(p) == dir {
				return false
			}
		}
	}
	return true
}

func under(p, dir string) bool { return p == dir || len(p) > len(dir) && p[:len(dir)+1] == dir+"/" }

func (m *model) renameDir(p, q string) {
	if p == "." || m.taken(q) {
		return
	}
	err := m.f.Rename(p, q)
	if under(q, p) {
		if !errors.Is(err, EINVAL) {
			m.t.Fatalf("moving %s into itself at %s: %v", p, q, err)
		}
		return
	}
	m.ok(err, "rename", p, q)
	moveAll(m.files, p, q)
	moveAll(m.dirs, p, q)
	moveAll(m.links, p, q)
}

func moveAll[V any](set map[string]V, p, q string) {
	for _, k := range slices.Collect(maps.Keys(set)) {
		if under(k, p) {
			v := set[k]
			delete(set, k)
			set[q+k[len(p):]] = v
		}
	}
}

// compare checks that the filesystem holds what the model says, and that its accounts are right.
func (m *model) compare(held ...*Snapshot) state {
	m.t.Helper()
	s := stateOf(m.t, m.f, m.f.live)
	if len(s) != len(m.files)+len(m.dirs)+len(m.links) {
		m.t.Fatalf("%d paths, want %d", len(s), len(m.files)+len(m.dirs)+len(m.links))
	}
	for p, data := range m.files {
		if s[p].content != string(*data) {
			m.t.Fatalf("%s holds other bytes than were written", p)
		}
	}
	for p := range m.dirs {
		if s[p].attr.Mode&S_IFMT != S_IFDIR {
			m.t.Fatalf("%s is no directory", p)
		}
	}
	for p, target := range m.links {
		if s[p].target != target {
			m.t.Fatalf("%s leads to %q", p, s[p].target)
		}
	}
	m.ok(m.f.Check(held...))
	return s
}

// adopt takes over a state, after a restore.
func (m *model) adopt(s state) {
	if r := m.lastRun; r != nil && r.fs == m.f && r.edits == *m.f.edits {
		m.t.Fatal("the count of edits does not tell of a restore")
	}
	m.files, m.dirs, m.links, m.open = map[string]*[]byte{}, map[string]bool{}, map[string]string{}, nil
	byIno := map[Ino]*[]byte{}
	for p, e := range s {
		switch e.attr.Mode & S_IFMT {
		case S_IFDIR:
			m.dirs[p] = true
		case S_IFLNK:
			m.links[p] = e.target
		default:
			if byIno[e.attr.Ino] == nil {
				b := []byte(e.content)
				byIno[e.attr.Ino] = &b
			}
			m.files[p] = byIno[e.attr.Ino]
		}
	}
}

func (m *model) run(n int) {
	for range n {
		m.step()
	}
}

// Random work on files, directories and links does what a plain model says, and counts memory right.
func TestRandomOperationsMatchTheModel(t *testing.T) {
	m := newModel(t, newRand(t), New(Options{}))
	for range 40 {
		m.run(50)
		m.compare()
	}
}

// A snapshot keeps its instant whatever happens afterwards; restoring it brings back exactly that, from any later or earlier state,
// and released snapshots give their memory back.
func TestSnapshotsAreInstantsAndRestoreIsExact(t *testing.T) {
	r := newRand(t)
	m := newModel(t, r, New(Options{}))
	type kept struct {
		s     *Snapshot
		state state
	}
	var all []kept
	held := func() (out []*Snapshot) {
		for _, k := range all {
			out = append(out, k.s)
		}
		return out
	}
	for range 60 {
		m.run(30)
		s := m.f.Snapshot()
		all = append(all, kept{s, m.compare(held2(held(), s)...)})
		if r.IntN(3) == 0 {
			k := all[r.IntN(len(all))]
			m.ok(m.f.Restore(k.s))
			sameState(t, "restored", stateOf(t, m.f, m.f.live), k.state)
			m.adopt(k.state)
		}
		k := all[r.IntN(len(all))]
		sameState(t, "snapshot", stateOf(t, m.f, k.s.root), k.state)
		if len(all) > 6 {
			i := r.IntN(len(all))
			all[i].s.Release()
			all[i].s.Release()
			all = slices.Delete(all, i, i+1)
		}
		m.compare(held()...)
	}
	for _, k := range all {
		k.s.Release()
	}
	m.compare()
}

func held2(s []*Snapshot, more ...*Snapshot) []*Snapshot { return append(s, more...) }

// What Persist has written opens again with every byte, also when earlier attempts failed half-way; snapshots taken between
// are stored with it; a second Persist without a change writes nothing.
func TestPersistedStateOpensAgain(t *testing.T) {
	r := newRand(t)
	store := &blockStore{}
	m := newModel(t, r, New(Options{Reader: store}))
	for range 25 {
		m.run(40)
		snap := m.f.Snapshot()
		want := m.compare(snap)
		m.run(r.IntN(20))
		last := m.compare(snap)
		var roots [][]byte
		finish := func(b [][]byte) error { roots = b; return nil }
		for store.fail = r.IntN(30); ; store.fail = 0 {
			was := len(store.b)
			err := m.f.Persist(store, []*Snapshot{snap}, finish)
			if err == nil {
				break
			}
			if !errors.Is(err, errWrite) || !m.f.Dirty() {
				t.Fatalf("a failed write: %v, dirty %v", err, m.f.Dirty())
			}
			store.b = store.b[:was:was] // what a failed attempt wrote is not there
		}
		if m.f.Dirty() {
			t.Fatal("dirty after Persist")
		}
		before := len(store.b)
		m.ok(m.f.Persist(store, []*Snapshot{snap}, finish))
		if len(store.b) != before {
			t.Fatalf("%d bytes written without a change", len(store.b)-before)
		}
		snap.Release()
		opened, err := Load(Options{Reader: store}, roots[1])
		m.ok(err)
		for _, p := range slices.Sorted(maps.Keys(last)) {
			if e := last[p]; e.attr.Nlink == 0 {
				delete(last, p)
			}
		}
		sameState(t, "opened", stateOf(t, opened, opened.live), last)
		m.ok(opened.Check())
		old, err := opened.LoadSnapshot(roots[0])
		m.ok(err)
		sameState(t, "opened snapshot", stateOf(t, opened, old.root), want)
		if r.IntN(2) == 0 { // go on from the opened one, lazily
			if opened, err = Load(Options{Reader: store}, roots[1]); err != nil {
				t.Fatal(err)
			}
			m.f = opened
			m.adopt(last)
		}
	}
}

// What Export emits, Import makes a filesystem of, byte for byte; a second export sends only what changed.
func TestExportedStateImportsAgain(t *testing.T) {
	r := newRand(t)
	m := newModel(t, r, New(Options{}))
	blobs := map[Hash][]byte{}
	for range 12 {
		m.run(60)
		snap := m.f.Snapshot()
		want := m.compare(snap)
		if r.IntN(2) == 0 {
			m.ok(snap.HashPages(context.Background(), 1+r.IntN(50), func(pages [][]byte) ([]Hash, error) {
				out := make([]Hash, len(pages))
				for i, p := range pages {
					out[i] = sha256.Sum256(p)
				}
				return out, nil
			}))
		}
		root, err := snap.Export(sha, func(h Hash) bool { return blobs[h] != nil }, func(h Hash, data []byte) error {
			if sha256.Sum256(data) != h || blobs[h] != nil {
				t.Fatal("a blob under a wrong hash, or twice")
			}
			blobs[h] = bytes.Clone(data)
			return nil
		})
		m.ok(err)
		again, err := snap.Export(sha, func(h Hash) bool { return blobs[h] != nil }, func(Hash, []byte) error {
			t.Fatal("sent without a change")
			return nil
		})
		if err != nil || again != root {
			t.Fatalf("the hash changed: %v", err)
		}
		other := New(Options{})
		got, err := other.Import(root, func(h Hash) ([]byte, error) { return blobs[h], nil })
		m.ok(err)
		m.ok(other.Restore(got))
		sameState(t, "imported", stateOf(t, other, other.live), want)
		m.ok(other.Check(got))
		// The imported tree has the same hashes without hashing again.
		if h, err := got.Export(sha, func(Hash) bool { return false }, func(Hash, []byte) error { return nil }); err != nil || h != root {
			t.Fatalf("imported tree has hash %x, want %x (%v)", h, root, err)
		}
		got.Release()
		snap.Release()
		m.ok(other.Check())
	}
}

// Diff names every path whose bytes changed, with ranges that cover every byte that did, and nothing else.
func TestDiffIsExact(t *testing.T) {
	for name, clock := range map[string]func() int64{
		"fine clock": nil,
		// A browser's clock may stand still for thousands of operations.
		"clock that stands still": func() int64 { return 1e18 },
	} {
		t.Run(name, func(t *testing.T) { diffIsExact(t, newRand(t), New(Options{Now: clock})) })
	}
}

func diffIsExact(t *testing.T, r *rand.Rand, f *FS) {
	m := newModel(t, r, f)
	m.run(300)
	for range 40 {
		a := m.f.Snapshot()
		before := m.compare(a)
		m.run(r.IntN(15))
		b := m.f.Snapshot()
		after := m.compare(a, b)
		changes, err := Diff(a, b)
		m.ok(err)
		checkDiff(t, before, after, changes)
		if none, err := Diff(b, b); err != nil || len(none) != 0 {
			t.Fatalf("a snapshot differs from itself: %v %v", none, err)
		}
		a.Release()
		b.Release()
	}
}

func checkDiff(t *testing.T, before, after state, changes []Change) {
	t.Helper()
	type id struct {
		ino   Ino
		birth int64
	}
	idOf := func(e entry) id { return id{e.attr.Ino, e.attr.Btime} }
	old := map[id]entry{}
	for _, e := range before {
		old[idOf(e)] = e
	}
	said := map[string]map[ChangeKind]Change{}
	for _, c := range changes {
		if said[c.Path] == nil {
			said[c.Path] = map[ChangeKind]Change{}
		}
		said[c.Path][c.Kind] = c
		switch c.Kind {
		case Delete:
			if _, ok := before[c.Path]; !ok {
				t.Fatalf("%s was never there and is deleted", c.Path)
			}
		case Rename:
			if idOf(before[c.From]) != idOf(after[c.Path]) {
				t.Fatalf("%s was not renamed to %s", c.From, c.Path)
			}
		default:
			if _, ok := after[c.Path]; !ok {
				t.Fatalf("%s is not there: %v", c.Path, c.Kind)
			}
		}
	}
	// Every name that is not where it was is named.
	type spot struct {
		file, dir id
		name      string
	}
	spots := func(s state) map[spot]string {
		out := map[spot]string{}
		for p, e := range s {
			if p != "." {
				out[spot{idOf(e), idOf(s[path.Dir(p)]), path.Base(p)}] = p
			}
		}
		return out
	}
	from := map[string]bool{}
	for _, c := range changes {
		if c.Kind == Rename {
			from[c.From] = true
		}
	}
	there, here := spots(before), spots(after)
	for at, p := range there {
		if _, ok := said[p][Delete]; !ok && here[at] == "" && !from[p] {
			t.Fatalf("%s is gone and is not named", p)
		}
	}
	for at, p := range here {
		_, created := said[p][Create]
		if _, ok := said[p][Rename]; !ok && !created && there[at] == "" {
			t.Fatalf("%s came and is not named", p)
		}
	}
	for p, e := range after {
		was, existed := old[idOf(e)]
		if !existed {
			if _, ok := said[p][Create]; !ok {
				t.Fatalf("%s was created and is not named", p)
			}
			continue
		}
		u, updated := said[p][Update]
		_, created := said[p][Create] // a further hard link
		if was.content == e.content {
			if updated {
				t.Fatalf("%s did not change and is named", p)
			}
			continue
		}
		if created {
			continue
		}
		if !updated {
			t.Fatalf("%s changed and is not named", p)
		}
		patched := make([]byte, len(e.content))
		copy(patched, was.content)
		for _, x := range u.Ranges {
			copy(patched[x.Off:x.Off+x.Len], e.content[x.Off:])
			if x.Off < int64(len(was.content)) && x.Len > 0 && was.content[x.Off] == e.content[x.Off] {
				t.Fatalf("%s: the range at %d begins with an equal byte", p, x.Off)
			}
		}
		if string(patched) != e.content {
			t.Fatalf("%s: the ranges %v do not cover what changed", p, u.Ranges)
		}
	}
	now := map[id]bool{}
	for _, e := range after {
		now[idOf(e)] = true
	}
	for p, e := range before {
		if _, ok := said[p][Delete]; !now[idOf(e)] && !ok {
			t.Fatalf("%s was deleted and is not named", p)
		}
	}
}
