/** Publishing and pulling over an object store in memory. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { HoldfastError, listSnapshots, memory, open, s3 } from 'holdfast'
import { coreOf } from '../internal.js'
import { remoteModule } from '../remote-module.js'
import { failure, memoryStore } from './object-store.mjs'
import { arrayStorage } from './storages.mjs'

/** @param {import('node:test').TestContext} t @param {string} [name] */
async function volumeOf(t, name = 'site') {
  const volume = await open(name, { storage: memory() })
  t.after(() => volume.close())
  return volume
}

/** @param {any} fs @param {string} [dir] @returns {string[]} */
function tree(fs, dir = '') {
  return fs.readdirSync(dir || '/').flatMap((/** @type {string} */ name) => {
    const p = `${dir}/${name}`
    const s = fs.lstatSync(p, { bigint: true })
    const content = s.isFile() ? fs.readFileSync(p, 'latin1') : s.isSymbolicLink() ? fs.readlinkSync(p) : ''
    return [[p, s.mode, s.nlink, s.uid, s.gid, s.size, s.mtimeNs, content].join(' '), ...(s.isDirectory() ? tree(fs, p) : [])]
  })
}

/** @param {any} fs */
function fill(fs) {
  fs.mkdirSync('/d/e', { recursive: true })
  for (let i = 0; i < 40; i++) fs.writeFileSync(`/d/f${i}`, Buffer.alloc(5000 + i * 999, `content ${i} `))
  fs.symlinkSync('f1', '/d/l')
  fs.linkSync('/d/f1', '/d/e/hard')
  fs.chmodSync('/d/f2', 0o600)
}

test('what is published in one place is pulled in another, every byte, mode, time and link', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  fill(a.fs)
  /** @type {import('../volume.js').Progress[]} */
  const seen = []
  const done = await a.publish(store, { label: 'one', onProgress: (p) => seen.push(p) })
  assert.match(done.id, /^[0-9a-f]{64}$/)
  assert.equal(done.label, 'one')
  assert.ok(seen.length > 2 && seen.at(-1)?.phase === 'done' && seen.at(-1)?.bytesDone === seen.at(-1)?.bytesTotal)
  b.fs.writeFileSync('/left-over', 'x')
  const fd = b.fs.openSync('/left-over')
  const { epoch } = b
  const info = await b.pull(store)
  assert.equal(info.id, done.id)
  assert.equal(b.epoch, epoch + 1)
  assert.deepEqual(tree(b.fs), tree(a.fs))
  assert.throws(() => b.fs.fstatSync(fd), { code: 'ESTALE' })
  // And on from there, the other way round.
  b.fs.appendFileSync('/d/f3', 'from b')
  const next = await b.publish(store)
  assert.equal(next.parentId, done.id)
  await a.pull(store)
  assert.deepEqual(tree(a.fs), tree(b.fs))
  await a.pull(store, { snapshot: done })
  assert.equal(a.fs.readFileSync('/d/f3').includes('from b'), false)
})

test('a second publish sends what changed, in at most three objects; one without a change sends nothing', async (t) => {
  const store = memoryStore()
  const volume = await volumeOf(t)
  fill(volume.fs)
  await volume.publish(store)
  const first = store.takeLog().reduce((n, [, , bytes]) => n + bytes, 0)
  const fd = volume.fs.openSync('/d/f30', 'r+')
  volume.fs.writeSync(fd, 'edit', 5000)
  await volume.publish(store)
  const puts = store.takeLog()
  assert.ok(puts.length <= 3, JSON.stringify(puts))
  assert.ok(puts.reduce((n, [, , bytes]) => n + bytes, 0) < first / 10)
  const same = await volume.publish(store)
  assert.equal(same.unchanged, true)
  assert.deepEqual(store.takeLog(), [])
})

test('what changes while a publish runs is not part of it', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  fill(a.fs)
  const before = tree(a.fs)
  store.before = () => a.fs.writeFileSync('/d/f1', 'changed meanwhile ' + Math.random())
  await a.publish(store)
  store.before = () => {}
  await b.pull(store)
  assert.deepEqual(tree(b.fs), before)
})

test('two that publish from the same base: the second gets ErrConflict with both, and loses nothing', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  fill(a.fs)
  const base = await a.publish(store)
  await b.pull(store)
  a.fs.writeFileSync('/a', 'a')
  b.fs.writeFileSync('/b', 'b')
  const theirs = await a.publish(store)
  await assert.rejects(b.publish(store), (/** @type {any} */ e) => e.name === 'HoldfastError' && e.code === 'ErrConflict' && e.details.base === base.id && e.details.theirs.id === theirs.id)
  assert.equal(b.fs.readFileSync('/b', 'utf8'), 'b')
  await b.publish(store, { overwrite: true })
  await a.pull(store)
  assert.equal(a.fs.existsSync('/b'), true)
  // A volume that never saw what is there does not replace it either.
  await assert.rejects((await volumeOf(t)).publish(store), { code: 'ErrConflict' })
})

test('a failed pull leaves the files as they were', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  fill(a.fs)
  await a.publish(store)
  b.fs.writeFileSync('/mine', 'x')
  const [before, { epoch }] = [tree(b.fs), b]
  for (const [key, o] of store.objects) {
    if (!key.startsWith('packs/')) continue
    const good = o.data
    o.data = good.slice()
    o.data[good.length >> 1] ^= 1
    await assert.rejects(b.pull(store), { code: 'ErrCorrupt' })
    o.data = good
  }
  await assert.rejects(b.pull(store, { name: 'other' }), { code: 'ErrNotFound' })
  await assert.rejects(b.pull(store, { snapshot: 'ff'.repeat(32) }), { code: 'ErrNotFound' })
  assert.deepEqual(tree(b.fs), before)
  assert.equal(b.epoch, epoch)
})

test('errors of the store arrive with their code and cause, and can be tried again', async (t) => {
  const store = memoryStore()
  const volume = await volumeOf(t)
  fill(volume.fs)
  for (const code of ['ErrCredentials', 'ErrNoBucket']) {
    const err = failure(code)
    store.before = () => {
      throw err
    }
    await assert.rejects(volume.publish(store), (/** @type {any} */ e) => e.code === code && e.cause === err && e.name === 'HoldfastError')
  }
  store.before = () => {}
  await volume.publish(store)
  await assert.rejects(volume.publish(/** @type {any} */ ({})), { code: 'ErrInvalid' })
})

test('abort ends a transfer; so does close', async (t) => {
  const store = memoryStore()
  const volume = await open('site', { storage: arrayStorage() })
  t.after(() => volume.close())
  fill(volume.fs)
  const stop = new AbortController()
  // A store that answers only to the signal it was given.
  store.before = (op, _key, signal) =>
    op === 'put' && new Promise((_, reject) => signal?.addEventListener('abort', () => reject(failure('ErrAborted'))))
  const publishing = volume.publish(store, { signal: stop.signal })
  setTimeout(() => stop.abort(new Error('enough')), 20)
  await assert.rejects(publishing, (/** @type {any} */ e) => e.code === 'ErrAborted' && e.cause?.message === 'enough')
  await assert.rejects(volume.publish(store, { signal: stop.signal }), { code: 'ErrAborted' })
  const closing = volume.publish(store)
  setTimeout(() => void volume.close(), 20)
  await assert.rejects(closing, { code: 'ErrAborted' })
  await volume.close()
})

test('a mistake in onProgress is not the transfer\'s', async (t) => {
  const store = memoryStore()
  const volume = await volumeOf(t)
  fill(volume.fs)
  let uncaught = 0
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', () => uncaught++)
  await volume.publish(store, {
    onProgress() {
      throw new Error('mine')
    },
  })
  process.removeAllListeners('uncaughtException')
  for (const l of listeners) process.on('uncaughtException', l)
  assert.ok(uncaught > 0)
})

test('s3() says what is missing before anything is loaded', () => {
  assert.throws(() => s3(/** @type {any} */ ({ endpoint: 'http://127.0.0.1:1' })), { code: 'ErrInvalid', message: /bucket/ })
})

test('what a volume was pulled from is remembered: after reopening it may publish on, and somebody else may not', async (t) => {
  const store = memoryStore()
  const a = await volumeOf(t)
  fill(a.fs)
  await a.publish(store)
  const storage = arrayStorage()
  const b = await open('site', { storage })
  await b.pull(store)
  await b.close()
  const again = await open('site', { storage: arrayStorage({ bytes: storage.bytes }) })
  t.after(() => again.close())
  again.fs.writeFileSync('/d/new', 'from b')
  await again.publish(store)
  a.fs.writeFileSync('/d/new', 'from a')
  // a published this line of snapshots itself, but the head is of another volume now.
  await assert.rejects(a.publish(store), { code: 'ErrConflict' })
})

test('a volume goes on when the module that publishes cannot be loaded, or is another one', async (t) => {
  const volume = await volumeOf(t)
  fill(volume.fs)
  const store = memoryStore()
  const absent = new URL('../dist/absent.wasm', import.meta.url)
  const other = new URL('../dist/core.wasm', import.meta.url)
  for (const wasm of [absent, String(absent), other, new Uint8Array(10)]) {
    for (const call of [volume.publish(store, { wasm }), volume.pull(store, { wasm }), listSnapshots(store, { wasm })]) {
      await assert.rejects(call, (/** @type {any} */ err) => err instanceof HoldfastError && err.code === 'ErrModule' && (err.hint?.length ?? 0) > 20)
    }
  }
  assert.deepEqual(store.takeLog(), [])
  volume.fs.writeFileSync('/after', 'x')
  await volume.publish(store, { wasm: new URL('../dist/remote.wasm', import.meta.url) })
  assert.equal((await listSnapshots(store)).length, 1)
})

test('abort does not wait for the module', async (t) => {
  const volume = await volumeOf(t)
  const abort = new AbortController()
  const never = /** @type {any} */ (new Promise(() => {}))
  const real = globalThis.fetch
  t.after(() => Object.assign(globalThis, { fetch: real }))
  globalThis.fetch = () => never
  const publishing = volume.publish(memoryStore(), { wasm: 'http://127.0.0.1:1/remote.wasm', signal: abort.signal })
  const closing = open('other', { storage: memory() }).then(async (other) => {
    const pulling = other.pull(memoryStore(), { wasm: 'http://127.0.0.1:1/remote.wasm' })
    await Promise.all([assert.rejects(pulling, { code: 'ErrAborted' }), other.close()])
  })
  abort.abort(new Error('enough'))
  await assert.rejects(publishing, (/** @type {any} */ err) => err.code === 'ErrAborted' && err.cause.message === 'enough')
  await closing
})

test('when the module that publishes dies, its calls reject, volumes live on, and the next call starts another', async (t) => {
  const store = memoryStore()
  const [volume, other] = [await volumeOf(t), await volumeOf(t)]
  fill(volume.fs)
  await volume.publish(store)
  /** @type {() => void} */
  let arrived = () => {}
  const waiting = new Promise((resolve) => (arrived = () => resolve(undefined)))
  const hanging = { ...store, get: () => (arrived(), new Promise(() => {})) }
  const calls = [other.pull(/** @type {any} */ (hanging)), listSnapshots(/** @type {any} */ ({ ...hanging, list: hanging.get }))]
  const rejected = Promise.all(calls.map((call) => assert.rejects(call, { name: 'HoldfastError', code: 'ErrInternal' })))
  await waiting
  const module = await remoteModule()
  module.functions.list() // without arguments: an index out of range
  await rejected
  assert.notEqual(module.dead, null)
  volume.fs.writeFileSync('/d/after', 'x')
  const done = await volume.publish(store)
  assert.ok(done.parentId, 'it is known what was published')
  await other.pull(store)
  assert.deepEqual(tree(other.fs), tree(volume.fs))
})

test('when a volume dies, its transfers reject with the reason, and those of others go on', async (t) => {
  const store = memoryStore()
  const [volume, other] = [await volumeOf(t), await volumeOf(t)]
  fill(volume.fs)
  fill(other.fs)
  let puts = 0
  const reason = new HoldfastError('ErrInternal', 'the volume stopped')
  const killing = {
    ...store,
    put: (/** @type {any[]} */ ...args) => {
      if (++puts === 1) coreOf(volume).kill(reason)
      return /** @type {any} */ (store.put)(...args)
    },
  }
  const [first, second] = await Promise.allSettled([volume.publish(killing), other.publish(store, { name: 'other' })])
  assert.equal(/** @type {any} */ (first).reason, reason)
  assert.equal(second.status, 'fulfilled')
  assert.equal((await listSnapshots(store)).length, 1)
})

test('two volumes that share a store do not take each other\'s attempts for their own', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  a.fs.writeFileSync('/f', 'a')
  b.fs.writeFileSync('/f', 'b')
  // The head arrives, and its answer is lost: a does not know that it is there.
  let lost = false
  const losing = Object.assign(store, { put: store.put })
  const put = store.put
  losing.put = async (key, ...args) => {
    const answer = await put(key, ...args)
    if (key.startsWith('heads/') && !lost) {
      lost = true
      throw failure('ErrCredentials')
    }
    return answer
  }
  await assert.rejects(a.publish(losing), { code: 'ErrCredentials' })
  await assert.rejects(b.publish(losing), { code: 'ErrConflict' })
  await a.publish(losing)
})
