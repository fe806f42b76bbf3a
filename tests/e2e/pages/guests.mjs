// The worker of guests.test.mjs: several versions of PHP, with and without a volume, Python, and plain files in OPFS.

import * as holdfast from 'holdfast'
import { captureEmscripten, materializeEmscripten } from 'holdfast/emscripten'
import { exportDirectory, importDirectory } from 'holdfast/migrate'
import { holdfastMount } from 'holdfast/php'
import { mountPyodide } from 'holdfast/pyodide'
import { PHP, loadPHPRuntime } from '@php-wasm/universal'
import * as oldest from '@php-wasm/web-5-2'
import * as newest from '@php-wasm/web-8-5'

const builds = { oldest, newest }

/** PHP, with the volume mounted at /site when there is one, and its FS object. */
async function startPHP(build, volume) {
  const php = new PHP(await loadPHPRuntime(await builds[build].getPHPLoaderModule(), {}))
  if (volume) await php.mount('/site', holdfastMount(volume))
  let FS
  await php.mount('/tmp/unused', async (_php, fs) => ((FS = fs), () => {}))
  return { php, FS, run: (code) => runPHP(php, code) }
}

async function runPHP(php, code) {
  const { text, errors, exitCode } = await php.run({ code: `<?php error_reporting(E_ALL); ini_set('display_errors', '1'); ${code}` })
  if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${text} ${errors}`)
  return text
}

/** Python, with the volume mounted at /site; its package is served as it is shipped. */
async function startPython(volume) {
  const { loadPyodide } = await import('/holdfast/node_modules/pyodide/pyodide.mjs')
  const pyodide = await loadPyodide()
  mountPyodide(pyodide, volume, '/site')
  return (code) => pyodide.runPython(code)
}

/** Which build of PHP a browser gets. */
const jspi = () => newest.jspi()

/** A directory of OPFS, made when it does not exist. */
async function directory(path) {
  let handle = await navigator.storage.getDirectory()
  for (const name of path.split('/')) handle = await handle.getDirectoryHandle(name, { create: true })
  return handle
}

/** Plain files below a directory of OPFS: path → text or null for a directory. */
async function plainFiles(handle, prefix = '') {
  const found = {}
  for await (const [name, child] of handle.entries()) {
    if (child.kind === 'directory') Object.assign(found, { [prefix + name]: null }, await plainFiles(child, `${prefix}${name}/`))
    else found[prefix + name] = hex(await (await child.getFile()).arrayBuffer())
  }
  return found
}

/** Copies a guest's tree to plain files, as Playground does when it saves a site. */
async function savePlain(FS, root, handle) {
  for (const name of FS.readdir(root)) {
    if (name === '.' || name === '..') continue
    const path = `${root}/${name}`
    if (FS.isDir(FS.stat(path).mode)) await savePlain(FS, path, await handle.getDirectoryHandle(name, { create: true }))
    else {
      const stream = await (await handle.getFileHandle(name, { create: true })).createWritable()
      await stream.write(FS.readFile(path))
      await stream.close()
    }
  }
}

/** And back into a guest's memory. */
async function loadPlain(FS, root, handle) {
  FS.mkdirTree(root)
  for await (const [name, child] of handle.entries()) {
    if (child.kind === 'directory') await loadPlain(FS, `${root}/${name}`, child)
    else FS.writeFile(`${root}/${name}`, new Uint8Array(await (await child.getFile()).arrayBuffer()))
  }
}

const hex = (buffer) => new TextDecoder('latin1').decode(buffer)

/** The error that `action` ends with, as plain data; null when it succeeds. */
async function failure(action) {
  try {
    await action()
    return null
  } catch ({ name, code, message, path }) {
    return { name, code, message, path }
  }
}

Object.assign(globalThis, {
  holdfast, startPHP, startPython, jspi, directory, plainFiles, savePlain, loadPlain, importDirectory, exportDirectory, captureEmscripten, materializeEmscripten, failure,
})
globalThis.ready = Promise.resolve(true)
