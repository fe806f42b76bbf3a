/**
 * Change events: `watch`, `watchFile` and their promises of volume.fs. Everything that changes the files is seen, guests, restore and pull
 * included: while somebody watches, the tree is compared with what it was a moment ago, at a cost in proportion to the change.
 */

import { E, errnoError } from './errors.js'
import { BigIntStats, Stats } from './fs-stats.js'

const INTERVAL = 50 // ms between two looks

/** @typedef {{ path: string, type: string, change: 'create' | 'update' | 'delete' | 'metadata' | 'rename', from?: string }} Change */

/** Looks for changes of one volume as long as somebody wants to know. */
export class Watching {
  /** @type {Set<{ changed: (changes: Change[]) => void, closed: () => void, persistent: boolean }>} */
  #watchers = new Set()
  #core
  /** @type {any} */
  #timer

  /** @param {import('./core.js').Core} core */
  static of(core) {
    return (core.watching ??= new Watching(core))
  }

  /** @param {import('./core.js').Core} core */
  constructor(core) {
    this.#core = core
  }

  /** @param {{ changed: (changes: Change[]) => void, closed: () => void, persistent: boolean }} watcher */
  add(watcher) {
    if (this.#watchers.size === 0) this.#core.x.watch(1)
    else this.#look() // what was before is none of the new one's business
    this.#watchers.add(watcher)
    this.#schedule()
  }

  /** @param {any} watcher */
  delete(watcher) {
    if (!this.#watchers.delete(watcher) || this.#watchers.size > 0) return
    clearTimeout(this.#timer)
    this.#core.x.watch(0)
  }

  #schedule() {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#look()
      if (this.#watchers.size > 0) this.#schedule()
    }, INTERVAL)
    if (![...this.#watchers].some((w) => w.persistent)) this.#timer.unref?.() // in Node: does not keep the process alive
  }

  #look() {
    const core = this.#core
    const rc = core.x.watch_changes()
    const all = [...this.#watchers]
    if (core.dead) {
      this.#watchers.clear()
      for (const w of all) w.closed()
      return
    }
    if (rc <= 0) return // nothing, or blocks that cannot be read now: the next look tells
    const changes = JSON.parse(new TextDecoder().decode(core.out()))
    if (changes.length > 0) for (const w of all) w.changed(changes)
  }
}

/** What `watch` gives: the events 'change' (with the type and the name), 'error' and 'close', as node:events tells them. */
export class FSWatcher {
  /** @type {Map<string, { listener: Function, once: boolean }[]>} */
  #listeners = new Map()
  /** @type {(() => void) | null} */
  #stop

  /** @param {() => void} stop */
  constructor(stop) {
    this.#stop = stop
  }

  /** @param {string} event @param {Function} listener */
  on(event, listener) {
    return this.#add(event, listener, false)
  }
  /** @param {string} event @param {Function} listener */
  once(event, listener) {
    return this.#add(event, listener, true)
  }
  /** @param {string} event @param {Function} listener */
  addListener(event, listener) {
    return this.on(event, listener)
  }
  /** @param {string} event @param {Function} listener @param {boolean} once */
  #add(event, listener, once) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), { listener, once }])
    return this
  }
  /** @param {string} event @param {Function} listener */
  off(event, listener) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? []).filter((l) => l.listener !== listener))
    return this
  }
  /** @param {string} event @param {Function} listener */
  removeListener(event, listener) {
    return this.off(event, listener)
  }
  /** @param {string} event @param {any[]} args */
  emit(event, ...args) {
    const list = this.#listeners.get(event) ?? []
    for (const { listener, once } of list) {
      if (once) this.off(event, listener)
      listener.apply(this, args)
    }
    return list.length > 0
  }
  /** Ends it. A second call does nothing. */
  close() {
    const stop = this.#stop
    this.#stop = null
    if (!stop) return
    stop()
    queueMicrotask(() => this.emit('close'))
  }
  ref() {
    return this
  }
  unref() {
    return this
  }
}

/**
 * Events of a file, or of the names in a directory: 'rename' when a name appears or goes, 'change' when a file's content or attributes change.
 *
 * @param {any} fs
 * @param {import('./core.js').Core | null} core null for files that never change
 * @param {string} path
 * @param {{ persistent?: boolean, recursive?: boolean, signal?: AbortSignal }} options
 * @param {((type: 'rename' | 'change', name: string) => void) | undefined} listener
 */
export function watch(fs, core, path, { persistent = true, recursive = false, signal }, listener) {
  const st = fs.statSync(path, { throwIfNoEntry: false })
  if (!st) throw errnoError(E.ENOENT, 'watch', path)
  const at = fs.realpathSync(path)
  const nameIn = st.isDirectory() ? namesBelow(at, recursive) : (/** @type {string} */ p) => (p === at ? at.slice(at.lastIndexOf('/') + 1) : null)
  const entry = {
    persistent,
    changed(/** @type {Change[]} */ changes) {
      for (const { change, path, from } of changes) {
        const tell = (/** @type {string} */ type, /** @type {string} */ p) => {
          const name = nameIn(p)
          if (name !== null) watcher.emit('change', type, name)
        }
        if (change === 'rename' && from !== undefined) tell('rename', from)
        tell(change === 'update' || change === 'metadata' ? 'change' : 'rename', path)
      }
    },
    closed: () => watcher.close(),
  }
  const watching = core && Watching.of(core)
  const abort = () => watcher.close()
  const watcher = new FSWatcher(() => {
    watching?.delete(entry)
    signal?.removeEventListener('abort', abort)
  })
  if (listener) watcher.on('change', listener)
  if (signal?.aborted) queueMicrotask(abort)
  else signal?.addEventListener('abort', abort, { once: true })
  watching?.add(entry)
  return watcher
}

/** @param {string} dir @param {boolean} recursive @returns {(path: string) => string | null} */
function namesBelow(dir, recursive) {
  const prefix = dir === '/' ? '/' : `${dir}/`
  return (path) => {
    if (!path.startsWith(prefix)) return null
    const name = path.slice(prefix.length)
    return name === '' || (!recursive && name.includes('/')) ? null : name
  }
}

/**
 * The events of `watch` one after the other, until the signal is aborted. It watches from the call on.
 *
 * @param {any} fs
 * @param {any} path
 * @param {{ signal?: AbortSignal, [option: string]: any }} [options]
 * @returns {AsyncIterableIterator<{ eventType: 'rename' | 'change', filename: string }>}
 */
export function watchEvents(fs, path, options = {}) {
  const { signal, ...rest } = options
  /** @type {any[]} */
  const events = []
  let wake = () => {}
  let ended = signal?.aborted ?? false
  const watcher = ended ? null : fs.watch(path, rest, (/** @type {string} */ eventType, /** @type {string} */ filename) => {
    events.push({ eventType, filename })
    wake()
  })
  watcher?.on('close', () => {
    ended = true
    wake()
  })
  signal?.addEventListener('abort', () => watcher?.close(), { once: true })
  return (async function* () {
    try {
      for (;;) {
        while (events.length > 0) yield events.shift()
        if (signal?.aborted) throw Object.assign(new Error('The operation was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' })
        if (ended) return
        await new Promise((resolve) => (wake = () => resolve(undefined)))
      }
    } finally {
      watcher?.close()
    }
  })()
}

/**
 * `watchFile` and `unwatchFile`: told the attributes before and after whenever those of a path have changed. Of a path with nothing they are zeros.
 *
 * @param {any} fs
 */
export function fileWatches(fs) {
  /** @type {Map<string, Map<Function, FSWatcher>>} */
  const paths = new Map()
  /** @param {string} path @param {boolean | undefined} bigint */
  const look = (path, bigint) => fs.statSync(path, { bigint, throwIfNoEntry: false }) ?? (bigint ? new BigIntStats(NOTHING, 0) : new Stats(NOTHING, 0))
  return {
    /** @param {string} path @param {{ bigint?: boolean, persistent?: boolean }} options @param {Function} listener */
    add(path, { bigint, persistent }, listener) {
      let before = look(path, bigint)
      const watcher = fs.watch('/', { recursive: true, persistent }, () => {
        const now = look(path, bigint)
        const same = ['ino', 'size', 'mode', 'mtimeMs', 'ctimeMs', 'nlink', 'uid', 'gid'].every((f) => now[f] === before[f])
        const old = before
        before = now
        if (!same) watcher.emit('stat', now, old)
      })
      watcher.on('stat', listener)
      const there = paths.get(path) ?? new Map()
      there.get(listener)?.close()
      paths.set(path, there.set(listener, watcher))
      return watcher
    },
    /** @param {string} path @param {Function} [listener] */
    delete(path, listener) {
      for (const [l, watcher] of paths.get(path) ?? []) {
        if (listener && l !== listener) continue
        watcher.close()
        paths.get(path)?.delete(l)
      }
    },
  }
}

/** @type {import('./files.js').Attr} */
const NOTHING = {
  ...{ ino: 0, size: 0, rdev: 0, mode: 0, nlink: 0, uid: 0, gid: 0, atimeMs: 0, mtimeMs: 0, ctimeMs: 0, birthtimeMs: 0 },
  ns: [0n, 0n, 0n, 0n],
}
