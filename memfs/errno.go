package memfs

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

func (e Errno) Error() string {
	switch e {
	case EPERM:
		return "operation not permitted"
	case ENOENT:
		return "no such file or directory"
	case EIO:
		return "input/output error"
	case EBADF:
		return "bad file descriptor"
	case EACCES:
		return "permission denied"
	case EEXIST:
		return "file exists"
	case EXDEV:
		return "invalid cross-device link"
	case ENOTDIR:
		return "not a directory"
	case EISDIR:
		return "is a directory"
	case EINVAL:
		return "invalid argument"
	case EFBIG:
		return "file too large"
	case ENOSPC:
		return "no space left on device"
	case EROFS:
		return "read-only file system"
	case EMLINK:
		return "too many links"
	case ENAMETOOLONG:
		return "file name too long"
	case ENOTEMPTY:
		return "directory not empty"
	case ELOOP:
		return "too many levels of symbolic links"
	case ESTALE:
		return "stale file handle"
	}
	return "unknown error"
}
