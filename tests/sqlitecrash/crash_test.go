// Package sqlitecrash runs real SQLite on a volume and lets power fail at every operation of the volume's file: the rows that were acknowledged are
// there, and the database is sound, in every journal mode.
package sqlitecrash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/opfs/crashtest"
	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/embed"
	"github.com/ncruces/go-sqlite3/vfs"
)

type mode struct{ journal, synchronous string }

var modes = []mode{
	{"DELETE", "FULL"}, {"DELETE", "NORMAL"}, {"DELETE", "EXTRA"},
	{"TRUNCATE", "FULL"}, {"TRUNCATE", "NORMAL"},
	{"PERSIST", "FULL"}, {"PERSIST", "NORMAL"},
	{"WAL", "FULL"},
}

// acked says how many operations of the file it took until so many rows were acknowledged.
type acked struct{ ops, rows int }

func connect(t *testing.T, s *opfs.Store, m mode) *sqlite3.Conn {
	t.Helper()
	vfs.Register("volume", volumeVFS{s})
	db, err := sqlite3.Open("file:a.db?vfs=volume")
	if err != nil {
		t.Fatal(err)
	}
	if m.journal == "WAL" {
		exec(t, db, "PRAGMA locking_mode = EXCLUSIVE") // it does without shared memory
	}
	exec(t, db, "PRAGMA journal_mode = "+m.journal)
	exec(t, db, "PRAGMA synchronous = "+m.synchronous)
	exec(t, db, "PRAGMA cache_size = 8") // so that transactions spill pages into the file
	return db
}

func exec(t *testing.T, db *sqlite3.Conn, sql string) {
	t.Helper()
	if err := db.Exec(sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query(t *testing.T, db *sqlite3.Conn, sql string) string {
	t.Helper()
	st, _, err := db.Prepare(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer st.Close()
	if !st.Step() {
		t.Fatalf("%s: %v", sql, st.Err())
	}
	return st.ColumnText(0)
}

// workload inserts, updates and rolls back, and returns what was acknowledged when, and how many bytes cleaning moved. Row n says n at least twice.
func workload(t *testing.T, r *rand.Rand, file *crashtest.File, m mode, transactions int) (acks []acked, moved int64) {
	t.Helper()
	// Small segments and a short history, so that much is cleaned meanwhile.
	s, err := opfs.Open(file, opfs.Options{Keep: 2, Segment: 16 << 10, CleanEvery: 3})
	if err != nil {
		t.Fatal(err)
	}
	db := connect(t, s, m)
	defer db.Close()
	exec(t, db, "CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)")
	acks = []acked{{file.Ops(), 0}}
	rows := 0
	insert := func(n int) {
		exec(t, db, fmt.Sprintf("INSERT INTO t VALUES (%d, '%s')", n, strings.Repeat(fmt.Sprintf("%d,", n), 1+r.IntN(1200))))
	}
	cleaned := func() bool { space := s.Space(); return space.Moved > 0 && space.Cleaned > 0 }
	for i := 0; i < transactions || !cleaned() && i < 3*transactions; i++ {
		switch r.IntN(4) {
		case 0: // a long one, which spills
			exec(t, db, "BEGIN")
			for range 5 + r.IntN(20) {
				rows++
				insert(rows)
			}
			exec(t, db, "COMMIT")
		case 1: // one that comes to nothing
			exec(t, db, "BEGIN")
			for i := range 12 {
				insert(rows + 1 + i)
			}
			exec(t, db, "ROLLBACK")
		case 2: // other pages
			if rows > 0 {
				exec(t, db, fmt.Sprintf("UPDATE t SET body = n || ',' || hex(randomblob(%d)) WHERE n %% 7 = %d", r.IntN(3000), r.IntN(7)))
			}
		default:
			rows++
			insert(rows)
		}
		acks = append(acks, acked{file.Ops(), rows})
	}
	if s.Space().Cleaned == 0 {
		t.Errorf("nothing was cleaned: %+v", s.Space())
	}
	return acks, s.Space().Moved
}

func mustBe(t *testing.T, file *crashtest.File, m mode, acks []acked, n int) {
	t.Helper()
	k := 0
	for k+1 < len(acks) && acks[k+1].ops <= n {
		k++
	}
	s, err := opfs.Open(file, opfs.Options{})
	if err != nil {
		t.Fatalf("crash at operation %d: %v", n, err)
	}
	db := connect(t, s, m)
	defer db.Close()
	if got := query(t, db, "PRAGMA integrity_check"); got != "ok" {
		t.Fatalf("crash at operation %d: %s", n, got)
	}
	if query(t, db, "SELECT count(*) FROM sqlite_schema") == "0" && n < acks[0].ops {
		return
	}
	rows, _ := strconv.Atoi(query(t, db, "SELECT count(*) FROM t"))
	bad := query(t, db, "SELECT count(*) FROM t WHERE body NOT LIKE n || ',%'")
	last, _ := strconv.Atoi(query(t, db, "SELECT coalesce(max(n), 0) FROM t"))
	if rows != last || bad != "0" {
		t.Fatalf("crash at operation %d: %d rows up to number %d, %s of them wrong", n, rows, last, bad)
	}
	if rows != acks[k].rows && (k+1 == len(acks) || rows != acks[k+1].rows) {
		t.Fatalf("crash at operation %d: %d rows where %d were acknowledged", n, rows, acks[k].rows)
	}
}

// Every row that SQLite has acknowledged survives, at every operation of the volume's file at which power may fail.
func TestPowerFailsUnderSQLite(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("HOLDFAST_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	transactions, err := strconv.Atoi(os.Getenv("HOLDFAST_CRASH_TRANSACTIONS"))
	if err != nil {
		transactions = 30
	}
	t.Logf("run again with HOLDFAST_SEED=%d go test -run '^%s$'", seed, t.Name())
	states, movedIn := 0, 0
	for i, m := range modes {
		t.Run(m.journal+" "+m.synchronous, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			file := crashtest.New(nil)
			acks, moved := workload(t, r, file, m, transactions)
			if moved > 0 {
				movedIn++
			}
			for n := range file.Ops() + 1 {
				for range 2 {
					mustBe(t, file.CrashAt(n, r), m, acks, n)
					states++
				}
				mustBe(t, file.KillAt(n), m, acks, n)
				states++
			}
		})
	}
	t.Logf("%d crash states; bytes were moved in %d of %d modes", states, movedIn, len(modes))
	if movedIn < len(modes)/2 { // in a single one, whole segments may fall free and leave nothing to move
		t.Error("too little was moved")
	}
}
