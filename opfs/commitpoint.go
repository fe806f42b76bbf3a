package opfs

import "strings"

// EndsTransaction reports whether removing a file of that name ends a transaction of SQLite, so that the change must be durable
// before the guest goes on. In journal mode DELETE, the default, a transaction is final when its rollback journal is gone
// (https://www.sqlite.org/atomiccommit.html, section 3.11); SQLite syncs before that and, unless synchronous is EXTRA,
// not after. Whoever opens the database with the journal still there rolls the transaction back. COMMIT.md has the rule.
func EndsTransaction(name string) bool { return strings.HasSuffix(name, "-journal") }
