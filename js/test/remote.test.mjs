/** What works on an object store alone, and what publish and pull can do beside the plain way. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { checkRemote, listSnapshots, memory, open, prune, readRemote, verifyRemote } from 'holdfast'
import { failure, memoryStore } from './object-store.mjs'
import { readable } from './random.mjs'

const day = 24 * 3600 * 1000

/** @param {import('node:test').TestContext} t @param {string} [name] */
async function volumeOf(t, name = 'site') {
  const volume = await open(name, { storage: memory() })
  t.after(() => volume.close())
  return volume
}

/** A store in which a day passes between snapshots. @param {import('node:test').TestContext} t @param {number} n */
async function storeWith(t, n) {
  const store = memoryStore()
  let time = Date.UTC(2030, 0, 1)
  store.now = () => time
  const volume = await volumeOf(t)
  const all = []
  for (let i = 0; i < n; i++) {
    volume.fs.writeFileSync('/note', readable(i, 20_000))
    all.push(await volume.publish(store, { label: `day ${i}` }))
    time += day
  }
  return { store, volume, all }
}

test('listSnapshots tells what is there, and each can be pulled', async (t) => {
  const { store, all } = await storeWith(t, 3)
  const other = await volumeOf(t, 'other')
  other.fs.writeFileSync('/x', 'x')
  await other.publish(store)
  const list = await listSnapshots(store, { name: 'site' })
  assert.deepEqual(list.map((s) => s.label).sort(), ['day 0', 'day 1', 'day 2'])
  assert.deepEqual(list.find((s) => s.current.length)?.id, all[2].id)
  assert.ok(list.every((s) => s.volumes.join() === 'site' && s.size > 0 && s.modified > 0 && !s.encrypted && !s.locked))
  assert.equal((await listSnapshots(store)).length, 4)
  await assert.rejects(listSnapshots(store, { name: 'nobody' }), { code: 'ErrNotFound' })
  const reader = await volumeOf(t)
  for (const [i, s] of all.entries()) {
    await reader.pull(store, { snapshot: s })
    assert.equal(reader.fs.readFileSync('/note', 'utf8'), readable(i, 20_000))
  }
})

test('prune gives up what it is told to, and verifyRemote finds the rest whole', async (t) => {
  const { store, volume, all } = await storeWith(t, 5)
  const dry = await prune(store, { keep: 2, gracePeriod: 0, dryRun: true })
  assert.equal(dry.snapshotsDeleted, 3)
  assert.equal((await listSnapshots(store)).length, 5)
  /** @type {any[]} */
  const seen = []
  const report = await prune(store, { keep: 2, gracePeriod: 0, onProgress: (p) => seen.push(p) })
  assert.deepEqual([...report.deleted].sort(), [...dry.deleted].sort())
  assert.ok(seen.length > 2 && seen.at(-1).phase === 'done')
  assert.deepEqual((await listSnapshots(store)).map((s) => s.id).sort(), [all[3].id, all[4].id].sort())
  const well = await verifyRemote(store)
  assert.deepEqual(well.damages, [])
  assert.equal(well.heads, 1)
  assert.equal(well.snapshots, 2)
  volume.fs.writeFileSync('/note', 'on from there')
  await volume.publish(store)
  for (const bad of [{ keep: -1 }, { keep: 1.5 }, { olderThan: -1 }, { olderThan: NaN }, { gracePeriod: -1 }]) {
    await assert.rejects(prune(store, bad), { code: 'ErrInvalid' })
  }
  assert.equal((await prune(store, { keep: 1, olderThan: Infinity })).snapshotsDeleted, 0)
})

test('verifyRemote tells all damage', async (t) => {
  const { store } = await storeWith(t, 3)
  const packs = [...store.objects.keys()].filter((k) => k.startsWith('packs/'))
  for (const key of packs.slice(0, 2)) /** @type {any} */ (store.objects.get(key)).data[20] ^= 1
  const { damages } = await verifyRemote(store)
  for (const key of packs.slice(0, 2)) assert.ok(damages.some((d) => d.key === key && d.code === 'ErrCorrupt' && d.message.includes(key)))
  const stop = new AbortController()
  stop.abort()
  await assert.rejects(verifyRemote(store, { signal: stop.signal }), { code: 'ErrAborted' })
})

test('checkRemote says what is wrong and what to do, and leaves nothing behind', async () => {
  const store = memoryStore()
  const good = await checkRemote(store)
  assert.equal(good.ok, true, JSON.stringify(good))
  assert.ok(Math.abs(/** @type {number} */ (good.clockSkew)) < 60_000)
  store.now = () => Date.now() + 3 * 3600 * 1000
  const off = await checkRemote(store)
  assert.deepEqual(off.checks.filter((c) => !c.ok).map((c) => c.name), ['clock'])
  assert.match(off.checks.find((c) => !c.ok)?.problem ?? '', /behind the store's/)
  store.before = () => {
    throw failure('ErrCredentials')
  }
  const refused = await checkRemote(store)
  assert.deepEqual(refused.checks.map((c) => [c.name, c.ok, c.code]), [['access', false, 'ErrCredentials']])
  assert.equal(store.objects.size, 0)
})

test('a conflict becomes a branch when that is asked for, and both sides are there', async (t) => {
  const store = memoryStore()
  const [a, b] = [await volumeOf(t), await volumeOf(t)]
  a.fs.writeFileSync('/shared', 'x'.repeat(50_000))
  const base = await a.publish(store)
  await b.pull(store)
  a.fs.writeFileSync('/a', 'a')
  b.fs.writeFileSync('/b', 'b')
  const theirs = await a.publish(store)
  await assert.rejects(b.publish(store), (/** @type {any} */ e) => e.code === 'ErrConflict' && e.details.base === base.id && e.details.theirs.id === theirs.id)
  const branch = await b.publish(store, { onConflict: 'branch' })
  assert.match(branch.name, /^site\.\d{8}-\d{6}\.[a-z2-7]{6}$/)
  assert.equal(branch.parentId, base.id)
  const list = await listSnapshots(store)
  assert.deepEqual(list.find((s) => s.id === theirs.id)?.current, ['site'])
  assert.deepEqual(list.find((s) => s.id === branch.id)?.current, [branch.name])
  const reader = await volumeOf(t)
  await reader.pull(store, { name: branch.name })
  assert.deepEqual(reader.fs.readdirSync('/'), ['b', 'shared'])
  await reader.pull(store)
  assert.deepEqual(reader.fs.readdirSync('/'), ['a', 'shared'])
  // And on from there, on the branch.
  b.fs.writeFileSync('/b', 'more')
  const more = await b.publish(store, { name: branch.name })
  assert.equal(more.parentId, branch.id)
  await assert.rejects(b.publish(store, { onConflict: /** @type {any} */ ('merge') }), TypeError)
})

test('with a key nothing is readable without it, and a wrong key is said to be one', async (t) => {
  const store = memoryStore()
  const encryptionKey = crypto.getRandomValues(new Uint8Array(32))
  const volume = await volumeOf(t)
  const text = readable(1, 100_000)
  volume.fs.writeFileSync('/a telling name', text)
  const first = await volume.publish(store, { encryptionKey, label: 'a telling label' })
  assert.equal(first.encrypted, true)
  for (const [key, { data }] of store.objects) {
    const raw = Buffer.from(data)
    for (const secret of ['telling', text.slice(0, 24)]) assert.ok(!raw.includes(secret) && !key.includes(secret), key)
    assert.ok(!raw.includes(encryptionKey))
  }
  const reader = await volumeOf(t)
  const wrong = crypto.getRandomValues(new Uint8Array(32))
  for (const key of [undefined, wrong]) {
    await assert.rejects(reader.pull(store, { encryptionKey: key }), { code: 'ErrKey' })
    await assert.rejects(volume.publish(store, { encryptionKey: key }), { code: 'ErrKey' })
    const [listed] = await listSnapshots(store, { encryptionKey: key })
    assert.deepEqual([listed.locked, listed.label], [true, undefined])
    const report = await verifyRemote(store, { encryptionKey: key })
    assert.deepEqual([report.damages, report.locked], [[], 2])
  }
  await reader.pull(store, { encryptionKey })
  assert.equal(reader.fs.readFileSync('/a telling name', 'utf8'), text)
  assert.equal((await listSnapshots(store, { encryptionKey }))[0].label, 'a telling label')
  assert.deepEqual(await verifyRemote(store, { encryptionKey }).then((r) => [r.damages, r.locked]), [[], 0])
  store.takeLog()
  volume.fs.writeFileSync('/more', 'x')
  await volume.publish(store, { encryptionKey })
  assert.equal(store.takeLog().length, 3)
  assert.equal((await prune(store, { keep: 1, gracePeriod: 0 })).snapshotsDeleted, 1, 'prune needs no key')
  await volume.publish(store, { overwrite: true, encryptionKey: wrong, label: 'another key' })
  await reader.pull(store, { encryptionKey: wrong })
  for (const bad of [new Uint8Array(31), 'x'.repeat(32), Array(32).fill(1)]) {
    await assert.rejects(volume.publish(store, { encryptionKey: /** @type {any} */ (bad) }), { code: 'ErrInvalid' })
  }
})

test('a pull that failed goes on where it stopped', async (t) => {
  const store = memoryStore()
  const volume = await volumeOf(t)
  volume.fs.writeFileSync('/big', crypto.getRandomValues(new Uint8Array(65536)))
  for (let i = 0; i < 400; i++) volume.fs.appendFileSync('/big', crypto.getRandomValues(new Uint8Array(65536)))
  await volume.publish(store)
  const reader = await volumeOf(t)
  const fetched = () => store.log.splice(0).filter(([op, key]) => op === 'get' && key.startsWith('packs/')).map(([, key]) => key)
  fetched()
  let left = 2
  store.before = async (/** @type {string} */ op, /** @type {string} */ key) => {
    if (op !== 'get' || !key.startsWith('packs/') || left-- > 0) return
    await new Promise((resolve) => setTimeout(resolve, 200)) // those before it have arrived
    throw failure('ErrCredentials')
  }
  await assert.rejects(reader.pull(store), { code: 'ErrCredentials' })
  store.before = () => {}
  const before = fetched()
  assert.equal(before.length, 2)
  /** @type {any[]} */
  const seen = []
  await reader.pull(store, { onProgress: (p) => seen.push(p) })
  const after = fetched()
  assert.equal(new Set([...before, ...after]).size, before.length + after.length, 'nothing is fetched twice')
  assert.deepEqual(reader.fs.readFileSync('/big'), volume.fs.readFileSync('/big'))
  for (let i = 1; i < seen.length; i++) {
    for (const k of ['bytesDone', 'bytesTotal', 'objectsDone', 'objectsTotal']) assert.ok(seen[i][k] >= seen[i - 1][k])
  }
})

test('a snapshot is read in place, and only what is read is fetched', async (t) => {
  const store = memoryStore()
  const volume = await volumeOf(t)
  const { fs } = volume
  fs.mkdirSync('/dir/sub', { recursive: true })
  const noise = crypto.getRandomValues(new Uint8Array(65536))
  for (let i = 0; i < 100; i++) fs.appendFileSync('/dir/big', noise.map((b) => b ^ i))
  fs.writeFileSync('/dir/small', 'grüße')
  fs.symlinkSync('dir/small', '/link')
  fs.writeFileSync('/old', 'old')
  const first = await volume.publish(store)
  fs.rmSync('/old')
  await volume.publish(store)
  store.log.length = 0
  const files = await readRemote(store, { name: 'site' })
  assert.equal(await files.readFile('/dir/small', { encoding: 'utf-8' }), 'grüße')
  assert.equal(await files.readFile('link', { encoding: 'utf-8' }), 'grüße')
  assert.equal(await files.readlink('/link'), 'dir/small')
  assert.deepEqual(await files.readdir('/'), ['dir', 'link'])
  assert.deepEqual(await files.readdir('/dir', { withFileTypes: true }), [
    { name: 'big', type: 'file' }, { name: 'small', type: 'file' }, { name: 'sub', type: 'directory' },
  ])
  const [there, here] = [await files.stat('/dir/big'), fs.statSync('/dir/big')]
  for (const k of /** @type {const} */ (['mode', 'size', 'nlink', 'ino', 'mtimeMs'])) assert.equal(there[k], here[k], k)
  assert.ok((await files.lstat('/link')).isSymbolicLink())
  const some = await files.readFile('/dir/big', { offset: 3_000_000, length: 100_000 })
  assert.deepEqual(Buffer.from(some), fs.readFileSync('/dir/big').subarray(3_000_000, 3_100_000))
  const fetched = store.log.reduce((n, [op, , bytes]) => n + (op === 'get' ? bytes : 0), 0)
  assert.ok(fetched < 1_500_000, `${fetched} bytes were fetched of ${there.size}`)
  assert.deepEqual(Buffer.from(await files.readFile('/dir/big')), fs.readFileSync('/dir/big'))
  for (const [path, code] of [['/none', 'ENOENT'], ['/link/x', 'ENOTDIR']]) await assert.rejects(files.stat(path), { name: 'HoldfastError', code })
  await assert.rejects(files.readFile('/dir'), { code: 'EISDIR' })
  await assert.rejects(files.readdir('/link'), { code: 'ENOTDIR' })
  const before = await readRemote(store, { name: 'site', snapshot: first })
  assert.equal(await before.readFile('/old', { encoding: 'utf-8' }), 'old')
  await before.close()
  await before.close()
  await assert.rejects(before.readdir('/'), { code: 'EBADF' })
  await assert.rejects(readRemote(store, { name: 'nobody' }), { code: 'ErrNotFound' })
})
