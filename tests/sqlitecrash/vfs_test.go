package sqlitecrash

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// volumeVFS gives SQLite the files of a volume, as an adapter for a guest does: a sync calls Store.Sync, and what ends a
// transaction commits.
type volumeVFS struct{ s *opfs.Store }

func (v volumeVFS) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name == "" {
		name = "temporary"
	}
	mode := os.O_RDWR
	if flags&vfs.OPEN_CREATE != 0 {
		mode |= os.O_CREATE
	}
	f, err := v.s.FS().OpenFile(name, mode, 0o644)
	if err != nil {
		return nil, flags, sqlite3.CANTOPEN
	}
	return &file{File: f.(*memfs.File), v: v, name: name}, flags, nil
}

func (v volumeVFS) Delete(name string, _ bool) error {
	if err := v.s.FS().Remove(name); errors.Is(err, fs.ErrNotExist) {
		return sqlite3.IOERR_DELETE_NOENT
	} else if err != nil {
		return err
	}
	return v.ended(name)
}

func (v volumeVFS) ended(name string) error {
	if !opfs.EndsTransaction(name) {
		return nil
	}
	_, err := v.s.Commit("")
	return err
}

func (v volumeVFS) Access(name string, _ vfs.AccessFlag) (bool, error) {
	_, err := v.s.FS().Stat(name)
	return err == nil, nil
}

func (v volumeVFS) FullPathname(name string) (string, error) { return name, nil }

type file struct {
	*memfs.File
	v    volumeVFS
	name string
	lock vfs.LockLevel
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if n < len(p) && err == nil {
		err = io.EOF
	}
	return n, err
}

func (f *file) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	if size == 0 {
		return f.v.ended(f.name)
	}
	return nil
}

func (f *file) Sync(vfs.SyncFlag) error {
	_, err := f.v.s.Sync()
	return err
}

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) Lock(l vfs.LockLevel) error                      { f.lock = l; return nil }
func (f *file) Unlock(l vfs.LockLevel) error                    { f.lock = l; return nil }
func (f *file) CheckReservedLock() (bool, error)                { return f.lock >= vfs.LOCK_RESERVED, nil }
func (f *file) SectorSize() int                                 { return 512 }
func (f *file) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }
