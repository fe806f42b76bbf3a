// The dedicated worker: it holds the volume, runs WordPress on it, and answers the page over Comlink and the frame's requests over a port.
//
// One commit per request that changed something, before the answer is sent: durability 'manual'. With the default, 'fsync', SQLite would commit
// several times a request, and the timeline would show points that no visitor has seen.

import { HoldfastError, gateway, open as openVolume, opfs, s3 } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { HttpCookieStore, loadPHPRuntime } from '@php-wasm/universal'
import { getPHPLoaderModule } from '@php-wasm/web-8-3'
import * as Comlink from 'comlink'
import { compareDatabases } from './sqlite-pages.js'
import { databaseFile, describeChanges, fileDifference } from './changes-worker.js'
import { exportSite, importEntries, playgroundFolders, entriesOf } from './portable.js'
import { publicStore, counting } from './stores.js'
import { ROOT, startSite } from './site.js'
import { readArchive } from './archive.js'
import environment from './wordpress/environment.php'
import plugin from './wordpress/plugin.php'

const NOTE = '/.holdfast/last-change.json' // what the newest point says about itself; part of the volume, so that it travels with it
const HISTORY = 300
const TYPES = { css: 'text/css', js: 'text/javascript', json: 'application/json', svg: 'image/svg+xml', png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif',
  webp: 'image/webp', avif: 'image/avif', ico: 'image/x-icon', woff: 'font/woff', woff2: 'font/woff2', ttf: 'font/ttf', txt: 'text/plain; charset=utf-8', html: 'text/html; charset=utf-8',
  map: 'application/json', mp4: 'video/mp4', webm: 'video/webm', mp3: 'audio/mpeg', pdf: 'application/pdf', xml: 'text/xml' }

let volume
let site
let siteUrl
let transfer // what cancel() ends
let lastCommit = null
let totals = { commits: 0, bytesWritten: 0, flushes: 0 }
const stores = new Map()
const notes = new Map() // a point never changes, so neither does what it says about itself

const cookies = new HttpCookieStore()

/** PHP is loaded beside the volume: neither needs the other to start. */
let runtime
const loadRuntime = () => (runtime ??= (async () => loadPHPRuntime(await getPHPLoaderModule(), {}))())

/**
 * Opens the site, and fetches it first when this browser has not got it. Calling it again after it failed is what "Try again" does.
 *
 * @param {{ name: string, url: string, from: { store: object, name: string, snapshot?: string }, ifLocked?: 'fail' | 'wait' | 'steal' }} options
 * @param {(step: { step: string, bytesDone?: number, bytesTotal?: number, objectsDone?: number, objectsTotal?: number }) => void} onStep
 */
async function open({ name, url, from, ifLocked = 'fail' }, onStep) {
  siteUrl = url
  loadRuntime().catch(() => {}) // its failure is told where it is waited for
  onStep({ step: 'volume' })
  const start = performance.now()
  if (!volume || volume.closed) {
    volume = await openAgain(name, ifLocked)
    volume.lost.then((error) => lost(error))
  }
  const openMs = performance.now() - start
  const first = !volume.fs.existsSync('/wp-load.php')
  if (first) {
    onStep({ step: 'pull' })
    await transferring((signal) => volume.pull(publicStore(from.store), { name: from.name, snapshot: from.snapshot, signal, onProgress: (p) => onStep({ step: 'pull', ...p }) }))
    commit({ text: from.snapshot ? 'WordPress, just installed' : 'Fetched the published site', kind: 'fetch' })
  }
  onStep({ step: 'php' })
  await startPhp()
  onStep({ step: 'page' })
  return { ...(await state()), first, openMs }
}

/** A tab that was closed or reloaded a moment ago may hold its lock still, so it is asked for twice. */
async function openAgain(name, ifLocked) {
  const options = { storage: opfs(), durability: 'manual', ifLocked, history: { keep: HISTORY } }
  try {
    return await openVolume(name, options)
  } catch (error) {
    if (error.code !== 'ErrLocked') throw error
    await new Promise((resolve) => setTimeout(resolve, 500))
    return openVolume(name, options)
  }
}

/** PHP's memory only grows; Playground, too, begins anew after some hundred requests. */
const REQUESTS_PER_RUNTIME = 300
let requests = 0
async function freshPhp() {
  const old = site
  site = runtime = undefined
  requests = 0
  await startPhp()
  try {
    old.php.exit()
  } catch {} // it may have crashed
}

async function startPhp() {
  const emscripten = await loadRuntime().catch((error) => {
    runtime = undefined
    throw new HoldfastError('ErrPhp', `PHP could not be loaded: ${error.message}`, { cause: error })
  })
  site ??= await startSite({ runtime: emscripten, mount: holdfastMount(volume), url: siteUrl, php: { environment, plugin }, cookies })
  site.configure()
}

// ---- requests of the frame ----

/** One at a time: there is one PHP. */
let queue = Promise.resolve()
function inTurn(work) {
  const result = queue.then(work)
  queue = result.catch(() => {})
  return result
}

/** @param {MessagePort} port the page hands on here what the service worker asks */
function serve(port) {
  port.onmessage = async ({ data: { id, request } }) => {
    let response
    try {
      response = (await documentOf(request)) ?? file(request) ?? (await inTurn(() => run(request)))
    } catch (error) {
      port.postMessage({ problem: plain(error) })
      response = { status: 500, headers: { 'content-type': 'text/html; charset=utf-8' }, body: new TextEncoder().encode(`<!doctype html><title>Not done</title><p>This did not work, and nothing was changed: ${escape(error.message)}</p>`) }
    }
    const headers = { ...response.headers, ...frameHeaders }
    const body = response.body.byteLength === response.body.buffer.byteLength ? response.body.buffer : response.body.slice().buffer
    const lines = Object.entries(headers).flatMap(([name, values]) => [].concat(values).map((value) => [name, value]))
    port.postMessage({ id, response: { status: response.status, headers: lines, body } }, [body])
  }
}

/** The frame is held to the page's own origin, and isolated like the page around it. */
const frameHeaders = {
  'content-security-policy': "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'",
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
}

/** A file that needs no PHP, straight from the volume; null when PHP has to answer. */
function file({ url, method }) {
  if (method !== 'GET' && method !== 'HEAD') return null
  const path = pathOf(url)
  const type = TYPES[/\.(\w+)$/.exec(path)?.[1].toLowerCase()]
  if (!type || path.includes('/.')) return null
  const info = volume.fs.statSync(path, { throwIfNoEntry: false })
  if (!info?.isFile()) return null
  return { status: 200, headers: { 'content-type': type, 'cache-control': 'no-cache' }, body: volume.fs.readFileSync(path) }
}

/** Documents that the block editor made (see wordpress/plugin.php). The frame may ask for one before it has been handed over. */
const documents = new Map()
const DOCUMENTS = 20
async function documentOf({ url, method, body }) {
  const id = /^\/holdfast-document\/([\w-]+)$/.exec(pathOf(url))?.[1]
  if (!id) return null
  if (!documents.has(id)) documents.set(id, Promise.withResolvers())
  if (documents.size > DOCUMENTS) documents.delete(documents.keys().next().value)
  const document = documents.get(id)
  if (method === 'PUT') document.resolve(new Uint8Array(body))
  const html = await document.promise
  if (method === 'PUT') return { status: 204, headers: {}, body: new Uint8Array(0) }
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: html.slice() }
}

function pathOf(url) {
  const { pathname } = new URL(url)
  return decodeURIComponent(pathname.slice(new URL(siteUrl).pathname.length)) || '/'
}

/** A request is a transaction: when it or its commit fails, the files are again what they were. */
async function run({ url, method, headers, body }) {
  try {
    if (++requests > REQUESTS_PER_RUNTIME) await freshPhp()
    const response = await site.request({ url, method, headers, ...(body && { body: new Uint8Array(body) }) })
    if (response.errors) console.warn(response.errors)
    const said = response.headers['x-holdfast-change']?.[0]
    delete response.headers['x-holdfast-change']
    delete response.headers['x-frame-options']
    if (commit(said ? { text: decodeURIComponent(said).split('\n')[0], kind: 'change' } : { text: 'WordPress housekeeping', kind: 'housekeeping' })) announce().catch(() => {}) // a volume that was lost meanwhile says so with the next request
    return response
  } catch (error) {
    if (!volume.closed && volume.dirty) volume.restore(volume.snapshots()[0])
    if (!(error instanceof HoldfastError)) await freshPhp() // its WebAssembly may have crashed
    throw error
  }
}

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

// ---- points ----

/** Makes the present durable, when something changed. @param {{ text: string, kind: string }} note what the point says about itself */
function commit(note, label) {
  if (!label && !volume.dirty) return false
  const start = performance.now()
  volume.fs.mkdirSync('/.holdfast', { recursive: true })
  volume.fs.writeFileSync(NOTE, JSON.stringify(note))
  const { seq, bytesWritten, flushes, createdAt } = volume.commit({ label })
  lastCommit = { seq, bytesWritten, createdAt, ms: performance.now() - start }
  totals = { commits: totals.commits + 1, bytesWritten: totals.bytesWritten + bytesWritten, flushes: totals.flushes + flushes }
  return true
}

let listener = () => {}
let lost = () => {}
/**
 * @param {(state: object) => void} changed called after every commit that a request made
 * @param {(error: object) => void} taken called when another tab took the site over
 */
function onChange(changed, taken) {
  listener = changed
  lost = (error) => taken(plain(error))
}
const announce = async () => listener(await state())

async function state() {
  const { file, needed } = await volume.estimate()
  // What the store needs and the site does not have is history. It is not counted yet when a volume has just been opened.
  const store = { bytes: file, history: needed > 0 ? Math.max(0, needed - sizeForNow()) : null }
  return { points: points(), lastCommit, totals, store }
}

function points() {
  return volume.snapshots().map(({ id, seq, createdAt, label, parentId }) => {
    const note = label ? { text: label, kind: 'snapshot' } : noteOf(id)
    return { id, seq, createdAt, parentId, labelled: Boolean(label), ...note }
  })
}

function noteOf(id) {
  let note = notes.get(id)
  if (!note) {
    const files = volume.readSnapshot(id)
    try {
      const { text, kind } = JSON.parse(files.readFileSync(NOTE, 'utf8'))
      note = { text: String(text), kind: String(kind) }
    } catch {
      note = { text: 'An empty volume', kind: 'housekeeping' } // the point that every volume begins with
    } finally {
      files.release()
    }
    notes.set(id, note)
  }
  return note
}

function snapshot(label) {
  return inTurn(async () => {
    commit({ text: label, kind: 'snapshot' }, label)
    return state()
  })
}

/** Nothing is lost by it: the present is committed first, so it is a point of the timeline itself. */
function restore(id) {
  return inTurn(async () => {
    const point = points().find((point) => point.id === id)
    if (!point) throw new HoldfastError('ErrGone', 'this point is no longer kept')
    commit({ text: 'As it was before going back', kind: 'change' })
    const start = performance.now()
    volume.restore(id)
    const ms = performance.now() - start
    commit({ text: `Back to: ${point.text.replace(/^(Back to: )+/, '')}`, kind: 'restore' })
    site.configure()
    return { ms, ...(await state()) }
  })
}

// ---- what changed ----

function changes(a, b) {
  const changes = describeChanges(volume, a, b)
  const before = databaseFile(volume, a)
  const after = databaseFile(volume, b)
  try {
    const change = changes.find(({ path }) => path === after?.path || path === before?.path)
    let database = null
    if (change && (before || after)) database = { path: change.path, ...compareDatabases(before?.open() ?? null, after?.open() ?? null, change.ranges) }
    return { files: changes, database }
  } finally {
    before?.release()
    after?.release()
  }
}

// ---- publishing ----

/** One store object for each place: it remembers what is there. */
function storeOf(remote) {
  const key = JSON.stringify(remote)
  if (!stores.has(key)) stores.set(key, counting(remote.gateway ? gateway({ url: remote.gateway, token: () => tokenFor(remote.name) }) : s3(remote)))
  return stores.get(key)
}

async function tokenFor(name) {
  const response = await fetch(`/token?volume=${encodeURIComponent(name)}`).catch(() => Response.error())
  if (!response.ok) throw new HoldfastError('ErrUnreachable', 'the demo gives no token for the gateway')
  return response.text()
}

async function publish(remote, { name, overwrite = false, onConflict = 'fail' }, onProgress) {
  const store = storeOf(remote)
  const before = store.requests
  const result = await transferring((signal) => volume.publish(store, { name, overwrite, onConflict, signal, onProgress }))
  return { result: { ...result, requests: store.requests - before, siteBytes: siteSize() }, ...(await state()) }
}

async function pull(remote, { name }, onProgress) {
  return inTurn(async () => {
    commit({ text: 'As it was before fetching', kind: 'change' })
    const result = await transferring((signal) => volume.pull(storeOf(remote), { name, signal, onProgress }))
    commit({ text: 'Fetched the published site', kind: 'fetch' })
    site.configure()
    return { result, ...(await state()) }
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

// ---- taking the site out and in ----

async function takeOut(kind, onProgress) {
  return transferring((signal) => exportSite(volume, kind, { signal, onProgress }))
}

/** @param {Blob} archive */
function bringIn(archive, name, onProgress) {
  return replaceBy(readArchive(archive), name, onProgress)
}

async function bringInFolder(path, onProgress) {
  return replaceBy(entriesOf(path), path, onProgress)
}

/** All or nothing: what was there before is a point, and comes back when the import fails. */
function replaceBy(entries, name, onProgress) {
  return inTurn(async () => {
    commit({ text: 'As it was before the import', kind: 'change' })
    try {
      const result = await transferring((signal) => importEntries(volume, entries, { signal, onProgress }))
      commit({ text: `Imported ${name}`, kind: 'import' })
      site.configure()
      return { result, ...(await state()) }
    } catch (error) {
      if (!volume.closed && volume.dirty) volume.restore(volume.snapshots()[0])
      throw error
    }
  })
}

// ---- the worker that is killed ----

/**
 * Writes posts for as long as it may, one transaction and one commit each. Every commit is acknowledged to the page, which ends
 * this worker in the middle of it.
 *
 * @param {(acknowledged: number) => void} acknowledge
 */
function writePosts(mark, acknowledge) {
  return inTurn(async () => {
    const stop = site.php.onMessage((message) => {
      const { written, title } = JSON.parse(message)
      commit({ text: title, kind: 'burst' })
      acknowledge(written)
      return ''
    })
    try {
      site.php.writeFile('/holdfast/burst.json', JSON.stringify({ mark }))
      await site.php.run({ code: burst })
    } finally {
      await stop()
    }
    return state()
  })
}

const burst = `<?php
require '${ROOT}/wp-load.php';
$mark = json_decode(file_get_contents('/holdfast/burst.json'))->mark;
for ($n = 1; $n <= 2000; $n++) {
    $title = "Written while waiting for the end, no. $n";
    wp_insert_post(['post_title' => $title, 'post_status' => 'publish', 'post_content' => "$mark " . str_repeat('The sea kept coming. ', 200)]);
    post_message_to_js(json_encode(['written' => $n, 'title' => $title]));
}`

/** What is there after it was killed. */
function survey(mark) {
  return inTurn(async () => {
    site.php.writeFile('/holdfast/burst.json', JSON.stringify({ mark }))
    const response = await site.php.run({ code: `<?php
require '${ROOT}/wp-load.php';
global $wpdb;
$mark = json_decode(file_get_contents('/holdfast/burst.json'))->mark;
$db = new PDO('sqlite:' . FQDB);
echo json_encode([
    'posts' => (int) $wpdb->get_var($wpdb->prepare("SELECT COUNT(*) FROM $wpdb->posts WHERE post_status = 'publish' AND post_content LIKE %s", $wpdb->esc_like($mark) . '%')),
    'integrity' => $db->query('PRAGMA integrity_check')->fetchColumn(),
]);` })
    const found = JSON.parse(response.text)
    return { ...found, point: volume.snapshots()[0].seq }
  })
}

// ---- figures ----

/** Not counted anew for every request: there are thousands of files. */
let counted = { at: -Infinity, bytes: 0 }
function sizeForNow() {
  if (performance.now() - counted.at > 5000) counted = { at: performance.now(), bytes: siteSize() }
  return counted.bytes
}

function siteSize() {
  const sum = (folder) => {
    let total = 0
    for (const entry of volume.fs.readdirSync(folder, { withFileTypes: true })) {
      const path = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`
      if (entry.isDirectory()) total += sum(path)
      else if (entry.isFile()) total += volume.fs.statSync(path).size
    }
    return total
  }
  return sum('/')
}


/** Comlink would pass on only the message of an error; code, hint and details are what the page makes sentences of. */
function plain(error) {
  const { code = 'ErrInternal', message, hint, details } = error
  if (!(error instanceof HoldfastError)) console.error(error)
  return { code, message, hint, details }
}

function answering(functions) {
  return Object.fromEntries(Object.entries(functions).map(([name, fn]) => [name, async (...args) => {
    try {
      return { value: await fn(...args) }
    } catch (error) {
      return { error: plain(error) }
    }
  }]))
}

Comlink.expose(answering({
  open, serve, onChange, state, snapshot, restore, changes, publish, pull, cancel, takeOut, bringIn, bringInFolder, playgroundFolders, writePosts, survey, siteSize,
  fileDifference: (a, b, change) => fileDifference(volume, a, b, change),
}))
