package opfs

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-fs/holdfast/memfs"
)

// BenchmarkTransaction does to a volume what SQLite does for one small transaction, on a file that costs nothing.
func BenchmarkTransaction(b *testing.B) {
	for _, mode := range []struct {
		name string
		do   func(t *transactions, i int)
	}{{"delete", (*transactions).rollback}, {"wal", (*transactions).ahead}} {
		b.Run(mode.name, func(b *testing.B) {
			t := newTransactions(b)
			for i := range 500 { // until cleaning and the free slots are as they stay
				mode.do(t, i)
			}
			t.f.bytes, t.f.flushes = 0, 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				mode.do(t, i)
			}
			b.ReportMetric(float64(t.f.bytes)/float64(b.N), "written/op")
			b.ReportMetric(float64(t.f.flushes)/float64(b.N), "flushes/op")
		})
	}
}

type benchFile struct {
	MemFile
	bytes, flushes int
}

func (f *benchFile) WriteAt(p []byte, off int64) (int, error) {
	f.bytes += len(p)
	return f.MemFile.WriteAt(p, off)
}

func (f *benchFile) Flush() error {
	f.flushes++
	return nil
}

type transactions struct {
	b    *testing.B
	f    *benchFile
	s    *Store
	n    *memfs.Inodes
	db   *memfs.Handle
	wal  *memfs.Handle
	page []byte

	young, hot []byte // a journal's first bytes
}

const (
	benchDatabase = 400_000
	benchLog      = 1000 * 4120
)

func newTransactions(b *testing.B) *transactions {
	t := &transactions{b: b, f: &benchFile{}, page: make([]byte, 4096)}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range t.page {
		t.page[i] = byte(random.Uint32() | 1)
	}
	var err error
	t.s, err = Open(t.f, Options{Keep: 1})
	t.check(err)
	t.n = t.s.FS().Inodes()
	open := func(name string) *memfs.Handle {
		ino, err := t.n.Mknod(memfs.RootIno, name, memfs.S_IFREG|0o644, 0)
		t.check(err)
		h, err := t.n.Open(ino)
		t.check(err)
		return h
	}
	t.db, t.wal = open("a.db"), open("a.db-wal")
	for at := int64(0); at < benchDatabase; at += 4096 {
		t.write(t.db, t.page, at)
	}
	db, hot := sqliteFiles(journalMagic)
	_, young := sqliteFiles(noMagic)
	t.young, t.hot = []byte(young), []byte(hot)[:12]
	t.write(t.db, []byte(db), 0)
	_, err = t.s.Commit("")
	t.check(err)
	return t
}

func (t *transactions) check(err error) {
	if err != nil {
		t.b.Fatal(err)
	}
}

func (t *transactions) write(h *memfs.Handle, p []byte, off int64) {
	_, err := h.WriteAt(p, off)
	t.check(err)
}

func (t *transactions) sync() {
	_, err := t.s.Sync()
	t.check(err)
}

// rollback is a transaction in journal mode DELETE that changes the first page and another.
func (t *transactions) rollback(i int) {
	const name = "a.db-journal"
	ino, err := t.n.Mknod(memfs.RootIno, name, memfs.S_IFREG|0o644, 0)
	t.check(err)
	j, err := t.n.Open(ino)
	t.check(err)
	t.write(j, t.young, 0)
	for at := int64(512); at < 512+2*4104; at += 4104 {
		t.write(j, t.page[:4], at)
		t.write(j, t.page, at+4)
		t.write(j, t.page[:4], at+4100)
	}
	t.sync()
	t.write(j, t.hot, 0)
	t.sync()
	t.write(t.db, t.page[:8], 24)
	t.write(t.db, t.page, int64(1+i/25%90)*4096)
	t.sync()
	t.check(j.Close())
	t.check(t.n.Unlink(memfs.RootIno, name))
	_, err = t.s.Commit("")
	t.check(err)
}

// ahead is a transaction in a write-ahead log that begins anew now and then.
func (t *transactions) ahead(i int) {
	at := 32 + int64(i)*4120%benchLog
	t.write(t.wal, t.page[:24], at)
	t.write(t.wal, t.page, at+24)
	t.sync()
}

// sink is a File that keeps nothing but its first bytes: what a commit costs without a disk.
type sink struct{ MemFile }

func (s *sink) WriteAt(p []byte, off int64) (int, error) {
	if off < logStart {
		return s.MemFile.WriteAt(p, off)
	}
	return len(p), nil
}

// BenchmarkFirstCommit commits a tree that was just written, in files of up to 26 kB.
func BenchmarkFirstCommit(b *testing.B) {
	const files = 2174
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 26<<10)
	for i := range content {
		content[i] = byte(rng.Uint32()) | 1
	}
	for range b.N {
		b.StopTimer()
		s, err := Open(&sink{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		var bytes int64
		for i := range files {
			n := 1 + rng.IntN(len(content))
			bytes += int64(n)
			if err := s.FS().WriteFile(fmt.Sprintf("f%d", i), content[:n], 0o644); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(bytes)
		b.StartTimer()
		if _, err := s.Commit(""); err != nil {
			b.Fatal(err)
		}
	}
}
