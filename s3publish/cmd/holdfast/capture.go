package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/holdfast-fs/holdfast/memfs"
)

// counted is what was captured.
type counted struct{ files, bytes int64 }

// identity names a file of the host's, by device and inode, for finding its other names.
type identity [2]uint64

// capture reads a directory into memory: names, contents, modes, times, symbolic and hard links, and owner and group if asked. It reads
// one file after the other, so what writes to them has to be stopped: a file that changes while it is read is an error, but one that
// changes before or after is not noticed. Devices, pipes and sockets are left out, with a warning.
func capture(ctx context.Context, directory string, owner bool, warn func(string, ...any)) (*memfs.FS, counted, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, counted{}, err
	}
	defer root.Close()
	c := &capturer{ctx: ctx, root: root, owner: owner, in: memfs.New(memfs.Options{}).Inodes(), first: map[identity]memfs.Ino{}}
	info, err := root.Stat(".")
	if err == nil {
		err = c.folder(".", memfs.RootIno, info)
	}
	if c.special > 0 {
		warn("%d devices, pipes or sockets were left out", c.special)
	}
	return (*memfs.FS)(c.in), c.counted, err
}

type capturer struct {
	ctx   context.Context
	root  *os.Root
	owner bool
	in    *memfs.Inodes
	first map[identity]memfs.Ino
	counted
	special int
}

// folder reads what is in a directory that has its inode already.
func (c *capturer) folder(path string, ino memfs.Ino, info fs.FileInfo) error {
	d, err := c.root.Open(path)
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	if e := d.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		below := e.Name()
		if path != "." {
			below = path + "/" + e.Name()
		}
		if err := c.entry(below, e.Name(), ino); err != nil {
			return err
		}
	}
	return c.attributes(path, ino, info)
}

func (c *capturer) entry(path, name string, dir memfs.Ino) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	info, err := c.root.Lstat(path)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		ino, err := c.in.Mknod(dir, name, memfs.S_IFDIR|0o700, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return c.folder(path, ino, info)
	case fs.ModeSymlink:
		target, err := c.root.Readlink(path)
		if err != nil {
			return err
		}
		ino, err := c.in.Symlink(dir, name, target)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return c.attributes(path, ino, info)
	case 0:
		id, links := identify(info)
		if ino, ok := c.first[id]; ok && links > 1 {
			if err := c.in.Link(ino, dir, name); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return nil
		}
		ino, err := c.in.Mknod(dir, name, memfs.S_IFREG|0o600, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if links > 1 {
			c.first[id] = ino
		}
		if err := c.content(path, ino, info); err != nil {
			return err
		}
		c.files++
		c.bytes += info.Size()
		return c.attributes(path, ino, info)
	}
	c.special++
	return nil
}

func (c *capturer) content(path string, ino memfs.Ino, info fs.FileInfo) error {
	changed := fmt.Errorf("%s changed while it was read: stop what writes to it", path)
	f, err := c.root.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		return errors.Join(changed, err)
	}
	h, err := c.in.Open(ino)
	if err != nil {
		return err
	}
	defer h.Close()
	buffer := make([]byte, 256<<10)
	var off int64
	for {
		n, err := io.ReadFull(f, buffer)
		if !zeros(buffer[:n]) {
			if _, err := h.WriteAt(buffer[:n], off); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		off += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
	}
	if now, err := f.Stat(); err != nil || off != info.Size() || now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		return errors.Join(changed, err)
	}
	return h.Truncate(off)
}

// attributes come last: filling a file or a directory changes its times.
func (c *capturer) attributes(path string, ino memfs.Ino, info fs.FileInfo) error {
	a := memfs.Attr{Mode: linuxMode(info.Mode()), Mtime: info.ModTime().UnixNano(), Atime: info.ModTime().UnixNano()}
	if c.owner {
		a.UID, a.GID = ownerOf(info)
	}
	set := memfs.SetUID | memfs.SetGID | memfs.SetAtime | memfs.SetMtime
	if info.Mode().Type() != fs.ModeSymlink {
		set |= memfs.SetMode
	}
	if err := c.in.SetAttr(ino, set, a); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func linuxMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	for bit, as := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&as != 0 {
			mode |= bit
		}
	}
	return mode
}
