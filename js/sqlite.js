/**
 * `holdfast/sqlite`: a volume as the VFS of a SQLite that has no filesystem of its own. Every commit that SQLite acknowledges is durable when
 * the statement returns; all journal modes work, and so do several connections, and the write-ahead log without exclusive locking.
 */

import { HoldfastError } from './errors.js'
import { SqliteFiles } from './sqlite-files.js'
import * as code from './sqlite-codes.js'

const MAX_PATH = 1024 // bytes of a path, with the zero at its end
const UNIX_EPOCH = 210866760000000 // in milliseconds of the Julian day (sqlite3_vfs.xCurrentTimeInt64)

/**
 * How a volume is registered as a VFS.
 *
 * @typedef {object} VfsOptions
 * @property {string} [name] the VFS's name, 'holdfast' by default
 * @property {string} [directory] the directory of the volume where relative file names start; its root by default. It must exist
 * @property {boolean} [makeDefault] whether connections that name no VFS use it
 */

/**
 * Installs a volume as a VFS of `@sqlite.org/sqlite-wasm`:
 *
 * ```js
 * const vfs = installVfs(await sqlite3InitModule(), volume)
 * const db = new sqlite3.oo1.DB('/app.db', 'c', vfs.name)
 * ```
 *
 * @param {any} sqlite3 what sqlite3InitModule() resolves with
 * @param {import('./volume.js').Volume} volume
 * @param {VfsOptions} [options]
 * @returns {{ name: string, readonly lastError: any, uninstall: () => void }} lastError: the error behind the last result code that told
 *   of one, with a code and a hint. `uninstall` throws while a database is open
 */
export function installVfs(sqlite3, volume, { name = 'holdfast', directory = '/', makeDefault = false } = {}) {
  const { capi, wasm } = sqlite3 ?? {}
  if (typeof sqlite3?.vfs?.installVfs !== 'function') throw new TypeError('installVfs needs what sqlite3InitModule() of @sqlite.org/sqlite-wasm resolves with')
  if (capi.sqlite3_vfs_find(name)) throw new HoldfastError('EEXIST', `SQLite has a VFS ${name} already`, { errno: 17, hint: 'give this one another name' })

  let bytes = new Uint8Array(0)
  const memory = {
    get bytes() {
      if (bytes.buffer !== wasm.memory.buffer) bytes = new Uint8Array(wasm.memory.buffer)
      return bytes
    },
    alloc: (/** @type {number} */ n) => zeroed(memory, Number(capi.sqlite3_malloc(n)), n),
    free: (/** @type {number} */ p) => capi.sqlite3_free(p),
  }
  const files = new SqliteFiles(volume, memory, directory)
  const { io, vfs } = methodsOf(files, memory)
  const { xRead, xWrite, xTruncate } = io

  const ioStruct = new capi.sqlite3_io_methods()
  const vfsStruct = new capi.sqlite3_vfs()
  ioStruct.$iVersion = 2
  vfsStruct.$iVersion = 2
  vfsStruct.$szOsFile = capi.sqlite3_file.structInfo.sizeof
  vfsStruct.$mxPathname = MAX_PATH
  vfsStruct.addOnDispose((vfsStruct.$zName = wasm.allocCString(name)))
  sqlite3.vfs.installVfs({
    io: {
      struct: ioStruct,
      methods: {
        ...io,
        xRead: (/** @type {number} */ f, /** @type {number} */ p, /** @type {number} */ n, /** @type {bigint} */ at) => xRead(f, p, n, Number(at)),
        xWrite: (/** @type {number} */ f, /** @type {number} */ p, /** @type {number} */ n, /** @type {bigint} */ at) => xWrite(f, p, n, Number(at)),
        xTruncate: (/** @type {number} */ f, /** @type {bigint} */ size) => xTruncate(f, Number(size)),
      },
    },
    vfs: {
      struct: vfsStruct,
      methods: {
        ...vfs,
        xOpen: (/** @type {number} */ v, /** @type {number} */ z, /** @type {number} */ f, /** @type {number} */ flags, /** @type {number} */ out) => {
          const rc = vfs.xOpen(v, z, f, flags, out)
          wasm.pokePtr(f, rc === code.OK ? ioStruct.pointer : 0)
          return rc
        },
      },
      asDefault: makeDefault,
    },
  })
  return {
    name,
    get lastError() {
      return files.lastError
    },
    uninstall() {
      if (files.openFiles > 0) throw new HoldfastError('EBUSY', `a database is open in VFS ${name}`, { errno: 16, hint: 'close the connections first' })
      capi.sqlite3_vfs_unregister(vfsStruct.pointer)
      vfsStruct.dispose()
      ioStruct.dispose()
    },
  }
}

/**
 * A volume as a VFS of wa-sqlite, version 2 of its interface, in its synchronous and its asynchronous builds:
 *
 * ```js
 * const module = await SQLiteESMFactory()
 * const sqlite3 = SQLite.Factory(module)
 * sqlite3.vfs_register(waSqliteVfs(module, volume), true)
 * const db = await sqlite3.open_v2('/app.db')
 * ```
 *
 * @param {any} module what the build's factory resolves with
 * @param {import('./volume.js').Volume} volume
 * @param {Omit<VfsOptions, 'makeDefault'>} [options]
 * @returns {any} for `vfs_register`; its `lastError` is that of installVfs
 */
export function waSqliteVfs(module, volume, { name = 'holdfast', directory = '/' } = {}) {
  if (typeof module?.vfs_register !== 'function') throw new TypeError('waSqliteVfs needs the module of a wa-sqlite build, version 1.1 or newer')
  let bytes = new Uint8Array(0)
  const memory = {
    get bytes() {
      if (bytes.buffer !== module.HEAPU8.buffer) bytes = new Uint8Array(module.HEAPU8.buffer)
      return bytes
    },
    alloc: (/** @type {number} */ n) => zeroed(memory, module._sqlite3_malloc(n), n),
    free: (/** @type {number} */ p) => module._sqlite3_free(p),
  }
  const files = new SqliteFiles(volume, memory, directory)
  const { io, vfs } = methodsOf(files, memory)
  const { xRead, xWrite, xTruncate } = io
  /** Emscripten hands 64 bits over as two halves. @param {number} low @param {number} high */
  const join = (low, high) => high * 2 ** 32 + (low >>> 0)
  /** @typedef {number} N */
  return {
    name,
    mxPathname: MAX_PATH,
    hasAsyncMethod: () => false,
    close() {},
    isReady: () => true,
    get lastError() {
      return files.lastError
    },
    ...vfs,
    ...io,
    xRead: (/** @type {N} */ f, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ low, /** @type {N} */ high) => xRead(f, p, n, join(low, high)),
    xWrite: (/** @type {N} */ f, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ low, /** @type {N} */ high) => xWrite(f, p, n, join(low, high)),
    xTruncate: (/** @type {N} */ f, /** @type {N} */ low, /** @type {N} */ high) => xTruncate(f, join(low, high)),
  }
}

/**
 * @param {{ readonly bytes: Uint8Array }} memory
 * @param {number} p 0 when there was no memory
 * @param {number} n
 */
function zeroed(memory, p, n) {
  if (p !== 0) memory.bytes.fill(0, p, p + n)
  return p
}

/**
 * The methods of sqlite3_io_methods and sqlite3_vfs. Offsets and sizes are numbers; everything else is as SQLite passes it.
 * No exception leaves them.
 *
 * @param {SqliteFiles} files
 * @param {import('./sqlite-files.js').Memory} memory
 */
function methodsOf(files, memory) {
  /** @typedef {number} N */
  const encoder = new TextEncoder()
  const decoder = new TextDecoder()

  /** @param {N} p a zero-terminated string */
  function text(p) {
    const { bytes } = memory
    return decoder.decode(bytes.subarray(p, bytes.indexOf(0, p)))
  }

  /** @param {N} p @param {N} n */
  function poke32(p, n) {
    const { bytes } = memory
    bytes[p] = n
    bytes[p + 1] = n >> 8
    bytes[p + 2] = n >> 16
    bytes[p + 3] = n >> 24
  }

  /** @param {N} p @param {N} n not negative */
  function poke64(p, n) {
    poke32(p, n % 2 ** 32)
    poke32(p + 4, n / 2 ** 32)
  }

  /**
   * @template {(...args: any[]) => number} F
   * @param {F} method
   * @param {N} otherwise the result code when it throws, as it does when the module dies
   * @returns {F}
   */
  function caught(method, otherwise) {
    return /** @type {F} */ (
      (...args) => {
        try {
          return method(...args)
        } catch (err) {
          return files.failed(err, otherwise)
        }
      }
    )
  }

  /** @type {Record<string, (...args: any[]) => number>} */
  const io = {
    xClose: caught((/** @type {N} */ f) => files.close(f), code.IOERR),
    xRead: caught((/** @type {N} */ f, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ at) => files.read(f, p, n, at), code.IOERR_READ),
    xWrite: caught((/** @type {N} */ f, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ at) => files.write(f, p, n, at), code.IOERR_WRITE),
    xTruncate: caught((/** @type {N} */ f, /** @type {N} */ size) => files.truncate(f, size), code.IOERR_TRUNCATE),
    xSync: caught((/** @type {N} */ f, /** @type {N} */ _flags) => files.sync(f), code.IOERR_FSYNC),
    xFileSize: caught((/** @type {N} */ f, /** @type {N} */ out) => {
      const size = files.size(f)
      if (size < 0) return -size
      poke64(out, size)
      return code.OK
    }, code.IOERR_FSTAT),
    xLock: caught((/** @type {N} */ f, /** @type {N} */ level) => files.lock(f, level), code.IOERR),
    xUnlock: caught((/** @type {N} */ f, /** @type {N} */ level) => files.unlock(f, level), code.IOERR),
    xCheckReservedLock: caught((/** @type {N} */ f, /** @type {N} */ out) => {
      poke32(out, files.reserved(f) ? 1 : 0)
      return code.OK
    }, code.IOERR),
    xFileControl: caught((/** @type {N} */ f, /** @type {N} */ op, /** @type {N} */ out) => files.control(f, op, (n) => poke32(out, n)), code.IOERR),
    xSectorSize: () => 4096, // a page of the volume; SQLite does not ask a file with POWERSAFE_OVERWRITE
    xDeviceCharacteristics: () => files.characteristics(),
    xShmMap: caught((/** @type {N} */ f, /** @type {N} */ region, /** @type {N} */ size, /** @type {N} */ extend, /** @type {N} */ out) => {
      const p = files.shmMap(f, region, size, extend !== 0)
      poke32(out, Math.max(0, p))
      return p < 0 ? -p : code.OK
    }, code.IOERR_SHMMAP),
    xShmLock: caught((/** @type {N} */ f, /** @type {N} */ first, /** @type {N} */ n, /** @type {N} */ flags) => files.shmLock(f, first, n, flags), code.IOERR),
    xShmBarrier: () => code.OK, // one thread sees its writes in order
    xShmUnmap: caught((/** @type {N} */ f, /** @type {N} */ _delete) => files.shmUnmap(f), code.IOERR),
  }

  /** @type {Record<string, (...args: any[]) => number>} */
  const vfs = {
    xOpen: caught((/** @type {N} */ _vfs, /** @type {N} */ z, /** @type {N} */ f, /** @type {N} */ flags, /** @type {N} */ out) => {
      const rc = files.open(z === 0 ? null : text(z), f, flags)
      if (rc === code.OK && out !== 0) poke32(out, flags)
      return rc
    }, code.CANTOPEN),
    xDelete: caught((/** @type {N} */ _vfs, /** @type {N} */ z, /** @type {N} */ syncDir) => files.delete(text(z), syncDir !== 0), code.IOERR_DELETE),
    xAccess: caught((/** @type {N} */ _vfs, /** @type {N} */ z, /** @type {N} */ how, /** @type {N} */ out) => {
      poke32(out, files.access(text(z), how) ? 1 : 0)
      return code.OK
    }, code.IOERR_ACCESS),
    xFullPathname: caught((/** @type {N} */ _vfs, /** @type {N} */ z, /** @type {N} */ room, /** @type {N} */ out) => {
      const found = files.fullPath(text(z))
      const name = encoder.encode(found?.path)
      if (!found || name.length >= room) return code.CANTOPEN_FULLPATH
      memory.bytes.set(name, out)
      memory.bytes[out + name.length] = 0
      return found.followed ? code.OK_SYMLINK : code.OK
    }, code.CANTOPEN_FULLPATH),
    xRandomness: (/** @type {N} */ _vfs, /** @type {N} */ n, /** @type {N} */ out) => {
      const random = crypto.getRandomValues(new Uint8Array(n))
      memory.bytes.set(random, out)
      return n
    },
    // Whoever holds the lock that SQLite waits for is in this worker, and cannot go on while it sleeps.
    xSleep: (/** @type {N} */ _vfs, /** @type {N} */ microseconds) => microseconds,
    xCurrentTime: (/** @type {N} */ _vfs, /** @type {N} */ out) => {
      memory.bytes.set(new Uint8Array(new Float64Array([(UNIX_EPOCH + Date.now()) / 86400000]).buffer), out)
      return code.OK
    },
    xCurrentTimeInt64: (/** @type {N} */ _vfs, /** @type {N} */ out) => {
      poke64(out, UNIX_EPOCH + Date.now())
      return code.OK
    },
    xGetLastError: () => code.OK,
  }
  return { io, vfs }
}
