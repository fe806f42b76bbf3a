/** Stats and Dirent, as node:fs has them. */

import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './abi.js'

const S_IFIFO = 0x1000
const S_IFCHR = 0x2000
const S_IFBLK = 0x6000
const S_IFSOCK = 0xc000

class Typed {
  /** @type {number | bigint} */ mode = 0
  /** @param {number} type */
  #is(type) {
    return (Number(this.mode) & S_IFMT) === type
  }
  isFile() {
    return this.#is(S_IFREG)
  }
  isDirectory() {
    return this.#is(S_IFDIR)
  }
  isSymbolicLink() {
    return this.#is(S_IFLNK)
  }
  isFIFO() {
    return this.#is(S_IFIFO)
  }
  isCharacterDevice() {
    return this.#is(S_IFCHR)
  }
  isBlockDevice() {
    return this.#is(S_IFBLK)
  }
  isSocket() {
    return this.#is(S_IFSOCK)
  }
}

export class Stats extends Typed {
  /**
   * @param {import('./files.js').Attr} a
   * @param {number} dev
   */
  constructor(a, dev) {
    super()
    this.dev = dev
    this.mode = a.mode
    this.nlink = a.nlink
    this.uid = a.uid
    this.gid = a.gid
    this.rdev = a.rdev
    this.blksize = 4096
    this.ino = a.ino
    this.size = a.size
    this.blocks = Math.ceil(a.size / 4096) * 8
    this.atimeMs = a.atimeMs
    this.mtimeMs = a.mtimeMs
    this.ctimeMs = a.ctimeMs
    this.birthtimeMs = a.birthtimeMs
  }
  // Made on demand: few callers look at them.
  get atime() {
    return new Date(this.atimeMs)
  }
  get mtime() {
    return new Date(this.mtimeMs)
  }
  get ctime() {
    return new Date(this.ctimeMs)
  }
  get birthtime() {
    return new Date(this.birthtimeMs)
  }
}

export class BigIntStats extends Typed {
  /**
   * @param {import('./files.js').Attr} a
   * @param {number} dev
   */
  constructor(a, dev) {
    super()
    this.dev = BigInt(dev)
    this.mode = BigInt(a.mode)
    this.nlink = BigInt(a.nlink)
    this.uid = BigInt(a.uid)
    this.gid = BigInt(a.gid)
    this.rdev = BigInt(a.rdev)
    this.blksize = 4096n
    this.ino = BigInt(a.ino)
    this.size = BigInt(a.size)
    this.blocks = BigInt(Math.ceil(a.size / 4096) * 8)
    const [atime, mtime, ctime, birthtime] = a.ns
    this.atimeNs = atime
    this.mtimeNs = mtime
    this.ctimeNs = ctime
    this.birthtimeNs = birthtime
    this.atimeMs = this.atimeNs / 1000000n
    this.mtimeMs = this.mtimeNs / 1000000n
    this.ctimeMs = this.ctimeNs / 1000000n
    this.birthtimeMs = this.birthtimeNs / 1000000n
  }
  get atime() {
    return new Date(Number(this.atimeMs))
  }
  get mtime() {
    return new Date(Number(this.mtimeMs))
  }
  get ctime() {
    return new Date(Number(this.ctimeMs))
  }
  get birthtime() {
    return new Date(Number(this.birthtimeMs))
  }
}

export class Dirent extends Typed {
  /**
   * @param {string} name
   * @param {string} parentPath
   * @param {number} type S_IFMT bits
   */
  constructor(name, parentPath, type) {
    super()
    this.name = name
    this.parentPath = parentPath
    Object.defineProperty(this, 'mode', { value: type, enumerable: false })
  }
  /** The older name of parentPath. */
  get path() {
    return this.parentPath
  }
}

/** An open directory, as opendir gives it: its names as they were then. */
export class Dir {
  #entries
  #next = 0
  #closed = false

  /**
   * @param {string} path
   * @param {Dirent[]} entries
   */
  constructor(path, entries) {
    this.path = path
    this.#entries = entries
  }

  /** @returns {Dirent | null} null after the last one */
  readSync() {
    if (this.#closed) throw Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' })
    return this.#entries[this.#next++] ?? null
  }

  closeSync() {
    if (this.#closed) throw Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' })
    this.#closed = true
  }

  /** @param {(err: unknown, entry?: Dirent | null) => void} [callback] @returns {any} */
  read(callback) {
    return told(callback, () => this.readSync())
  }

  /** @param {(err: unknown) => void} [callback] @returns {any} */
  close(callback) {
    return told(callback, () => this.closeSync())
  }

  /** Closes it at the end. @returns {AsyncGenerator<Dirent>} */
  async *[Symbol.asyncIterator]() {
    try {
      for (let e; (e = this.readSync()); ) yield e
    } finally {
      this.closeSync()
    }
  }
}

/**
 * Answers by a callback, or with a promise when there is none.
 *
 * @template T
 * @param {((err: unknown, value?: T) => void) | undefined} callback
 * @param {() => T} op
 */
async function told(callback, op) {
  if (!callback) return op()
  try {
    const value = op()
    setTimeout(() => callback(null, value))
  } catch (err) {
    setTimeout(() => callback(err))
  }
}
