/** The module that publishes and pulls: loading it, and what it does to open volumes. */

import { ABI } from './abi.js'
import { E, HoldfastError, throwIfAborted } from './errors.js'
import { compile, locate } from './module.js'
import { startProgram } from './program.js'
import { callTask } from './task.js'

/** Exports of a volume's module that this one calls, in the order of wasm/remote/volume.go. */
const OPS = ['pages_open', 'export_open', 'transfer_next', 'stage_open', 'stage_add', 'stage_import', 'stage_discard', 'parent', 'set_parent', 'last_pulled', 'pulled']

/** @type {Map<unknown, Promise<RemoteModule>>} Instances, by where the module comes from. */
const instances = new Map()

/**
 * The instance that all volumes share. Rejects with ErrModule when it cannot be loaded, and with ErrAborted as soon as the signal says so.
 *
 * @param {import('./module.js').WasmSource} [wasm]
 * @param {AbortSignal} [signal]
 * @returns {Promise<RemoteModule>}
 */
export async function remoteModule(wasm, signal) {
  throwIfAborted(signal)
  if (!signal) return instanceOf(wasm)
  let abort = () => {}
  const aborted = new Promise((_, reject) => {
    abort = () => {
      try {
        throwIfAborted(signal)
      } catch (err) {
        reject(err)
      }
    }
    signal.addEventListener('abort', abort)
  })
  try {
    return await /** @type {Promise<RemoteModule>} */ (Promise.race([instanceOf(wasm), aborted]))
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** @param {import('./module.js').WasmSource} [wasm] */
function instanceOf(wasm) {
  const at = typeof wasm === 'string' || wasm instanceof URL ? String(wasm) : wasm
  let instance = instances.get(at)
  if (!instance) {
    const forget = () => instances.delete(at) // the next call starts another
    instance = RemoteModule.start(wasm, forget)
    instance.catch(forget)
    instances.set(at, instance)
  }
  return instance
}

export class RemoteModule {
  /**
   * @param {import('./module.js').WasmSource | undefined} wasm
   * @param {() => void} ondeath
   */
  static async start(wasm, ondeath) {
    const module = new RemoteModule()
    const source = await compile(locate('remote.wasm', wasm))
    if (!WebAssembly.Module.imports(source).some(({ name }) => name === 'volume_call')) {
      throw new HoldfastError('ErrModule', 'the module that was given is not remote.wasm', { hint: "pass the address of the package's dist/remote.wasm as `wasm`" })
    }
    const imports = { holdfast: { volume_call: module.#volumeCall.bind(module), volume_out: module.#volumeOut.bind(module) } }
    module.#program = await startProgram(source, 'the remote module', imports, (err) => {
      module.#kill(err)
      ondeath()
    })
    const version = module.#program.exports.abi()
    if (version !== ABI) {
      throw new HoldfastError('ErrVersion', `remote.wasm has interface ${version}, the package needs ${ABI}`, {
        hint: 'the module and the package are of different versions: take both from the same build',
      })
    }
    return module
  }

  /** Why nothing can be called any more. @type {HoldfastError | null} */
  dead = null

  /** @type {import('./program.js').Program} */ // @ts-ignore set by start
  #program
  /** @type {import('./task.js').Ends} */
  #ends = new Set()
  /** The open volumes that have used it, by number. @type {Map<number, import('./core.js').Core>} */
  #volumes = new Map()
  #last = 0

  /** What the program has registered. */
  get functions() {
    return this.#program.scope.holdfast
  }

  /**
   * Calls a function that the program has registered.
   *
   * @param {string} name
   * @param {import('./volume.js').ObjectStore | null} store
   * @param {object} options
   * @param {{ signal?: AbortSignal, onProgress?: (p: any) => void, key?: Uint8Array | null, core?: import('./core.js').Core }} io
   *   core: the volume that it is about
   * @returns {Promise<any>}
   */
  async call(name, store, options, { signal, onProgress, key = null, core }) {
    for (const needed of [this, core]) if (needed?.dead) throw needed.dead
    const ends = core ? [this.#ends, core.ends] : [this.#ends]
    return callTask(this, ends, name, [store, JSON.stringify(options), key, core ? this.#numberOf(core) : 0], { signal, onProgress })
  }

  /** @param {import('./core.js').Core} core */
  #numberOf(core) {
    for (const [number, known] of this.#volumes) if (known === core) return number
    const number = ++this.#last
    this.#volumes.set(number, core)
    core.ends.add(() => {
      this.#volumes.delete(number)
      queueMicrotask(() => this.dead || this.functions.forget(number)) // later, as in callTask
    })
    return number
  }

  /**
   * Calls an export of a volume's module, which takes bytes of this one's memory and leaves some (wasm/core/ABI.md).
   *
   * @param {number} volume
   * @param {number} op
   * @param {number} a
   * @param {number} b
   * @param {number} from
   * @param {number} n
   * @param {number} to
   * @param {number} room
   */
  #volumeCall(volume, op, a, b, from, n, to, room) {
    const core = this.#volumes.get(volume)
    let rc = -E.EBADF
    try {
      if (core) rc = n > 0 ? core.leave(this.#memory(from, n)) : 0
      if (core && rc === 0) rc = core.x[OPS[op]](a, b)
    } catch {
      rc = -E.EIO // it has died of it
    }
    if (rc < 0) this.functions.failure = core ? core.failure(rc) : new HoldfastError('ErrClosed', 'the volume is closed')
    else if (core && room > 0) this.#copyOut(core, to, room)
    return rc
  }

  /**
   * @param {number} volume
   * @param {number} to
   * @param {number} room
   */
  #volumeOut(volume, to, room) {
    const core = this.#volumes.get(volume)
    if (core) this.#copyOut(core, to, room)
  }

  /**
   * @param {import('./core.js').Core} core
   * @param {number} to
   * @param {number} room
   */
  #copyOut(core, to, room) {
    const bytes = core.out()
    this.#memory(to, room).set(bytes.length > room ? bytes.subarray(0, room) : bytes)
  }

  /**
   * @param {number} p
   * @param {number} n
   */
  #memory(p, n) {
    return new Uint8Array(this.#program.exports.mem.buffer, p >>> 0, n)
  }

  /** @param {HoldfastError} err */
  #kill(err) {
    this.dead = err
    for (const end of [...this.#ends]) end(err)
    for (const core of this.#volumes.values()) core.x.stage_discard(-1) // what pulls had fetched was known to this instance only
    this.#volumes.clear()
  }
}
