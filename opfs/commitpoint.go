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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.insideTransaction() {
		return false, nil
	}
	_, _, err := s.commit("")
	return err == nil, err
}

// insideTransaction reports whether everything that changed belongs to one database with an unfinished rollback journal.
func (s *Store) insideTransaction() bool {
	t := &s.touched
	s.fs.Touched(t)
	if t.Many || len(t.Inodes) == 0 {
		return false
	}
	n := s.fs.Inodes()
	var db memfs.Place
	var dbIno, journalIno memfs.Ino // if they were touched
	for _, ino := range t.Inodes {
		p, err := n.PlaceOf(ino)
		if errors.Is(err, memfs.ENOENT) { // a file without a name is lost in a crash anyway
			continue
		}
		name := databaseOf(p)
		if err != nil || db.Name != "" && name != db {
			return false
		}
		if db = name; p == db {
			dbIno = ino
		} else {
			journalIno = ino
		}
	}
	for _, p := range t.Names {
		name := databaseOf(p)
		if db.Name != "" && name != db {
			return false
		}
		db = name
	}
	return db.Name != "" && s.journalOpen(db, dbIno, journalIno)
}

// databaseOf is the place of the database that a journal belongs to; any other file stands for itself.
func databaseOf(p memfs.Place) memfs.Place {
	p.Name = strings.TrimSuffix(p.Name, journalSuffix)
	return p
}

// magic numbers of SQLite's files (https://www.sqlite.org/fileformat2.html, sections 1.3 and 3).
const (
	databaseMagic = "SQLite format 3\x00"
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	noMagic       = "\x00\x00\x00\x00\x00\x00\x00\x00"
)

// journalOpen reports whether a database has a rollback journal that will still be finished: one with its magic number, or, while the
// database itself is as it was, one whose magic number SQLite has yet to write, which it does after the first sync.
func (s *Store) journalOpen(db memfs.Place, dbIno, journalIno memfs.Ino) bool {
	var room [2 * headBytes]byte
	if journalIno == 0 {
		journalIno = s.named(db.Dir, db.Name+journalSuffix)
	}
	j := s.head(room[:headBytes], journalIno)
	if len(j) < 28 {
		return false
	}
	switch magic := string(j[:8]); {
	case magic == journalMagic:
	case dbIno == 0 && magic == noMagic:
	default:
		return false
	}
	be := func(p []byte) uint32 { return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3]) }
	sector, page := be(j[20:]), be(j[24:])
	if !powerOfTwo(sector, 32, 65536) || !powerOfTwo(page, 512, 65536) {
		return false
	}
	if dbIno == 0 {
		dbIno = s.named(db.Dir, db.Name)
	}
	d := s.head(room[headBytes:], dbIno)
	if len(d) == 0 { // a new database: SQLite makes the file before its journal
		return d != nil
	}
	return len(d) == headBytes && string(d[:len(databaseMagic)]) == databaseMagic && uint32(d[16])<<8|uint32(d[17]) == page&0xffff|page>>16
}

func powerOfTwo(n, low, high uint32) bool { return n >= low && n <= high && n&(n-1) == 0 }

const headBytes = 100

// named is the file under a name, 0 when there is none.
func (s *Store) named(dir memfs.Ino, name string) memfs.Ino {
	ino, err := s.fs.Inodes().Lookup(dir, name)
	if err != nil {
		return 0
	}
	return ino
}

// head reads the first bytes of a file, nil when there is none.
func (s *Store) head(room []byte, ino memfs.Ino) []byte {
	got, err := s.fs.Inodes().ReadAt(ino, room, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	return room[:got]
}
