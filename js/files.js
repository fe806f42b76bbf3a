/**
 * A volume's files by path, as fs.js needs them: the live tree here, a read-only point in files-snapshot.js.
 * Every method throws errors as node:fs does; `syscall` is the name they carry.
 */

import * as abi from './abi.js'
import { E, errnoError } from './errors.js'

/**
 * An inode's attributes. Times are milliseconds since 1970; `ns` are the exact ones: access, modification, change, birth.
 *
 * @typedef {{ ino: number, size: number, rdev: number, mode: number, nlink: number, uid: number, gid: number, atimeMs: number,
 *   mtimeMs: number, ctimeMs: number, birthtimeMs: number, ns: [bigint, bigint, bigint, bigint] }} Attr
 *
 * @typedef {{ mode?: number, uid?: number, gid?: number, size?: number, atimeMs?: number, mtimeMs?: number }} AttrChange
 *
 * An open file. `id` is the module's number for it.
 * @typedef {{ id: number, ino: number, mode: number }} File
 */

export const O = /** @type {const} */ ({
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_ACCMODE: 3,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_SYNC: 0o4010000,
  O_DIRECTORY: 0o200000,
  O_NOFOLLOW: 0o400000,
})

const decoder = new TextDecoder()
const ROOT = 1

export class Files {
  readonly = false
  /** Where to ask for changes. @type {import('./core.js').Core | null} */
  core
  #core
  /** Of the path that was resolved last: the directory of its last name, and that name's length in the slot. */
  #parent = 0
  #name = 0

  /**
   * @param {import('./core.js').Core} core
   * @param {() => number} sync makes the volume durable, if fsync is to do that; answers 0 or a negative errno
   */
  constructor(core, sync) {
    this.core = this.#core = core
    this.sync = sync
  }

  /**
   * @param {number} rc
   * @param {string} syscall
   * @param {string} [path]
   * @param {string} [dest]
   * @returns {never}
   */
  fail(rc, syscall, path, dest) {
    if (this.#core.dead) throw this.#core.dead
    // Only the store fails in ways that its number does not tell.
    const cause = rc === -E.EIO || rc === -E.ENOSPC ? this.#core.failure(rc) : undefined
    throw errnoError(-rc, syscall, path, dest, cause)
  }

  /**
   * @param {number} rc
   * @param {string} syscall
   * @param {string} [path]
   * @param {string} [dest]
   */
  #check(rc, syscall, path, dest) {
    if (rc < 0) this.fail(rc, syscall, path, dest)
    return rc
  }

  /**
   * The inode of a path, or 0 when only its last name does not exist.
   *
   * @param {string} path
   * @param {boolean} follow
   * @param {string} syscall
   * @param {0 | 1} [slot]
   * @param {string[]} [paths] those to name in an error
   */
  #resolve(path, follow, syscall, slot = 0, paths) {
    const n = this.#check(this.#core.put(slot, path), syscall, paths?.[0] ?? path, paths?.[1])
    const ino = this.#check(this.#core.x.resolve(ROOT, n, follow ? 1 : 0, slot), syscall, paths?.[0] ?? path, paths?.[1])
    if (this.#core.u8.length === 0) this.#core.refresh()
    this.#parent = this.#core.f64[abi.NUMS >> 3]
    this.#name = this.#core.f64[(abi.NUMS >> 3) + 1]
    return ino
  }

  /**
   * For calls that make or remove a name: the name itself, whatever it is, and whether a slash follows it, which only directories may have.
   *
   * @param {string} path
   * @param {string} syscall
   * @param {0 | 1} [slot]
   * @param {string[]} [paths]
   */
  #nameOf(path, syscall, slot = 0, paths = [path]) {
    const plain = path.replace(/(?<=[^/])\/+$/, '')
    const ino = this.#resolve(plain, false, syscall, slot, paths)
    const type = ino === 0 ? 0 : this.#core.u32[abi.A_MODE] & abi.S_IFMT
    return { ino, dir: this.#parent, n: this.#name, slash: plain !== path, type }
  }

  /**
   * @param {string} path
   * @param {boolean} follow
   * @param {string} syscall
   * @returns {number}
   */
  #existing(path, follow, syscall) {
    return this.#resolve(path, follow, syscall) || this.fail(-E.ENOENT, syscall, path)
  }

  /**
   * The inode of a path, 0 when only its last name does not exist, or a negative errno. The attributes are left in the scratch area.
   *
   * @param {string} path
   * @param {boolean} follow
   * @returns {number}
   */
  find(path, follow) {
    const n = this.#core.put(0, path)
    const ino = n < 0 ? n : this.#core.x.resolve(ROOT, n, follow ? 1 : 0, 0)
    if (this.#core.u8.length === 0) this.#core.refresh()
    return ino
  }

  /**
   * @param {string} path
   * @param {boolean} follow
   * @param {string} syscall
   */
  stat(path, follow, syscall) {
    this.#existing(path, follow, syscall)
    return readAttr(this.#core)
  }

  /**
   * @param {string} path
   * @param {string} syscall
   * @returns {{ name: string, type: number }[]} type: S_IFMT bits
   */
  readdir(path, syscall) {
    const ino = this.#existing(path, true, syscall)
    this.#check(this.#core.x.readdir(ino), syscall, path)
    return readNames(this.#core)
  }

  /** @param {string} path */
  readlink(path) {
    const ino = this.#existing(path, false, 'readlink')
    return this.#core.text(0, this.#check(this.#core.x.readlink(ino), 'readlink', path))
  }

  /**
   * @param {string} path
   * @param {number} flags
   * @param {number} mode
   * @returns {File}
   */
  open(path, flags, mode) {
    const { x, u32 } = this.#core
    const create = (flags & O.O_CREAT) !== 0
    const exclusive = create && (flags & O.O_EXCL) !== 0
    const write = (flags & O.O_ACCMODE) !== 0
    if (create && path.endsWith('/')) {
      this.#resolve(path.replace(/\/+$/, '') || '/', false, 'open', 0, [path]) // what is wrong before the slash comes first
      this.fail(-E.EISDIR, 'open', path)
    }
    let ino = this.#resolve(path, !exclusive && (flags & O.O_NOFOLLOW) === 0, 'open')
    let type = abi.S_IFREG
    if (ino === 0) {
      if (!create) this.fail(-E.ENOENT, 'open', path)
      ino = this.#check(x.mknod(this.#parent, this.#name, abi.S_IFREG | (mode & 0o7777), 0), 'open', path)
    } else {
      type = (u32.length ? u32 : this.#core.u32)[abi.A_MODE] & abi.S_IFMT
      if (exclusive) this.fail(-E.EEXIST, 'open', path)
      if (type === abi.S_IFLNK) this.fail(-E.ELOOP, 'open', path)
      if (type === abi.S_IFDIR && (write || create)) this.fail(-E.EISDIR, 'open', path)
      if (type !== abi.S_IFDIR && (flags & O.O_DIRECTORY) !== 0) this.fail(-E.ENOTDIR, 'open', path)
      if ((flags & O.O_TRUNC) !== 0 && write) {
        this.#check(x.setattr(ino, abi.SET_SIZE, 0, 0, 0, 0, 0, 0, 0), 'open', path)
      }
    }
    return { id: this.#check(x.handle_open(ino), 'open', path), ino, mode: type }
  }

  /** @param {File} file */
  close(file) {
    this.#check(this.#core.x.handle_close(file.id), 'close')
  }

  /**
   * @param {File} file
   * @param {Uint8Array} to
   * @param {number} position
   */
  read(file, to, position) {
    return this.#check(this.#core.read(file.id, to, 0, to.length, position), 'read')
  }

  /**
   * @param {File} file
   * @param {Uint8Array} from
   * @param {number} position
   */
  write(file, from, position) {
    return this.#check(this.#core.write(file.id, from, 0, from.length, position), 'write')
  }

  /**
   * @param {File} file
   * @param {number} size
   */
  truncate(file, size) {
    this.#check(this.#core.x.handle_truncate(file.id, size), 'ftruncate')
  }

  /** @param {File} file */
  attr(file) {
    this.#check(this.#core.x.handle_attr(file.id), 'fstat')
    return readAttr(this.#core)
  }

  /**
   * @param {string} path
   * @param {number} mode
   */
  mkdir(path, mode) {
    const at = this.#nameOf(path, 'mkdir')
    if (at.ino !== 0) this.fail(-E.EEXIST, 'mkdir', path)
    this.#check(this.#core.x.mknod(at.dir, at.n, abi.S_IFDIR | (mode & 0o7777), 0), 'mkdir', path)
  }

  /** @param {string} path @returns {number} 1 when it ended a transaction (ABI.md), else 0 */
  unlink(path) {
    const at = this.#nameOf(path, 'unlink')
    if (at.ino === 0) this.fail(-E.ENOENT, 'unlink', path)
    if (at.type === abi.S_IFDIR) this.fail(-E.EISDIR, 'unlink', path)
    if (at.slash) this.fail(-E.ENOTDIR, 'unlink', path)
    return this.#remove(this.#core.x.unlink, at, 'unlink', path)
  }

  /** @param {string} path */
  rmdir(path) {
    const at = this.#nameOf(path, 'rmdir')
    if (at.ino === 0) this.fail(-E.ENOENT, 'rmdir', path)
    if (at.n === 0) this.fail(/(^|\/)\.\/*$/.test(path) ? -E.EINVAL : /(^|\/)\.\.\/*$/.test(path) ? -E.ENOTEMPTY : -E.EBUSY, 'rmdir', path)
    this.#remove(this.#core.x.rmdir, at, 'rmdir', path)
  }

  /**
   * @param {(dir: number, n: number) => number} op
   * @param {{ dir: number, n: number }} at
   * @param {string} syscall
   * @param {string} path
   */
  #remove(op, { dir, n }, syscall, path) {
    const name = this.#core.text(0, n)
    const rc = this.#check(op(dir, n), syscall, path)
    this.#core.forget(dir, name)
    return rc
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  rename(from, to) {
    const a = this.#nameOf(from, 'rename', 0, [from, to])
    const b = this.#nameOf(to, 'rename', 1, [from, to])
    if (a.n === 0 || b.n === 0) this.fail(-E.EBUSY, 'rename', from, to)
    if (a.ino === 0) this.fail(-E.ENOENT, 'rename', from, to)
    if (a.type !== abi.S_IFDIR && (a.slash || b.slash)) this.fail(-E.ENOTDIR, 'rename', from, to)
    const names = [this.#core.text(0, a.n), this.#core.text(1, b.n)]
    this.#check(this.#core.x.rename(a.dir, a.n, b.dir, b.n), 'rename', from, to)
    this.#core.forget(a.dir, names[0])
    this.#core.forget(b.dir, names[1])
  }

  /**
   * @param {string} target
   * @param {string} path
   */
  symlink(target, path) {
    const at = this.#nameOf(path, 'symlink', 0, [target, path])
    if (at.ino !== 0) this.fail(-E.EEXIST, 'symlink', target, path)
    if (at.slash) this.fail(-E.ENOENT, 'symlink', target, path)
    const n = this.#check(this.#core.put(1, target), 'symlink', target, path)
    this.#check(this.#core.x.symlink(at.dir, at.n, n), 'symlink', target, path)
  }

  /**
   * @param {string} from
   * @param {string} to
   */
  link(from, to) {
    const ino = this.#resolve(from, false, 'link', 0, [from, to])
    if (ino === 0) this.fail(-E.ENOENT, 'link', from, to)
    const at = this.#nameOf(to, 'link', 0, [from, to])
    if (at.ino !== 0) this.fail(-E.EEXIST, 'link', from, to)
    if (at.slash) this.fail(-E.ENOENT, 'link', from, to)
    this.#check(this.#core.x.link(ino, at.dir, at.n), 'link', from, to)
  }

  /**
   * @param {string | File} file a path, or an open file
   * @param {AttrChange} change
   * @param {boolean} follow
   * @param {string} syscall
   */
  setattr(file, change, follow, syscall) {
    const path = typeof file === 'string' ? file : undefined
    let ino
    if (typeof file === 'string') ino = this.#existing(file, follow, syscall)
    else {
      ino = file.ino
      this.#check(this.#core.x.handle_attr(file.id), syscall) // tells a stale or closed one
    }
    const mode = this.#core.u32[abi.A_MODE]
    this.#check(setAttr(this.#core, ino, change), syscall, path)
    if (change.mode !== undefined) this.#core.modeChanged(ino, (mode & abi.S_IFMT) | (change.mode & 0o7777))
  }

  statfs() {
    this.#check(this.#core.x.statfs(), 'statfs')
    const at = abi.NUMS >> 3
    const [bsize, blocks, files, free] = this.#core.f64.subarray(at, at + 4)
    return { bsize, blocks, files, free }
  }
}

/**
 * @param {import('./core.js').Core} core
 * @param {number} ino
 * @param {AttrChange} c
 * @returns {number} 0 or a negative errno
 */
export function setAttr(core, ino, c) {
  let mask = 0
  if (c.mode !== undefined) mask |= abi.SET_MODE
  if (c.uid !== undefined) mask |= abi.SET_UID
  if (c.gid !== undefined) mask |= abi.SET_GID
  if (c.size !== undefined) mask |= abi.SET_SIZE
  if (c.atimeMs !== undefined) mask |= abi.SET_ATIME
  if (c.mtimeMs !== undefined) mask |= abi.SET_MTIME
  return core.x.setattr(ino, mask, c.mode ?? 0, c.uid ?? 0, c.gid ?? 0, c.size ?? 0, c.atimeMs ?? 0, c.mtimeMs ?? 0, 0)
}

/**
 * The attributes that the last call has left in the scratch area.
 *
 * @param {import('./core.js').Core} core
 * @returns {Attr}
 */
export function readAttr(core) {
  if (core.u8.length === 0) core.refresh()
  const { f64, u32 } = core
  const big = new BigInt64Array(f64.buffer, f64.byteOffset + 8 * abi.A_NS, 4)
  return {
    ino: f64[abi.A_INO],
    size: f64[abi.A_SIZE],
    rdev: f64[abi.A_RDEV],
    mode: u32[abi.A_MODE],
    nlink: u32[abi.A_NLINK],
    uid: u32[abi.A_UID],
    gid: u32[abi.A_GID],
    atimeMs: f64[abi.A_ATIME],
    mtimeMs: f64[abi.A_MTIME],
    ctimeMs: f64[abi.A_CTIME],
    birthtimeMs: f64[abi.A_BTIME],
    ns: [big[0], big[1], big[2], big[3]],
  }
}

/**
 * The directory that the last call has left in the result buffer.
 *
 * @param {import('./core.js').Core} core
 */
export function readNames(core) {
  const bytes = core.out()
  const list = []
  for (let at = 0; at < bytes.length; ) {
    const n = bytes[at + 1]
    list.push({ name: decoder.decode(bytes.subarray(at + 2, at + 2 + n)), type: bytes[at] << 12 })
    at += 2 + n
  }
  return list
}
