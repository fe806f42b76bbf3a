/** The calls of volume.fs with a callback as their last argument. The work is done at once; the callback is called afterwards. */

import { invalidType } from './fs-args.js'

/** What a callback gets besides the error, where that is not the result alone. @type {Record<string, (result: any, args: any[]) => any[]>} */
const RESULTS = {
  read: (n, args) => [n, ArrayBuffer.isView(args[1]) ? args[1] : args[1]?.buffer],
  write: (n, args) => [n, args[1]],
  readv: (n, args) => [n, args[1]],
  writev: (n, args) => [n, args[1]],
}

/**
 * @param {any} fs with the names that end in Sync
 * @returns {any} the same without Sync
 */
export function callbacksOf(fs) {
  /** @type {any} */
  const calls = {}
  for (const sync of Object.keys(fs)) {
    if (!sync.endsWith('Sync') || sync === 'existsSync') continue
    const name = sync.slice(0, -4)
    const results = RESULTS[name] ?? ((/** @type {any} */ result) => (result === undefined ? [] : [result]))
    const later = (/** @type {Function} */ call) => (/** @type {any[]} */ ...args) => {
      const callback = callbackOf(args)
      let answer
      try {
        answer = [null, ...results(call(...args), args)]
      } catch (/** @type {any} */ err) {
        if (/^ERR_(INVALID|OUT)/.test(err.code)) throw err // wrong arguments are not answered but thrown, as in Node
        answer = [err]
      }
      const told = answer
      setTimeout(() => callback(...told))
    }
    calls[name] = later(fs[sync])
    if (fs[sync].native) calls[name].native = later(fs[sync].native)
  }
  calls.exists = (/** @type {any[]} */ ...args) => {
    const callback = callbackOf(args)
    const there = fs.existsSync(...args)
    setTimeout(() => callback(there))
  }
  return calls
}

/** @param {any[]} args @returns {Function} the last one, which is taken away */
function callbackOf(args) {
  const callback = args.pop()
  if (typeof callback !== 'function') throw invalidType('"cb" argument must be of type function', callback)
  return callback
}
