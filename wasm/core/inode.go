//go:build js

package main

import (
	"unsafe"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
)

// attr is an inode's attributes in the scratch area: times as milliseconds, which is what JavaScript wants, and exactly.
type attr struct {
	ino, size, rdev            float64
	atime, mtime, ctime, btime float64
	mode, nlink, uid, gid      uint32
	ns                         [4]int64
}

func putAttr(a *memfs.Attr) {
	*at[attr](attrAt) = attr{
		ino: float64(a.Ino), size: float64(a.Size), rdev: float64(a.Rdev),
		atime: millis(a.Atime), mtime: millis(a.Mtime), ctime: millis(a.Ctime), btime: millis(a.Btime),
		mode: a.Mode, nlink: a.Nlink, uid: a.UID, gid: a.GID,
		ns: [4]int64{a.Atime, a.Mtime, a.Ctime, a.Btime},
	}
}

// millis keeps whole milliseconds exact: a float64 cannot hold today's nanoseconds.
func millis(ns int64) float64 { return float64(ns/1e6) + float64(ns%1e6)/1e6 }

func nanos(ms float64) int64 {
	whole := int64(ms)
	return whole*1e6 + int64((ms-float64(whole))*1e6)
}

// found answers an inode number with its attributes left in the scratch area.
func found(ino memfs.Ino, err error) float64 {
	if err != nil {
		return float64(fail(err))
	}
	a, err := inodes.Attr(ino)
	if err != nil {
		return float64(fail(err))
	}
	putAttr(&a)
	return float64(ino)
}

//go:wasmexport lookup
func lookup(dir float64, n int32) float64 {
	return found(inodes.Lookup(memfs.Ino(dir), borrow(0, n)))
}

//go:wasmexport getattr
func getattr(ino float64) int32 {
	a, err := inodes.Attr(memfs.Ino(ino))
	if err != nil {
		return fail(err)
	}
	putAttr(&a)
	return 0
}

// setattr changes what the mask (memfs.AttrMask) names. It answers 1 when the change must be durable before the guest goes on: then
// JavaScript commits, and calls ended.
//
//go:wasmexport setattr
func setattr(ino float64, mask, mode, uid, gid int32, size, atime, mtime, ctime float64) int32 {
	change := func() error {
		return inodes.SetAttr(memfs.Ino(ino), memfs.AttrMask(mask), memfs.Attr{
			Mode: uint32(mode), UID: uint32(uid), GID: uint32(gid), Size: int64(size),
			Atime: nanos(atime), Mtime: nanos(mtime), Ctime: nanos(ctime),
		})
	}
	if memfs.AttrMask(mask)&memfs.SetSize == 0 || size != 0 {
		return fail(change())
	}
	return endingIn(memfs.Ino(ino), change)
}

// chmod sets the permission bits, and answers how many names the inode has.
//
//go:wasmexport chmod
func chmod(ino float64, mode int32) int32 {
	nlink, err := inodes.Chmod(memfs.Ino(ino), uint32(mode))
	if err != nil {
		return fail(err)
	}
	return int32(nlink)
}

// made answers a new inode, whose attributes its maker knows.
func made(ino memfs.Ino, err error) float64 {
	if err != nil {
		return float64(fail(err))
	}
	return float64(ino)
}

//go:wasmexport mknod
func mknod(dir float64, n, mode int32, rdev float64) float64 {
	return made(inodes.Mknod(memfs.Ino(dir), text(0, n), uint32(mode), uint64(rdev)))
}

// symlink makes the name of slot 0 point to the path of slot 1.
//
//go:wasmexport symlink
func symlink(dir float64, n, targetLen int32) float64 {
	return made(inodes.Symlink(memfs.Ino(dir), text(0, n), text(1, targetLen)))
}

// readlink leaves the target in slot 0.
//
//go:wasmexport readlink
func readlink(ino float64) int32 {
	target, err := inodes.Readlink(memfs.Ino(ino))
	if err != nil {
		return fail(err)
	}
	return give(0, target)
}

//go:wasmexport link
func link(ino, dir float64, n int32) int32 {
	return fail(inodes.Link(memfs.Ino(ino), memfs.Ino(dir), text(0, n)))
}

// unlink answers 1 when the removal must be durable before the guest goes on: then JavaScript commits, and calls ended.
//
//go:wasmexport unlink
func unlink(dir float64, n int32) int32 {
	if name := borrow(0, n); !opfs.EndsTransaction(name) {
		return fail(inodes.Unlink(memfs.Ino(dir), name))
	}
	at := memfs.Place{Dir: memfs.Ino(dir), Name: text(0, n)}
	return ending(at, func() error { return inodes.Unlink(at.Dir, at.Name) })
}

// endingIn is ending for a file that is known by its number.
func endingIn(ino memfs.Ino, op func() error) int32 {
	at, err := inodes.PlaceOf(ino)
	if err != nil { // no name, so nothing that a crash would leave
		return fail(op())
	}
	return ending(at, op)
}

// ending does what may end a transaction, and answers 1 if it does. Then the file is kept as it was until ended is called.
func ending(at memfs.Place, op func() error) int32 {
	if !opfs.EndsTransaction(at.Name) {
		return fail(op())
	}
	var j journal
	k, _ := inodes.Keep(at) // what is no file cannot be put back, and need not
	if k != nil {
		ino, born := k.File()
		j = journal{at, ino, born}
	}
	if err := op(); err != nil {
		if k != nil {
			k.Drop()
		}
		return fail(err)
	}
	if kept != nil {
		kept.Drop()
	}
	kept, keptAt, rollback = k, at, j == undone && j != journal{}
	undone = journal{}
	return 1
}

// journal is one file under one name: another file there has another birth.
type journal struct {
	at   memfs.Place
	ino  memfs.Ino
	born int64
}

func journalAt(at memfs.Place) journal {
	ino, err := inodes.Lookup(at.Dir, at.Name)
	if err != nil {
		return journal{}
	}
	a, err := inodes.Attr(ino)
	if err != nil {
		return journal{}
	}
	return journal{at, ino, a.Btime}
}

// kept is the journal keptAt as it was before it was removed, emptied or overwritten, until the commit of that has succeeded or failed. undone is one
// that was put back and not touched by a failed sync since, and rollback says that kept was it.
var (
	kept     *memfs.Kept
	keptAt   memfs.Place
	rollback bool
	undone   journal
)

// ended is told how the commit went that unlink, setattr, handle_truncate or handle_ending asked for, and answers what the guest is to hear. After a failure the journal is put
// back, so that SQLite, which hears of it, can roll back. When the end of that rollback cannot be committed either, nothing is lost: it
// returns to the state that is durable. So a database can be read while the disk is full.
//
//go:wasmexport ended
func ended(rc int32) int32 {
	k := kept
	kept = nil
	switch {
	case k == nil:
	case rc >= 0 || rollback:
		k.Drop()
		if rc < 0 {
			excuse(store.FS().Snapshot())
		}
		return 0
	case k.PutBack() == nil: // or else it stays removed: the guest hears of the failure all the same
		undone = journalAt(keptAt)
	}
	return rc
}

// excused is the state at the end of a rollback that could not be committed and was answered with success, until a commit succeeds.
// SQLite, in journal mode TRUNCATE, syncs right after the truncation: as long as nothing has changed since, it is told the same again.
var excused *memfs.Snapshot

// excuse replaces excused; nil gives it up.
func excuse(s *memfs.Snapshot) {
	if excused != nil {
		excused.Release()
	}
	excused = s
}

// isExcused reports whether the files are as they were at the end of that rollback.
func isExcused() bool {
	if excused == nil {
		return false
	}
	now := store.FS().Snapshot()
	defer now.Release()
	list, err := memfs.Diff(excused, now)
	return err == nil && len(list) == 0
}

//go:wasmexport rmdir
func rmdir(dir float64, n int32) int32 { return fail(inodes.Rmdir(memfs.Ino(dir), text(0, n))) }

// rename moves the name of slot 0 to that of slot 1.
//
//go:wasmexport rename
func rename(dir float64, n int32, newDir float64, newN int32) int32 {
	return fail(inodes.Rename(memfs.Ino(dir), text(0, n), memfs.Ino(newDir), text(1, newN)))
}

// readdir leaves a directory in the result buffer: for each name the type bits >> 12, the length, the bytes.
//
//go:wasmexport readdir
func readdir(ino float64) int32 {
	list, err := inodes.ReadDir(memfs.Ino(ino))
	if err != nil {
		return fail(err)
	}
	b := out[:0]
	for _, e := range list {
		b = appendName(b, e.Type, e.Name)
	}
	return result(b)
}

func appendName(b []byte, mode uint32, name string) []byte {
	b = append(b, byte(mode&memfs.S_IFMT>>12), byte(len(name)))
	return append(b, name...)
}

// resolve follows the path of a slot. It answers the inode with its attributes, or 0 when only the last name does not exist.
// The directory that holds the last name is left as number 0, the length of that name as number 1, the name in the slot itself.
//
//go:wasmexport resolve
func resolve(base float64, n, follow, slot int32) float64 {
	r, err := inodes.Resolve(memfs.Ino(base), text(int(slot), n), follow != 0)
	if err != nil {
		return float64(fail(err))
	}
	num(0, float64(r.Parent))
	num(1, float64(give(int(slot), r.Name)))
	if r.Ino == 0 {
		return 0
	}
	return found(r.Ino, nil)
}

// statfs leaves the block size, the blocks that fit, the number of files and the free blocks as numbers 0 to 3.
//
//go:wasmexport statfs
func statfs() int32 {
	s := inodes.StatFS()
	num(0, float64(s.BlockSize))
	num(1, float64(s.Blocks))
	num(2, float64(s.Files))
	num(3, float64(s.Free))
	return 0
}

// viewAddr is the address of the first byte of a view on page memory.
func viewAddr(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
