// Bundles a worker with esbuild, because php-wasm's package imports its
// binaries as modules (`import url from './8_3_33/php_8_3.wasm'`), which only a
// bundler understands. Holdfast itself is NOT bundled: its ES modules are
// served as they are shipped, under /holdfast/.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { build } from 'esbuild'

export const root = path.resolve(import.meta.dirname, '../..')
const outdir = path.join(root, 'build/e2e')

/** The folders that `serve` needs for a page with a bundled worker. */
export const folders = {
  '/pages/': path.join(import.meta.dirname, 'pages'),
  '/bundle/': outdir,
  '/holdfast/': path.join(root, 'js'),
  '/scenario/': path.join(root, 'tests/scenario'),
  '/npm/': path.join(import.meta.dirname, 'node_modules'),
}

/** Builds pages/<name>.mjs, or that of another folder; the page then starts /bundle/<name>.js. `alias`: packages by file. */
export async function bundle(name, { from = path.join(import.meta.dirname, 'pages'), to = outdir, alias = {} } = {}) {
  await build({
    entryPoints: [path.join(from, `${name}.mjs`)],
    outdir: to,
    publicPath: '/bundle/',
    bundle: true,
    splitting: true, // the two builds of PHP (JSPI, asyncify) stay apart
    format: 'esm',
    target: 'es2022',
    external: ['worker_threads', 'events', 'ws', '/npm/*', '/holdfast/*'], // the first three are named in branches that run only under Node
    loader: { '.wasm': 'file', '.dat': 'file', '.php': 'text' },
    alias,
    plugins: [servedAsShipped, optionalExtensions],
    logLevel: 'error',
  })
}

const servedAsShipped = {
  name: 'holdfast-served-as-shipped',
  async setup(build) {
    const { exports } = JSON.parse(await readFile(path.join(root, 'js/package.json'), 'utf8'))
    build.onResolve({ filter: /^holdfast(\/|$)/ }, (args) => {
      const entry = exports['.' + args.path.slice('holdfast'.length)]
      const file = entry?.browser ?? entry?.import ?? entry?.default ?? entry
      if (typeof file !== 'string') return { errors: [{ text: `holdfast's package.json exports no ${args.path}` }] }
      return { path: '/holdfast/' + file.replace(/^\.\//, ''), external: true }
    })
  },
}

/** Extensions of PHP that no test loads (`…/intl.so?url`). */
const optionalExtensions = {
  name: 'no-optional-extensions',
  setup(build) {
    build.onResolve({ filter: /\?url$/ }, (args) => ({ path: args.path, external: true }))
  },
}
