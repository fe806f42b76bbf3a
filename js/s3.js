/** Publishing straight to S3-compatible storage. The S3 module, which is large, is loaded by the first call. */

import { HoldfastError } from './errors.js'
import { RECIPE } from './internal.js'
import { compile, locate } from './module.js'
import { startProgram } from './program.js'

/**
 * An access key, and until when it is valid, where it is temporary.
 *
 * @typedef {{ accessKeyId: string, secretAccessKey: string, sessionToken?: string, expiration?: Date | number | string }} Credentials
 *
 * Where a bucket is, and who may use it.
 *
 * @typedef {object} S3Config
 * @property {string} endpoint such as https://s3.eu-central-1.amazonaws.com
 * @property {string} [region] default 'us-east-1'
 * @property {string} bucket
 * @property {string} [prefix] of every key
 * @property {boolean} [forcePathStyle] the bucket in the path (the default) rather than in the host name
 * @property {Credentials | (() => Credentials | Promise<Credentials>)} credentials they are used to sign, and kept in memory only. A
 *   function is called for the first request, a minute before they expire, and when the service refuses them
 * @property {import('./volume.js').RetryOptions} [retry]
 * @property {import('./module.js').WasmSource} [wasm] where s3.wasm is, when it is not beside this package
 */

/**
 * Keep what this returns and hand it to every publish and pull: it remembers what the store has, so that the next publish asks for nothing.
 *
 * @param {S3Config} config
 * @returns {import('./volume.js').ObjectStore}
 */
export function s3({ wasm, retry, ...config }) {
  const recipe = ['s3', { wasm, retry, ...config }]
  for (const key of /** @type {const} */ (['endpoint', 'bucket', 'credentials'])) {
    if (!config[key]) throw new HoldfastError('ErrInvalid', `s3: ${key} is missing`, { errno: 22 })
  }
  /** @type {Promise<import('./volume.js').ObjectStore> | null} */
  let loading = null
  const store = () => (loading ??= load(config, wasm, again))
  const again = () => (loading = null) // the next call loads it anew
  return {
    retry,
    get: async (...args) => (await store()).get(...args),
    put: async (...args) => (await store()).put(...args),
    list: async (...args) => (await store()).list(...args),
    delete: async (...args) => (await store()).delete(...args),
    .../** @type {object} */ ({ [RECIPE]: recipe }),
  }
}

/**
 * @param {object} config
 * @param {import('./module.js').WasmSource | undefined} wasm
 * @param {() => void} failed
 * @returns {Promise<import('./volume.js').ObjectStore>}
 */
async function load(config, wasm, failed) {
  try {
    /** @type {(err: unknown) => void} */
    let died = () => {}
    const death = new Promise((_, reject) => (died = reject))
    death.catch(() => {})
    const { scope } = await startProgram(await compile(locate('s3.wasm', wasm)), 'the S3 module', {}, (err) => {
      failed()
      died(err)
    })
    const store = scope.holdfastS3(config)
    /** @param {string} method @returns {(...args: any[]) => Promise<any>} */
    const call = (method) => (...args) => Promise.race([store[method](...args), death])
    return { get: call('get'), put: call('put'), list: call('list'), delete: call('delete') }
  } catch (err) {
    failed()
    throw err
  }
}
