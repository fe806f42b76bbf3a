package opfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sqliteFiles are the beginnings of a database and of its rollback journal, as SQLite writes them.
func sqliteFiles(magic string) (db, journal string) {
	db = databaseMagic + "\x10\x00" + strings.Repeat("\x00", 4096-18)
	journal = magic + "\x00\x00\x00\x01" + "rand" + "\x00\x00\x00\x01" + "\x00\x00\x02\x00" + "\x00\x00\x10\x00" + strings.Repeat("\x00", 512-28)
	return db, journal
}

// A sync waits only while everything that changed is one SQLite database with a journal that will still be finished.
func TestWhichSyncsMayWait(t *testing.T) {
	db, hot := sqliteFiles(journalMagic)
	_, young := sqliteFiles(noMagic)
	for _, c := range []struct {
		name  string
		after map[string]string // written since the last commit, which holds a.db and other
		waits bool
	}{
		{"journal made, its magic number to come", map[string]string{"a.db-journal": young}, true},
		{"journal whole", map[string]string{"a.db-journal": hot}, true},
		{"journal whole, database changed", map[string]string{"a.db-journal": hot, "a.db": db + "more"}, true},
		{"header zeroed, database changed", map[string]string{"a.db-journal": strings.Repeat("\x00", 512), "a.db": db + "more"}, false},
		{"magic number missing, database changed", map[string]string{"a.db-journal": young, "a.db": db + "more"}, false},
		{"journal empty", map[string]string{"a.db-journal": "", "a.db": db + "more"}, false},
		{"another file changed too", map[string]string{"a.db-journal": hot, "other": "x"}, false},
		{"two databases", map[string]string{"a.db-journal": hot, "b.db": db, "b.db-journal": hot}, false},
		{"a write-ahead log", map[string]string{"a.db-wal": "x"}, false},
		{"the database alone", map[string]string{"a.db": db + "more"}, false},
		{"a file that is only called so", map[string]string{"diary-journal": "today I"}, false},
		{"a file that is called so, beside another", map[string]string{"other-journal": strings.Repeat("\x00", 600)}, false},
		{"a journal beside what is no database", map[string]string{"other-journal": hot}, false},
		{"a journal without a database", map[string]string{"new.db-journal": hot}, false},
		{"a new database", map[string]string{"new.db": "", "new.db-journal": young}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &countingFile{}
			s := open(t, f, Options{})
			write(t, s, "other", "not a database, and long enough not to be a new one")
			_, err := s.Sync()
			require.NoError(t, err)
			write(t, s, "a.db", db)
			_, err = s.Sync()
			require.NoError(t, err)
			for name, content := range c.after {
				write(t, s, name, content)
			}
			f.flushes = 0
			committed, err := s.Sync()
			require.NoError(t, err)
			require.Equal(t, !c.waits, committed)
			require.Equal(t, !c.waits, f.flushes == 1)
			_, err = s.Commit("")
			require.NoError(t, err)
			require.Equal(t, 1, f.flushes, "an explicit commit never waits")
		})
	}
	require.True(t, EndsTransaction("a.db-journal"))
	require.True(t, EndsTransaction("a.db-mj1234AB9CD"))
	require.False(t, EndsTransaction("a.db-wal"))
	require.False(t, EndsTransaction("a.db-mj1234ab9cd.txt"))
}
