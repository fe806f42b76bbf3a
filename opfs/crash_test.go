package opfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

// newRand takes its seed from HOLDFAST_SEED, or from the clock, and prints it.
func newRand(t *testing.T) *rand.Rand {
	seed, err := strconv.ParseUint(os.Getenv("HOLDFAST_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("run again with HOLDFAST_SEED=%d go test -run '^%s$'", seed, t.Name())
	return rand.New(rand.NewPCG(seed, 2))
}

var errPower = errors.New("power lost")

type unflushed struct {
	off  int64
	data []byte
}

// crashFile is a file that can lose power, which no real one can be told to do: at a chosen operation everything fails, and
// what remains is what was flushed and a random part of the rest, torn at sectors.
type crashFile struct {
	MemFile
	durable []byte
	rest    []unflushed
	ops     int // until the power fails, counted down; negative is never
	dead    bool
}

const sector = 512

func (c *crashFile) op() error {
	if c.dead || c.ops == 0 {
		c.dead = true
		return errPower
	}
	if c.ops > 0 {
		c.ops--
	}
	return nil
}

func (c *crashFile) WriteAt(p []byte, off int64) (int, error) {
	if err := c.op(); err != nil {
		if c.ops == 0 && len(c.rest) < 1000 { // the write during which the power fails may have reached the disk in part
			c.rest = append(c.rest, unflushed{off, bytes.Clone(p)})
		}
		return 0, err
	}
	c.rest = append(c.rest, unflushed{off, bytes.Clone(p)})
	return c.MemFile.WriteAt(p, off)
}

func (c *crashFile) Flush() error {
	if err := c.op(); err != nil {
		return err
	}
	c.durable, c.rest = bytes.Clone(c.b), nil
	return nil
}

// after returns the file as the next start finds it: after a power cut, or after the mere death of the program, which leaves in a cache
// what was written, to be lost in a power cut later.
func (c *crashFile) after(r *rand.Rand) *crashFile {
	n := &crashFile{ops: -1}
	n.b = bytes.Clone(c.durable)
	cached := r.IntN(2) == 0
	mode := r.IntN(4) // sometimes all of it, sometimes nothing
	for _, w := range c.rest {
		for at := 0; at < len(w.data); {
			size := min(len(w.data)-at, sector-int((w.off+int64(at))%sector))
			if mode == 0 || mode > 1 && r.IntN(2) == 0 {
				part := unflushed{w.off + int64(at), w.data[at : at+size]}
				_, _ = n.MemFile.WriteAt(part.data, part.off)
				if cached {
					n.rest = append(n.rest, part)
				}
			}
			at += size
		}
	}
	if n.durable = c.durable; !cached {
		n.durable = bytes.Clone(n.b)
	}
	return n
}

// dump lists everything that a state of the filesystem shows.
func dump(t *testing.T, fsys fs.FS) string {
	t.Helper()
	out, err := tryDump(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryDump(fsys fs.FS) (string, error) {
	var out bytes.Buffer
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s %v %d %d\n", p, info.Mode(), info.Size(), info.ModTime().UnixNano())
		if info.Mode().IsRegular() {
			b, err := fs.ReadFile(fsys, p)
			if err != nil {
				return err
			}
			out.Write(b)
		}
		return nil
	})
	return out.String(), err
}

// work does something to the filesystem.
func work(t *testing.T, r *rand.Rand, f *memfs.FS) {
	t.Helper()
	name := func() string { return fmt.Sprintf("d%d/f%d", r.IntN(3), r.IntN(12)) }
	p := name()
	err := errors.Join(f.MkdirAll(path.Dir(p), 0o755), f.MkdirAll("d0", 0o755))
	if err == nil {
		switch r.IntN(4) {
		case 0:
			err = f.RemoveAll(p)
		case 1:
			if _, statErr := f.Stat(p); statErr == nil {
				err = f.Rename(p, "d0/moved")
			}
		default:
			b := make([]byte, []int{10, 5000, 70000}[r.IntN(3)])
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			err = f.WriteFile(p, b, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// After power fails at any operation, the volume opens at the last acknowledged commit or at the one that was being written,
// whole; and a second failure during recovery changes nothing about that.
func TestPowerFailsAtAnyOperation(t *testing.T) {
	r := newRand(t)
	file := &crashFile{ops: -1}
	s, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := dump(t, s.FS())
	states := 0
	for range 400 {
		for range r.IntN(4) {
			work(t, r, s.FS())
		}
		if r.IntN(5) == 0 {
			if _, err := s.Snapshot("label"); err != nil {
				t.Fatal(err)
			}
			work(t, r, s.FS())
		}
		file.ops = r.IntN(4)
		if r.IntN(3) == 0 {
			file.ops = -1
		}
		attempted := dump(t, s.FS())
		if _, err := s.Commit(""); err == nil {
			acknowledged = attempted
		} else if !errors.Is(err, errPower) || !errors.Is(err, ErrIO) {
			t.Fatal(err)
		}
		if r.IntN(4) > 0 && !file.dead {
			continue
		}
		states++
		file = file.after(r)
		for file.ops = r.IntN(4); ; { // recovery, which may be cut short too
			if s, err = Open(file, Options{}); err == nil {
				break
			}
			if !errors.Is(err, errPower) {
				t.Fatalf("after a crash: %v", err)
			}
			file = file.after(r)
			file.ops = -1
		}
		file.ops = -1
		got := dump(t, s.FS())
		if got != acknowledged && got != attempted {
			t.Fatal("the volume opened at neither the last acknowledged commit nor the attempted one")
		}
		acknowledged = got
		if err := s.FS().Check(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d crash states", states)
}
