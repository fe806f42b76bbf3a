/** The files of one point of a volume, read-only: what files.js offers, with EROFS for every change. */

import { E, errnoError } from './errors.js'
import { O, readAttr, readNames } from './files.js'
import { S_IFDIR, S_IFLNK, S_IFMT } from './abi.js'

const CHUNK = 1 << 20

export class SnapshotFiles {
  readonly = true
  /** Nothing ever changes. */
  core = null
  #core
  #id

  /**
   * @param {import('./core.js').Core} core
   * @param {number} id the module's number for the open point
   */
  constructor(core, id) {
    this.#core = core
    this.#id = id
  }

  /** Gives the point's memory back. Calls answer EBADF from then on. */
  release() {
    if (this.#core.dead) return
    this.#core.x.reader_close(this.#id)
  }

  /**
   * @param {number} rc
   * @param {string} syscall
   * @param {string} [path]
   */
  #check(rc, syscall, path) {
    if (rc >= 0) return rc
    if (this.#core.dead) throw this.#core.dead
    const cause = rc === -E.EIO ? this.#core.failure(rc) : undefined
    throw errnoError(-rc, syscall, path, undefined, cause)
  }

  /**
   * @param {string} path
   * @param {string} syscall
   */
  #put(path, syscall) {
    if (path === '') throw errnoError(E.ENOENT, syscall, path)
    return this.#check(this.#core.put(0, plain(path)), syscall, path)
  }

  /**
   * @param {string} path
   * @param {boolean} follow
   * @param {string} syscall
   */
  stat(path, follow, syscall) {
    this.#check(this.#core.x.reader_stat(this.#id, this.#put(path, syscall), follow ? 1 : 0), syscall, path)
    return readAttr(this.#core)
  }

  /** The inode of a path, or a negative errno. @param {string} path @param {boolean} follow @returns {number} */
  find(path, follow) {
    try {
      return this.stat(path, follow, 'stat').ino
    } catch (/** @type {any} */ err) {
      return err.errno ?? -E.EIO
    }
  }

  /**
   * @param {string} path
   * @param {string} syscall
   */
  readdir(path, syscall) {
    this.#check(this.#core.x.reader_readdir(this.#id, this.#put(path, syscall)), syscall, path)
    return readNames(this.#core)
  }

  /** @param {string} path */
  readlink(path) {
    return this.#core.text(0, this.#check(this.#core.x.reader_readlink(this.#id, this.#put(path, 'readlink')), 'readlink', path))
  }

  /**
   * @param {string} path
   * @param {number} flags
   * @returns {import('./files.js').File}
   */
  open(path, flags) {
    if ((flags & (O.O_ACCMODE | O.O_CREAT | O.O_TRUNC)) !== 0) throw errnoError(E.EROFS, 'open', path)
    const { mode, ino } = this.stat(path, (flags & O.O_NOFOLLOW) === 0, 'open')
    if ((mode & S_IFMT) === S_IFLNK) throw errnoError(E.ELOOP, 'open', path)
    if ((flags & O.O_DIRECTORY) !== 0 && (mode & S_IFMT) !== S_IFDIR) throw errnoError(E.ENOTDIR, 'open', path)
    const id = this.#check(this.#core.x.reader_file(this.#id, this.#put(path, 'open')), 'open', path)
    return { id, ino, mode: mode & S_IFMT }
  }

  /** @param {import('./files.js').File} file */
  close(file) {
    this.#core.x.file_close(file.id)
  }

  /**
   * @param {import('./files.js').File} file
   * @param {Uint8Array} to
   * @param {number} position
   */
  read(file, to, position) {
    if ((file.mode & S_IFMT) === S_IFDIR) throw errnoError(E.EISDIR, 'read')
    let done = 0
    while (done < to.length) {
      const n = this.#check(this.#core.x.file_read(file.id, position + done, Math.min(to.length - done, CHUNK)), 'read')
      if (n === 0) break
      to.set(this.#core.out(), done)
      done += n
    }
    return done
  }

  /** @param {import('./files.js').File} file */
  attr(file) {
    this.#check(this.#core.x.file_attr(file.id), 'fstat')
    return readAttr(this.#core)
  }

  statfs() {
    return { bsize: 4096, blocks: 0, files: 0, free: 0 }
  }

  sync() {
    return 0
  }

  /** @param {number} rc @param {string} syscall @returns {never} */
  fail(rc, syscall) {
    throw errnoError(-rc, syscall)
  }

  // What a point refuses. The last argument but the flags is the path in every one of them.

  /** @param {any[]} _ @returns {never} */ write(..._) {
    throw errnoError(E.EBADF, 'write') // nothing can be open for writing
  }
  /** @param {any} _file @param {number} _size @returns {never} */ truncate(_file, _size) {
    throw errnoError(E.EINVAL, 'ftruncate')
  }
  /** @param {string} path @param {number} _mode @returns {never} */ mkdir(path, _mode) {
    throw errnoError(this.#exists(path) ? E.EEXIST : E.EROFS, 'mkdir', path)
  }
  /** @param {string} path @returns {any} */ unlink(path) {
    this.stat(path, false, 'unlink')
    throw errnoError(E.EROFS, 'unlink', path)
  }
  /** @param {string} path @returns {never} */ rmdir(path) {
    this.stat(path, false, 'rmdir')
    throw errnoError(E.EROFS, 'rmdir', path)
  }
  /** @param {string} from @param {string} to @returns {never} */ rename(from, to) {
    throw errnoError(E.EROFS, 'rename', from, to)
  }
  /** @param {string} target @param {string} path @returns {never} */ symlink(target, path) {
    throw errnoError(E.EROFS, 'symlink', target, path)
  }
  /** @param {string} from @param {string} to @returns {never} */ link(from, to) {
    throw errnoError(E.EROFS, 'link', from, to)
  }
  /** @param {any} file @param {any} _change @param {boolean} _follow @param {string} syscall @returns {never} */ setattr(file, _change, _follow, syscall) {
    throw errnoError(E.EROFS, syscall, typeof file === 'string' ? file : undefined)
  }

  /** @param {string} path */
  #exists(path) {
    try {
      this.stat(path, false, 'stat')
      return true
    } catch {
      return false
    }
  }
}

/**
 * The path as io/fs has it: no leading slash, no "." and "..", which are resolved here as text.
 *
 * @param {string} path
 */
function plain(path) {
  /** @type {string[]} */
  const parts = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/') || '.'
}
