/** Emscripten's libc numbers errors as WASI does (wasi_snapshot_preview1, `errno`). */

/** @type {Record<number, number>} */
const WASI = {
  1: 63, // EPERM
  2: 44, // ENOENT
  5: 29, // EIO
  9: 8, // EBADF
  12: 48, // ENOMEM
  13: 2, // EACCES
  16: 10, // EBUSY
  17: 20, // EEXIST
  18: 75, // EXDEV
  20: 54, // ENOTDIR
  21: 31, // EISDIR
  22: 28, // EINVAL
  24: 33, // EMFILE
  27: 22, // EFBIG
  28: 51, // ENOSPC
  29: 70, // ESPIPE
  30: 69, // EROFS
  31: 34, // EMLINK
  36: 37, // ENAMETOOLONG
  38: 52, // ENOSYS
  39: 55, // ENOTEMPTY
  40: 32, // ELOOP
  95: 138, // ENOTSUP
  116: 72, // ESTALE
}

/** @param {number} linux */
export const wasiErrno = (linux) => WASI[linux] ?? 29

/** @type {Record<number, number>} */
const LINUX = Object.fromEntries(Object.entries(WASI).map(([linux, wasi]) => [wasi, Number(linux)]))

/** @param {number} wasi */
export const linuxErrno = (wasi) => LINUX[wasi] ?? 5
