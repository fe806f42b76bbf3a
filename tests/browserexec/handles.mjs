// The import module "holdfast" over objects shaped like
// FileSystemSyncAccessHandle. Its functions are listed in opfs (OpenHandle);
// failures are answered as negative Linux errno numbers.

const EIO = 5
const EBADF = 9
const EINVAL = 22
const ENOSPC = 28

/** How many files the pool has; their ids are 0 to poolSize-1. */
export const poolSize = 4

/**
 * @param {() => ArrayBuffer} memory the Go program's memory; it moves when it grows
 * @param {{ read: Function, write: Function, truncate: Function, getSize: Function, flush: Function }[]} handles
 */
export function holdfastImports(memory, handles) {
  const attempt = (id, operation) => {
    const handle = handles[id]
    if (!handle) return -EBADF
    try {
      return operation(handle)
    } catch (error) {
      if (error?.name === 'QuotaExceededError' || error?.code === 'ENOSPC') return -ENOSPC
      if (error?.name === 'TypeError' || error?.code === 'EINVAL') return -EINVAL
      return -EIO
    }
  }
  return {
    file_read: (id, ptr, len, off) =>
      attempt(id, (h) => h.read(new Uint8Array(memory(), ptr >>> 0, len), { at: off })),
    file_write: (id, ptr, len, off) =>
      attempt(id, (h) => h.write(new Uint8Array(memory(), ptr >>> 0, len), { at: off })),
    file_truncate: (id, size) => attempt(id, (h) => (h.truncate(size), 0)),
    file_size: (id) => attempt(id, (h) => h.getSize()),
    file_flush: (id) => attempt(id, (h) => (h.flush(), 0)),
    // The pool stays open: opening a handle is asynchronous, and the next test
    // in the same binary wants it again.
    file_close: (id) => attempt(id, () => 0),
  }
}
