// Makes dist/: the page and its worker, bundled, beside Holdfast as it is shipped (the same way as tests/e2e/bundle.mjs, with
// relative addresses so that dist/ may be served from any folder). A bundler is needed for php-wasm, which imports its binaries as modules.

import { cp, mkdir, readFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { build } from 'esbuild'
import { buildWordPress } from './wordpress.mjs'

const here = import.meta.dirname
const packageFolder = path.join(here, '../js')
export const dist = path.join(here, 'dist')

export async function buildPage() {
  await rm(dist, { recursive: true, force: true })
  await mkdir(dist, { recursive: true })
  for (const name of ['index.html', 'style.css', 'icon.svg', 'sw.js']) await cp(path.join(here, name), path.join(dist, name))
  await copyPackage()
  await build({
    entryPoints: ['app.js', 'worker.js'].map((name) => path.join(here, name)),
    outdir: dist,
    bundle: true,
    splitting: true, // the two builds of PHP (JSPI, asyncify) stay apart: a browser loads one
    minify: true,
    legalComments: 'linked',
    format: 'esm',
    target: 'es2022',
    external: ['worker_threads', 'events', 'ws'], // named in branches that run only under Node
    loader: { '.wasm': 'file', '.dat': 'file', '.php': 'text' },
    assetNames: '[name]-[hash]',
    plugins: [holdfastAsShipped, noOptionalExtensions],
    logLevel: 'error',
  })
}

async function copyPackage() {
  const into = path.join(dist, 'holdfast')
  await mkdir(into)
  for (const name of await readdir(packageFolder)) {
    if (name.endsWith('.js') || name === 'dist') await cp(path.join(packageFolder, name), path.join(into, name), { recursive: true })
  }
}

const holdfastAsShipped = {
  name: 'holdfast-as-shipped',
  async setup(build) {
    const { exports } = JSON.parse(await readFile(path.join(packageFolder, 'package.json'), 'utf8'))
    build.onResolve({ filter: /^holdfast(\/|$)/ }, (args) => {
      const file = exports['.' + args.path.slice('holdfast'.length)]?.default
      if (!file) return { errors: [{ text: `holdfast exports no ${args.path}` }] }
      return { path: './holdfast/' + file.replace(/^\.\//, ''), external: true }
    })
  },
}

/** Extensions of PHP that the demo does not load (`…/intl.so?url`). */
const noOptionalExtensions = {
  name: 'no-optional-extensions',
  setup(build) {
    build.onResolve({ filter: /\?url$/ }, (args) => ({ path: args.path, external: true }))
  },
}

if (process.argv[1] === import.meta.filename) {
  await buildPage()
  await buildWordPress({ log: (text) => console.log(text) })
}
