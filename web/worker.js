// The dedicated worker: it holds the volume, runs PHP on it, and answers the page over Comlink.
//
// The guestbook commits once per request that changed something, before the page hears that it worked: durability 'manual'.
// With the default, 'fsync', a commit may fall inside a request, between the database and the line that the guestbook
// writes beside it, and the time line would show a point that no visitor has seen.

import { HoldfastError, open as openVolume, opfs, s3 } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { PHP, loadPHPRuntime } from '@php-wasm/universal'
import { getPHPLoaderModule } from '@php-wasm/web-8-3'
import * as Comlink from 'comlink'
import program from './guestbook.php'

const NAME = 'guestbook'
const PROGRAM = '/app/guestbook.php'

let volume
let php
let transfer // what cancel() ends
let lastCommit = null
const descriptions = new Map() // a point never changes, so neither does what it says about itself

/** Opens the volume and starts PHP on it. Calling it again after it failed is what "Try again" does. */
async function open() {
  volume ??= await openVolume(NAME, { storage: opfs(), durability: 'manual', history: { keep: 50 } })
  php ??= await startPHP(volume)
  const answer = await request({ method: 'GET' })
  commit() // the empty database of a first visit
  return { ...answer, ...timeline() }
}

async function startPHP(volume) {
  const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule(), {}))
  await php.mount('/data', holdfastMount(volume))
  php.mkdir('/app')
  php.writeFile(PROGRAM, program)
  return php
}

/** One request to the guestbook. What it changed is on disk when this answers. */
async function request({ method, fields = {} }) {
  const form = new URLSearchParams(fields).toString()
  const response = await php.run({
    scriptPath: PROGRAM,
    method,
    relativeUri: method === 'GET' ? `/?${form}` : '/',
    ...(method === 'GET' ? { $_SERVER: { QUERY_STRING: form } } : { body: new TextEncoder().encode(form), headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
  })
  if (response.exitCode !== 0) {
    throw new HoldfastError('ErrGuest', 'the guestbook program stopped with an error', {
      hint: 'Reload the page. If it happens again, go back to an earlier point of the time line.',
      details: `${response.errors}\n${response.text}`,
    })
  }
  if (response.httpStatusCode === 422) throw new HoldfastError('ErrInput', response.text)
  return { html: response.text }
}

/** A request is a transaction: when it or its commit fails, the files are again what they were. */
async function change(fields) {
  try {
    const answer = await request({ method: 'POST', fields })
    commit()
    return { ...answer, ...timeline() }
  } catch (error) {
    if (!volume.closed && volume.dirty) volume.restore(volume.snapshots()[0])
    throw error
  }
}

function commit(label) {
  if (!label && !volume.dirty) return
  const start = performance.now()
  const { seq, bytesWritten, createdAt } = volume.commit({ label })
  lastCommit = { seq, bytesWritten, createdAt, ms: performance.now() - start }
}

function snapshot(label) {
  commit(label)
  return timeline()
}

/** Nothing is lost by it: the present was committed, so it is a point of the time line itself. */
async function restore(id) {
  commit()
  const start = performance.now()
  volume.restore(id)
  const ms = performance.now() - start
  commit()
  return { ms, ...(await request({ method: 'GET' })), ...timeline() }
}

function timeline() {
  const list = volume.snapshots()
  const byId = new Map(list.map((point) => [point.id, point]))
  const points = list.map((point, i) => {
    // After a restore the time line goes on from the point that was restored, not from the one before in time.
    const origin = list[i + 1] && point.parentId !== list[i + 1].id ? byId.get(point.parentId) : undefined
    const text = point.label || (origin ? `Back to: ${describe(origin)}` : describe(point))
    return { id: point.id, seq: point.seq, createdAt: point.createdAt, labelled: Boolean(point.label), text }
  })
  return { points, lastCommit }
}

/** What a point is: its label, or the line that the guestbook left in it. */
function describe({ id, label }) {
  if (label) return label
  let text = descriptions.get(id)
  if (text === undefined) {
    const files = volume.readSnapshot(id)
    text = files.existsSync('/last-change.txt') ? files.readFileSync('/last-change.txt', 'utf8') : 'Opened for the first time'
    files.release()
    descriptions.set(id, text)
  }
  return text
}

async function publish(remote, { overwrite = false }, onProgress) {
  return transferring(async (signal) => {
    const result = await volume.publish(s3(remote), { overwrite, signal, onProgress })
    return { result, ...timeline() }
  })
}

async function pull(remote, onProgress) {
  return transferring(async (signal) => {
    commit() // the present stays in the time line
    const result = await volume.pull(s3(remote), { signal, onProgress })
    commit('Fetched from the store')
    return { result, ...(await request({ method: 'GET' })), ...timeline() }
  })
}

async function transferring(work) {
  transfer = new AbortController()
  try {
    return await work(transfer.signal)
  } finally {
    transfer = undefined
  }
}

function cancel() {
  transfer?.abort(new Error('the visitor cancelled'))
}

/** Comlink would pass on only the message of an error; code, hint and details are what the page makes sentences of. */
function answering(functions) {
  return Object.fromEntries(Object.entries(functions).map(([name, fn]) => [name, async (...args) => {
    try {
      return { value: await fn(...args) }
    } catch (error) {
      const { code = 'ErrInternal', message, hint, details } = error
      if (!(error instanceof HoldfastError)) console.error(error)
      return { error: { code, message, hint, details } }
    }
  }]))
}

Comlink.expose(answering({
  open, change, snapshot, restore, publish, pull, cancel,
  list: (fields) => request({ method: 'GET', fields }),
}))
