/**
 * Errors as they leave the package, and error numbers.
 *
 * Error numbers inside are Linux's (asm-generic/errno.h), on every platform, since that is what the module returns.
 */

/** Linux error numbers that a volume, its storage or an adapter may answer: name, and text as libuv has it. */
export const ERRNO = /** @type {const} */ ({
  1: ['EPERM', 'operation not permitted'],
  2: ['ENOENT', 'no such file or directory'],
  5: ['EIO', 'i/o error'],
  9: ['EBADF', 'bad file descriptor'],
  12: ['ENOMEM', 'not enough memory'],
  13: ['EACCES', 'permission denied'],
  16: ['EBUSY', 'resource busy or locked'],
  17: ['EEXIST', 'file already exists'],
  18: ['EXDEV', 'cross-device link not permitted'],
  20: ['ENOTDIR', 'not a directory'],
  21: ['EISDIR', 'illegal operation on a directory'],
  22: ['EINVAL', 'invalid argument'],
  24: ['EMFILE', 'too many open files'],
  27: ['EFBIG', 'file too large'],
  28: ['ENOSPC', 'no space left on device'],
  29: ['ESPIPE', 'invalid seek'],
  30: ['EROFS', 'read-only file system'],
  31: ['EMLINK', 'too many links'],
  36: ['ENAMETOOLONG', 'name too long'],
  38: ['ENOSYS', 'function not implemented'],
  39: ['ENOTEMPTY', 'directory not empty'],
  40: ['ELOOP', 'too many symbolic links encountered'],
  95: ['ENOTSUP', 'operation not supported on socket'],
  116: ['ESTALE', 'stale file handle'],
})

/** @type {Record<number, readonly [string, string]>} */
const byNumber = ERRNO

/** @param {number} errno Linux number, positive */
export const codeOf = (errno) => byNumber[errno]?.[0] ?? `E${errno}`

/** @param {number} errno Linux number, positive */
export const textOf = (errno) => byNumber[errno]?.[1] ?? 'unknown error'

/** @type {Record<string, number>} Linux number by name. */
export const E = Object.fromEntries(Object.entries(ERRNO).map(([n, [code]]) => [code, Number(n)]))

/**
 * What every call of this package but those of `volume.fs` throws or rejects with.
 * `code` is one of the package's own (`ErrLocked`, `ErrQuota`, `ErrCorrupt`, …) or an errno name (`ENOENT`, …).
 */
export class HoldfastError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ path?: string, hint?: string, errno?: number, cause?: unknown, details?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.name = 'HoldfastError'
    /** @type {string} */ this.code = code
    /** @type {string | undefined} The file or object it is about. */ this.path = more.path
    /** @type {string | undefined} What to do about it. */ this.hint = more.hint
    /** @type {number} Linux error number that a guest gets for it. */ this.errno = more.errno ?? 5
    /** @type {any} What the error carries besides, such as both snapshots of an ErrConflict. */ this.details = more.details
  }
}

/** @typedef {Error & { errno?: number, code?: string, syscall?: string, path?: string, dest?: string }} ErrnoError as NodeJS.ErrnoException */

/**
 * An error as node:fs throws it: code, negative errno, syscall, path, and the message made of them.
 *
 * @param {number} errno Linux number, positive
 * @param {string} syscall
 * @param {string} [path]
 * @param {string} [dest]
 * @param {unknown} [cause]
 * @returns {ErrnoError}
 */
export function errnoError(errno, syscall, path, dest, cause) {
  const code = codeOf(errno)
  let message = `${code}: ${textOf(errno)}, ${syscall}`
  if (path !== undefined) message += ` '${path}'`
  if (dest !== undefined) message += ` -> '${dest}'`
  const err = /** @type {ErrnoError} */ (new Error(message, cause === undefined ? undefined : { cause }))
  err.errno = -errno
  err.code = code
  err.syscall = syscall
  if (path !== undefined) err.path = path
  if (dest !== undefined) err.dest = dest
  return err
}

/**
 * The Linux number of an exception that a storage's file threw.
 * Browsers say QuotaExceededError; Node says ENOSPC or EDQUOT.
 *
 * @param {any} err
 */
export function errnoOf(err) {
  if (err?.name === 'QuotaExceededError' || err?.code === 'EDQUOT') return E.ENOSPC
  return E[err?.code] ?? E.EIO
}

/** @param {AbortSignal | undefined} signal */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw new HoldfastError('ErrAborted', 'the call was aborted', { cause: signal.reason })
}
