/**
 * Makes dist/: `go.js` (Go's own loader, wrapped), `core.wasm`, `remote.wasm`, `s3.wasm`, and `comlink.js` and `hashes/` (as npm has them, see vendor/).
 *
 *   node build.mjs            all of them
 *   node build.mjs go.js      only those that are named
 */

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const dist = join(here, 'dist')
const GO = process.env.GO ?? 'go'

/** @type {Record<string, () => void>} */
const targets = {
  'go.js': () => {
    writeFileSync(join(dist, 'go.js'), wrapped(goLoader()))
    writeFileSync(join(dist, 'go.d.ts'), 'export function createGo(): { go: any, scope: any, output: string[] }\n')
  },
  'core.wasm': () => goBuild('core', 'holdfastcore'),
  'remote.wasm': () => goBuild('remote'),
  's3.wasm': () => goBuild('s3'),
  // Shipped, so that a worker finds them without a bundler: import maps do not reach into workers.
  'comlink.js': () => {
    const comlink = vendored('comlink')
    copyModule(join(comlink, 'dist/esm/comlink.mjs'), 'comlink.js')
    copyFileSync(join(comlink, 'LICENSE'), join(dist, 'comlink.LICENSE'))
    const names = ['expose', 'wrap', 'transfer', 'releaseProxy', 'finalizer']
    writeFileSync(join(dist, 'comlink.d.ts'), names.map((name) => `export const ${name}: ${name === 'finalizer' ? 'unique symbol' : 'any'}\n`).join(''))
  },
  'hashes/sha2.js': () => {
    const hashes = vendored('@noble/hashes')
    mkdirSync(join(dist, 'hashes'), { recursive: true })
    for (const name of ['_md.js', '_u64.js', 'utils.js', 'sha2.js']) copyModule(join(hashes, name), `hashes/${name}`)
    copyFileSync(join(hashes, 'LICENSE'), join(dist, 'hashes/LICENSE'))
    writeFileSync(join(dist, 'hashes/sha2.d.ts'), 'export const sha256: { create(): { update(bytes: Uint8Array): void, digest(): Uint8Array } }\n')
  },
}

/**
 * Where a package of vendor/ is.
 *
 * @param {string} name
 */
function vendored(name) {
  const folder = join(here, 'vendor/node_modules', name)
  if (!existsSync(folder)) execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: join(here, 'vendor'), stdio: 'inherit' })
  return folder
}

/**
 * @param {string} from
 * @param {string} to below dist/
 */
function copyModule(from, to) {
  writeFileSync(join(dist, to), readFileSync(from, 'utf8').replace(/^\/\/# sourceMappingURL.*$/m, ''))
}

function goLoader() {
  const root = execFileSync(GO, ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
  return readFileSync(join(root, 'lib/wasm/wasm_exec.js'), 'utf8')
}

/**
 * @param {string} name
 * @param {string} [tags] of the build: memfs/core.go says what that one is
 */
function goBuild(name, tags = '') {
  execFileSync(GO, ['build', '-trimpath', '-ldflags=-s -w', '-tags', tags, '-o', join(dist, `${name}.wasm`), `./wasm/${name}`], {
    cwd: join(here, '..'),
    env: { ...process.env, GOOS: 'js', GOARCH: 'wasm' },
    stdio: 'inherit',
  })
}

/**
 * Go's loader puts Go, fs, process and path on the global object, where other programs in the page find and trust them.
 * Here it sees a global object of its own that falls back to the real one, made anew for each instance, so that
 * nothing leaks out and two instances share nothing. Node's process and file system are kept from it.
 *
 * @param {string} loader
 */
function wrapped(loader) {
  return `// Made by build.mjs from Go's lib/wasm/wasm_exec.js. Do not edit.
/* eslint-disable */

/** @type {Map<Function, Function>} Functions of the real global object, such as fetch, that throw when called on another. */
const bound = new Map()

/** @returns {{ go: any, scope: any, output: string[] }} */
export function createGo() {
  const real = globalThis
  /** @type {any} */
  const own = { __proto__: null, fs: undefined, process: undefined, path: undefined, require: undefined }
  /** @type {string[]} */
  const output = []
  const scope = new Proxy(own, {
    has: (_, key) => key in own || key in real,
    get(_, key) {
      if (key in own) return own[key]
      if (key === 'globalThis' || key === 'self' || key === 'window' || key === 'global') return scope
      const value = Reflect.get(real, key)
      if (typeof value !== 'function' || 'prototype' in value) return value
      let f = bound.get(value)
      if (!f) bound.set(value, f = value.bind(real))
      return f
    },
  })
  /** @type {any} */
  let fs
  ;(function (/** @type {any} */ globalThis) {
${loader.replace('"use strict";', '')}
  })(scope)
  // What the program prints before it dies is kept for the error; the rest goes where console.error goes.
  fs = own.fs
  fs.writeSync = (/** @type {number} */ _fd, /** @type {Uint8Array} */ bytes) => {
    output.push(new TextDecoder().decode(bytes))
    if (output.length > 200) output.splice(0, 100)
    return bytes.length
  }
  return { go: new own.Go(), scope, output }
}
`
}

mkdirSync(dist, { recursive: true })
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(targets)) {
  if (!targets[name]) throw new Error(`build.mjs: no target ${name}; there are ${Object.keys(targets).join(', ')}`)
  targets[name]()
}
