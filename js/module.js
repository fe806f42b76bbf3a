/** Finding and compiling the WebAssembly modules, once each. */

import { HoldfastError } from './errors.js'

/**
 * Where a module comes from: its address, its bytes, a response, or the compiled module itself.
 *
 * @typedef {string | URL | ArrayBuffer | Uint8Array | Response | WebAssembly.Module} WasmSource
 */

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const compiled = new Map()

/**
 * @param {'core.wasm' | 'remote.wasm' | 's3.wasm'} name
 * @param {WasmSource} [given]
 * @returns {WasmSource}
 */
export function locate(name, given) {
  if (given !== undefined) return given
  // Written out so that bundlers see the files.
  if (name === 'core.wasm') return new URL('./dist/core.wasm', import.meta.url)
  if (name === 'remote.wasm') return new URL('./dist/remote.wasm', import.meta.url)
  return new URL('./dist/s3.wasm', import.meta.url)
}

/**
 * Compiles a module. One given by address is compiled once. Rejects with ErrModule.
 *
 * @param {WasmSource} source
 * @returns {Promise<WebAssembly.Module>}
 */
export function compile(source) {
  if (source instanceof WebAssembly.Module) return Promise.resolve(source)
  if (typeof source !== 'string' && !(source instanceof URL)) return compileBytes(source).catch(failed('what was given as wasm'))
  const address = String(source)
  let module = compiled.get(address)
  if (!module) {
    module = fetchModule(address).catch(failed(address))
    compiled.set(address, module)
    module.catch(() => compiled.delete(address)) // the next open tries again
  }
  return module
}

/** @param {ArrayBuffer | Uint8Array | Response} source */
async function compileBytes(source) {
  if (typeof Response !== 'undefined' && source instanceof Response) return compileResponse(source)
  return WebAssembly.compile(/** @type {BufferSource} */ (source))
}

/** @param {string} address */
async function fetchModule(address) {
  if (address.startsWith('file:')) {
    const node = 'node:fs/promises' // not as a literal, which bundlers for browsers would look for
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ node)
    return WebAssembly.compile(await readFile(new URL(address)))
  }
  return compileResponse(await fetch(address))
}

/** @param {Response} response */
async function compileResponse(response) {
  if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`)
  // Compiled while it arrives. That refuses a wrong media type, which simple file servers send.
  if (WebAssembly.compileStreaming && response.headers.get('content-type')?.startsWith('application/wasm')) {
    return WebAssembly.compileStreaming(response)
  }
  return WebAssembly.compile(await response.arrayBuffer())
}

/**
 * Makes a handler that says what is wrong with a module.
 *
 * @param {string} where
 * @returns {(cause: any) => never}
 */
function failed(where) {
  return (cause) => {
    const forbidden = /Content Security Policy|unsafe-eval/i.test(cause?.message ?? '')
    throw new HoldfastError('ErrModule', `a WebAssembly module cannot be loaded from ${where}: ${cause?.message ?? cause}`, {
      hint: forbidden
        ? "let the page and its workers compile WebAssembly: add 'wasm-unsafe-eval' to script-src in their Content-Security-Policy"
        : "is the package's dist/ served there? With a bundler that does not find it, pass its address as `wasm`",
      cause,
    })
  }
}
