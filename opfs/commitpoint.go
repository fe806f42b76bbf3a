package opfs

import (
	"errors"
	"io"
	"strings"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Which of a guest's calls commit, and which syncs may wait. COMMIT.md has the rule and why it is safe.

const journalSuffix = "-journal"

// EndsTransaction reports whether removing a file of that name, or truncating it to nothing, ends a transaction of SQLite, so that the
// change must be durable before the guest goes on. In journal mode DELETE a transaction is final when its rollback
// journal is gone (https://www.sqlite.org/atomiccommit.html, section 3.11), one over several databases when its super-journal is
// (section 5.5; SQLite takes no notice of errors after that); SQLite syncs before that and, as a rule, not after.
func EndsTransaction(name string) bool {
	return strings.HasSuffix(name, journalSuffix) || isSuperJournal(name)
}

// isSuperJournal knows the name that SQLite gives to the journal of a transaction over several databases: the first one's, and
// "-mjXXXXXX9XX" with hexadecimal digits (vdbe.c, vdbeCommit).
func isSuperJournal(name string) bool {
	at := len(name) - len("-mjXXXXXX9XX")
	if at < 0 || name[at:at+3] != "-mj" || name[len(name)-3] != '9' {
		return false
	}
	for _, c := range []byte(name[at+3:]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// Sync is what a guest's fsync calls. It commits, unless all that changed since the last commit is one SQLite database
// inside a transaction with a rollback journal: then the end of the transaction will commit all of it at once.
// It reports whether it committed.
func (s *Store) Sync() (bool, error) {
	if s.insideTransaction() {
		return false, nil
	}
	_, err := s.Commit("")
	return err == nil, err
}

// insideTransaction reports whether everything that changed belongs to one database with an unfinished rollback journal.
func (s *Store) insideTransaction() bool {
	t := s.fs.Touched()
	if t.Many || len(t.Inodes) == 0 {
		return false
	}
	n := s.fs.Inodes()
	var places []memfs.Place
	for _, ino := range t.Inodes {
		switch p, err := n.PlaceOf(ino); {
		case err == nil:
			places = append(places, p)
		case !errors.Is(err, memfs.ENOENT): // a file without a name is lost in a crash anyway
			return false
		}
	}
	var db memfs.Place
	for _, p := range append(places, t.Names...) {
		p.Name = strings.TrimSuffix(p.Name, journalSuffix)
		if db.Name == "" {
			db = p
		}
		if p != db {
			return false
		}
	}
	dbTouched := false
	for _, p := range places {
		dbTouched = dbTouched || p == db
	}
	return db.Name != "" && s.journalOpen(db, dbTouched)
}

// magic numbers of SQLite's files (https://www.sqlite.org/fileformat2.html, sections 1.3 and 3).
const (
	databaseMagic = "SQLite format 3\x00"
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
)

// journalOpen reports whether a database has a rollback journal that will still be finished: one with its magic number, or, while the
// database itself is as it was, one whose magic number SQLite has yet to write, which it does after the first sync.
func (s *Store) journalOpen(db memfs.Place, dbTouched bool) bool {
	j := s.head(memfs.Place{Dir: db.Dir, Name: db.Name + journalSuffix})
	if len(j) < 28 {
		return false
	}
	switch magic := string(j[:8]); {
	case magic == journalMagic:
	case !dbTouched && magic == "\x00\x00\x00\x00\x00\x00\x00\x00":
	default:
		return false
	}
	be := func(p []byte) uint32 { return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]) }
	sector, page := be(j[20:]), be(j[24:])
	if !powerOfTwo(sector, 32, 65536) || !powerOfTwo(page, 512, 65536) {
		return false
	}
	d := s.head(db)
	if len(d) == 0 { // a new database: SQLite makes the file before its journal
		return d != nil
	}
	return len(d) == headBytes && strings.HasPrefix(string(d), databaseMagic) && uint32(d[16])<<8|uint32(d[17]) == page&0xffff|page>>16
}

func powerOfTwo(n, low, high uint32) bool { return n >= low && n <= high && n&(n-1) == 0 }

const headBytes = 100

// head reads the first bytes of a file, nil when there is none.
func (s *Store) head(p memfs.Place) []byte {
	n := s.fs.Inodes()
	ino, err := n.Lookup(p.Dir, p.Name)
	if err != nil {
		return nil
	}
	h, err := n.Open(ino)
	if err != nil {
		return nil
	}
	defer h.Close()
	b := make([]byte, headBytes)
	got, err := h.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	return b[:got]
}
