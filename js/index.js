/**
 * Durable snapshots for in-memory filesystems.
 *
 * @module holdfast
 */

import { Core } from './core.js'
import { HoldfastError, throwIfAborted } from './errors.js'
import { checkName, memory } from './storage.js'
import { opfs, opfsAvailable } from './storage-opfs.js'
import { Volume } from './volume.js'

export { HoldfastError, memory, opfs, Volume }
export { s3 } from './s3.js'

/**
 * @typedef {object} OpenOptions
 * @property {import('./storage.js').Storage} [storage] opfs() where it works; nodeDirectory(path) of 'holdfast/node'; memory()
 * @property {'fsync' | 'manual'} [durability] 'fsync' (the default): a guest's fsync commits. 'manual': only commit() does
 * @property {'fail' | 'wait' | 'steal'} [ifLocked] when the volume is open elsewhere: reject with ErrLocked (the default), wait,
 *   or take it over; whoever had it gets ErrLocked from then on and loses what it had not committed
 * @property {{ keep?: number, maxAge?: number }} [history] how many commits can be restored, and for how long (ms)
 * @property {AbortSignal} [signal]
 * @property {import('./module.js').WasmSource} [wasm] where core.wasm is, when it is not beside this package
 */

/**
 * Opens a volume, which is created when there is none of that name.
 *
 * @param {string} name letters, digits, "_", "-", "." and spaces
 * @param {OpenOptions} [options]
 * @returns {Promise<Volume>}
 */
export async function open(name, options = {}) {
  const { storage = defaultStorage(), durability = 'fsync', ifLocked = 'fail', history = {}, signal, wasm } = options
  checkName(name)
  oneOf('durability', durability, ['fsync', 'manual'])
  oneOf('ifLocked', ifLocked, ['fail', 'wait', 'steal'])
  throwIfAborted(signal)
  const session = await storage.open({ name, ifLocked, signal })
  try {
    /** @type {HoldfastError | undefined} */
    let lost
    session.onlost = (err) => (lost = err)
    const core = await Core.start({ wasm, file: session.file })
    if (lost) throw lost
    throwIfAborted(signal)
    const rc = core.x.open(session.file ? 0 : -1, history.keep ?? 0, history.maxAge ?? 0)
    if (rc < 0) throw core.failure(rc)
    return new Volume(name, durability, core, session)
  } catch (err) {
    await session.release()
    throw err
  }
}

function defaultStorage() {
  if (opfsAvailable() || typeof process === 'undefined') return opfs()
  throw new HoldfastError('ErrUnsupported', 'no storage was given', {
    hint: "pass { storage: nodeDirectory(path) } from 'holdfast/node', or { storage: memory() }",
    errno: 95,
  })
}

/**
 * @param {string} what
 * @param {string} value
 * @param {string[]} allowed
 */
function oneOf(what, value, allowed) {
  if (!allowed.includes(value)) throw new TypeError(`${what} must be ${allowed.map((a) => `'${a}'`).join(' or ')}, not ${JSON.stringify(value)}`)
}
