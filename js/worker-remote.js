/** The page's side of a connection. */

import * as Comlink from './dist/comlink.js'
import { throwIfAborted } from './errors.js'
import { Stats } from './fs-stats.js'
import { reach } from './worker-link.js'
import { METHODS, Sent, abortable, opened } from './worker-wire.js'
import { referenceTo } from './worker-stores.js'

/** @typedef {import('./volume.js').Snapshot} Snapshot */
/** @typedef {import('./volume.js').Progress} Progress */
/** @typedef {import('./volume.js').ObjectStore} ObjectStore */
/** @typedef {import('./worker-link.js').Link} Link */
/** @typedef {import('./worker-wire.js').Endpoint} Endpoint */
/** @typedef {import('./worker-wire.js').Method} Method */
/** @typedef {import('./worker-wire.js').FileMethod} FileMethod */
/** @typedef {import('./worker-stores.js').Reference} Reference */

/**
 * Connects to the volume that a worker has exposed, when it is open. Rejects with the error of its `open()`, or with
 * ErrWorker when the worker's program fails before it exposes one.
 *
 * @param {Endpoint} worker a Worker, or a MessagePort to one
 * @param {{ name?: string, signal?: AbortSignal }} [options] name: as it was exposed; signal: ends the wait
 * @returns {Promise<RemoteVolume>}
 */
export async function connect(worker, { name = '', signal } = {}) {
  worker.start?.()
  const link = await reach(worker, name, signal)
  try {
    return new RemoteVolume(link, opened(await abortable(link.ask('about'), signal)))
  } catch (err) {
    link.end()
    throw err
  }
}

/**
 * A volume in a worker. Its methods are those of Volume, with promises. A signal or a progress function works as if it were called there, and
 * errors are the same: HoldfastErrors with code, hint and details, or errors of `fs` with code, errno, syscall and path.
 */
export class RemoteVolume {
  /** @readonly @type {string} */ name
  /** @readonly @type {string} */ uuid
  /** @readonly @type {'fsync' | 'manual'} */ durability
  /** Files of the volume, or of a snapshot of it. @readonly @type {RemoteFiles} */ fs
  /** As Volume.lost: resolves with the reason when the volume was taken over or died; ErrWorker when its worker has ended. @readonly @type {Promise<import('./errors.js').HoldfastError>} */ lost
  #link
  #calls = 0
  /** @type {WeakMap<object, number>} */
  #stores = new WeakMap()
  #storeCount = 0

  /**
   * @param {Link} link
   * @param {{ name: string, uuid: string, durability: 'fsync' | 'manual' }} about
   */
  constructor(link, { name, uuid, durability }) {
    this.#link = link
    this.name = name
    this.uuid = uuid
    this.durability = durability
    this.fs = new RemoteFiles(link)
    this.lost = link.ask('lost').then(opened).catch((/** @type {import('./errors.js').HoldfastError} */ err) => err)
  }

  /** As Volume.snapshot. @param {{ label?: string }} [options] @returns {Promise<Snapshot>} */
  snapshot(options) {
    return this.#call('snapshot', [options])
  }

  /** As Volume.snapshots. @returns {Promise<Snapshot[]>} */
  snapshots() {
    return this.#call('snapshots', [])
  }

  /**
   * As Volume.diff.
   *
   * @param {Snapshot | string} a
   * @param {Snapshot | string} [b]
   * @returns {Promise<import('./volume.js').Change[]>}
   */
  diff(a, b) {
    return this.#call('diff', [a, b])
  }

  /** As Volume.restore. @param {Snapshot | string} snapshot @returns {Promise<void>} */
  restore(snapshot) {
    return this.#call('restore', [snapshot])
  }

  /** As Volume.deleteSnapshot. @param {Snapshot | string} snapshot @returns {Promise<void>} */
  deleteSnapshot(snapshot) {
    return this.#call('deleteSnapshot', [snapshot])
  }

  /** As Volume.commit. @param {{ label?: string }} [options] @returns {Promise<import('./volume.js').CommitResult>} */
  commit(options) {
    return this.#call('commit', [options])
  }

  /** As Volume.verify. @param {{ signal?: AbortSignal, onProgress?: (p: Progress) => void }} [options] @returns {Promise<void>} */
  verify(options) {
    return this.#call('verify', [], options)
  }

  /** As Volume.estimate. @returns {Promise<import('./volume.js').Estimate>} */
  estimate() {
    return this.#call('estimate', [])
  }

  /**
   * As Volume.publish. What `s3()` and `gateway()` return is made again in the worker, where the work is done; functions in their configuration, such as one that
   * fetches credentials, are called here. A store of one's own is called here.
   *
   * @param {ObjectStore} remote
   * @param {import('./volume.js').TransferOptions & { label?: string, overwrite?: boolean, onConflict?: 'fail' | 'branch' }} [options]
   * @returns {Promise<import('./volume.js').PublishResult>}
   */
  publish(remote, options) {
    return this.#call('publish', [], options, remote)
  }

  /**
   * As Volume.pull.
   *
   * @param {ObjectStore} remote as for publish
   * @param {import('./volume.js').TransferOptions & { snapshot?: import('./volume.js').Published | string }} [options]
   * @returns {Promise<import('./volume.js').Published>}
   */
  pull(remote, options) {
    return this.#call('pull', [], options, remote)
  }

  /** Closes the volume in the worker, for everybody. @param {{ commit?: boolean }} [options] @returns {Promise<void>} */
  close(options) {
    return this.#call('close', [options])
  }

  /** Ends this connection. The volume stays open in the worker. */
  disconnect() {
    this.#link.end()
  }

  /**
   * @param {Method} method
   * @param {any[]} args
   * @param {any} [options] with signal and onProgress, which cannot be sent
   * @param {ObjectStore} [remote]
   */
  async #call(method, args, options = {}, remote) {
    const { signal, onProgress, ...rest } = options
    throwIfAborted(signal)
    if (rest.wasm instanceof URL) rest.wasm = String(rest.wasm) // which can be sent
    if (METHODS[method] >= 0) args.push(rest)
    const id = ++this.#calls
    const sent = new Sent()
    const call = { id, method, args, store: remote && this.#reference(remote, sent), onProgress: onProgress && sent.port((/** @type {Progress} */ p) => queueMicrotask(() => onProgress(p))) }
    const abort = () => this.#link.tell('abort', id)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return opened(await this.#link.ask('call', sent.with(call)), signal)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /**
   * @param {any} store
   * @param {Sent} sent
   * @returns {Reference}
   */
  #reference(store, sent) {
    const known = this.#stores.get(store)
    if (known) return { id: known }
    const id = ++this.#storeCount
    this.#stores.set(store, id)
    return referenceTo(store, id, sent)
  }
}

/**
 * The files, with promises: names and errors of node:fs. Bytes that are read are handed over, not copied. Those that are written are copied, unless
 * `transfer: true` gives them away.
 *
 * Those that read take `snapshot`, the files of which are meant instead of the present ones.
 */
export class RemoteFiles {
  #link

  /** @param {Link} link */
  constructor(link) {
    this.#link = link
  }

  /**
   * The bytes of a file, or its text when an encoding is given.
   *
   * @template {{ encoding?: 'utf8' | 'latin1' | 'base64' | 'hex', snapshot?: Snapshot | string }} O
   * @param {string} path
   * @param {O} [options]
   * @returns {Promise<O extends { encoding: string } ? string : Uint8Array>}
   */
  readFile(path, options) {
    return this.#call('readFile', [path, options?.encoding], options)
  }

  /**
   * Replaces a file, or makes it. It is durable from the next commit on, as everything here.
   *
   * @param {string} path
   * @param {Uint8Array | string} data
   * @param {{ mode?: number, flag?: string, transfer?: boolean }} [options]
   * @returns {Promise<void>}
   */
  writeFile(path, data, { transfer, ...options } = {}) {
    return this.#call('writeFile', [path, data, options], {}, transfer && data instanceof Uint8Array ? [data.buffer] : [])
  }

  /** Adds to the end of a file, or makes it. @param {string} path @param {Uint8Array | string} data @returns {Promise<void>} */
  appendFile(path, data) {
    return this.#call('appendFile', [path, data])
  }

  /** The names in a directory. @param {string} path @param {{ recursive?: boolean, snapshot?: Snapshot | string }} [options] @returns {Promise<string[]>} */
  readdir(path, options) {
    return this.#call('readdir', [path, { recursive: options?.recursive }], options)
  }

  /** What a path leads to. @param {string} path @param {{ snapshot?: Snapshot | string }} [options] @returns {Promise<Stats>} */
  async stat(path, options) {
    return statsOf(await this.#call('stat', [path], options))
  }

  /** The same of a symbolic link itself. @param {string} path @param {{ snapshot?: Snapshot | string }} [options] @returns {Promise<Stats>} */
  async lstat(path, options) {
    return statsOf(await this.#call('lstat', [path], options))
  }

  /** Makes a directory, and with `recursive` those above it. @param {string} path @param {{ recursive?: boolean, mode?: number }} [options] @returns {Promise<string | undefined>} */
  mkdir(path, options) {
    return this.#call('mkdir', [path, options])
  }

  /** Removes a file, or with `recursive` a directory. @param {string} path @param {{ recursive?: boolean, force?: boolean }} [options] @returns {Promise<void>} */
  rm(path, options) {
    return this.#call('rm', [path, options])
  }

  /** Gives a file or directory another path, whose file it replaces. @param {string} from @param {string} to @returns {Promise<void>} */
  rename(from, to) {
    return this.#call('rename', [from, to])
  }

  /**
   * @param {FileMethod} method
   * @param {any[]} args
   * @param {{ snapshot?: Snapshot | string }} [options]
   * @param {ArrayBufferLike[]} [given] buffers that are given away
   */
  async #call(method, args, options, given = []) {
    const snapshot = options?.snapshot
    return opened(await this.#link.ask('file', method, Comlink.transfer(args, /** @type {ArrayBuffer[]} */ (given)), typeof snapshot === 'object' ? snapshot.id : snapshot))
  }
}

/** @param {any} s @returns {Stats} */
const statsOf = (s) => new Stats(s, s.dev)
