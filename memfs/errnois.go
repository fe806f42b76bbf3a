//go:build !holdfastcore

package memfs

import (
	"io/fs"
	"syscall"
)

// fromHost is the number of the host's, which may differ from Linux's.
func fromHost(e syscall.Errno) Errno {
	switch e {
	case syscall.EPERM:
		return EPERM
	case syscall.ENOENT:
		return ENOENT
	case syscall.EIO:
		return EIO
	case syscall.EBADF:
		return EBADF
	case syscall.EACCES:
		return EACCES
	case syscall.EEXIST:
		return EEXIST
	case syscall.EXDEV:
		return EXDEV
	case syscall.ENOTDIR:
		return ENOTDIR
	case syscall.EISDIR:
		return EISDIR
	case syscall.EINVAL:
		return EINVAL
	case syscall.EFBIG:
		return EFBIG
	case syscall.ENOSPC:
		return ENOSPC
	case syscall.EROFS:
		return EROFS
	case syscall.EMLINK:
		return EMLINK
	case syscall.ENAMETOOLONG:
		return ENAMETOOLONG
	case syscall.ENOTEMPTY:
		return ENOTEMPTY
	case syscall.ELOOP:
		return ELOOP
	case syscall.ESTALE:
		return ESTALE
	}
	return 0
}

// Is relates an Errno to the sentinels of io/fs and to the host's numbers.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case fs.ErrPermission:
		return e == EACCES || e == EPERM || e == EROFS
	case fs.ErrInvalid:
		return e == EINVAL
	case fs.ErrClosed:
		return e == EBADF
	}
	host, ok := target.(syscall.Errno)
	return ok && e != 0 && fromHost(host) == e
}
