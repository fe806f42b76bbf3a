/** An open volume. */

import { SLOT } from './abi.js'
import { HoldfastError, throwIfAborted } from './errors.js'
import { Files } from './files.js'
import { SnapshotFiles } from './files-snapshot.js'
import { createFs } from './fs.js'
import { CORE } from './internal.js'
import { checkKey } from './remote.js'
import { remoteModule } from './remote-module.js'

/**
 * A point that can be restored.
 *
 * @typedef {object} Snapshot
 * @property {string} id
 * @property {number} seq rises with every commit and snapshot
 * @property {number} createdAt milliseconds since 1970
 * @property {string} [label]
 * @property {string} [parentId] the point before it
 * @property {boolean} durable whether it survives a crash; a new one does from the next commit on
 *
 * What a commit did: the point that it made, the bytes that it wrote and how often it flushed.
 *
 * @typedef {Snapshot & { bytesWritten: number, flushes: number }} CommitResult
 *
 * One difference between two points. Ranges are where a file's content differs; size is the file's after the change.
 *
 * @typedef {object} Change
 * @property {string} path
 * @property {'file' | 'directory' | 'symlink' | 'other'} type
 * @property {'create' | 'update' | 'delete' | 'metadata' | 'rename'} change
 * @property {string} [from] of a rename: the path before
 * @property {{ offset: number, length: number }[]} ranges
 * @property {number} size
 *
 * A published snapshot.
 *
 * @typedef {object} Published
 * @property {string} id
 * @property {string} [parentId]
 * @property {string} [label]
 * @property {number} createdAt milliseconds since 1970
 * @property {number} size bytes of the packs that it needs: what a pull of everything fetches
 * @property {boolean} encrypted
 *
 * What a publish did.
 *
 * @typedef {Published & PublishDetails} PublishResult
 *
 * @typedef {object} PublishDetails
 * @property {string} name that it was published under: another than asked for when there was a conflict and `onConflict` is 'branch'
 * @property {boolean} unchanged what is there was the same already, and nothing was sent
 * @property {number} objectsSent
 * @property {number} packsSent
 * @property {number} packsReused found in the store, from a publish that was interrupted
 * @property {number} packsReplaced packs that became part of new ones
 * @property {number} bytesSent
 * @property {number} contentNew bytes of content that the store did not have
 * @property {number} contentAgain bytes of content that were sent again, out of packs that were replaced
 *
 * What there is room for. What the storage does not tell is missing.
 *
 * @typedef {object} Estimate
 * @property {number} [usage] bytes: what the whole site keeps, other volumes included; in Node, the volume
 * @property {number} [quota] bytes that `usage` may grow to, as far as the browser tells; in Node, what the disk has room for
 * @property {number} file bytes of this volume's file; 0 for memory()
 * @property {number} free of these, bytes that commits will use again
 * @property {number} needed of these, bytes of the files and the history, as far as they were counted: 0 at first
 * @property {number} memory bytes of the WebAssembly memory that holds its files while it is open; it never shrinks
 *
 * How far an operation is. Numbers never get smaller within a phase.
 *
 * @typedef {object} Progress
 * @property {'salvage' | 'verify' | 'read' | 'hash' | 'upload' | 'head' | 'download' | 'import' | 'export' | 'delete' | 'done'} phase
 * @property {number} bytesDone
 * @property {number} bytesTotal 0 while it is not known
 * @property {number} objectsDone
 * @property {number} objectsTotal
 *
 * What publish and pull have in common.
 *
 * @typedef {object} TransferOptions
 * @property {string} [name] another published name than the volume's own
 * @property {Uint8Array} [encryptionKey] 32 bytes that what is published is encrypted with (AES-256-GCM). It is lost without them
 * @property {AbortSignal} [signal] stops within one request
 * @property {(p: Progress) => void} [onProgress] no number ever gets smaller
 * @property {import('./module.js').WasmSource} [wasm] where remote.wasm is, when it is not beside this package
 *
 * How requests that fail for a time are tried again: after a pause that doubles, between half and one and a half of its mean, or when the
 * server says (Retry-After, up to a minute).
 *
 * @typedef {object} RetryOptions
 * @property {number} [attempts] requests in all; default 5
 * @property {number} [baseDelay] mean of the first pause, in ms; default 200
 * @property {number} [maxDelay] the longest mean, in ms; default 10,000
 * @property {number} [timeout] of one request, in ms; default 60,000 and what its content takes at 32 KiB/s
 *
 * Where volumes are published: what `s3()` returns, or an object of your own. Rejections carry a `code`: ErrNotFound,
 * ErrPrecondition, ErrCredentials, ErrNoBucket, ErrUnreachable or ErrAborted. `date` (of rejections too) and `modified` are the service's
 * clock in milliseconds since 1970, as its Date and LastModified have it.
 *
 * @typedef {object} ObjectStore
 * @property {RetryOptions} [retry]
 * @property {(key: string, options?: { offset?: number, length?: number, signal?: AbortSignal }) => Promise<{ data: Uint8Array, etag: string, date?: number }>} get
 * @property {(key: string, data: Uint8Array, options?: { ifMatch?: string, ifNoneMatch?: boolean, sha256?: string, signal?: AbortSignal }) => Promise<{ etag: string }>} put
 * @property {(prefix: string, options?: { signal?: AbortSignal }) => Promise<{ key: string, size: number, modified?: number }[]>} list
 * @property {(key: string, options?: { signal?: AbortSignal }) => Promise<void>} delete
 */

/** An open volume; `open` of this package makes them. */
export class Volume {
  /** @readonly @type {string} */ name
  /** @readonly @type {'fsync' | 'manual'} */ durability
  /**
   * The files, under the names of node:fs.
   *
   * @readonly @type {import('./fs.js').VolumeFs}
   */
  fs
  /**
   * Resolves when the volume can be committed no more although nobody closed it, with the reason: a HoldfastError with code ErrFenced when another tab,
   * worker or process took it over (`ifLocked: 'steal'`), ErrInternal when the module died. It never rejects.
   *
   * A volume that was taken over has let go of its file. What is in memory can still be read through `fs`, so that unsaved work can be
   * shown or saved elsewhere; commits, a guest's fsync, and reading what was not in memory fail with ErrFenced (EIO for guests). Close it, and open it again
   * when it is this one's turn. In Node, where nobody is told, it resolves when the volume next writes.
   *
   * @readonly @type {Promise<HoldfastError>}
   */
  lost
  /** @readonly @type {import('./core.js').Core} */
  [CORE]
  #session
  #dev
  /** @type {HoldfastError | null} */
  #fenced = null
  #lose = (/** @type {HoldfastError} */ err) => {
    this.#fenced ??= err
    this.#told(err)
  }
  /** @type {(err: HoldfastError) => void} */
  #told = () => {}
  /** @type {Promise<void> | null} */
  #closing = null
  #abort = new AbortController()
  /** @type {Set<Promise<unknown>>} */
  #running = new Set()

  /**
   * @param {string} name
   * @param {'fsync' | 'manual'} durability
   * @param {import('./core.js').Core} core with the volume opened
   * @param {import('./storage.js').StorageSession} session
   */
  constructor(name, durability, core, session) {
    this.name = name
    this.durability = durability
    this[CORE] = core
    this.#session = session
    this.#dev = deviceNumber(this.uuid)
    core.dev = this.#dev
    core.sync = () => (durability === 'fsync' ? core.x.sync() : 0)
    this.lost = new Promise((resolve) => (this.#told = resolve))
    void session.lost?.then(this.#lose)
    core.ondeath = (err) => {
      if (err.code !== 'ErrClosed') this.#told(err)
      void this.#release()
    }
    this.fs = createFs(new Files(core, core.sync), this.#dev)
  }

  /** The volume's UUID, made when it was created. */
  get uuid() {
    this.#result(this[CORE].x.uuid())
    return new TextDecoder().decode(this[CORE].out())
  }

  /** Counts restores and pulls: files that were open before one are stale after it. */
  get epoch() {
    this.#alive()
    return this[CORE].x.epoch()
  }

  /** Whether something is not durable yet. */
  get dirty() {
    this.#alive()
    return this[CORE].x.dirty() === 1
  }

  get closed() {
    return this[CORE].dead !== null
  }

  #alive() {
    if (this[CORE].dead) throw this[CORE].dead
  }

  /** @param {number} rc */
  #result(rc) {
    this.#alive()
    if (rc < 0) {
      const err = this[CORE].failure(rc)
      if (err.code === 'ErrFenced') this.#lose(err)
      throw err
    }
    return rc
  }

  /** @param {number} rc @returns {any} */
  #json(rc) {
    this.#result(rc)
    return JSON.parse(new TextDecoder().decode(this[CORE].out()))
  }

  /**
   * @param {0 | 1} slot
   * @param {string} s
   */
  #put(slot, s) {
    this.#alive()
    const n = this[CORE].put(slot, s)
    if (n < 0) throw new HoldfastError('ErrLabel', `longer than ${SLOT} bytes: ${s.slice(0, 60)}…`, { errno: 22 })
    return n
  }

  /**
   * Keeps the present state under an id. It costs the same for any size, and is in memory until the next commit.
   *
   * @param {{ label?: string }} [options]
   * @returns {Snapshot}
   */
  snapshot({ label = '' } = {}) {
    return this.#json(this[CORE].x.snapshot(this.#put(0, label)))
  }

  /**
   * What can be restored, newest first: every commit until retention drops it, and every snapshot.
   *
   * @returns {Snapshot[]}
   */
  snapshots() {
    return this.#json(this[CORE].x.points())
  }

  /**
   * What changed between two points. Leaving out `b` compares with the present state.
   *
   * @param {Snapshot | string} a
   * @param {Snapshot | string} [b]
   * @returns {Change[]}
   */
  diff(a, b) {
    const n = this.#put(0, idOf(a))
    const list = this.#json(this[CORE].x.diff(n, this.#put(1, b === undefined ? '' : idOf(b))))
    for (const change of list) change.ranges = change.ranges.map((/** @type {number[]} */ [offset, length]) => ({ offset, length }))
    return list
  }

  /**
   * Makes the files those of a point, all at once: bytes, modes, times, links, and nothing left over. It costs the same for any size.
   * It happens in memory: the next commit, or the next fsync of a guest, makes it durable. Files that are open become
   * stale (ESTALE); mounted guests see the restored files from their next call on.
   *
   * @param {Snapshot | string} snapshot
   */
  restore(snapshot) {
    this.#result(this[CORE].x.restore(this.#put(0, idOf(snapshot))))
    this[CORE].epochChanged()
  }

  /**
   * Takes a snapshot or a commit out of the history, also one with a label. That becomes durable with the next commit, and the space that only it needed
   * comes back with the commits after it. The newest commit stays listed until there is a newer one.
   *
   * @param {Snapshot | string} snapshot or the id of one
   */
  deleteSnapshot(snapshot) {
    if (this.#fenced) throw this.#fenced
    this.#result(this[CORE].x.delete_point(this.#put(0, idOf(snapshot))))
  }

  /**
   * Makes the present state durable: it is on disk on return, whole, and a point of the history.
   *
   * @param {{ label?: string }} [options]
   * @returns {CommitResult}
   */
  commit({ label = '' } = {}) {
    if (this.#fenced) throw this.#fenced
    return this.#json(this[CORE].x.commit(this.#put(0, label)))
  }

  /**
   * A point's files, read-only, under the names of node:fs. Changing calls throw EROFS. Its `release()` gives the memory
   * back that the point needs while it can be read.
   *
   * @param {Snapshot | string} snapshot
   * @returns {import('./fs.js').VolumeFs & { release: () => void }}
   */
  readSnapshot(snapshot) {
    const files = new SnapshotFiles(this[CORE], this.#result(this[CORE].x.reader_open(this.#put(0, idOf(snapshot)))))
    return Object.assign(createFs(files, this.#dev), { release: () => files.release() })
  }

  /**
   * Reads the whole file and checks every record, every block of every point, and that each point is a filesystem. It rejects with ErrCorrupt
   * at the first damage, and changes nothing. The volume can be used meanwhile.
   *
   * @param {{ signal?: AbortSignal, onProgress?: (p: Progress) => void }} [options]
   * @returns {Promise<void>}
   */
  async verify({ signal, onProgress } = {}) {
    await this.#run(async (abort) => {
      throwIfAborted(abort)
      await this[CORE].finish('verify', this[CORE].x.verify(), { signal: abort, onProgress })
    }, signal)
  }

  /**
   * How much room there is, and how much of it this volume takes.
   *
   * @returns {Promise<Estimate>}
   */
  async estimate() {
    this.#alive()
    const space = this.#fenced ? { file: 0, free: 0, needed: 0 } : this.#json(this[CORE].x.space())
    return { ...(await this.#session.estimate?.()), ...space, memory: this[CORE].memorySize }
  }

  /**
   * Publishes the present state: sends what the store does not have, and then moves the volume's head there. If somebody
   * else moved it since the last publish or pull, nothing is changed and the call rejects with ErrConflict, whose `details` hold the id of the
   * `base` that this volume was made from, `ours` (null when nothing was sent), and `theirs`. With `onConflict: 'branch'` it publishes
   * under a new name instead, which the result tells. Changes made meanwhile are not part of what is published.
   *
   * @param {ObjectStore} remote
   * @param {TransferOptions & { label?: string, overwrite?: boolean, onConflict?: 'fail' | 'branch' }} [options]
   *   overwrite: replace a head that is not ours, or is encrypted with another key
   * @returns {Promise<PublishResult>}
   */
  async publish(remote, { label = '', overwrite = false, onConflict = 'fail', name = this.name, encryptionKey, signal, onProgress, wasm } = {}) {
    if (onConflict !== 'fail' && onConflict !== 'branch') throw new TypeError(`onConflict must be 'fail' or 'branch', not ${JSON.stringify(onConflict)}`)
    const key = checkKey(encryptionKey)
    return this.#run(async (abort) => {
      const core = this[CORE]
      const origin = this.uuid
      const reader = this.#result(core.x.reader_open(0)) // now, whenever the module comes: what changes from here on is not part of it
      try {
        const options = { volume: name, label, overwrite, onConflict, origin, reader }
        return await (await remoteModule(wasm, abort)).call('publish', remote, options, { signal: abort, onProgress, key, core })
      } finally {
        core.x.reader_close(reader)
      }
    }, signal)
  }

  /**
   * Fetches what was published, verifies every byte, and then makes the files those of the published snapshot, as restore does:
   * all at once, in memory until the next commit. When it fails, nothing has changed, and what arrived is not fetched again by the next pull
   * from the same remote.
   *
   * @param {ObjectStore} remote
   * @param {TransferOptions & { snapshot?: Published | string }} [options] snapshot: another one than the current, of those that `listSnapshots` tells
   * @returns {Promise<Published>}
   */
  async pull(remote, { snapshot, name = this.name, encryptionKey, signal, onProgress, wasm } = {}) {
    const options = { volume: name, snapshot: snapshot === undefined ? '' : idOf(snapshot) }
    const key = checkKey(encryptionKey)
    return this.#run(async (abort) => {
      const core = this[CORE]
      const { reader, info } = await (await remoteModule(wasm, abort)).call('pull', remote, options, { signal: abort, onProgress, key, core })
      this.#result(core.x.pull_apply(reader))
      core.epochChanged()
      return info
    }, signal)
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} op
   * @param {AbortSignal} [signal] the caller's
   * @returns {Promise<T>}
   */
  async #run(op, signal) {
    this.#alive()
    const abort = signal ? anySignal([signal, this.#abort.signal]) : this.#abort.signal
    const running = op(abort)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /**
   * Ends transfers, commits, and lets go of the file and its lock. A second call does nothing. With durability 'manual' nothing is
   * committed. When the commit fails, for want of space or because the volume was taken over, it stays open: free some space and close again, or give the
   * changes up with `close({ commit: false })`.
   *
   * @param {{ commit?: boolean }} [options]
   * @returns {Promise<void>}
   */
  close({ commit = this.durability === 'fsync' } = {}) {
    this.#closing ??= this.#close(commit).catch((err) => {
      this.#closing = null
      throw err
    })
    return this.#closing
  }

  /** @param {boolean} commit */
  async #close(commit) {
    const core = this[CORE]
    if (!core.dead) {
      this.#abort.abort(new HoldfastError('ErrClosed', 'the volume was closed'))
      await Promise.allSettled(this.#running)
      this.#abort = new AbortController()
      if (commit) this.#result(core.x.commit(0))
      if (!core.dead) {
        core.x.close()
        core.kill(new HoldfastError('ErrClosed', `volume ${JSON.stringify(this.name)} is closed`, { hint: 'open it again' }))
      }
    }
    await this.#release()
  }

  /** @type {Promise<void> | null} */
  #released = null

  #release() {
    return (this.#released ??= Promise.resolve(this.#session.release()))
  }

  async [/** @type {typeof Symbol.asyncDispose} */ (Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose'))]() {
    await this.close()
  }
}

/** @param {{ id: string } | string} snapshot */
function idOf(snapshot) {
  const id = typeof snapshot === 'string' ? snapshot : snapshot?.id
  if (typeof id !== 'string' || id === '') throw new HoldfastError('ErrNotFound', 'not a snapshot: an object with an id, or the id, is needed', { errno: 2 })
  return id
}

/**
 * SQLite tells files apart by device and inode number, so two volumes in one guest need different ones.
 *
 * @param {string} uuid
 */
function deviceNumber(uuid) {
  return parseInt(uuid.replaceAll('-', '').slice(0, 7), 16) || 1
}

/** @param {AbortSignal[]} signals */
function anySignal(signals) {
  if (typeof AbortSignal.any === 'function') return AbortSignal.any(signals)
  const c = new AbortController()
  for (const s of signals) {
    if (s.aborted) c.abort(s.reason)
    s.addEventListener('abort', () => c.abort(s.reason), { once: true })
  }
  return c.signal
}
