/** One instance of the core module: loading it, its memory, its exports, its death. */

import * as abi from './abi.js'
import { HoldfastError, codeOf, errnoOf, textOf, throwIfAborted, E } from './errors.js'
import { locate, compile } from './module.js'
import { startProgram } from './program.js'
import { errorOf } from './task.js'

/**
 * The file of a volume as a storage hands it over. Calls are synchronous and may throw.
 *
 * @typedef {object} VolumeFile
 * @property {(into: Uint8Array, at: number) => number} read bytes read; 0 at the end
 * @property {(from: Uint8Array, at: number) => number} write bytes written
 * @property {(size: number) => void} truncate
 * @property {() => number} size
 * @property {() => void} flush durable on return
 * @property {() => void} close
 */

/**
 * What a mounted guest is told, so that it serves nothing stale. All calls are synchronous.
 *
 * @typedef {object} Watcher
 * @property {(dir: number, name: string) => void} forget a name was removed or now stands for something else
 * @property {(ino: number, mode: number) => void} mode permission bits changed
 * @property {() => void} restored everything may have changed: restore or pull
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Bytes of an open file that lie side by side in the module's memory, as long as nothing was edited (ABI.md). */
class Run {
  /** Of the file: the run has its bytes [start, end). */
  start = 0
  end = 0
  address = 0
  /** The count of edits while which it is right. */
  edits = -1
  /** The time while which it may be overwritten, in ms; 0 is never. */
  writable = 0
}

/**
 * @param {Uint8Array} from
 * @param {number} p
 * @param {Uint8Array} to
 * @param {number} at
 * @param {number} n
 */
function copy(from, p, to, at, n) {
  if (n > 32) return to.set(from.subarray(p, p + n), at)
  for (const end = at + n; at < end; at++) to[at] = from[p++] // beats a subarray for the 16 and 24 bytes that SQLite likes to read
}

export class Core {
  /**
   * @param {{ wasm?: import('./module.js').WasmSource, file?: VolumeFile | null }} options
   * @returns {Promise<Core>}
   */
  static async start({ wasm, file }) {
    const module = await compile(locate('core.wasm', wasm))
    const core = new Core(file ?? null)
    await core.#run(module)
    return core
  }

  /** @type {any} The exports (ABI.md). Read it anew for every call: a dead instance puts others in their place. */
  x
  /** @type {Uint8Array} The module's memory. Empty once memory grew: then call refresh(). */
  u8 = new Uint8Array(0)
  /** @type {Uint32Array} The scratch area in words of four bytes. */
  u32 = new Uint32Array(0)
  /** @type {Float64Array} The scratch area in words of eight. */
  f64 = new Float64Array(0)
  /** @type {unknown} The exception behind the last failed file operation. */
  cause
  /** @type {HoldfastError | null} Why nothing can be called any more. */
  dead = null
  /** @type {Watcher[]} An array: most calls that change names go through it. */
  watchers = []
  /** What SQLite's connections have locked (sqlite-locks.js). @type {import('./sqlite-locks.js').Locks | undefined} */
  locks
  /** Who wants to know of changes (fs-watch.js). @type {import('./fs-watch.js').Watching | undefined} */
  watching
  /** The device number that guests see. */
  dev = 1
  /** What a guest's fsync does: 0, or a negative errno. @type {() => number} */
  sync = () => 0
  /** @type {(err: HoldfastError) => void} Called once when the instance dies. */
  ondeath = () => {}
  /** Who else is told of it: calls of the remote module that need it. @type {import('./task.js').Ends} */
  ends = new Set()

  /** What is known of the memory of open files, by number. @type {Run[]} */
  #runs = []
  /** @type {import('./program.js').Program} */ // @ts-ignore set by #run
  #program
  #file
  #scratch = 0
  /** @type {WebAssembly.Memory} */ // @ts-ignore set by #run
  #memory

  /** @param {VolumeFile | null} file */
  constructor(file) {
    this.#file = file
  }

  /** @param {WebAssembly.Module} module */
  async #run(module) {
    const imports = { holdfast: { now: Date.now, ...this.#fileImports() } }
    this.#program = await startProgram(module, 'the volume', imports, (err) => this.kill(err), 'open the volume again: it is as of its last commit; please report the trace in `details`')
    this.x = this.#program.exports
    this.#memory = this.x.mem
    if (this.x.abi() !== abi.ABI) {
      throw new HoldfastError('ErrVersion', `core.wasm has interface ${this.x.abi()}, the package needs ${abi.ABI}`, {
        hint: 'the module and the package are of different versions: take both from the same build',
      })
    }
    this.#scratch = this.x.scratch()
    this.refresh()
  }

  /** Rebuilds the views after the module's memory grew. */
  refresh() {
    this.#setViews(this.#memory.buffer)
  }

  /** @param {ArrayBuffer} b */
  #setViews(b) {
    this.u8 = new Uint8Array(b)
    this.u32 = new Uint32Array(b, this.#scratch, abi.SIZE >> 2)
    this.f64 = new Float64Array(b, this.#scratch, abi.SIZE >> 3)
  }

  /**
   * Does a task of the module, step by step, until it is done, and answers with its result. Other calls have their turns between the steps.
   *
   * @param {'verify' | 'salvage'} phase
   * @param {number} task its number
   * @param {{ signal?: AbortSignal, onProgress?: (p: import('./volume.js').Progress) => void }} io
   * @returns {Promise<any>}
   */
  async finish(phase, task, { signal, onProgress }) {
    for (;;) {
      const rc = this.x.task_next(task)
      if (rc < 0) throw this.failure(rc)
      if (rc > 0) return JSON.parse(decoder.decode(this.out()))
      if (this.u8.length === 0) this.refresh()
      const [bytesDone, bytesTotal] = [this.f64[abi.NUMS >> 3], this.f64[(abi.NUMS >> 3) + 1]]
      queueMicrotask(() => onProgress?.({ phase, bytesDone, bytesTotal, objectsDone: 0, objectsTotal: 0 })) // its exceptions are not ours
      await new Promise((resolve) => setTimeout(resolve))
      if (this.dead) throw this.dead
      if (signal?.aborted) {
        this.x.task_end(task)
        throwIfAborted(signal)
      }
    }
  }

  #takeCause() {
    const cause = this.cause
    this.cause = undefined
    return cause
  }

  // Text

  /**
   * Leaves a string in a slot of the scratch area and returns its length in bytes, or -ENAMETOOLONG.
   *
   * @param {0 | 1} slot
   * @param {string} s
   */
  put(slot, s) {
    if (this.u8.length === 0) this.refresh()
    const base = this.#scratch + slot * abi.SLOT
    const n = s.length
    if (n < 256) {
      // Names are short and nearly always ASCII: this beats encodeInto by a factor of three.
      const u8 = this.u8
      let i = 0
      for (; i < n; i++) {
        const c = s.charCodeAt(i)
        if (c > 127) break
        u8[base + i] = c
      }
      if (i === n) return n
    }
    const { read, written } = encoder.encodeInto(s, this.u8.subarray(base, base + abi.SLOT))
    return read < n ? -E.ENAMETOOLONG : written
  }

  /**
   * @param {0 | 1} slot
   * @param {number} n
   */
  text(slot, n) {
    if (this.u8.length === 0) this.refresh()
    const base = this.#scratch + slot * abi.SLOT
    return decoder.decode(this.u8.subarray(base, base + n))
  }

  /** The bytes of the last result that does not fit the scratch area; valid until the next call. */
  out() {
    if (this.u8.length === 0) this.refresh()
    const p = this.u32[abi.OUT >> 2]
    return this.u8.subarray(p, p + this.u32[(abi.OUT >> 2) + 1])
  }

  // Bytes

  /**
   * Leaves bytes for the next call that takes some: 0, or a negative errno.
   *
   * @param {Uint8Array} bytes
   */
  leave(bytes) {
    const at = this.x.inbox(bytes.length)
    if (at < 0) return at
    if (this.u8.length === 0) this.refresh()
    this.u8.set(bytes, at)
    return 0
  }

  /**
   * Copies the n bytes that handle_read has just left views of.
   *
   * @param {Uint8Array} to
   * @param {number} at
   * @param {number} n
   */
  copyOut(to, at, n) {
    if (this.u8.length === 0) this.refresh()
    const { u8, u32 } = this
    const count = u32[(abi.OUT >> 2) + 2]
    if (count === 1) return copy(u8, u32[abi.VIEWS >> 2], to, at, n)
    for (let i = 0, v = abi.VIEWS >> 2; i < count; i++, v += 2) {
      const p = u32[v]
      const size = u32[v + 1]
      to.set(u8.subarray(p, p + size), at)
      at += size
    }
  }

  /**
   * Fills the n bytes that handle_write has just left views of.
   *
   * @param {Uint8Array} from
   * @param {number} at
   * @param {number} n
   */
  copyIn(from, at, n) {
    if (this.u8.length === 0) this.refresh()
    const { u8, u32 } = this
    const count = u32[(abi.OUT >> 2) + 2]
    if (count === 1) return copy(from, at, u8, u32[abi.VIEWS >> 2], n)
    for (let i = 0, v = abi.VIEWS >> 2; i < count; i++, v += 2) {
      const size = u32[v + 1]
      u8.set(from.subarray(at, at + size), u32[v])
      at += size
    }
  }

  /**
   * Keeps what the last handle_read or handle_write has told of where the file lies in memory.
   *
   * @param {number} handle
   * @param {number} position
   * @param {number} writable the time while which it may be overwritten, in ms; 0 is never
   */
  #remember(handle, position, writable) {
    const { u32 } = this
    const inside = position % abi.PAGE
    const run = (this.#runs[handle] ??= new Run())
    run.start = position - inside // the page's first bytes are the file's, too
    run.end = position + u32[abi.RUN]
    run.address = u32[abi.VIEWS >> 2] - inside
    run.edits = this.f64[abi.EDITS]
    run.writable = writable
  }

  /**
   * Reads into an array and returns the number of bytes, or a negative errno.
   *
   * @param {number} handle
   * @param {Uint8Array} to
   * @param {number} at
   * @param {number} length
   * @param {number} position
   */
  read(handle, to, at, length, position) {
    const run = this.#runs[handle]
    if (run !== undefined && run.edits === this.f64[abi.EDITS] && position >= run.start && position + length <= run.end && length > 0) {
      copy(this.u8, run.address + (position - run.start), to, at, length)
      return length
    }
    const n = this.x.handle_read(handle, position, length)
    if (n <= 0) return n
    this.copyOut(to, at, n)
    this.#remember(handle, position, 0)
    if (n === length || n < abi.LONG) return n
    let done = n
    while (done < length) {
      const n = this.x.handle_read(handle, position + done, length - done)
      if (n <= 0) break
      this.copyOut(to, at + done, n)
      done += n
    }
    return done
  }

  /**
   * Writes from an array and returns the number of bytes, or a negative errno when none could be written.
   *
   * @param {number} handle
   * @param {Uint8Array} from
   * @param {number} at
   * @param {number} length
   * @param {number} position
   */
  write(handle, from, at, length, position) {
    const run = this.#runs[handle]
    if (
      run !== undefined && run.edits === this.f64[abi.EDITS] && position >= run.start && position + length <= run.end && length > 0 && run.writable === Date.now()
    ) {
      copy(from, at, this.u8, run.address + (position - run.start), length)
      return length
    }
    let done = 0
    while (done < length) {
      const n = this.x.handle_write(handle, position + done, length - done)
      if (n <= 0) return done || n
      this.copyIn(from, at + done, n)
      if (done === 0) this.#remember(handle, position, this.f64[abi.NUMS >> 3])
      done += n
    }
    return done
  }

  // What guests are told

  /**
   * @param {number} dir
   * @param {string} name
   * @param {Watcher} [but] the guest that did it
   */
  forget(dir, name, but) {
    for (const w of this.watchers) if (w !== but) w.forget(dir, name)
  }

  /**
   * @param {number} ino
   * @param {number} mode
   * @param {Watcher} [but]
   */
  modeChanged(ino, mode, but) {
    for (const w of this.watchers) if (w !== but) w.mode(ino, mode)
  }

  epochChanged() {
    for (const w of this.watchers) w.restored()
  }

  // Errors

  /**
   * The error of the call that has just failed.
   *
   * @param {number} rc its result, negative
   */
  failure(rc) {
    if (this.dead) return this.dead
    const n = this.x.failure()
    const cause = this.#takeCause()
    if (n <= 0) return new HoldfastError(codeOf(-rc), textOf(-rc), { errno: -rc, cause })
    const err = errorOf(decoder.decode(this.out()), cause)
    // The storage knows best why it failed: its file was taken over, or is closed.
    return err.code === 'ErrIO' && cause instanceof HoldfastError ? cause : err
  }

  /** Bytes of the module's memory. It never shrinks. */
  get memorySize() {
    return this.dead ? 0 : this.#memory.buffer.byteLength
  }

  /** @param {HoldfastError} err makes every later call throw this */
  kill(err) {
    if (this.dead) return
    this.dead = err
    // Guests get EIO from every call; the others look at `dead` when they get it.
    const refuse = () => -E.EIO
    this.x = new Proxy({}, { get: () => refuse })
    this.#scratch = 0
    this.#setViews(new ArrayBuffer(abi.SIZE))
    this.#program?.stop()
    for (const end of [...this.ends]) end(err)
    this.ondeath(err)
  }

  /** The functions that the module's `opfs` package imports: numbers in, bytes or a negative errno out. */
  #fileImports() {
    const file = this.#file
    /**
     * @param {number} p
     * @param {number} n
     */
    const view = (p, n) => new Uint8Array(this.#memory.buffer, p >>> 0, n)
    /** @param {(f: VolumeFile) => number | void} op */
    const attempt = (op) => {
      if (!file) return -E.EBADF
      try {
        return op(file) ?? 0
      } catch (err) {
        this.cause = err
        return -errnoOf(err)
      }
    }
    /** @typedef {number} N */
    return {
      file_read: (/** @type {N} */ _id, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ off) => attempt((f) => f.read(view(p, n), off)),
      file_write: (/** @type {N} */ _id, /** @type {N} */ p, /** @type {N} */ n, /** @type {N} */ off) => attempt((f) => f.write(view(p, n), off)),
      file_truncate: (/** @type {N} */ _id, /** @type {N} */ size) => attempt((f) => f.truncate(size)),
      file_size: () => attempt((f) => f.size()),
      file_flush: () => attempt((f) => f.flush()),
      file_close: () => attempt((f) => f.close()),
    }
  }
}
