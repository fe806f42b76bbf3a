/**
 * `volume.fs`: a volume's files under the names of node:fs. Paths are POSIX paths from the volume's root; a relative
 * path starts there too. Permission bits are kept and reported but stop nobody, as they do not stop root.
 */

import { E, errnoError } from './errors.js'
import { O } from './files.js'
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './abi.js'
import { BigIntStats, Dir, Dirent, Stats } from './fs-stats.js'
import { fromBytes, invalidType, toBytes, toFd, toFlags, toMillis, toMode, toOptions, toPart, toPath } from './fs-args.js'
import { callbacksOf } from './fs-callbacks.js'
import { promisesOf } from './fs-promises.js'
import { readStream, writeStream } from './fs-streams.js'
import { copyAll, join, makeAll, nativeRealpath, realpath, removeAll } from './fs-trees.js'
import { FSWatcher, fileWatches, watch } from './fs-watch.js'

/** @typedef {import('./fs-args.js').PathLike} PathLike */
/** @typedef {import('./fs-args.js').FileOptions} FileOptions */
/** @typedef {import('./files.js').Files | import('./files-snapshot.js').SnapshotFiles} Backend */
/** @typedef {{ file: import('./files.js').File, flags: number, position: number, path: string }} Open */
/** @typedef {number | string | Date} Time */
/**
 * The files of a volume or a snapshot, under the names of node:fs.
 *
 * @typedef {ReturnType<typeof createFs>} VolumeFs
 */
/** @typedef {(type: 'rename' | 'change', name: string) => void} WatchListener */

const UMASK = 0o022
const FIRST_FD = 3

const { O_ACCMODE, ...flags } = O

/** The flags and modes that calls take, with Linux's values. */
export const constants = Object.freeze({
  ...flags,
  ...{ F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4 },
  ...{ COPYFILE_EXCL: 1, COPYFILE_FICLONE: 2, COPYFILE_FICLONE_FORCE: 4 }, // the last two change nothing here
  ...{ S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO: 0x1000, S_IFCHR: 0x2000, S_IFBLK: 0x6000, S_IFSOCK: 0xc000 },
  ...{ S_IRWXU: 0o700, S_IRUSR: 0o400, S_IWUSR: 0o200, S_IXUSR: 0o100 },
  ...{ S_IRWXG: 0o70, S_IRGRP: 0o40, S_IWGRP: 0o20, S_IXGRP: 0o10 },
  ...{ S_IRWXO: 0o7, S_IROTH: 0o4, S_IWOTH: 0o2, S_IXOTH: 0o1 },
})

/**
 * @param {Backend} files
 * @param {number} dev
 */
export function createFs(files, dev) {
  /** @type {(Open | undefined)[]} Open files by descriptor less FIRST_FD. */
  const open = []

  /**
   * @param {number} fd
   * @param {string} syscall
   */
  function opened(fd, syscall) {
    const o = open[toFd(fd) - FIRST_FD]
    if (!o) throw errnoError(E.EBADF, syscall)
    return o
  }

  /**
   * @param {Open} o
   * @param {Uint8Array} to
   * @param {number | bigint | null | undefined} position
   */
  function readAt(o, to, position) {
    if ((o.flags & O_ACCMODE) === O.O_WRONLY) throw errnoError(E.EBADF, 'read')
    if ((o.file.mode & S_IFMT) === S_IFDIR) throw errnoError(E.EISDIR, 'read')
    const own = position === null || position === undefined || Number(position) < 0
    const n = to.length === 0 ? 0 : files.read(o.file, to, own ? o.position : Number(position))
    if (own) o.position += n
    return n
  }

  /**
   * @param {Open} o
   * @param {Uint8Array} from
   * @param {number | bigint | null | undefined} position
   */
  function writeAt(o, from, position) {
    if ((o.flags & O_ACCMODE) === O.O_RDONLY) throw errnoError(E.EBADF, 'write')
    const append = (o.flags & O.O_APPEND) !== 0 // Linux appends whatever the position says
    const own = position === null || position === undefined || Number(position) < 0
    const at = append ? files.attr(o.file).size : own ? o.position : Number(position)
    let done = 0
    while (done < from.length) done += files.write(o.file, from.subarray(done), at + done)
    if (own) o.position = at + done
    if ((o.flags & O.O_SYNC) === O.O_SYNC) sync('write')
    return done
  }

  /**
   * Runs an operation on a file that is open already, or on one that it opens for the time.
   *
   * @template T
   * @param {PathLike | number} file
   * @param {string | number} flags
   * @param {number | string | undefined} mode
   * @param {(o: Open) => T} op
   * @returns {T}
   */
  function using(file, flags, mode, op) {
    if (typeof file === 'number') return op(opened(file, 'read'))
    const path = toPath(file)
    const f = toFlags(flags)
    const o = { file: files.open(path, f, toMode(mode, 0o666) & ~UMASK), flags: f, position: 0, path }
    try {
      return op(o)
    } finally {
      files.close(o.file)
    }
  }

  /**
   * @param {import('./files.js').Attr} attr
   * @param {{ bigint?: boolean }} [options]
   * @returns {any} Stats; BigIntStats when asked for
   */
  const stats = (attr, options) => (options?.bigint ? new BigIntStats(attr, dev) : new Stats(attr, dev))

  /**
   * @param {PathLike} path
   * @param {boolean} follow
   * @param {string} syscall
   * @param {{ bigint?: boolean, throwIfNoEntry?: boolean }} [options]
   */
  function statOf(path, follow, syscall, options) {
    try {
      return stats(files.stat(toPath(path), follow, syscall), options)
    } catch (/** @type {any} */ err) {
      if (options?.throwIfNoEntry === false && err.code === 'ENOENT') return undefined
      throw err
    }
  }

  /** @param {Open} o */
  function readAll(o) {
    const attr = files.attr(o.file)
    if ((attr.mode & S_IFMT) === S_IFDIR) throw errnoError(E.EISDIR, 'read')
    const bytes = new Uint8Array(Math.max(0, attr.size - o.position))
    return bytes.subarray(0, readAt(o, bytes, null))
  }

  const api = {
    constants,

    // Whole files

    /** @param {PathLike | number} path @param {FileOptions} [options] @returns {any} a Buffer (a Uint8Array in browsers), or a string when an encoding is given */
    readFileSync(path, options) {
      const { encoding, flag } = toOptions(options)
      return using(path, flag ?? 'r', undefined, (o) => fromBytes(readAll(o), encoding))
    },

    /** @param {PathLike | number} path @param {string | ArrayBufferView | ArrayBuffer} data @param {FileOptions} [options] */
    writeFileSync(path, data, options) {
      const { encoding, flag, mode, flush } = toOptions(options)
      const bytes = toBytes(data, encoding)
      using(path, flag ?? 'w', mode, (o) => writeAt(o, bytes, null))
      if (flush) sync('fsync')
    },

    /** @param {PathLike | number} path @param {string | ArrayBufferView} data @param {FileOptions} [options] */
    appendFileSync(path, data, options) {
      api.writeFileSync(path, data, { flag: 'a', ...toOptions(options) })
    },

    /** @param {PathLike} from @param {PathLike} to @param {number} [mode] COPYFILE_EXCL */
    copyFileSync(from, to, mode = 0) {
      const source = toPath(from, 'src')
      const dest = toPath(to, 'dest')
      try {
        copy(source, dest, (mode & constants.COPYFILE_EXCL) !== 0 ? O.O_EXCL : 0)
      } catch (/** @type {any} */ err) {
        if (typeof err.errno !== 'number' || err.cause) throw err
        throw errnoError(-err.errno, 'copyfile', source, dest)
      }
    },

    /**
     * Copies a file or, with `recursive`, a tree.
     *
     * @param {PathLike} source
     * @param {PathLike} dest
     * @param {import('./fs-trees.js').CopyOptions} [options]
     */
    cpSync: (source, dest, options = {}) => copyAll(api, toPath(source, 'src'), toPath(dest, 'dest'), options),

    // Descriptors

    /** @param {PathLike} path @param {string | number} [flags] @param {number | string} [mode] */
    openSync(path, flags = 'r', mode) {
      const p = toPath(path)
      const f = toFlags(flags)
      const file = files.open(p, f, toMode(mode, 0o666) & ~UMASK)
      let fd = open.indexOf(undefined)
      if (fd < 0) fd = open.length
      open[fd] = { file, flags: f, position: 0, path: p }
      return fd + FIRST_FD
    },

    /** @param {number} fd */
    closeSync(fd) {
      const { file } = opened(fd, 'close')
      open[fd - FIRST_FD] = undefined
      files.close(file)
    },

    /**
     * @param {number} fd
     * @param {ArrayBufferView} buffer
     * @param {number | { offset?: number, length?: number, position?: number | bigint | null }} [offset]
     * @param {number} [length]
     * @param {number | bigint | null} [position]
     */
    readSync(fd, buffer, offset, length, position) {
      toFd(fd)
      if (typeof offset === 'object') ({ offset, length, position } = offset ?? {})
      const part = toPart(buffer, offset, length)
      return readAt(opened(fd, 'read'), part, position)
    },

    /**
     * @param {number} fd
     * @param {string | ArrayBufferView} data
     * @param {number | null | { offset?: number, length?: number, position?: number | null }} [offset] of a string: the position
     * @param {number | string | null} [length] of a string: the encoding
     * @param {number | null} [position]
     */
    writeSync(fd, data, offset, length, position) {
      toFd(fd)
      if (typeof data === 'string') {
        const bytes = toBytes(data, /** @type {string | undefined} */ (length))
        return writeAt(opened(fd, 'write'), bytes, /** @type {number | null | undefined} */ (offset))
      }
      if (typeof offset === 'object' && offset !== null) ({ offset, length, position } = offset)
      const part = toPart(data, offset, /** @type {number | undefined} */ (length))
      return writeAt(opened(fd, 'write'), part, position)
    },

    /** @param {number} fd @param {ArrayBufferView[]} buffers @param {number | null} [position] */
    readvSync(fd, buffers, position) {
      return vector(buffers, position, (bytes, at) => readAt(opened(fd, 'read'), bytes, at))
    },

    /** @param {number} fd @param {ArrayBufferView[]} buffers @param {number | null} [position] */
    writevSync(fd, buffers, position) {
      return vector(buffers, position, (bytes, at) => writeAt(opened(fd, 'write'), bytes, at))
    },

    /** @param {number} fd @param {{ bigint?: boolean }} [options] */
    fstatSync: (fd, options) => stats(files.attr(opened(fd, 'fstat').file), options),

    /** @param {number} fd @param {number | null} [length] */
    ftruncateSync(fd, length) {
      const o = opened(fd, 'ftruncate')
      if ((o.flags & O_ACCMODE) === O.O_RDONLY) throw errnoError(E.EINVAL, 'ftruncate')
      files.truncate(o.file, Math.max(0, length ?? 0))
    },

    /** Makes the volume durable, every file of it; with durability 'manual' it does nothing. @param {number} fd */
    fsyncSync(fd) {
      files.attr(opened(fd, 'fsync').file) // a stale descriptor says so
      sync('fsync')
    },

    /** The same as fsyncSync. @param {number} fd */
    fdatasyncSync(fd) {
      files.attr(opened(fd, 'fdatasync').file)
      sync('fdatasync')
    },

    /** @param {number} fd @param {number | string} mode */
    fchmodSync: (fd, mode) => files.setattr(opened(fd, 'fchmod').file, { mode: toMode(mode, 0) & 0o7777 }, true, 'fchmod'),

    /** @param {number} fd @param {number} uid @param {number} gid */
    fchownSync: (fd, uid, gid) => files.setattr(opened(fd, 'fchown').file, owner(uid, gid), true, 'fchown'),

    /** @param {number} fd @param {Time} atime @param {Time} mtime */
    futimesSync: (fd, atime, mtime) =>
      files.setattr(opened(fd, 'futime').file, { atimeMs: toMillis(atime), mtimeMs: toMillis(mtime) }, true, 'futime'),

    // Streams

    /** @param {PathLike} path @param {import('./fs-streams.js').ReadOptions | string} [options] @returns {ReadableStream<any>} of Uint8Arrays, or of strings when an encoding is given */
    createReadStream: (path, options) => readStream(api, path, options),

    /** @param {PathLike} path @param {import('./fs-streams.js').WriteOptions | string} [options] @returns {WritableStream<any>} for strings and views of bytes */
    createWriteStream: (path, options) => writeStream(api, path, options),

    /** The file as it is now. @param {PathLike} path @param {{ type?: string }} [options] @returns {Promise<Blob>} */
    async openAsBlob(path, options) {
      return new Blob([Uint8Array.from(using(path, 'r', undefined, readAll))], options)
    },

    // Changes

    /**
     * Tells of every change to a file, or to the names in a directory, whoever makes it: also guests, restore and pull.
     *
     * @param {PathLike} path
     * @param {{ persistent?: boolean, recursive?: boolean, signal?: AbortSignal } | string | WatchListener} [options]
     * @param {WatchListener} [listener]
     * @returns {FSWatcher}
     */
    watch(path, options, listener) {
      if (typeof options === 'function') [options, listener] = [{}, options]
      return watch(api, files.core, toPath(path, 'filename'), typeof options === 'object' ? (options ?? {}) : {}, listener)
    },

    /** @param {PathLike} path @param {{ bigint?: boolean, persistent?: boolean } | ((now: any, before: any) => void)} options @param {(now: any, before: any) => void} [listener] @returns {any} */
    watchFile(path, options, listener) {
      if (typeof options === 'function') [options, listener] = [{}, options]
      if (typeof listener !== 'function') throw invalidType('"listener" argument must be of type function', listener)
      return watched.add(toPath(path, 'filename'), options, listener)
    },

    /** @param {PathLike} path @param {(now: any, before: any) => void} [listener] all of them when left out */
    unwatchFile: (path, listener) => watched.delete(toPath(path, 'filename'), listener),

    // Directories

    /** @param {PathLike} path @param {number | string | { recursive?: boolean, mode?: number | string }} [options] @returns {string | undefined} with recursive: the first directory made */
    mkdirSync(path, options) {
      const { recursive = false, mode } = typeof options === 'object' && options !== null ? options : { mode: options }
      const p = toPath(path)
      const bits = toMode(mode, 0o777) & ~UMASK
      if (recursive) return makeAll(files, p, bits)
      files.mkdir(p, bits)
    },

    /** @param {string} prefix @param {FileOptions} [_options] */
    mkdtempSync(prefix, _options) {
      const p = toPath(prefix, 'prefix')
      for (let tries = 0; ; tries++) {
        const path = p + Array.from({ length: 6 }, () => 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'[Math.floor(Math.random() * 62)]).join('')
        try {
          files.mkdir(path, 0o700)
          return path
        } catch (/** @type {any} */ err) {
          if (err.code === 'EEXIST' && tries < 100) continue
          throw errnoError(-err.errno, 'mkdtemp', `${p}XXXXXX`)
        }
      }
    },

    /** @param {PathLike} path @param {string | { withFileTypes?: boolean, recursive?: boolean, encoding?: string | null } | null} [options] @returns {any[]} names, or Dirent objects with withFileTypes */
    readdirSync(path, options) {
      const { withFileTypes = false, recursive = false, encoding } = toOptions(options)
      const root = toPath(path)
      /** @type {any[]} */
      const list = []
      const walk = (/** @type {string} */ dir, /** @type {string} */ prefix) => {
        for (const { name, type } of files.readdir(dir, 'scandir')) {
          if (withFileTypes) list.push(new Dirent(name, dir, type))
          else list.push(encoding === 'buffer' ? fromBytes(toBytes(prefix + name)) : prefix + name)
          if (recursive && type === S_IFDIR) walk(join(dir, name), `${prefix}${name}/`)
        }
      }
      walk(root, '')
      return list
    },

    /** @param {PathLike} path @param {{ recursive?: boolean }} [options] */
    opendirSync(path, options = {}) {
      const p = toPath(path)
      files.readdir(p, 'opendir') // what is wrong is told now
      return new Dir(p, api.readdirSync(p, { withFileTypes: true, recursive: options.recursive }))
    },

    /** @param {PathLike} path @param {{ recursive?: boolean }} [_options] */
    rmdirSync: (path, _options) => files.rmdir(toPath(path)),

    /** @param {PathLike} path @param {{ recursive?: boolean, force?: boolean }} [options] */
    rmSync(path, { recursive = false, force = false } = {}) {
      const p = toPath(path)
      try {
        if ((files.stat(p, false, 'rm').mode & S_IFMT) !== S_IFDIR) return void files.unlink(p)
      } catch (/** @type {any} */ err) {
        if (force && err.code === 'ENOENT') return
        throw err
      }
      if (!recursive) {
        throw Object.assign(new Error(`Path is a directory: rm returned EISDIR (is a directory) ${p}`), {
          name: 'SystemError',
          code: 'ERR_FS_EISDIR',
          errno: E.EISDIR,
          syscall: 'rm',
          path: p,
        })
      }
      removeAll(files, p)
    },

    // Names

    /** @param {PathLike} path */
    unlinkSync: (path) => void files.unlink(toPath(path)),

    /** @param {PathLike} from @param {PathLike} to */
    renameSync: (from, to) => files.rename(toPath(from, 'oldPath'), toPath(to, 'newPath')),

    /** @param {PathLike} from @param {PathLike} to */
    linkSync: (from, to) => files.link(toPath(from, 'existingPath'), toPath(to, 'newPath')),

    /** @param {PathLike} target @param {PathLike} path @param {string | null} [_type] */
    symlinkSync: (target, path, _type) => files.symlink(toPath(target, 'target'), toPath(path)),

    /** @param {PathLike} path @param {FileOptions} [options] @returns {any} */
    readlinkSync(path, options) {
      const target = files.readlink(toPath(path))
      return toOptions(options).encoding === 'buffer' ? fromBytes(toBytes(target)) : target
    },

    /** @param {PathLike} path @param {FileOptions} [_options] */
    realpathSync: (path, _options) => realpath(files, toPath(path)),

    // Attributes

    /** @param {PathLike} path @param {{ bigint?: boolean, throwIfNoEntry?: boolean }} [options] */
    statSync: (path, options) => statOf(path, true, 'stat', options),

    /** @param {PathLike} path @param {{ bigint?: boolean, throwIfNoEntry?: boolean }} [options] */
    lstatSync: (path, options) => statOf(path, false, 'lstat', options),

    /** @param {PathLike} path */
    existsSync(path) {
      try {
        files.stat(toPath(path), true, 'access')
        return true
      } catch {
        return false
      }
    },

    /** @param {PathLike} path @param {number} [mode] */
    accessSync(path, mode = constants.F_OK) {
      const p = toPath(path)
      const attr = files.stat(p, true, 'access')
      if (mode & constants.W_OK && files.readonly) throw errnoError(E.EROFS, 'access', p)
      // As for root: anything may be read and written, and executed when anybody may.
      if (mode & constants.X_OK && (attr.mode & S_IFMT) !== S_IFDIR && (attr.mode & 0o111) === 0) throw errnoError(E.EACCES, 'access', p)
    },

    /** @param {PathLike} path @param {number | string} mode */
    chmodSync: (path, mode) => files.setattr(toPath(path), { mode: toMode(mode, 0) & 0o7777 }, true, 'chmod'),

    /** @param {PathLike} path @param {number} uid @param {number} gid */
    chownSync: (path, uid, gid) => files.setattr(toPath(path), owner(uid, gid), true, 'chown'),

    /** @param {PathLike} path @param {number} uid @param {number} gid */
    lchownSync: (path, uid, gid) => files.setattr(toPath(path), owner(uid, gid), false, 'lchown'),

    /** @param {PathLike} path @param {Time} atime @param {Time} mtime */
    utimesSync: (path, atime, mtime) => files.setattr(toPath(path), { atimeMs: toMillis(atime), mtimeMs: toMillis(mtime) }, true, 'utime'),

    /** @param {PathLike} path @param {Time} atime @param {Time} mtime */
    lutimesSync: (path, atime, mtime) => files.setattr(toPath(path), { atimeMs: toMillis(atime), mtimeMs: toMillis(mtime) }, false, 'lutime'),

    /** @param {PathLike | number} path @param {number | null} [length] */
    truncateSync(path, length) {
      if (typeof path === 'number') return api.ftruncateSync(path, length)
      using(path, 'r+', undefined, (o) => files.truncate(o.file, Math.max(0, length ?? 0)))
    },

    /** @param {PathLike} path @param {{ bigint?: boolean }} [options] @returns {any} StatFs; of bigints when asked for */
    statfsSync(path, options) {
      files.stat(toPath(path), true, 'statfs')
      const { bsize, blocks, files: count, free } = files.statfs()
      // What memory leaves: the browser's quota can only be asked for asynchronously. A file takes a block at least.
      const stat = { type: 0x484f4c44, bsize, blocks, bfree: free, bavail: free, files: count + free, ffree: free }
      return options?.bigint ? Object.fromEntries(Object.entries(stat).map(([name, n]) => [name, BigInt(n)])) : stat
    },

    Stats,
    Dirent,
    Dir,
  }
  const watched = fileWatches(api)

  /** @param {string} syscall */
  function sync(syscall) {
    const rc = files.sync()
    if (rc < 0) files.fail(rc, syscall)
  }

  /**
   * @param {string} source
   * @param {string} dest
   * @param {number} exclusive O_EXCL or 0
   */
  function copy(source, dest, exclusive) {
    const a = files.open(source, O.O_RDONLY, 0)
    try {
      const attr = files.attr(a)
      const found = files.find(dest, true)
      const old = found > 0 ? { ino: found } : undefined // what is wrong with the path, opening it tells
      const directory = (attr.mode & S_IFMT) === S_IFDIR
      if (old && !exclusive && !directory && old.ino === attr.ino) return // truncating it would lose it
      const b = files.open(dest, O.O_WRONLY | O.O_CREAT | (directory ? 0 : O.O_TRUNC) | exclusive, attr.mode & 0o777)
      if (directory) {
        files.close(b)
        if (!old) files.unlink(dest)
        throw errnoError(E.EISDIR, 'copyfile')
      }
      try {
        const chunk = new Uint8Array(Math.min(1 << 20, attr.size))
        for (let at = 0; at < attr.size; ) {
          const n = files.read(a, chunk, at)
          if (n === 0) break
          files.write(b, chunk.subarray(0, n), at)
          at += n
        }
        files.setattr(b, { mode: attr.mode & 0o7777 }, true, 'copyfile')
      } finally {
        files.close(b)
      }
    } finally {
      files.close(a)
    }
  }

  Object.assign(api.realpathSync, { native: (/** @type {PathLike} */ path, /** @type {FileOptions} */ _options) => nativeRealpath(files, toPath(path)) })
  const calls = callbacksOf(api)
  return /** @type {typeof api & Callbacks<typeof api> & { promises: import('./fs-promises.js').VolumePromises }} */ (
    Object.assign(api, calls, { promises: promisesOf(api) })
  )
}

/**
 * The names of T that end in Sync, without it: they take a callback as their last argument.
 *
 * @template T
 * @typedef {{ [K in keyof T as K extends `${infer N}Sync` ? N : never]: (...args: any[]) => void }} Callbacks
 */

/**
 * -1 leaves an owner as it is, as chown(2) has it.
 *
 * @param {number} uid
 * @param {number} gid
 * @returns {import('./files.js').AttrChange}
 */
function owner(uid, gid) {
  return { ...(uid !== -1 && uid !== 0xffffffff && { uid }), ...(gid !== -1 && gid !== 0xffffffff && { gid }) }
}

/**
 * @param {ArrayBufferView[]} buffers
 * @param {number | null | undefined} position
 * @param {(bytes: Uint8Array, at: number | null) => number} op
 */
function vector(buffers, position, op) {
  let done = 0
  for (const b of buffers) {
    const n = op(toBytes(b), typeof position === 'number' ? position + done : null)
    done += n
    if (n < b.byteLength) break
  }
  return done
}
