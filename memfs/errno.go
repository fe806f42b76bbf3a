package memfs

import (
	"io/fs"
	"syscall"
)

// Errno is an error number as Linux defines it (asm-generic/errno-base.h and errno.h).
// It is the same on every platform, so that it can cross to JavaScript as a number.
// errors.Is relates it to the sentinels of io/fs and to syscall.Errno.
type Errno uint16

// The errors that the filesystem answers.
const (
	EPERM        Errno = 1   // operation not permitted
	ENOENT       Errno = 2   // no such file or directory
	EIO          Errno = 5   // the store could not be read
	EBADF        Errno = 9   // the handle is closed
	EACCES       Errno = 13  // permission denied
	EEXIST       Errno = 17  // the name is taken
	EXDEV        Errno = 18  // the two names are on different filesystems
	ENOTDIR      Errno = 20  // a directory is needed
	EISDIR       Errno = 21  // a directory cannot be used so
	EINVAL       Errno = 22  // an argument is out of range
	EFBIG        Errno = 27  // the file would exceed MaxFileSize
	ENOSPC       Errno = 28  // the memory limit is reached
	EROFS        Errno = 30  // a snapshot is read-only
	EMLINK       Errno = 31  // too many links
	ENAMETOOLONG Errno = 36  // the name is longer than MaxName bytes
	ENOTEMPTY    Errno = 39  // the directory has entries
	ELOOP        Errno = 40  // too many symbolic links
	ESTALE       Errno = 116 // the handle is of a time before a restore
)

var errnoText = map[Errno]string{
	EPERM:        "operation not permitted",
	ENOENT:       "no such file or directory",
	EIO:          "input/output error",
	EBADF:        "bad file descriptor",
	EACCES:       "permission denied",
	EEXIST:       "file exists",
	EXDEV:        "invalid cross-device link",
	ENOTDIR:      "not a directory",
	EISDIR:       "is a directory",
	EINVAL:       "invalid argument",
	EFBIG:        "file too large",
	ENOSPC:       "no space left on device",
	EROFS:        "read-only file system",
	EMLINK:       "too many links",
	ENAMETOOLONG: "file name too long",
	ENOTEMPTY:    "directory not empty",
	ELOOP:        "too many levels of symbolic links",
	ESTALE:       "stale file handle",
}

func (e Errno) Error() string {
	if s, ok := errnoText[e]; ok {
		return s
	}
	return "unknown error"
}

// hostErrno lists the host's numbers, where they may differ from Linux's.
var hostErrno = map[syscall.Errno]Errno{
	syscall.EPERM: EPERM, syscall.ENOENT: ENOENT, syscall.EIO: EIO, syscall.EBADF: EBADF, syscall.EACCES: EACCES,
	syscall.EEXIST: EEXIST, syscall.EXDEV: EXDEV, syscall.ENOTDIR: ENOTDIR, syscall.EISDIR: EISDIR, syscall.EINVAL: EINVAL,
	syscall.EFBIG: EFBIG, syscall.ENOSPC: ENOSPC, syscall.EROFS: EROFS, syscall.EMLINK: EMLINK,
	syscall.ENAMETOOLONG: ENAMETOOLONG, syscall.ENOTEMPTY: ENOTEMPTY, syscall.ELOOP: ELOOP, syscall.ESTALE: ESTALE,
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
	return ok && hostErrno[host] == e
}
