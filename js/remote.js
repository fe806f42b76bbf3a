/** What can be done with published volumes without opening one. */

import { S_IFDIR, S_IFLNK, S_IFREG } from './abi.js'
import { HoldfastError } from './errors.js'
import { Stats } from './fs-stats.js'
import { remoteModule } from './remote-module.js'

/**
 * Options of everything that works on an object store.
 *
 * @typedef {object} RemoteOptions
 * @property {Uint8Array} [encryptionKey] 32 bytes that what is published is encrypted with. It is lost without them
 * @property {AbortSignal} [signal] stops within one request
 * @property {(p: import('./volume.js').Progress) => void} [onProgress] no number ever gets smaller
 * @property {import('./module.js').WasmSource} [wasm] where remote.wasm is, when it is not beside this package
 *
 * A snapshot in an object store.
 *
 * @typedef {import('./volume.js').Published & RemoteSnapshotDetails} RemoteSnapshot
 *
 * @typedef {object} RemoteSnapshotDetails
 * @property {number} modified when it was written, by the store's clock; 0 when the store does not tell
 * @property {boolean} locked encrypted with another key than the one given: its label is not known
 * @property {string[]} volumes the names whose history holds it. None: its publish ended in a conflict, or what led to it was pruned
 * @property {string[]} current the names that are at it now
 *
 * One thing that checkRemote has tried.
 *
 * @typedef {object} RemoteCheck
 * @property {'access' | 'if-none-match' | 'if-match' | 'etag' | 'range' | 'date' | 'clock' | 'list' | 'delete'} name
 * @property {boolean} ok
 * @property {string} [problem] one sentence on what is wrong
 * @property {string} [fix] one sentence on what to do about it
 * @property {string} [code] of the error that the store answered with, such as ErrCredentials
 * @property {string} [message] of that error
 *
 * What prune keeps.
 *
 * @typedef {object} PruneOptions
 * @property {number} [keep] newest snapshots to keep in each volume's history
 * @property {number} [olderThan] ms: keep those that are younger
 * @property {number} [gracePeriod] ms: keep what was written, or current, this lately; default 24 hours. Less than 19 hours is safe only
 *   while nobody publishes
 * @property {boolean} [dryRun] only report
 *
 * What prune has kept and deleted.
 *
 * @typedef {object} PruneReport
 * @property {number} snapshotsKept
 * @property {number} packsKept
 * @property {number} bytesKept
 * @property {number} snapshotsDeleted
 * @property {number} packsDeleted
 * @property {number} bytesDeleted
 * @property {number} packsWaiting nothing needs them, but the grace period is not over
 * @property {number} bytesWaiting
 * @property {string[]} deleted keys, in the order of deletion
 *
 * What verifyRemote has read, and what is wrong with it.
 *
 * @typedef {object} VerifyReport
 * @property {number} heads
 * @property {number} snapshots
 * @property {number} packs
 * @property {number} bytes
 * @property {number} unneeded packs that no snapshot names; prune deletes them
 * @property {number} abandoned snapshots in no history that lack packs: of publishes that ended in a conflict; prune deletes them
 * @property {number} locked packs and snapshots that are encrypted with another key: of these only the outer hashes were checked
 * @property {{ key: string, code: string, message: string }[]} damages empty when all is well
 *
 * @typedef {import('./volume.js').ObjectStore} ObjectStore
 */

/**
 * The snapshots that are in an object store, newest first. Each can be pulled.
 *
 * @param {ObjectStore} remote
 * @param {RemoteOptions & { name?: string }} [options] name: only the history of that volume
 * @returns {Promise<RemoteSnapshot[]>}
 */
export async function listSnapshots(remote, { name = '', ...options } = {}) {
  return call('list', remote, { volume: name }, options)
}

/**
 * Proves that a store honours conditional writes, shows ETag and Date (in a browser: through CORS), answers range requests and lists, and
 * has a clock that agrees with this machine's; says of everything else what is wrong and how to fix it. It writes one object, below
 * checks/, and removes it. It rejects only when it is aborted.
 *
 * @param {ObjectStore} remote
 * @param {Pick<RemoteOptions, 'signal' | 'wasm'>} [options]
 * @returns {Promise<{ ok: boolean, checks: RemoteCheck[], clockSkew: number | null }>} clockSkew: the store's clock minus this machine's, in ms
 */
export async function checkRemote(remote, options = {}) {
  return call('check', remote, {}, options)
}

/**
 * Reads and checks every head, snapshot and pack of a store, whichever volume they are of. It goes on after damage, and resolves with all of it.
 *
 * @param {ObjectStore} remote
 * @param {RemoteOptions} [options]
 * @returns {Promise<VerifyReport>}
 */
export async function verifyRemote(remote, options = {}) {
  return call('verifyRemote', remote, {}, options)
}

/**
 * Deletes what no kept snapshot needs. A snapshot of a volume's history is given up when it is past the newest `keep` and older than
 * `olderThan`; with neither given, whole histories are kept, and only what failed publishes left behind is deleted. What a volume is at is
 * always kept. It may run beside publishers, and no harm is done when it is interrupted. It needs no key.
 *
 * @param {ObjectStore} remote
 * @param {RemoteOptions & PruneOptions} [options]
 * @returns {Promise<PruneReport>}
 */
export async function prune(remote, { keep = 0, olderThan = 0, gracePeriod, dryRun = false, ...options } = {}) {
  if (!Number.isSafeInteger(keep) || keep < 0 || keep > 2 ** 31 - 1) throw invalid(`keep is a number of snapshots, not ${keep}`)
  for (const [name, ms] of Object.entries({ olderThan, gracePeriod: gracePeriod ?? 0 })) {
    if (!(ms >= 0)) throw invalid(`${name} is a number of milliseconds, not ${ms}`)
  }
  const finite = (/** @type {number} */ ms) => Math.min(ms, Number.MAX_SAFE_INTEGER)
  return call('prune', remote, { keep, olderThan: finite(olderThan), gracePeriod: gracePeriod && finite(gracePeriod), dryRun }, options)
}

/**
 * Opens a published snapshot to be read in place: what is read is fetched by range requests, and checked; nothing else is. It fetches the
 * indexes of the snapshot's packs at first, about one percent of its size.
 *
 * @param {ObjectStore} remote
 * @param {RemoteOptions & { name: string, snapshot?: import('./volume.js').Published | string }} options name: of the volume; snapshot: another one than the current
 * @returns {Promise<RemoteFiles>}
 */
export async function readRemote(remote, { name, snapshot, encryptionKey, signal, onProgress, wasm }) {
  const id = typeof snapshot === 'string' ? snapshot : (snapshot?.id ?? '')
  const key = checkKey(encryptionKey)
  const module = await remoteModule(wasm, signal)
  const { reader, info } = await module.call('openRemote', remote, { volume: name, snapshot: id }, { signal, onProgress, key })
  return new RemoteFiles(module, reader, info)
}

const CHUNK = 8 << 20

/**
 * The files of a published snapshot, read-only. Paths begin at the root, with or without "/". Errors about a path have the code that node:fs
 * gives them, such as ENOENT.
 */
export class RemoteFiles {
  /** @readonly @type {import('./volume.js').Published} */ snapshot
  #module
  #reader

  /**
   * @param {import('./remote-module.js').RemoteModule} module
   * @param {number} reader
   * @param {import('./volume.js').Published} snapshot
   */
  constructor(module, reader, snapshot) {
    this.#module = module
    this.#reader = reader
    this.snapshot = snapshot
  }

  /**
   * @param {string} op
   * @param {string} path
   * @param {{ signal?: AbortSignal, offset?: number, length?: number }} [options]
   */
  async #call(op, path, { signal, offset = 0, length = 0 } = {}) {
    return this.#module.call('readRemote', null, { reader: this.#reader, op, path, offset, length }, { signal })
  }

  /**
   * A file's content, or a part of it.
   *
   * @overload
   * @param {string} path
   * @param {{ offset?: number, length?: number, encoding?: undefined, signal?: AbortSignal }} [options]
   * @returns {Promise<Uint8Array>}
   */
  /**
   * @overload
   * @param {string} path
   * @param {{ offset?: number, length?: number, encoding: string, signal?: AbortSignal }} options encoding: a label of TextDecoder
   * @returns {Promise<string>}
   */
  /**
   * @param {string} path
   * @param {{ offset?: number, length?: number, encoding?: string, signal?: AbortSignal }} [options]
   * @returns {Promise<Uint8Array | string>}
   */
  async readFile(path, { offset = 0, length, encoding, signal } = {}) {
    for (const n of [offset, length ?? 0]) if (!Number.isSafeInteger(n) || n < 0) throw invalid(`not a number of bytes: ${n}`)
    const decoder = encoding === undefined ? null : new TextDecoder(encoding)
    const { size } = await this.#call('stat', path, { signal })
    const left = Math.max(0, Math.min(length ?? size, size - offset))
    if (left > 2 ** 31 - 1) throw new HoldfastError('EFBIG', `${path} is too large to be read at once: read it in parts`, { path, errno: 27 })
    const content = new Uint8Array(left)
    let done = 0
    do {
      // At least one read, which tells a directory from a file.
      const part = await this.#call('read', path, { offset: offset + done, length: Math.min(CHUNK, left - done), signal })
      content.set(part, done)
      done += part.length
      if (part.length === 0) break
    } while (done < left)
    return decoder ? decoder.decode(content) : content
  }

  /**
   * The names in a directory, sorted by their bytes.
   *
   * @overload
   * @param {string} path
   * @param {{ withFileTypes?: false, signal?: AbortSignal }} [options]
   * @returns {Promise<string[]>}
   */
  /**
   * @overload
   * @param {string} path
   * @param {{ withFileTypes: true, signal?: AbortSignal }} options
   * @returns {Promise<RemoteEntry[]>}
   */
  /**
   * @param {string} path
   * @param {{ withFileTypes?: boolean, signal?: AbortSignal }} [options]
   * @returns {Promise<string[] | RemoteEntry[]>}
   */
  async readdir(path, { withFileTypes = false, signal } = {}) {
    /** @type {{ name: string, type: number }[]} */
    const list = await this.#call('readdir', path, { signal })
    return withFileTypes ? list.map(({ name, type }) => ({ name, type: TYPES[type] ?? 'other' })) : list.map(({ name }) => name)
  }

  /**
   * @param {string} path
   * @param {{ signal?: AbortSignal }} [options]
   */
  async stat(path, options) {
    return new Stats(await this.#call('stat', path, options), 0)
  }

  /**
   * @param {string} path
   * @param {{ signal?: AbortSignal }} [options]
   */
  async lstat(path, options) {
    return new Stats(await this.#call('lstat', path, options), 0)
  }

  /**
   * @param {string} path
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<string>}
   */
  async readlink(path, options) {
    return this.#call('readlink', path, options)
  }

  /** Gives the memory back. Calls reject with EBADF from then on; a second close does nothing. */
  async close() {
    if (!this.#module.dead) await this.#call('close', '').catch(() => {})
  }
}

/** @typedef {{ name: string, type: 'file' | 'directory' | 'symlink' | 'other' }} RemoteEntry */

/** @type {Record<number, RemoteEntry['type']>} */
const TYPES = { [S_IFREG]: 'file', [S_IFDIR]: 'directory', [S_IFLNK]: 'symlink' }

/** @param {string} message */
function invalid(message) {
  return new HoldfastError('ErrInvalid', message, { errno: 22 })
}

/**
 * Refuses what is no key.
 *
 * @param {Uint8Array | undefined} key
 * @returns {Uint8Array | null}
 */
export function checkKey(key) {
  if (key === undefined || key === null) return null
  if (!(key instanceof Uint8Array) || key.length !== 32) throw invalid('encryptionKey is a Uint8Array of 32 bytes')
  return key
}

/**
 * @param {string} what
 * @param {ObjectStore} remote
 * @param {object} request
 * @param {RemoteOptions} options
 * @returns {Promise<any>}
 */
async function call(what, remote, request, { encryptionKey, signal, onProgress, wasm }) {
  const key = checkKey(encryptionKey)
  return (await remoteModule(wasm, signal)).call(what, remote, request, { signal, onProgress, key })
}
