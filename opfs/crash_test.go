package opfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs/crashtest"
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
	var err error
	if r.IntN(40) == 0 { // much becomes free at once
		err = errors.Join(f.RemoveAll("d0"), f.RemoveAll("d1"), f.RemoveAll("d2"))
	}
	err = errors.Join(err, f.MkdirAll(path.Dir(p), 0o755), f.MkdirAll("d0", 0o755))
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
			for at := 0; at < len(b) && r.IntN(2) == 0; at += memfs.PageSize { // as a database's pages are
				clear(b[min(at+500, len(b)):min(at+3000, len(b))])
			}
			err = f.WriteFile(p, b, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// acked is a commit, and how many operations of the file it took until it was acknowledged.
type acked struct {
	ops   int
	state string
}

// cleanedWorkloads counts the workloads that had something moved.
var cleanedWorkloads int

// history runs a random workload and returns what was acknowledged when.
func history(t *testing.T, r *rand.Rand, file *crashtest.File, commits int) []acked {
	t.Helper()
	// Small segments and a short history, so that a short workload goes through cycles of cleaning.
	s, err := Open(file, Options{Keep: 1 + r.IntN(6), Segment: []int64{minSegment, 2 * minSegment, 4 * minSegment, defaultSegment}[r.IntN(4)], CleanEvery: 1 + r.Int64N(40)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if s.cleaner.bytesMoved > 0 {
			cleanedWorkloads++
		}
	}()
	acks := []acked{{file.Ops(), dump(t, s.FS())}}
	for range commits {
		for range 1 + r.IntN(3) {
			work(t, r, s.FS())
		}
		if r.IntN(5) == 0 {
			if _, err := s.Snapshot("label"); err != nil {
				t.Fatal(err)
			}
			work(t, r, s.FS())
		}
		if points, err := s.Points(); err != nil {
			t.Fatal(err)
		} else if len(points) > 8 { // labelled ones stay until they are deleted
			if err := s.Delete(points[1+r.IntN(len(points)-1)].ID); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Commit(""); err != nil {
			t.Fatal(err)
		}
		acks = append(acks, acked{file.Ops(), dump(t, s.FS())})
	}
	return acks
}

// mustBe opens a file that was left by a crash after n operations, and checks that it holds the last acknowledged commit or the one after it.
func mustBe(t *testing.T, r *rand.Rand, file *crashtest.File, acks []acked, n int) {
	t.Helper()
	k := 0
	for k+1 < len(acks) && acks[k+1].ops <= n {
		k++
	}
	s, err := Open(file, Options{})
	if err != nil {
		t.Fatalf("crash at operation %d: %v", n, err)
	}
	got := dump(t, s.FS())
	if n < acks[0].ops && strings.Count(got, "\n") == 1 {
		return // the volume was not acknowledged yet: an empty one is right
	}
	if got != acks[k].state && (k+1 == len(acks) || got != acks[k+1].state) {
		t.Fatalf("crash at operation %d: neither commit %d nor the next", n, k)
	}
	if err := s.FS().Check(); err != nil {
		t.Fatal(err)
	}
	if r.IntN(8) > 0 {
		return
	}
	if err := s.Verify(context.Background(), nil); err != nil {
		t.Fatalf("crash at operation %d: %v", n, err)
	}
	// Life goes on.
	work(t, r, s.FS())
	if _, err := s.Commit(""); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, open(t, crashtest.New(file.Bytes()), Options{}).FS()); got != dump(t, s.FS()) {
		t.Fatalf("crash at operation %d: the next commit was lost", n)
	}
}

// crashStates is how many states TestPowerFailsAtEveryOperation looks at: HOLDFAST_CRASH_STATES, or enough for every run.
func crashStates() int {
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_CRASH_STATES")); err == nil {
		return n
	}
	if testing.Short() || runtime.GOOS == "js" {
		return 1000
	}
	return 20000
}

// Wherever power fails, at every operation of a workload, in recovery again, or after the program merely died before: the volume opens at the last
// acknowledged commit or at the one that was being written, whole.
func TestPowerFailsAtEveryOperation(t *testing.T) {
	r := newRand(t)
	states := 0
	for states < crashStates() || cleanedWorkloads == 0 {
		file := crashtest.New(nil)
		acks := history(t, r, file, 60)
		for n := range file.Ops() + 1 {
			mustBe(t, r, file.CrashAt(n, r), acks, n)
			mustBe(t, r, file.CrashAt(n, r), acks, n)
			// The second start crashes at each of its own operations.
			for _, left := range []*crashtest.File{file.CrashAt(n, r), file.KillAt(n)} {
				if _, err := Open(left, Options{}); err != nil {
					t.Fatalf("crash at operation %d: %v", n, err)
				}
				for m := range left.Ops() + 1 {
					mustBe(t, r, left.CrashAt(m, r), acks, n)
					states++
				}
			}
			states += 2
		}
	}
	t.Logf("%d crash states, %d workloads had bytes moved", states, cleanedWorkloads)
}

// When any one operation fails, or writes short, the commit says so, nothing is lost, and the next one succeeds; also when power fails soon after.
func TestAnyOperationFailsOnce(t *testing.T) {
	r := newRand(t)
	for _, short := range []bool{false, true} {
		for k := 10; k < 2*120; k++ {
			n := k / 2
			file := crashtest.New(nil)
			o := Options{}
			if k%2 == 0 { // with much cleaning
				o = Options{Keep: 1, Segment: 2 * minSegment, CleanEvery: 1}
			}
			s := open(t, file, o)
			file.FailAt, file.Short = n, short
			acks := []acked{{file.Ops(), dump(t, s.FS())}}
			for range 30 {
				work(t, r, s.FS())
				before := file.Ops()
				_, err := s.Commit("")
				if err == nil && before < n && n <= file.Ops() {
					// Only housekeeping may fail unnoticed: it is not part of what was promised.
					if file.Ops()-before < 3 {
						t.Fatalf("operation %d failed and the commit did not say so", n)
					}
				}
				if err != nil {
					if !errors.Is(err, ErrIO) && !errors.Is(err, ErrQuota) {
						t.Fatal(err)
					}
					if _, err := s.Commit(""); err != nil {
						t.Fatalf("after operation %d failed once: %v", n, err)
					}
				}
				want := dump(t, s.FS())
				if got := dump(t, open(t, crashtest.New(file.Bytes()), Options{}).FS()); got != want {
					t.Fatalf("after operation %d failed once, the file holds something else", n)
				}
				acks = append(acks, acked{file.Ops(), want})
			}
			for m := n; m < min(n+12, file.Ops()); m++ {
				mustBe(t, r, file.CrashAt(m, r), acks, m)
			}
		}
	}
}
