/**
 * What a storage is: where the bytes of a volume are kept, and who may write them.
 *
 * @typedef {object} Storage
 * @property {string} kind
 * @property {(request: StorageRequest) => Promise<StorageSession>} open
 *
 * @typedef {object} StorageRequest
 * @property {string} name the volume's name
 * @property {'fail' | 'wait' | 'steal'} ifLocked
 * @property {AbortSignal} [signal]
 *
 * A session is the exclusive right to one volume's file, until release(), which may be called more than once. When the right is taken
 * away, every call on the file throws a HoldfastError with code ErrFenced, and `lost`, where there is one, resolves with it.
 *
 * @typedef {object} StorageSession
 * @property {import('./core.js').VolumeFile | null} file null: the volume is in memory only
 * @property {() => void | Promise<void>} release
 * @property {Promise<import('./errors.js').HoldfastError>} [lost]
 * @property {() => Promise<{ usage?: number, quota?: number }>} [estimate] bytes that are used, and that may be, where it is kept
 */

import { HoldfastError } from './errors.js'

/**
 * A volume that ends with the process: for tests, and for guests that persist nothing.
 *
 * @returns {Storage}
 */
export function memory() {
  return {
    kind: 'memory',
    open: async () => ({ file: null, release() {} }),
  }
}

/**
 * Volume names become file names and keys in object stores.
 *
 * @param {string} name
 */
export function checkName(name) {
  if (typeof name !== 'string' || !/^[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}$/.test(name)) {
    throw new HoldfastError('ErrName', `not a volume name: ${JSON.stringify(name)}`, {
      hint: 'use 1 to 100 letters, digits, "_", "-", "." and spaces, the first a letter, a digit or "_"',
      errno: 22,
    })
  }
}

/**
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer)
      reject(new HoldfastError('ErrAborted', 'the call was aborted', { cause: signal?.reason }))
    }
    if (signal?.aborted) return reject(new HoldfastError('ErrAborted', 'the call was aborted', { cause: signal.reason }))
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}

/**
 * @param {string} name
 * @param {string} who
 * @param {unknown} [cause]
 */
export function locked(name, who, cause) {
  return new HoldfastError('ErrLocked', `volume ${JSON.stringify(name)} is open ${who}`, {
    hint: 'close it there, or open it with ifLocked: "wait"',
    errno: 16,
    cause,
  })
}

/**
 * @param {string} name
 * @param {string} by
 */
export function fenced(name, by) {
  return new HoldfastError('ErrFenced', `volume ${JSON.stringify(name)} was taken over by ${by}`, {
    hint: 'what was not committed is only in memory here: save it elsewhere if it matters, then close the volume and open it again',
  })
}
