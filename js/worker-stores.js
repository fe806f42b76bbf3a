/** Object stores that are handed to a volume in a worker. */

import * as Comlink from './dist/comlink.js'
import { gateway } from './gateway.js'
import { RECIPE } from './internal.js'
import { s3 } from './s3.js'
import { abortable, answer, opened, proxied } from './worker-wire.js'

/** @typedef {import('./volume.js').ObjectStore} ObjectStore */
/** @typedef {import('./worker-wire.js').Answer} Answer */
/** @typedef {import('./worker-wire.js').Sent} Sent */

/**
 * A store as it is sent: by number once it was sent whole.
 *
 * @typedef {object} Reference
 * @property {number} id
 * @property {{ kind: 's3' | 'gateway', config: Record<string, any>, functions: Record<string, MessagePort> }} [recipe]
 * @property {MessagePort} [port] to a store of one's own
 * @property {import('./volume.js').RetryOptions} [retry] of it
 */

/**
 * @param {any} store
 * @param {number} id
 * @param {Sent} sent
 * @returns {Reference}
 */
export function referenceTo(store, id, sent) {
  if (store[RECIPE]) return { id, recipe: written(store[RECIPE], sent) }
  return { id, port: sent.port(storeHost(store)), retry: store.retry }
}

/**
 * A recipe as it can be sent: functions become ports, addresses text.
 *
 * @param {['s3' | 'gateway', Record<string, any>]} recipe
 * @param {Sent} sent
 */
function written([kind, config], sent) {
  /** @type {NonNullable<Reference['recipe']>} */
  const recipe = { kind, config: {}, functions: {} }
  for (const [key, value] of Object.entries(config)) {
    if (typeof value === 'function') recipe.functions[key] = sent.port(() => answer(value))
    else recipe.config[key] = value instanceof URL ? value.href : value
  }
  return recipe
}

/** @param {NonNullable<Reference['recipe']>} recipe */
export function made({ kind, config, functions }) {
  for (const [key, port] of Object.entries(functions)) {
    const call = proxied(port)
    config[key] = async () => opened(await call())
  }
  return kind === 's3' ? s3(/** @type {any} */ (config)) : gateway(/** @type {any} */ (config))
}

/**
 * A store of the page's own, as the worker calls it.
 *
 * @param {ObjectStore} store
 */
function storeHost(store) {
  return {
    get: (/** @type {string} */ key, /** @type {any} */ options) =>
      answer(async () => {
        const { data, ...rest } = await store.get(key, options)
        return { ...rest, data: Uint8Array.from(data) } // what is handed over is gone here, and the store may need its own
      }),
    put: (/** @type {string} */ key, /** @type {Uint8Array} */ data, /** @type {any} */ options) => answer(() => store.put(key, data, options)),
    list: (/** @type {string} */ prefix) => answer(() => store.list(prefix)),
    delete: (/** @type {string} */ key) => answer(() => store.delete(key)),
  }
}

/**
 * The same, in the worker. An aborted call ends here at once; the page's store goes on with the one request.
 *
 * @param {any} host
 * @param {import('./volume.js').RetryOptions} [retry]
 * @returns {ObjectStore}
 */
export function remoteStore(host, retry) {
  const call = async (/** @type {Promise<Answer>} */ answering, /** @type {AbortSignal | undefined} */ signal) => opened(await abortable(answering, signal))
  return {
    retry,
    get: (key, { signal, ...options } = {}) => call(host.get(key, options), signal),
    put(key, data, { signal, ...options } = {}) {
      const copy = Uint8Array.from(data) // a retry sends the same bytes again, and a view is sent with all of its buffer
      return call(host.put(key, Comlink.transfer(copy, [copy.buffer]), options), signal)
    },
    list: (prefix, { signal } = {}) => call(host.list(prefix), signal),
    delete: (key, { signal } = {}) => call(host.delete(key), signal),
  }
}
