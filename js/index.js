/**
 * Durable snapshots for in-memory filesystems.
 *
 * @module holdfast
 */

import { Core } from './core.js'
import { HoldfastError, throwIfAborted } from './errors.js'
import { checkName, locked, memory } from './storage.js'
import { opfs, opfsAvailable, requestPersistence } from './storage-opfs.js'
import { Volume } from './volume.js'

export { HoldfastError, memory, opfs, requestPersistence, Volume }
export { gateway } from './gateway.js'
export { checkRemote, listSnapshots, prune, readRemote, verifyRemote } from './remote.js'
export { s3 } from './s3.js'

/**
 * How a volume is opened.
 *
 * @typedef {object} OpenOptions
 * @property {import('./storage.js').Storage} [storage] opfs() where it works; nodeDirectory(path) of 'holdfast/node'; memory()
 * @property {'fsync' | 'manual'} [durability] 'fsync' (the default): a guest's fsync commits. 'manual': only commit() does
 * @property {'fail' | 'wait' | 'steal'} [ifLocked] when the volume is open elsewhere: reject with ErrLocked (the default), wait
 *   (until `signal` is aborted), or take it over, with every commit that was acknowledged. Whoever had it cannot commit any more: ErrFenced, and its `lost` resolves
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
  oneOf('durability', durability, ['fsync', 'manual'])
  return start(name, { storage, durability, ifLocked, signal, wasm }, async (core, file) => {
    const rc = core.x.open(file, history.keep ?? 0, history.maxAge ?? 0)
    if (rc < 0) throw core.failure(rc)
  })
}

/**
 * What salvage found: the point that was opened, the sequence numbers of newer ones that are damaged, and what is wrong in words.
 *
 * @typedef {object} Salvaged
 * @property {import('./volume.js').Snapshot} point
 * @property {number[]} lost
 * @property {string[]} damages
 */

/**
 * Opens a damaged volume at its newest commit of which every block is whole, and says what was lost. Nothing is written to it: what is there can be read,
 * copied to another volume, or published; commits reject with ErrReadOnly. It reads the whole file.
 *
 * @param {string} name
 * @param {Pick<OpenOptions, 'storage' | 'ifLocked' | 'signal' | 'wasm'> & { onProgress?: (p: import('./volume.js').Progress) => void }} [options]
 * @returns {Promise<{ volume: Volume, salvaged: Salvaged }>}
 */
export async function salvage(name, options = {}) {
  const { storage = defaultStorage(), ifLocked = 'fail', signal, wasm, onProgress } = options
  /** @type {any} */
  let salvaged
  const volume = await start(name, { storage, durability: 'manual', ifLocked, signal, wasm }, async (core, file) => {
    salvaged = await core.finish('salvage', core.x.salvage(file), { signal, onProgress })
  })
  return { volume, salvaged }
}

/**
 * @param {string} name
 * @param {{ storage: import('./storage.js').Storage, durability: 'fsync' | 'manual', ifLocked: 'fail' | 'wait' | 'steal', signal?: AbortSignal, wasm?: import('./module.js').WasmSource }} options
 * @param {(core: Core, file: number) => Promise<void>} openIn opens the volume in the file with that number, -1 for memory
 */
async function start(name, { storage, durability, ifLocked, signal, wasm }, openIn) {
  checkName(name)
  oneOf('ifLocked', ifLocked, ['fail', 'wait', 'steal'])
  throwIfAborted(signal)
  /** @type {import('./storage.js').StorageSession | undefined} */
  let session
  /** @type {Core | undefined} */
  let core
  try {
    session = await storage.open({ name, ifLocked, signal })
    core = await Core.start({ wasm, file: session.file })
    throwIfAborted(signal)
    await openIn(core, session.file ? 0 : -1)
    return new Volume(name, durability, core, session)
  } catch (/** @type {any} */ err) {
    core?.kill(err)
    await session?.release()
    throw err?.code === 'ErrFenced' ? locked(name, 'elsewhere: it was taken over while it was opened here', err) : err
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

// The types of what these calls take and return, so that programs in TypeScript can name them.
/** @typedef {import('./volume.js').Snapshot} Snapshot */
/** @typedef {import('./volume.js').CommitResult} CommitResult */
/** @typedef {import('./volume.js').Change} Change */
/** @typedef {import('./volume.js').Estimate} Estimate */
/** @typedef {import('./volume.js').Progress} Progress */
/** @typedef {import('./volume.js').Published} Published */
/** @typedef {import('./volume.js').PublishResult} PublishResult */
/** @typedef {import('./volume.js').TransferOptions} TransferOptions */
/** @typedef {import('./volume.js').RetryOptions} RetryOptions */
/** @typedef {import('./volume.js').ObjectStore} ObjectStore */
/** @typedef {import('./s3.js').S3Config} S3Config */
/** @typedef {import('./s3.js').Credentials} Credentials */
/** @typedef {import('./gateway.js').GatewayConfig} GatewayConfig */
/** @typedef {import('./remote.js').RemoteOptions} RemoteOptions */
/** @typedef {import('./remote.js').RemoteSnapshot} RemoteSnapshot */
/** @typedef {import('./remote.js').RemoteCheck} RemoteCheck */
/** @typedef {import('./remote.js').VerifyReport} VerifyReport */
/** @typedef {import('./remote.js').PruneOptions} PruneOptions */
/** @typedef {import('./remote.js').PruneReport} PruneReport */
/** @typedef {import('./fs.js').VolumeFs} VolumeFs */
/** @typedef {import('./storage.js').Storage} Storage */
/** @typedef {import('./module.js').WasmSource} WasmSource */
