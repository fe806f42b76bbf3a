/** The worker's side of a connection. */

import * as Comlink from './dist/comlink.js'
import { HoldfastError } from './errors.js'
import { FILE_METHODS, METHODS, answer, proxied } from './worker-wire.js'
import { made, remoteStore } from './worker-stores.js'

/** @typedef {import('./volume.js').Volume} Volume */
/** @typedef {import('./volume.js').Progress} Progress */
/** @typedef {import('./volume.js').ObjectStore} ObjectStore */
/** @typedef {import('./worker-wire.js').Endpoint} Endpoint */
/** @typedef {import('./worker-wire.js').Method} Method */
/** @typedef {import('./worker-wire.js').FileMethod} FileMethod */
/** @typedef {import('./worker-stores.js').Reference} Reference */

/**
 * Lets the page that started this worker `connect()` to a volume. Give it the promise of `open()`, so that a page that connects
 * early waits, and hears why a volume could not be opened.
 *
 * @param {Volume | Promise<Volume>} volume
 * @param {{ name?: string, endpoint?: Endpoint }} [options] name: tells volumes of one worker apart; endpoint: instead of the worker's own; in
 *   Node's worker_threads, where workers have none of this kind, one port of a MessageChannel, of which the page's side gets the other
 * @returns {() => void} ends it for those who connect later
 */
export function exposeVolume(volume, { name = '', endpoint = /** @type {any} */ (globalThis) } = {}) {
  const opened = Promise.resolve(volume)
  opened.catch(() => {}) // each page that connects gets it
  const listener = (/** @type {MessageEvent} */ event) => {
    const { holdfast, name: wanted, port } = event.data ?? {}
    if (holdfast === 'connect' && wanted === name) Comlink.expose(new Host(opened), port)
  }
  endpoint.addEventListener('message', listener)
  endpoint.start?.()
  return () => endpoint.removeEventListener('message', listener)
}

/** What a connection calls. Every answer is an envelope with a value or an error, because Comlink keeps only the message of an error. */
class Host {
  #volume
  /** @type {Map<number, AbortController>} */
  #running = new Map()
  /** @type {Map<number, ObjectStore>} */
  #stores = new Map()
  /** @type {() => void} */
  #end = () => {}
  /** @type {Promise<void>} */
  #ended = new Promise((resolve) => (this.#end = resolve))

  /** @param {Promise<Volume>} volume */
  constructor(volume) {
    this.#volume = volume
  }

  /**
   * Somebody is here. Answers the name of a lock that is held until the connection or this worker ends, by which the other side notices; null
   * where there are no locks (insecure contexts, Node).
   *
   * @returns {Promise<string | null>}
   */
  ack() {
    const locks = globalThis.navigator?.locks
    const name = `holdfast:connection:${Math.random()}${performance.now()}`
    return new Promise((resolve) => {
      const hold = () => {
        resolve(name)
        return this.#ended
      }
      if (locks) locks.request(name, hold).catch(() => resolve(null))
      else resolve(null)
    })
  }

  /** Comlink calls it when the page has ended the connection. */
  [Comlink.finalizer]() {
    this.#end()
  }

  about() {
    return answer(async () => {
      const { name, uuid, durability } = await this.#volume
      return { name, uuid, durability }
    })
  }

  lost() {
    return answer(async () => {
      throw await (await this.#volume).lost
    })
  }

  /** @param {number} id of a call */
  abort(id) {
    this.#running.get(id)?.abort(new HoldfastError('ErrAborted', 'the call was aborted'))
  }

  /** @param {{ id: number, method: Method, args: any[], store?: Reference, onProgress?: MessagePort }} call */
  async call({ id, method, args, store, onProgress }) {
    const abort = new AbortController()
    this.#running.set(id, abort)
    const progress = onProgress && proxied(onProgress)
    /** @type {Promise<unknown>} */
    let told = Promise.resolve()
    try {
      return await answer(async () => {
        const volume = await this.#volume
        if (!Object.hasOwn(METHODS, method)) throw new HoldfastError('ErrUnsupported', `no such call: ${method}`, { errno: 95 })
        if (store) args.unshift(this.#store(store))
        const at = METHODS[method]
        if (at >= 0) {
          args[at] = { ...args[at], signal: abort.signal }
          if (progress) args[at].onProgress = (/** @type {Progress} */ p) => (told = progress(p).catch(() => {}))
        }
        try {
          return await /** @type {any} */ (volume)[method](...args)
        } finally {
          await told // the page hears of all of it before it hears the end
        }
      })
    } finally {
      this.#running.delete(id)
      progress?.[Comlink.releaseProxy]()
    }
  }

  /**
   * @param {FileMethod} method
   * @param {any[]} args
   * @param {string} [snapshot] id
   */
  file(method, args, snapshot) {
    return answer(async () => {
      const volume = await this.#volume
      if (!FILE_METHODS.includes(method)) throw new HoldfastError('ErrUnsupported', `no such call: ${method}`, { errno: 95 })
      const fs = snapshot === undefined ? volume.fs : volume.readSnapshot(snapshot)
      try {
        const value = /** @type {any} */ (fs)[`${method}Sync`](...args)
        return value
      } finally {
        if ('release' in fs) /** @type {any} */ (fs).release()
      }
    })
  }

  /** @param {Reference} reference */
  #store({ id, recipe, port, retry }) {
    let store = this.#stores.get(id)
    if (!store) {
      store = recipe ? made(recipe) : remoteStore(proxied(/** @type {MessagePort} */ (port)), retry)
      this.#stores.set(id, store)
    }
    return store
  }
}
