package memfs

import (
	"strings"
	"unicode/utf8"
)

const maxFollow = 40 // symbolic links in one path, as Linux has it

// Resolved is what a path leads to.
type Resolved struct {
	Parent Ino    // the directory of the last name
	Name   string // the last name; "" when the path ends at a directory itself ("/", ".", "..")
	Ino    Ino    // 0 when the last name does not exist
	Type   uint32 // S_IFMT bits of Ino
}

// Resolve walks a path from base, or from the root when it begins with "/". Symbolic links on the way are followed, and the last one
// if follow is set (a link to a missing file resolves to that file's place, as O_CREAT needs it). ".." at the root is the root.
func (n *Inodes) Resolve(base Ino, path string, follow bool) (Resolved, error) {
	f := n.lock()
	defer f.mu.Unlock()
	return f.resolve(f.live, base, path, follow)
}

func (f *FS) resolve(r *root, base Ino, path string, follow bool) (Resolved, error) {
	if path == "" {
		return Resolved{}, ENOENT
	}
	at := Resolved{Parent: base, Ino: base, Type: S_IFDIR}
	rest := path
	for links := 0; ; {
		if strings.HasPrefix(rest, "/") {
			at = Resolved{Parent: RootIno, Ino: RootIno, Type: S_IFDIR}
			rest = strings.TrimLeft(rest, "/")
		}
		if rest == "" {
			return at, nil
		}
		name, after, more := strings.Cut(rest, "/")
		after = strings.TrimLeft(after, "/")
		dir, err := f.dir(r, at.Ino)
		if err != nil {
			return Resolved{}, err
		}
		if name == "." || name == ".." {
			if name == ".." {
				at = Resolved{Ino: dir.parent, Type: S_IFDIR}
			}
			at.Parent, at.Name = at.Ino, ""
			rest = after
			continue
		}
		e, err := f.lookup(r, at.Ino, name)
		if err == ENOENT && after == "" {
			if err := checkName(name); err != nil {
				return Resolved{}, err
			}
			return Resolved{Parent: at.Ino, Name: name}, nil
		}
		if err != nil {
			return Resolved{}, err
		}
		if e.Type == S_IFLNK && (more || follow) {
			if links++; links > maxFollow {
				return Resolved{}, ELOOP
			}
			in, err := f.inode(r, e.Ino)
			if err != nil {
				return Resolved{}, err
			}
			if rest = in.target; more {
				rest += "/" + after
			}
			continue
		}
		if more && e.Type != S_IFDIR {
			return Resolved{}, ENOTDIR
		}
		at = Resolved{Parent: at.Ino, Name: name, Ino: e.Ino, Type: e.Type}
		rest = after
	}
}

// exists resolves a path to an inode, or ENOENT.
func (f *FS) exists(r *root, path string, follow bool) (Ino, *inode, error) {
	at, err := f.resolve(r, RootIno, path, follow)
	if err != nil {
		return 0, nil, err
	}
	if at.Ino == 0 {
		return 0, nil, ENOENT
	}
	in, err := f.inode(r, at.Ino)
	return at.Ino, in, err
}

// validPath is io/fs.ValidPath: names between slashes, none of them empty, "." or "..", but "." alone.
func validPath(name string) bool {
	if name == "." || !utf8.ValidString(name) {
		return name == "."
	}
	for {
		part, rest, more := strings.Cut(name, "/")
		if part == "" || part == "." || part == ".." {
			return false
		}
		if !more {
			return true
		}
		name = rest
	}
}
