/** Volumes in the browser's origin private file system. */

import { HoldfastError, throwIfAborted } from './errors.js'
import { locked, pause } from './storage.js'

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

/** A handle may linger for a moment after a reload or a crash of the tab that had it (measured: up to 111 ms). */
const LINGER_MS = 3000

/**
 * The storage of a page: one file per volume, `/holdfast/<name>/log`, held open by a synchronous access handle.
 * It works in dedicated workers of secure contexts.
 *
 * @param {{ directory?: FileSystemDirectoryHandle }} [options] directory: instead of the root of the origin's file system
 * @returns {import('./storage.js').Storage}
 */
export function opfs({ directory } = {}) {
  return {
    kind: 'opfs',
    async open({ name, ifLocked, signal }) {
      checkPlace()
      const lock = await takeLock(`holdfast:${name}`, name, ifLocked, signal)
      try {
        const handle = await openHandle(directory ?? (await navigator.storage.getDirectory()), name, signal)
        return session(handle, lock, name)
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
 * @property {(() => void) | null} onlost called when another context stole it
 */

/**
 * @param {string} key
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {AbortSignal} [signal]
 * @returns {Promise<Lock>}
 */
function takeLock(key, name, ifLocked, signal) {
  throwIfAborted(signal)
  return new Promise((resolve, reject) => {
    /** @type {LockOptions} */
    const options = ifLocked === 'steal' ? { steal: true } : ifLocked === 'wait' ? { ...(signal && { signal }) } : { ifAvailable: true }
    /** @type {Lock} */
    let lock
    let released = false
    navigator.locks
      .request(key, options, (granted) => {
        if (!granted) {
          reject(locked(name, 'in another tab or worker'))
          return
        }
        return new Promise((/** @type {(v?: unknown) => void} */ done) => {
          lock = {
            onlost: null,
            release() {
              released = true
              done()
            },
          }
          resolve(lock)
        })
      })
      .catch((err) => {
        if (lock) {
          if (!released) lock.onlost?.()
        } else if (signal?.aborted) reject(new HoldfastError('ErrAborted', 'the call was aborted', { cause: err }))
        else reject(new HoldfastError('ErrUnsupported', `no lock could be asked for: ${err.message}`, { cause: err, errno: 95 }))
      })
  })
}

/**
 * @param {FileSystemDirectoryHandle} root
 * @param {string} name
 * @param {AbortSignal} [signal]
 * @returns {Promise<SyncHandle>}
 */
async function openHandle(root, name, signal) {
  const dir = await (await root.getDirectoryHandle('holdfast', { create: true })).getDirectoryHandle(name, { create: true })
  const file = await dir.getFileHandle('log', { create: true })
  const until = performance.now() + LINGER_MS
  for (let wait = 5; ; wait = Math.min(wait * 1.6, 200)) {
    throwIfAborted(signal)
    try {
      return await /** @type {any} */ (file).createSyncAccessHandle()
    } catch (/** @type {any} */ err) {
      if (err?.name !== 'NoModificationAllowedError' && err?.name !== 'InvalidStateError') throw err
      if (performance.now() > until) throw locked(name, 'elsewhere: its file is held', err)
    }
    await pause(wait, signal)
  }
}

/**
 * @param {SyncHandle} handle
 * @param {Lock} lock
 * @param {string} name
 * @returns {import('./storage.js').StorageSession}
 */
function session(handle, lock, name) {
  let open = true
  const close = () => {
    if (open) handle.close()
    open = false
  }
  /** @type {import('./storage.js').StorageSession} */
  const s = {
    file: {
      read: (into, at) => handle.read(into, { at }),
      write: (from, at) => handle.write(from, { at }),
      truncate: (size) => handle.truncate(size),
      size: () => handle.getSize(),
      flush: () => handle.flush(),
      close,
    },
    release() {
      close() // before the lock: whoever gets that may open the file at once
      lock.release()
    },
    onlost: null,
  }
  lock.onlost = () => {
    close()
    s.onlost?.(new HoldfastError('ErrLocked', `volume ${JSON.stringify(name)} was taken over by another tab or worker`, { errno: 16 }))
  }
  return s
}
