/** Publishing straight to S3-compatible storage. The S3 module, which is large, is loaded by the first call. */

import { HoldfastError } from './errors.js'
import { compile, locate } from './module.js'

/**
 * @typedef {{ accessKeyId: string, secretAccessKey: string, sessionToken?: string }} Credentials
 *
 * @typedef {object} S3Config
 * @property {string} endpoint such as https://s3.eu-central-1.amazonaws.com
 * @property {string} [region] default 'auto'
 * @property {string} bucket
 * @property {string} [prefix] of every key
 * @property {boolean} [forcePathStyle] the bucket in the path (the default) rather than in the host name
 * @property {Credentials | (() => Credentials | Promise<Credentials>)} credentials they are used to sign and are kept nowhere
 * @property {import('./module.js').WasmSource} [wasm] where s3.wasm is, when it is not beside this package
 */

/**
 * @param {S3Config} config
 * @returns {import('./volume.js').ObjectStore}
 */
export function s3({ wasm, ...config }) {
  for (const key of /** @type {const} */ (['endpoint', 'bucket', 'credentials'])) {
    if (!config[key]) throw new HoldfastError('ErrInvalid', `s3: ${key} is missing`, { errno: 22 })
  }
  /** @type {Promise<import('./volume.js').ObjectStore> | null} */
  let loading = null
  const store = () =>
    (loading ??= load(config, wasm).catch((err) => {
      loading = null // the next call tries again
      throw err
    }))
  return {
    get: async (...args) => (await store()).get(...args),
    put: async (...args) => (await store()).put(...args),
    list: async (...args) => (await store()).list(...args),
    delete: async (...args) => (await store()).delete(...args),
  }
}

/**
 * @param {object} config
 * @param {import('./module.js').WasmSource} [wasm]
 */
async function load(config, wasm) {
  const [module, { createGo }] = await Promise.all([compile(locate('s3.wasm', wasm)), import('./dist/go.js')])
  const { go, scope, output } = createGo()
  go.exit = () => {
    throw new HoldfastError('ErrInternal', `the S3 module stopped: ${output.join('').split('\n')[0]}`, { details: output.join('') })
  }
  go.run(await WebAssembly.instantiate(module, go.importObject))
  return scope.holdfastS3(config)
}
