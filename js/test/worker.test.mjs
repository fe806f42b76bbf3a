/** holdfast/worker in Node: a volume in a thread of worker_threads. tests/e2e has the browser's side. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import { HoldfastError, open } from 'holdfast'
import { nodeDirectory } from 'holdfast/node'
import { connect } from 'holdfast/worker'

test('a volume in a thread: calls, progress, abort, bytes, errors, and what was committed', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-worker-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const { port1, port2 } = new MessageChannel()
  // Such a worker finds packages from the current directory.
  const modules = ['holdfast', 'holdfast/node', 'holdfast/worker'].map((m) => import.meta.resolve(m))
  const worker = new Worker(`
    const { workerData: { dir, port, modules } } = require('node:worker_threads')
    Promise.all(modules.map((m) => import(m))).then(([{ open }, { nodeDirectory }, { exposeVolume }]) => {
      exposeVolume(open('v', { storage: nodeDirectory(dir) }), { endpoint: port })
    })`, { eval: true, workerData: { dir, port: port2, modules }, transferList: [port2] })
  t.after(() => worker.terminate())
  const volume = await connect(/** @type {any} */ (port1))
  await volume.fs.writeFile('/f', new Uint8Array(3e6).fill(7))
  const before = await volume.snapshot({ label: 'before' })
  /** @type {import('holdfast').Progress[]} */
  const seen = []
  await volume.commit()
  await volume.verify({ onProgress: (p) => seen.push(p) })
  assert.ok(seen.length > 1)
  const abort = new AbortController()
  await assert.rejects(volume.verify({ signal: abort.signal, onProgress: () => abort.abort() }), (err) => err instanceof HoldfastError && err.code === 'ErrAborted')
  await assert.rejects(volume.restore('00000000000000ff'), (err) => err instanceof HoldfastError && err.code === 'ErrNotFound')
  await assert.rejects(volume.fs.readFile('/none'), { code: 'ENOENT', syscall: 'open' })
  assert.equal((await volume.fs.readFile('/f')).length, 3e6)
  await volume.fs.rm('/f')
  await volume.restore(before)
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'ErrLocked' })
  await volume.close()
  volume.disconnect()
  port1.close()
  const here = await open('v', { storage: nodeDirectory(dir) })
  assert.equal(here.fs.statSync('/f').size, 3e6)
  await here.close()
})
