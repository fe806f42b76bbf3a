/** Volumes in the browser's origin private file system. */

import { E, HoldfastError, errnoOf, throwIfAborted } from './errors.js'
import { fenced, locked, pause } from './storage.js'

/**
 * What workers have and TypeScript's library for pages does not.
 *
 * @typedef {object} SyncHandle
 * @property {(into: Uint8Array, options: { at: number }) => number} read
 * @property {(from: Uint8Array, options: { at: number }) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => number} getSize
 * @property {() => void} flush
 * @property {() => void} close
 */

/** The lock and the handle may linger for a moment after a reload or a crash of the tab that had them (measured: up to 111 ms). */
const LOCK_LINGER_MS = 1000
const HANDLE_LINGER_MS = 3000

/**
 * The storage of a page: one file per volume, `/holdfast/<name>/log`, held open by a synchronous access handle.
 * It works in dedicated workers of secure contexts.
 *
 * A Web Lock says who may have the volume; the handle, which only one can hold, is what keeps it from being written twice. So with
 * `ifLocked: 'steal'` the lock is taken at once, and the file when whoever has it lets go of it: as soon as its worker gets round to it.
 * One that does not within three seconds, because its tab is frozen or its guest is busy, keeps the volume, and `open` rejects with ErrLocked.
 *
 * @param {{ directory?: FileSystemDirectoryHandle }} [options] directory: instead of the root of the origin's file system
 * @returns {import('./storage.js').Storage}
 */
export function opfs({ directory } = {}) {
  return {
    kind: 'opfs',
    async open({ name, ifLocked, signal }) {
      checkPlace()
      throwIfAborted(signal)
      const root = await navigator.storage.getDirectory().catch(refused('the origin private file system cannot be opened'))
      const key = ['holdfast', ...((directory && (await root.resolve(directory))) ?? []), name].join(':')
      const lock = await takeLock(key, name, ifLocked, signal)
      try {
        return session(await openHandle(directory ?? root, name, ifLocked, signal), key, lock, name)
      } catch (err) {
        lock.release()
        throw err
      }
    },
  }
}

/** Whether volumes can be kept here. */
export function opfsAvailable() {
  return (
    typeof navigator !== 'undefined' &&
    typeof navigator.storage?.getDirectory === 'function' &&
    typeof FileSystemFileHandle !== 'undefined' &&
    'createSyncAccessHandle' in FileSystemFileHandle.prototype
  )
}

function checkPlace() {
  if (opfsAvailable()) return
  const insecure = typeof isSecureContext === 'boolean' && !isSecureContext
  const window = 'document' in globalThis
  throw new HoldfastError('ErrUnsupported', 'the origin private file system cannot be used here', {
    hint: insecure
      ? 'serve the page over https, or from localhost'
      : window
        ? 'open the volume in a dedicated worker: the page itself has no synchronous access to files'
        : 'open the volume in a dedicated worker of a browser; in Node use nodeDirectory() or memory()',
    errno: 95,
  })
}

/**
 * @typedef {object} Lock
 * @property {() => void} release
 * @property {Promise<void>} stolen settles when another context took it, or never
 */

/**
 * @param {string} key
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {AbortSignal} [signal]
 * @returns {Promise<Lock>}
 */
async function takeLock(key, name, ifLocked, signal) {
  if (ifLocked === 'steal') return /** @type {Lock} */ (await request(key, { steal: true }, signal))
  if (ifLocked === 'wait') return /** @type {Lock} */ (await request(key, {}, signal))
  const lingering = new AbortController()
  const timer = setTimeout(() => lingering.abort(), LOCK_LINGER_MS)
  const abort = () => lingering.abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return /** @type {Lock} */ (await request(key, {}, lingering.signal))
  } catch (err) {
    throwIfAborted(signal)
    throw lingering.signal.aborted ? locked(name, 'in another tab or worker') : err
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/**
 * @param {string} key
 * @param {LockOptions} options
 * @param {AbortSignal} [signal] ends the wait; not together with `steal` or `ifAvailable`, which do not wait
 * @returns {Promise<Lock | null>} null: not available
 */
function request(key, options, signal) {
  return new Promise((resolve, reject) => {
    let granted = false
    let released = false
    /** @type {() => void} */
    let tell
    /** @type {Promise<void>} */
    const stolen = new Promise((resolve) => (tell = resolve))
    navigator.locks
      .request(key, options.steal || options.ifAvailable || !signal ? options : { ...options, signal }, (lock) => {
        if (!lock) return resolve(null)
        granted = true
        return new Promise((/** @type {(v?: unknown) => void} */ done) => {
          const release = () => {
            released = true
            done()
          }
          resolve({ release, stolen })
        })
      })
      .catch((err) => {
        if (granted && !released) tell()
        else if (signal?.aborted) reject(new HoldfastError('ErrAborted', 'the call was aborted', { cause: err }))
        else reject(new HoldfastError('ErrUnsupported', `no lock could be asked for: ${err.message}`, { cause: err, errno: 95 }))
      })
  })
}

/**
 * @param {FileSystemDirectoryHandle} root
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {AbortSignal} [signal]
 * @returns {Promise<SyncHandle>}
 */
async function openHandle(root, name, ifLocked, signal) {
  const file = await logOf(root, name).catch(refused(`the file of volume ${JSON.stringify(name)} cannot be opened`))
  const until = ifLocked === 'wait' ? Infinity : performance.now() + HANDLE_LINGER_MS
  for (let wait = 5; ; wait = Math.min(wait * 1.6, 200)) {
    throwIfAborted(signal)
    try {
      return await /** @type {any} */ (file).createSyncAccessHandle()
    } catch (/** @type {any} */ err) {
      if (err?.name !== 'NoModificationAllowedError' && err?.name !== 'InvalidStateError') refused(`volume ${JSON.stringify(name)} cannot be opened`)(err)
      if (performance.now() > until) throw stillHeld(name, ifLocked, err)
    }
    await pause(wait, signal)
  }
}

/**
 * @param {FileSystemDirectoryHandle} root
 * @param {string} name
 */
async function logOf(root, name) {
  const dir = await (await root.getDirectoryHandle('holdfast', { create: true })).getDirectoryHandle(name, { create: true })
  return dir.getFileHandle('log', { create: true })
}

/**
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {unknown} cause
 */
function stillHeld(name, ifLocked, cause) {
  const err = locked(name, 'elsewhere: its file is held', cause)
  if (ifLocked === 'steal') err.hint = 'whoever has it does not answer, being busy or frozen, and keeps it: try again later, or close that tab'
  return err
}

/**
 * Makes a handler that throws what a browser's exception means.
 *
 * @param {string} message
 * @returns {(cause: any) => never}
 */
function refused(message) {
  return (cause) => {
    const errno = errnoOf(cause)
    const full = errno === E.ENOSPC
    throw new HoldfastError(full ? 'ErrQuota' : 'ErrIO', `${message}: ${cause?.message ?? cause}`, {
      hint: full ? 'free some space of this site or ask for more, then open it again' : 'does the browser allow this site to store data? Private windows and blocked cookies may forbid it',
      errno,
      cause,
    })
  }
}

/**
 * @param {SyncHandle} handle
 * @param {string} key
 * @param {Lock} lock
 * @param {string} name
 * @returns {import('./storage.js').StorageSession}
 */
function session(handle, key, lock, name) {
  /** @type {HoldfastError | null} Why the file can be used no more. */
  let gone = null
  const close = (/** @type {HoldfastError} */ why) => {
    if (!gone) handle.close()
    gone ??= why
  }
  const closed = () => new HoldfastError('ErrClosed', 'the file is closed', { errno: 9 })
  /**
   * Every use of the file, so that one that was taken says so.
   *
   * @template T
   * @param {() => T} use
   */
  const held = (use) => {
    if (gone) throw gone
    return use()
  }
  /** @type {(err: HoldfastError) => void} */
  let tell
  /** @type {Promise<HoldfastError>} */
  const lost = new Promise((resolve) => (tell = resolve))
  const watch = async () => {
    for (;;) {
      await lock.stolen
      // Who took it may have given up already because this worker was frozen or busy. The handle has been here all the time, so nothing was missed.
      const again = await request(key, { ifAvailable: true }).catch(() => null)
      if (gone) return again?.release()
      if (!again) break
      lock = again
    }
    const err = fenced(name, 'another tab or worker')
    close(err)
    tell(err)
  }
  void watch()
  return {
    file: {
      read: (into, at) => held(() => handle.read(into, { at })),
      write: (from, at) => held(() => handle.write(from, { at })),
      truncate: (size) => held(() => handle.truncate(size)),
      size: () => held(() => handle.getSize()),
      flush: () => held(() => handle.flush()),
      close: () => close(closed()),
    },
    async estimate() {
      const { usage, quota } = await navigator.storage.estimate()
      return { usage, quota }
    },
    release() {
      close(closed()) // before the lock: whoever gets that may open the file at once
      lock.release()
    },
    lost,
  }
}

/**
 * Asks the browser not to remove this site's data when the disk gets full, which it may otherwise do, all at once, with sites that were
 * not visited for long. For the page: workers can ask only whether it was granted. Browsers decide by themselves, or ask the visitor.
 *
 * @returns {Promise<boolean>} whether it is granted
 */
export async function requestPersistence() {
  const manager = globalThis.navigator?.storage
  if (await manager?.persisted?.()) return true
  if (typeof manager?.persist === 'function') return manager.persist()
  throw new HoldfastError('ErrUnsupported', 'persistent storage cannot be asked for here', {
    hint: 'call it in the page, not in a worker, over https or from localhost',
    errno: 95,
  })
}
