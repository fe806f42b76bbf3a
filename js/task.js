/** Calls of functions that a Go program has registered, and that settle later (wasm/remote/main.go). */

import { HoldfastError, codeOf, throwIfAborted } from './errors.js'

/** Who is told, once, that something has ended, and why. @typedef {Set<(err: unknown) => void>} Ends */

/**
 * Calls one and waits for what it settles with.
 *
 * @param {{ dead: HoldfastError | null, functions: any }} program functions: the object that it has registered
 * @param {Ends[]} ends of the program and of what else the call needs: it rejects then
 * @param {string} name
 * @param {unknown[]} args
 * @param {{ signal?: AbortSignal, onProgress?: (p: any) => void }} io
 * @returns {Promise<any>}
 */
export function callTask(program, ends, name, args, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal)
    let id = 0
    let ended = false
    const end = () => {
      ended = true
      signal?.removeEventListener('abort', abort)
      for (const set of ends) set.delete(gone)
    }
    const abort = () => {
      if (!program.dead) program.functions.cancel(id)
    }
    const fail = (/** @type {unknown} */ err) => {
      end()
      reject(err)
    }
    const gone = (/** @type {unknown} */ err) => {
      fail(err)
      queueMicrotask(abort) // later: the program may be in the middle of a call
    }
    // Go calls these, the first of them perhaps before the call below returns. What the caller does then, its exceptions
    // too, must not happen inside of Go: hence the microtasks.
    const settle = (/** @type {string} */ error, /** @type {string} */ result, /** @type {unknown} */ cause, /** @type {Uint8Array} */ bytes) =>
      queueMicrotask(() => {
        if (ended) return
        if (error) return fail(errorOf(error, signal?.aborted ? signal.reason : (cause ?? undefined)))
        end()
        resolve(bytes ?? JSON.parse(result))
      })
    const progress = (/** @type {string} */ json) => queueMicrotask(() => onProgress?.(JSON.parse(json)))
    for (const set of ends) set.add(gone)
    signal?.addEventListener('abort', abort, { once: true })
    id = program.functions[name](onProgress ? progress : null, settle, ...args)
  })
}

/**
 * A HoldfastError from the JSON that a module makes of a Go error.
 *
 * @param {string} json
 * @param {unknown} [cause]
 */
export function errorOf(json, cause) {
  const { code, message, ...more } = JSON.parse(json)
  return new HoldfastError(code || codeOf(more.errno), message, { ...more, cause })
}
