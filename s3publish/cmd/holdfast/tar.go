package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
)

// writeTar writes a tree as a tar stream in PAX format, in order of name: modes, owners by number, times to the nanosecond, symbolic and
// hard links, pipes and devices. Sockets are left out, with a warning. Holes are written as zeros.
func writeTar(ctx context.Context, files *memfs.FS, to io.Writer, warn func(string, ...any)) error {
	w := tar.NewWriter(to)
	first := map[memfs.Ino]string{}
	sockets := 0
	err := walk(files, func(p string, a memfs.Attr) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h := &tar.Header{
			Name: p, Mode: int64(a.Mode & 0o7777), Uid: int(a.UID), Gid: int(a.GID), Format: tar.FormatPAX,
			ModTime: time.Unix(0, a.Mtime), AccessTime: time.Unix(0, a.Atime), ChangeTime: time.Unix(0, a.Ctime),
		}
		var err error
		switch a.Mode & memfs.S_IFMT {
		case memfs.S_IFDIR:
			h.Typeflag, h.Name = tar.TypeDir, p+"/"
		case memfs.S_IFREG:
			h.Typeflag, h.Size = tar.TypeReg, a.Size
		case memfs.S_IFLNK:
			h.Typeflag = tar.TypeSymlink
			h.Linkname, err = files.Inodes().Readlink(a.Ino)
		case memfs.S_IFIFO:
			h.Typeflag = tar.TypeFifo
		case memfs.S_IFCHR, memfs.S_IFBLK:
			h.Typeflag = map[bool]byte{true: tar.TypeChar, false: tar.TypeBlock}[a.Mode&memfs.S_IFMT == memfs.S_IFCHR]
			h.Devmajor, h.Devminor = int64(a.Rdev>>8&0xfff), int64(a.Rdev&0xff|a.Rdev>>12&0xfff00) // as Linux packs them
		default:
			sockets++
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if name, ok := first[a.Ino]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, name, 0
			return w.WriteHeader(h)
		}
		if a.Nlink > 1 && h.Typeflag != tar.TypeDir {
			first[a.Ino] = p
		}
		if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		f, err := files.Inodes().Open(a.Ino)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		defer f.Close()
		_, err = io.Copy(w, &whileWanted{ctx, io.NewSectionReader(f, 0, a.Size)})
		return err
	})
	if sockets > 0 {
		warn("%d sockets were left out", sockets)
	}
	if err != nil {
		return err
	}
	return w.Close()
}

// whileWanted reads until the context is done.
type whileWanted struct {
	ctx context.Context
	r   io.Reader
}

func (r *whileWanted) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// writeFile makes a new file, whole or not at all.
func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".holdfast-")
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	// Unlike a rename, this does not replace what is there.
	if err := os.Link(f.Name(), name); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(name))
}
