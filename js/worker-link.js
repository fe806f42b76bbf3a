/** The page's line to a worker, and noticing that nobody is at the other end any more. */

import * as Comlink from './dist/comlink.js'
import { HoldfastError, throwIfAborted } from './errors.js'
import { pause } from './storage.js'

/** @typedef {import('./worker-wire.js').Endpoint} Endpoint */
/** @typedef {import('./worker-wire.js').Answer} Answer */

/** How long after one call for the worker the next is made, in ms: it hears none until it listens. */
const CALL_MS = 100

/**
 * Offers the worker one end of a channel until it takes one.
 *
 * @param {Endpoint} endpoint
 * @param {string} name
 * @param {AbortSignal} [signal]
 * @returns {Promise<Link>}
 */
export async function reach(endpoint, name, signal) {
  /** @type {any[]} hosts */
  const offered = []
  /** @type {any} */
  let taken
  /** @type {string | null} */
  let life = null
  /** @type {HoldfastError | undefined} */
  let failed
  const broken = (/** @type {any} */ event) => {
    failed ??= new HoldfastError('ErrWorker', `the worker stopped: ${event.message ?? 'its program could not be loaded'}`, { hint: 'the console says more' })
  }
  endpoint.addEventListener('error', broken)
  try {
    while (!taken) {
      throwIfAborted(signal)
      if (failed) throw failed
      const { port1, port2 } = new MessageChannel()
      const host = Comlink.wrap(port1)
      offered.push(host)
      const acknowledged = host.ack().then((/** @type {string | null} */ key) => {
        if (taken) return
        taken = host
        life = key
      })
      endpoint.postMessage({ holdfast: 'connect', name, port: port2 }, [port2])
      const wait = new AbortController()
      const abort = () => wait.abort(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      await Promise.race([acknowledged, pause(CALL_MS, wait.signal).catch(() => {})])
      signal?.removeEventListener('abort', abort)
      wait.abort()
    }
    return new Link(taken, life)
  } finally {
    endpoint.removeEventListener('error', broken)
    for (const host of offered) if (host !== taken) host[Comlink.releaseProxy]()
  }
}

/** Calls to a Host, which fail when its worker has ended: messages to it are lost without a word. */
export class Link {
  #host
  #watching = new AbortController()
  /** @type {HoldfastError | null} */
  #gone = null
  /** @type {Set<(err: HoldfastError) => void>} */
  #waiting = new Set()

  /**
   * @param {any} host
   * @param {string | null} life the name of a lock that the worker holds as long as it lives
   */
  constructor(host, life) {
    this.#host = host
    if (life) navigator.locks.request(life, { signal: this.#watching.signal }, () => this.#fail()).catch(() => {}) // end() aborts it
  }

  #fail() {
    this.#gone = new HoldfastError('ErrWorker', 'the worker has ended, and the volume with it', {
      hint: 'start the worker again and connect anew: the files are as of the last commit',
    })
    for (const reject of [...this.#waiting]) reject(this.#gone)
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<Answer>}
   */
  ask(method, ...args) {
    return new Promise((resolve, reject) => {
      if (this.#gone) throw this.#gone
      this.#waiting.add(reject)
      this.#host[method](...args).then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  /**
   * Asks for no answer.
   *
   * @param {string} method
   * @param {any[]} args
   */
  tell(method, ...args) {
    if (!this.#gone) void this.#host[method](...args)
  }

  end() {
    this.#watching.abort()
    this.#host[Comlink.releaseProxy]()
  }
}
