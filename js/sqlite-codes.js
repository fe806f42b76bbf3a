/** Numbers of SQLite's interface (https://www.sqlite.org/rescode.html, https://www.sqlite.org/c3ref/constlist.html), as far as a VFS needs them. */

import { E } from './errors.js'

export const OK = 0
export const BUSY = 5
export const NOMEM = 7
export const READONLY = 8
export const IOERR = 10
export const NOTFOUND = 12
export const FULL = 13
export const CANTOPEN = 14
/** Of the codes for a lock that somebody else has, one that wal.c passes on without trying again. */
export const BUSY_RECOVERY = BUSY | (1 << 8)
export const OK_SYMLINK = OK | (2 << 8)
export const CANTOPEN_ISDIR = CANTOPEN | (2 << 8)
export const CANTOPEN_FULLPATH = CANTOPEN | (3 << 8)
export const READONLY_DBMOVED = READONLY | (4 << 8)

export const IOERR_READ = IOERR | (1 << 8)
export const IOERR_SHORT_READ = IOERR | (2 << 8)
export const IOERR_WRITE = IOERR | (3 << 8)
export const IOERR_FSYNC = IOERR | (4 << 8)
export const IOERR_TRUNCATE = IOERR | (6 << 8)
export const IOERR_FSTAT = IOERR | (7 << 8)
export const IOERR_DELETE = IOERR | (10 << 8)
export const IOERR_ACCESS = IOERR | (13 << 8)
export const IOERR_SHMMAP = IOERR | (21 << 8)
export const IOERR_DELETE_NOENT = IOERR | (23 << 8)
/** "The file was invalidated while it was open": what a restore does to it. */
export const IOERR_VNODE = IOERR | (27 << 8)
export const IOERR_COMMIT_ATOMIC = IOERR | (30 << 8)

export const OPEN_READONLY = 0x1
export const OPEN_READWRITE = 0x2
export const OPEN_CREATE = 0x4
export const OPEN_DELETEONCLOSE = 0x8
export const OPEN_EXCLUSIVE = 0x10
export const OPEN_MAIN_DB = 0x100
export const OPEN_MAIN_JOURNAL = 0x800

export const LOCK_NONE = 0
export const LOCK_SHARED = 1
export const LOCK_RESERVED = 2
export const LOCK_PENDING = 3
export const LOCK_EXCLUSIVE = 4

export const SHM_UNLOCK = 1
export const SHM_SHARED = 4

export const ACCESS_EXISTS = 0

export const FCNTL_LOCKSTATE = 1
export const FCNTL_SIZE_HINT = 5
export const FCNTL_HAS_MOVED = 20
export const FCNTL_BEGIN_ATOMIC_WRITE = 31
export const FCNTL_COMMIT_ATOMIC_WRITE = 32
export const FCNTL_ROLLBACK_ATOMIC_WRITE = 33

export const IOCAP_ATOMIC = 0x1
export const IOCAP_SAFE_APPEND = 0x200
export const IOCAP_SEQUENTIAL = 0x400
export const IOCAP_POWERSAFE_OVERWRITE = 0x1000
export const IOCAP_BATCH_ATOMIC = 0x4000
export const IOCAP_SUBPAGE_READ = 0x8000

/**
 * The result code for a Linux error number.
 *
 * @param {number} errno negative
 * @param {number} otherwise what the call answers for any other error
 */
export function codeFor(errno, otherwise) {
  switch (-errno) {
    case E.ENOSPC:
      return FULL
    case E.ENOMEM:
      return NOMEM
    case E.EROFS:
      return READONLY
    case E.ESTALE:
      return IOERR_VNODE
  }
  return otherwise
}
