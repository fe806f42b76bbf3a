/** How calls cross between a page and a worker. */

import * as Comlink from './dist/comlink.js'
import { HoldfastError } from './errors.js'

/**
 * What messages are sent to and come from: a Worker seen from the page, a worker's own global object, or a MessagePort.
 *
 * @typedef {object} Endpoint
 * @property {(message: any, transfer: Transferable[]) => void} postMessage
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 * @property {(type: string, listener: (event: any) => void) => void} removeEventListener
 * @property {() => void} [start]
 */

/** The methods of Volume that can be called from outside, and where among their arguments the options with signal and onProgress are. */
export const METHODS = /** @type {const} */ ({
  snapshot: -1,
  snapshots: -1,
  diff: -1,
  restore: -1,
  deleteSnapshot: -1,
  commit: -1,
  estimate: -1,
  close: -1,
  verify: 0,
  publish: 1,
  pull: 1,
})

/** @typedef {keyof typeof METHODS} Method */

/** The calls of its files that can be made. */
export const FILE_METHODS = /** @type {const} */ (['readFile', 'writeFile', 'appendFile', 'readdir', 'stat', 'lstat', 'mkdir', 'rm', 'rename'])

/** @typedef {(typeof FILE_METHODS)[number]} FileMethod */

/** What is sent along with a message: Comlink makes proxies of a call's own arguments only, not of what is inside of them. */
export class Sent {
  /** @type {Transferable[]} */
  #transfer = []

  /**
   * A port through which the other side can call a function or an object's methods.
   *
   * @param {any} object
   * @returns {MessagePort}
   */
  port(object) {
    const { port1, port2 } = new MessageChannel()
    Comlink.expose(object, port1)
    this.#transfer.push(port2)
    return port2
  }

  /**
   * @template T
   * @param {T} message
   * @returns {T} the same, which takes all that along
   */
  with(message) {
    return Comlink.transfer(message, this.#transfer)
  }
}

/** @param {MessagePort} port @returns {any} */
export const proxied = (port) => Comlink.wrap(port)

/** @typedef {{ value?: any, error?: any }} Answer */

/**
 * Calls something, and puts what it returns or throws into an envelope. Bytes that it returns, or `data` of what
 * it returns, are handed over: nobody else may need them, and they must have their buffer to themselves.
 *
 * @param {() => any} call
 * @returns {Promise<Answer>}
 */
export async function answer(call) {
  try {
    const value = await call()
    const bytes = value instanceof Uint8Array ? value : value?.data
    return Comlink.transfer({ value }, bytes instanceof Uint8Array ? [bytes.buffer] : [])
  } catch (/** @type {any} */ err) {
    const { name, code, message, path, hint, errno, details, syscall, dest, cause, date, stack } = err ?? {}
    return { error: { name, code, message: message ?? String(err), path, hint, errno, details, syscall, dest, date, stack, cause: cause === undefined ? undefined : String(cause) } }
  }
}

/**
 * What is in an envelope: returned, or thrown as it was thrown there.
 *
 * @param {Answer} envelope
 * @param {AbortSignal} [signal] of the caller, whose reason is then the cause
 */
export function opened({ value, error }, signal) {
  if (!error) return value
  const { name, message, stack, cause, ...rest } = error
  const why = signal?.aborted ? signal.reason : cause
  const err = name === 'HoldfastError' ? new HoldfastError(rest.code, message, { ...rest, cause: why }) : new Error(message, why === undefined ? undefined : { cause: why })
  if (name !== 'HoldfastError') {
    err.name = name ?? 'Error'
    for (const [key, value] of Object.entries(rest)) if (value !== undefined) /** @type {any} */ (err)[key] = value
  }
  err.stack = `${err.stack}\n  in the worker: ${stack}`
  throw err
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function abortable(promise, signal) {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const abort = () => reject(new HoldfastError('ErrAborted', 'the call was aborted', { cause: signal.reason }))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
