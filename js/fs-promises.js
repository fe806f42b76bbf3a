/**
 * `volume.fs.promises`: the same calls, whose results and errors come through a promise. The work itself is done at once, in
 * memory; only a commit, in FileHandle.sync, touches a disk, and that too is synchronous.
 */

import { toBuffer, toPath } from './fs-args.js'
import { linesOf } from './fs-streams.js'
import { watchEvents } from './fs-watch.js'

const NAMES = /** @type {const} */ ([
  'access',
  'appendFile',
  'chmod',
  'chown',
  'copyFile',
  'cp',
  'lchown',
  'link',
  'lstat',
  'lutimes',
  'mkdir',
  'mkdtemp',
  'opendir',
  'readFile',
  'readdir',
  'readlink',
  'realpath',
  'rename',
  'rm',
  'rmdir',
  'stat',
  'statfs',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
  'writeFile',
])

/** @typedef {(typeof NAMES)[number]} Name */
/** @typedef {any} SyncFs */

/**
 * @typedef {{ [N in Name]: (...args: any[]) => Promise<any> } & { open: (path: any, flags?: string | number, mode?: number | string) => Promise<FileHandle>,
 *   watch: (path: any, options?: { recursive?: boolean, signal?: AbortSignal }) => AsyncIterableIterator<{ eventType: 'rename' | 'change', filename: string }>, constants: any }} VolumePromises
 */

/**
 * @param {SyncFs} fs
 * @returns {VolumePromises}
 */
export function promisesOf(fs) {
  /** @type {any} */
  const p = { constants: fs.constants }
  for (const name of NAMES) {
    const sync = fs[`${name}Sync`]
    const call = sync.native ?? sync // Node's promises have the native realpath
    p[name] = async (/** @type {any[]} */ ...args) => {
      // A FileHandle in the place of a path stands for its descriptor.
      if (args[0] instanceof FileHandle) args[0] = args[0].fd
      else if (typeof args[0] === 'number') toPath(/** @type {any} */ (args[0])) // a descriptor alone does not
      return call(...args)
    }
  }
  p.open = async (/** @type {any} */ path, /** @type {any} */ flags, /** @type {any} */ mode) => new FileHandle(fs, fs.openSync(path, flags, mode))
  p.watch = (/** @type {any} */ path, /** @type {any} */ options) => watchEvents(fs, path, typeof options === 'string' ? {} : options)
  return p
}

/** An open file, as fsPromises.open gives it. */
export class FileHandle {
  #fs
  /** @type {number} -1 when closed */
  fd

  /**
   * @param {SyncFs} fs
   * @param {number} fd
   */
  constructor(fs, fd) {
    this.#fs = fs
    this.fd = fd
  }

  /** Closes it; a second call does nothing. */
  async close() {
    const fd = this.fd
    this.fd = -1
    if (fd >= 0) this.#fs.closeSync(fd)
  }
  /** @param {any} [buffer] or an object with buffer, offset, length and position @param {any[]} rest @returns {Promise<{ bytesRead: number, buffer: any }>} */
  async read(buffer, ...rest) {
    if (!ArrayBuffer.isView(buffer)) {
      rest = [buffer ?? {}]
      buffer = buffer?.buffer ?? toBuffer(new Uint8Array(16384))
    }
    return { bytesRead: this.#fs.readSync(this.fd, buffer, ...rest), buffer }
  }
  /** @param {ArrayBufferView[]} buffers @param {number | null} [position] */
  async readv(buffers, position) {
    return { bytesRead: this.#fs.readvSync(this.fd, buffers, position), buffers }
  }
  /** @param {ArrayBufferView[]} buffers @param {number | null} [position] */
  async writev(buffers, position) {
    return { bytesWritten: this.#fs.writevSync(this.fd, buffers, position), buffers }
  }
  /** The lines of a text. @param {import('./fs-streams.js').ReadOptions} [options] */
  async *readLines(options = {}) {
    yield* linesOf(this.#fs, this.fd, { autoClose: false, ...options })
    if (options.autoClose !== false) await this.close()
  }
  /** @param {import('./fs-streams.js').ReadOptions} [options] @returns {ReadableStream<any>} */
  createReadStream(options = {}) {
    return this.#fs.createReadStream(null, { ...options, fd: this })
  }
  /** @param {import('./fs-streams.js').WriteOptions} [options] @returns {WritableStream<any>} */
  createWriteStream(options = {}) {
    return this.#fs.createWriteStream(null, { ...options, fd: this })
  }
  /** @param {{ autoClose?: boolean }} [options] @returns {ReadableStream<any>} */
  readableWebStream({ autoClose = false } = {}) {
    return this.createReadStream({ autoClose })
  }
  /** @param {any} data @param {any[]} rest @returns {Promise<{ bytesWritten: number, buffer: any }>} */
  async write(data, ...rest) {
    return { bytesWritten: this.#fs.writeSync(this.fd, data, ...rest), buffer: data }
  }
  /** @param {any} [options] */
  async readFile(options) {
    return this.#fs.readFileSync(this.fd, options)
  }
  /** @param {any} data @param {any} [options] */
  async writeFile(data, options) {
    this.#fs.writeFileSync(this.fd, data, options)
  }
  /** @param {any} data @param {any} [options] */
  async appendFile(data, options) {
    this.#fs.writeFileSync(this.fd, data, options)
  }
  /** @param {any} [options] */
  async stat(options) {
    return this.#fs.fstatSync(this.fd, options)
  }
  /** @param {number} [length] */
  async truncate(length) {
    this.#fs.ftruncateSync(this.fd, length)
  }
  /** @param {number | string} mode */
  async chmod(mode) {
    this.#fs.fchmodSync(this.fd, mode)
  }
  /** @param {number} uid @param {number} gid */
  async chown(uid, gid) {
    this.#fs.fchownSync(this.fd, uid, gid)
  }
  /** @param {any} atime @param {any} mtime */
  async utimes(atime, mtime) {
    this.#fs.futimesSync(this.fd, atime, mtime)
  }
  /** Makes the volume durable. */
  async sync() {
    this.#fs.fsyncSync(this.fd)
  }
  async datasync() {
    this.#fs.fdatasyncSync(this.fd)
  }
  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.close()
  }
}
