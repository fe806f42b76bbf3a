/**
 * What a VFS of SQLite does with a volume's files, for every build of SQLite: sqlite.js calls it with names, numbers and addresses in
 * SQLite's memory, and gets result codes. Files are known by the address of SQLite's own object for them.
 *
 * A call of SQLite after which a transaction must be durable returns when the volume is committed: xSync, and the removal or truncation of a journal
 * (opfs/COMMIT.md). When that commit fails, what ended the transaction is taken back, so that SQLite rolls it back.
 */

import { HoldfastError, E } from './errors.js'
import { A_MODE, A_SIZE, S_IFDIR, S_IFMT, S_IFREG } from './abi.js'
import { Files, O } from './files.js'
import { coreOf } from './internal.js'
import { Locks } from './sqlite-locks.js'
import * as code from './sqlite-codes.js'

/**
 * The memory of one SQLite build. `bytes` is made anew when the memory has grown.
 *
 * @typedef {import('./sqlite-locks.js').Heap & { readonly bytes: Uint8Array }} Memory
 *
 * @typedef {object} OpenFile
 * @property {number} handle the module's number, -1 of a temporary file
 * @property {number} ino
 * @property {string} path
 * @property {TempFile | null} temp
 * @property {import('./sqlite-locks.js').Connection | null} connection of a database
 * @property {boolean} journal a rollback journal
 * @property {boolean} ending of a journal: zeros over its header have ended a transaction, which is to be durable with the next sync
 * @property {Undo | null} undo of a database: what an atomic write has replaced so far
 *
 * @typedef {{ size: number, parts: { at: number, bytes: Uint8Array }[] }} Undo
 */

/**
 * What is true of a volume: between two commits nothing reaches the disk, and a commit is atomic over all files. So after a crash every
 * write is there whole or not at all (ATOMIC, POWERSAFE_OVERWRITE), no size without its data (SAFE_APPEND), no later write without the earlier ones
 * (SEQUENTIAL), and any number of writes can be made one (BATCH_ATOMIC). A file that is open can be removed, so not UNDELETABLE_WHEN_OPEN.
 */
const CHARACTERISTICS =
  code.IOCAP_ATOMIC | code.IOCAP_SAFE_APPEND | code.IOCAP_SEQUENTIAL | code.IOCAP_POWERSAFE_OVERWRITE | code.IOCAP_BATCH_ATOMIC | code.IOCAP_SUBPAGE_READ

const JOURNAL_HEADER = 28 // bytes that SQLite writes zeros over in journal mode PERSIST (pager.c, zeroJournalHdr)
const MAX_LINKS = 40

export class SqliteFiles {
  /** The last error behind a result code. @type {any} */
  lastError = null
  /** @type {Map<number, OpenFile>} */
  #open = new Map()
  #core
  #files
  #fs
  #locks
  #memory
  #directory

  /**
   * @param {import('./volume.js').Volume} volume
   * @param {Memory} memory
   * @param {string} directory where relative names start
   */
  constructor(volume, memory, directory) {
    const core = coreOf(volume)
    if (core.dead) throw core.dead
    this.#core = core
    this.#files = new Files(core, core.sync)
    this.#fs = volume.fs
    this.#locks = Locks.of(core)
    this.#memory = memory
    this.#directory = directory
  }

  get openFiles() {
    return this.#open.size
  }

  /**
   * Remembers why, and answers the result code.
   *
   * @param {number} errno negative
   * @param {number} otherwise
   */
  #fail(errno, otherwise) {
    const stale = errno === -E.ESTALE && !this.#core.dead
    this.lastError = stale
      ? new HoldfastError('ESTALE', 'the volume was restored while the database was open', { errno: E.ESTALE, hint: 'close the connection and open it again' })
      : this.#core.failure(errno)
    return code.codeFor(errno, otherwise)
  }

  /**
   * The same for what a method of Files threw.
   *
   * @param {any} err
   * @param {number} otherwise
   */
  failed(err, otherwise) {
    this.lastError = err.cause ?? err
    return code.codeFor(err.errno, otherwise)
  }

  /**
   * @param {string | null} name none: a temporary file
   * @param {number} id
   * @param {number} flags
   */
  open(name, id, flags) {
    const { path, temp } = name === null || flags & code.OPEN_DELETEONCLOSE ? { path: '', temp: new TempFile() } : { path: name, temp: null }
    /** @type {OpenFile} */
    const file = { handle: -1, ino: 0, path, temp, connection: null, journal: (flags & code.OPEN_MAIN_JOURNAL) !== 0, ending: false, undo: null }
    if (!temp) {
      let mode = flags & code.OPEN_READWRITE ? O.O_RDWR : O.O_RDONLY
      if (flags & code.OPEN_CREATE) mode |= O.O_CREAT | (flags & code.OPEN_EXCLUSIVE ? O.O_EXCL : 0)
      try {
        const f = this.#files.open(path, mode, 0o644)
        file.handle = f.id
        file.ino = f.ino
        if (f.mode !== S_IFREG) {
          this.#core.x.handle_close(f.id)
          return f.mode === S_IFDIR ? code.CANTOPEN_ISDIR : code.CANTOPEN
        }
      } catch (/** @type {any} */ err) {
        return this.failed(err, err.code === 'EISDIR' ? code.CANTOPEN_ISDIR : code.CANTOPEN)
      }
      if (flags & code.OPEN_MAIN_DB) file.connection = this.#locks.connect(file.ino)
    }
    this.#open.set(id, file)
    return code.OK
  }

  /** @param {number} id */
  close(id) {
    const file = this.#of(id)
    this.#open.delete(id)
    file.connection?.leave()
    if (!file.temp) this.#core.x.handle_close(file.handle)
    return code.OK
  }

  /** @param {number} id @returns {OpenFile} */
  #of(id) {
    return /** @type {OpenFile} */ (this.#open.get(id))
  }

  /** @param {number} id @param {number} p @param {number} n @param {number} at */
  read(id, p, n, at) {
    const file = this.#of(id)
    const { bytes } = this.#memory
    const got = file.temp ? file.temp.read(bytes, p, n, at) : this.#core.read(file.handle, bytes, p, n, at)
    if (got === n) return code.OK
    if (got < 0) return this.#fail(got, code.IOERR_READ)
    bytes.fill(0, p + got, p + n)
    return code.IOERR_SHORT_READ
  }

  /** @param {number} id @param {number} p @param {number} n @param {number} at */
  write(id, p, n, at) {
    const file = this.#of(id)
    const { bytes } = this.#memory
    if (file.temp) return file.temp.write(bytes, p, n, at)
    if (file.journal) {
      const zeros = at === 0 && n === JOURNAL_HEADER && bytes.subarray(p, p + n).every((b) => b === 0)
      file.ending = zeros && this.#core.x.handle_ending(file.handle) === 1
    }
    if (file.undo) file.undo.parts.push({ at, bytes: this.#copy(file, at, n) })
    return this.#put(file, bytes, p, n, at)
  }

  /** @param {OpenFile} file @param {Uint8Array} from @param {number} p @param {number} n @param {number} at */
  #put(file, from, p, n, at) {
    const done = this.#core.write(file.handle, from, p, n, at)
    if (done === n) return code.OK
    return done < 0 ? this.#fail(done, code.IOERR_WRITE) : code.IOERR_WRITE
  }

  /** What a file has there, as far as it goes. @param {OpenFile} file @param {number} at @param {number} n */
  #copy(file, at, n) {
    const to = new Uint8Array(n)
    return to.subarray(0, Math.max(0, this.#core.read(file.handle, to, 0, n, at)))
  }

  /** @param {number} id @param {number} size */
  truncate(id, size) {
    const file = this.#of(id)
    if (file.temp) return file.temp.truncate(size)
    let rc = this.#core.x.handle_truncate(file.handle, size)
    if (rc === 1) rc = this.#core.x.ended(this.#core.sync())
    return rc < 0 ? this.#fail(rc, code.IOERR_TRUNCATE) : code.OK
  }

  /** @param {number} id */
  sync(id) {
    const file = this.#of(id)
    if (file.temp) return code.OK
    let rc = this.#core.x.handle_attr(file.handle) // tells a stale one
    if (rc >= 0) rc = this.#core.sync()
    if (file.ending) rc = this.#core.x.ended(rc)
    file.ending = false
    return rc < 0 ? this.#fail(rc, code.IOERR_FSYNC) : code.OK
  }

  /** The size of a file in bytes, or the negative of a result code. @param {number} id */
  size(id) {
    const file = this.#of(id)
    if (file.temp) return file.temp.size
    const size = this.#core.x.handle_size(file.handle)
    return size < 0 ? -this.#fail(size, code.IOERR_FSTAT) : size
  }

  /** @param {string} path @param {boolean} syncDir whether the removal must be durable, whatever the name */
  delete(path, syncDir) {
    let rc
    try {
      rc = this.#files.unlink(path)
    } catch (/** @type {any} */ err) {
      if (err.code === 'ENOENT' || err.code === 'ENOTDIR') return code.IOERR_DELETE_NOENT
      return this.failed(err, code.IOERR_DELETE)
    }
    if (rc === 1) rc = this.#core.x.ended(this.#core.sync())
    else if (syncDir) rc = this.#core.sync()
    return rc < 0 ? this.#fail(rc, code.IOERR_DELETE) : code.OK
  }

  /** Whether there is a file that may be used so; an empty one counts as none, as in os_unix.c. @param {string} path @param {number} how */
  access(path, how) {
    if (this.#files.find(path, true) <= 0) return false
    const { u32, f64 } = this.#core
    return how !== code.ACCESS_EXISTS || (u32[A_MODE] & S_IFMT) !== S_IFREG || f64[A_SIZE] > 0
  }

  /**
   * The name by which a database is known whatever it was called: absolute, without links, so that its journal is always found.
   *
   * @param {string} name
   * @returns {{ path: string, followed: boolean } | null}
   */
  fullPath(name) {
    const wanted = name.startsWith('/') ? name : `${this.#directory.replace(/\/+$/, '')}/${name}`
    let path = wanted
    try {
      for (let links = 0; links < MAX_LINKS; links++) {
        const end = path.lastIndexOf('/')
        const dir = this.#fs.realpathSync(path.slice(0, end) || '/')
        path = `${dir === '/' ? '' : dir}/${path.slice(end + 1)}`
        const st = this.#fs.lstatSync(path, { throwIfNoEntry: false })
        if (!st?.isSymbolicLink()) return { path, followed: path !== wanted }
        const target = this.#fs.readlinkSync(path)
        path = target.startsWith('/') ? target : `${dir}/${target}`
      }
      this.failed(new HoldfastError('ELOOP', `too many links: ${name}`, { errno: E.ELOOP }), 0)
    } catch (err) {
      this.failed(err, 0)
    }
    return null
  }

  // Locks and shared memory: of databases only

  /** @param {number} id */
  #connection(id) {
    return /** @type {import('./sqlite-locks.js').Connection} */ (this.#of(id).connection)
  }

  /** @param {number} rc */
  #answer(rc) {
    return rc === code.IOERR_VNODE ? this.#fail(-E.ESTALE, rc) : rc
  }

  /** @param {number} id @param {number} level */
  lock(id, level) {
    const connection = this.#of(id).connection
    return connection ? this.#answer(connection.lock(level)) : code.OK
  }

  /** @param {number} id @param {number} level */
  unlock(id, level) {
    return this.#of(id).connection?.unlock(level) ?? code.OK
  }

  /** @param {number} id */
  reserved(id) {
    return this.#of(id).connection?.reserved() ?? false
  }

  /** The address of a region, 0, or the negative of a result code. @param {number} id @param {number} region @param {number} size @param {boolean} extend */
  shmMap(id, region, size, extend) {
    const p = this.#connection(id).map(this.#memory, region, size, extend)
    return p < 0 ? -this.#answer(-p) : p
  }

  /** @param {number} id @param {number} first @param {number} count @param {number} flags */
  shmLock(id, first, count, flags) {
    return this.#answer(this.#connection(id).lockSlots(first, count, flags))
  }

  /** @param {number} id */
  shmUnmap(id) {
    this.#connection(id).unmap()
    return code.OK
  }

  // What else SQLite asks a file

  /**
   * @param {number} id
   * @param {number} op
   * @param {(n: number) => void} answer leaves a number where SQLite wants it
   */
  control(id, op, answer) {
    const file = this.#of(id)
    switch (op) {
      case code.FCNTL_LOCKSTATE:
        answer(file.connection?.level ?? code.LOCK_NONE)
        return code.OK
      case code.FCNTL_HAS_MOVED:
        answer(file.temp || (!file.connection?.stale && this.#files.find(file.path, true) === file.ino) ? 0 : 1)
        return code.OK
      case code.FCNTL_SIZE_HINT:
        return code.OK
      case code.FCNTL_BEGIN_ATOMIC_WRITE: {
        const size = file.temp ? 0 : this.size(id)
        if (size < 0) return -size
        file.undo = { size, parts: [] }
        return code.OK
      }
      case code.FCNTL_COMMIT_ATOMIC_WRITE: {
        const rc = this.sync(id)
        if (rc === code.OK) file.undo = null
        return rc
      }
      case code.FCNTL_ROLLBACK_ATOMIC_WRITE:
        return this.#rollBack(file)
    }
    return code.NOTFOUND
  }

  /** @param {OpenFile} file */
  #rollBack(file) {
    const { undo } = file
    file.undo = null
    if (!undo || file.temp) return code.OK
    for (const { at, bytes } of undo.parts.reverse()) {
      const rc = this.#put(file, bytes, 0, bytes.length, at)
      if (rc !== code.OK) return rc
    }
    const rc = this.#core.x.handle_truncate(file.handle, undo.size)
    return rc < 0 ? this.#fail(rc, code.IOERR_WRITE) : code.OK
  }

  characteristics() {
    return CHARACTERISTICS
  }
}

/** A temporary file, in memory. */
class TempFile {
  size = 0
  #bytes = new Uint8Array(0)

  /** @param {Uint8Array} to @param {number} p @param {number} n @param {number} at */
  read(to, p, n, at) {
    const got = Math.max(0, Math.min(n, this.size - at))
    to.set(this.#bytes.subarray(at, at + got), p)
    return got
  }

  /** @param {Uint8Array} from @param {number} p @param {number} n @param {number} at */
  write(from, p, n, at) {
    const end = at + n
    if (end > this.#bytes.length) {
      let longer
      try {
        longer = new Uint8Array(Math.max(end, 2 * this.#bytes.length, 65536))
      } catch {
        return code.FULL // a RangeError: the engine has no such array to give
      }
      longer.set(this.#bytes.subarray(0, this.size))
      this.#bytes = longer
    }
    if (at > this.size) this.#bytes.fill(0, this.size, at) // what a truncation left
    this.#bytes.set(from.subarray(p, p + n), at)
    this.size = Math.max(this.size, end)
    return code.OK
  }

  /** @param {number} size */
  truncate(size) {
    this.size = Math.min(this.size, size)
    return code.OK
  }
}
