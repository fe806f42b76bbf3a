// A volume in a worker, used from the page.

import assert from 'node:assert/strict'
import test from 'node:test'
import { bundle } from './bundle.mjs'
import { startS3 } from './s3server.mjs'
import { startTabs } from './tabs.mjs'

/** A page that is connected, as `remote`, to volume `v` of its worker, which has it as `volume`. */
async function connected(t, open = () => {
  exposeVolume(globalThis.opening = holdfast.open('v').then((volume) => (globalThis.volume = volume)))
}) {
  const site = await startTabs(t)
  const tab = await site.tab()
  await tab.page.evaluate(() => {
    globalThis.failure = (action) => Promise.resolve().then(action).then(() => null, (error) => ({
      ours: error instanceof holdfast.HoldfastError, name: error.name, code: error.code, message: error.message, hint: error.hint,
      errno: error.errno, syscall: error.syscall, path: error.path, details: error.details, cause: error.cause?.message ?? error.cause,
    }))
  })
  await tab.evaluate(open)
  await tab.page.evaluate(async () => {
    globalThis.remote = await connect(worker)
  })
  return { site, tab, page: tab.page, inPage: (fn, argument) => tab.page.evaluate(fn, argument), inWorker: tab.evaluate }
}

test('the page snapshots, lists, compares, restores, commits, verifies and asks for room as the worker does', async (t) => {
  const { inPage, inWorker } = await connected(t)
  await inWorker(() => volume.fs.writeFileSync('/f', 'one'))
  const seen = await inPage(async () => {
    const { name, uuid, durability } = remote
    const one = await remote.snapshot({ label: 'one' })
    await remote.fs.writeFile('/f', 'two')
    await remote.fs.mkdir('/d/e', { recursive: true })
    const two = await remote.commit({ label: 'two' })
    const changes = await remote.diff(one, two)
    const since = await remote.diff(one)
    await remote.restore(one)
    return { name, uuid, durability, one, two, changes, since, list: await remote.snapshots(), estimate: await remote.estimate() }
  })
  const there = await inWorker(async () => ({
    uuid: volume.uuid, list: volume.snapshots(), text: volume.fs.readFileSync('/f', 'utf8'), estimate: await volume.estimate(),
  }))
  assert.equal(seen.name, 'v')
  assert.equal(seen.uuid, there.uuid)
  assert.equal(seen.durability, 'fsync')
  assert.equal(there.text, 'one', 'restored')
  assert.deepEqual(seen.list, there.list)
  assert.deepEqual(seen.list.slice(0, 2).map(({ label }) => label), ['two', 'one'])
  assert.equal(seen.two.durable && seen.two.bytesWritten > 0, true)
  assert.deepEqual(seen.changes.map(({ change, path }) => `${change} ${path}`).sort(), ['create /d', 'create /d/e', 'update /f'])
  assert.deepEqual(seen.changes, seen.since)
  assert.deepEqual({ ...seen.estimate, usage: 0, quota: 0 }, { ...there.estimate, usage: 0, quota: 0 })
  assert.equal(await inPage(async (one) => {
    await remote.deleteSnapshot(one)
    return (await failure(() => remote.deleteSnapshot(one))).code
  }, seen.one), 'ErrNotFound')

  const files = await inPage(async (before) => {
    const { fs } = remote
    await fs.appendFile('/f', ' more')
    await fs.writeFile('/bin', new Uint8Array([1, 2, 3]))
    await fs.rename('/bin', '/moved')
    const stat = await fs.stat('/moved')
    const result = {
      text: await fs.readFile('/f', { encoding: 'utf8' }), bytes: [...await fs.readFile('/moved')], names: await fs.readdir('/'),
      then: await fs.readFile('/f', { encoding: 'utf8', snapshot: before }), namesThen: await fs.readdir('/', { snapshot: before.id }),
      isFile: stat.isFile(), size: stat.size, mtime: stat.mtime instanceof Date, isDirectory: (await fs.lstat('/')).isDirectory(),
    }
    await fs.rm('/moved')
    return result
  }, seen.two)
  assert.deepEqual(files, {
    text: 'one more', bytes: [1, 2, 3], names: ['f', 'moved'], then: 'two', namesThen: ['d', 'f'], isFile: true, size: 3, mtime: true, isDirectory: true,
  })

  await inPage(() => remote.close())
  assert.equal(await inWorker(() => volume.closed), true)
  const closed = await inPage(() => failure(() => remote.commit()))
  assert.equal(closed.code, 'ErrClosed')
})

test('errors arrive as they are thrown: class, code, hint, details, and those of the files with errno and syscall', async (t) => {
  const { inPage } = await connected(t)
  const missing = await inPage(() => failure(() => remote.restore('00000000000000ff')))
  assert.deepEqual([missing.ours, missing.name, missing.code, missing.errno], [true, 'HoldfastError', 'ErrNotFound', 2])
  const file = await inPage(() => failure(() => remote.fs.readFile('/none')))
  assert.deepEqual([file.ours, file.code, file.errno, file.syscall, file.path], [false, 'ENOENT', -2, 'open', '/none'])
  assert.equal((await inPage(() => failure(() => remote.snapshot({ label: 'x'.repeat(10_000) })))).code, 'ErrLabel')
  const unreachable = await inPage(() => failure(() => remote.publish(holdfast.s3({
    endpoint: 'http://127.0.0.1:9', bucket: 'b', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, retry: { attempts: 1 },
  }))))
  assert.deepEqual([unreachable.ours, unreachable.code], [true, 'ErrUnreachable'])
})

test('progress is told, all of it before the end, and a signal ends the work', async (t) => {
  const { inPage, inWorker } = await connected(t)
  await inWorker(() => {
    volume.fs.writeFileSync('/big', new Uint8Array(6e6).map((_, i) => i * 7 >> 3))
    volume.commit()
  })
  const seen = await inPage(async () => {
    const seen = []
    await remote.verify({ onProgress: (p) => seen.push(p) })
    const atTheEnd = seen.length
    await new Promise((resolve) => setTimeout(resolve, 100))
    return { seen, atTheEnd }
  })
  assert.ok(seen.atTheEnd > 3)
  assert.equal(seen.atTheEnd, seen.seen.length)
  assert.equal(seen.seen.at(-1).bytesDone, seen.seen.at(-1).bytesTotal)

  const [before, during] = await inPage(async () => {
    const abort = new AbortController()
    const during = await failure(() => remote.verify({ signal: abort.signal, onProgress: () => abort.abort(new Error('the visitor has gone')) }))
    return [await failure(() => remote.verify({ signal: AbortSignal.abort() })), during]
  })
  assert.deepEqual([before.ours, before.code], [true, 'ErrAborted'])
  assert.deepEqual([during.ours, during.code, during.cause], [true, 'ErrAborted', 'the visitor has gone'])
  assert.equal(await inPage(() => failure(() => remote.verify())), null)
})

test('bytes are handed over: those read come with a buffer of their own, those given away are gone', async (t) => {
  const { inPage } = await connected(t)
  const result = await inPage(async () => {
    const bytes = new Uint8Array(5_000_000).fill(9)
    const kept = new Uint8Array(1000).fill(8)
    await remote.fs.writeFile('/kept', kept)
    await remote.fs.writeFile('/given', bytes, { transfer: true })
    const read = await remote.fs.readFile('/given')
    return { kept: kept.length, given: bytes.length, read: read.length, buffer: read.buffer.byteLength, same: read.every((b) => b === 9) }
  })
  assert.deepEqual(result, { kept: 1000, given: 0, read: 5_000_000, buffer: 5_000_000, same: true })
})

test('a page may connect before the worker has anything to show, and hears why a volume cannot be opened', async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  const connecting = a.page.evaluate(async () => (await connect(worker, { name: 'first' })).name)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await a.evaluate(async () => {
    globalThis.volume = await holdfast.open('v')
    exposeVolume(volume, { name: 'first' })
    exposeVolume(holdfast.open('w'), { name: 'second' })
  })
  assert.equal(await connecting, 'v')
  assert.equal(await a.page.evaluate(async () => (await connect(worker, { name: 'second' })).name), 'w')

  const refusal = (options) => b.page.evaluate(async (options) => {
    const signal = options.abort ? AbortSignal.timeout(250) : undefined
    const to = options.script ? new Worker(options.script, { type: 'module' }) : worker
    return connect(to, { signal }).then(() => null, ({ name, code, hint }) => ({ name, code, hint }))
  }, options)
  assert.equal((await refusal({ abort: true }))?.code, 'ErrAborted')
  await b.evaluate(() => exposeVolume(holdfast.open('v')))
  const locked = await refusal({})
  assert.equal(locked?.code, 'ErrLocked')
  assert.match(locked.hint, /close it there/)
  assert.equal((await refusal({ script: '/nowhere.mjs' }))?.code, 'ErrWorker')
})

test('a connection can go through a port, as from another tab or a service worker; ending one leaves the others and the volume', async (t) => {
  const { inPage, inWorker } = await connected(t)
  await inWorker(() => addEventListener('message', ({ data, ports }) => data === 'here is a port' && exposeVolume(opening, { endpoint: ports[0] })))
  assert.deepEqual(await inPage(async () => {
    const { port1, port2 } = new MessageChannel()
    worker.postMessage('here is a port', [port2])
    const other = await connect(port1)
    await other.fs.writeFile('/f', 'through the port')
    other.disconnect()
    return [await remote.fs.readFile('/f', { encoding: 'utf8' }), other.uuid === remote.uuid]
  }), ['through the port', true])
  const connections = () => inWorker(() => navigator.locks.query().then(({ held }) => held.filter(({ name }) => name.includes('connection')).length))
  while (await connections() > 1) await new Promise((resolve) => setTimeout(resolve, 20)) // the worker forgets the one that has ended
  assert.equal(await connections(), 1)
})

test('calls to a worker that has ended fail, instead of waiting for ever', async (t) => {
  const { inPage, tab } = await connected(t)
  const before = await tab.evaluate(() => navigator.locks.query().then(({ held }) => held.filter(({ name }) => name.includes('connection')).length))
  assert.equal(before, 1)
  await tab.evaluate(() => volume.fs.writeFileSync('/f', 'never committed'))
  const seen = await inPage(async () => {
    const second = await connect(worker)
    second.disconnect()
    const never = failure(() => remote.publish({ get: () => new Promise(() => {}), put: () => worker.terminate(), list: async () => [], delete: async () => {} }))
    const pending = failure(() => remote.verify({ onProgress: () => worker.terminate() }))
    return { pending: await pending, never: await never, lost: (await remote.lost).code, later: await failure(() => remote.fs.readFile('/f')) }
  })
  assert.deepEqual([seen.pending.code, seen.never.code, seen.lost, seen.later.code], ['ErrWorker', 'ErrWorker', 'ErrWorker', 'ErrWorker'])
  assert.match(seen.later.hint, /as of the last commit/)
})

test('a volume that is taken over tells the page', async (t) => {
  const { site, inPage } = await connected(t)
  const other = await site.tab()
  const lost = inPage(() => remote.lost.then(({ code, name, hint }) => ({ code, name, hint })))
  assert.equal(await other.open('v', { ifLocked: 'steal' }), null)
  assert.equal((await lost).code, 'ErrFenced')
  assert.equal((await inPage(() => failure(() => remote.commit()))).code, 'ErrFenced')
})

test('publish and pull: s3() is made again in the worker, and asks the page for credentials; a store of the page is called there', async (t) => {
  const { site, inPage, inWorker } = await connected(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  await inWorker(() => volume.fs.writeFileSync('/f', 'published'))
  const done = await inPage(async ({ credentials, ...config }) => {
    globalThis.asked = 0
    globalThis.bucket = holdfast.s3({ ...config, credentials: async () => (asked++, credentials) })
    const phases = new Set()
    const first = await remote.publish(bucket, { label: 'from the page', onProgress: (p) => phases.add(p.phase) })
    await remote.fs.writeFile('/f', 'changed')
    const pulled = await remote.pull(bucket)
    return { first, pulled, asked, phases: [...phases], text: await remote.fs.readFile('/f', { encoding: 'utf8' }) }
  }, s3.config)
  assert.equal(done.first.label, 'from the page')
  assert.equal(done.pulled.id, done.first.id)
  assert.equal(done.text, 'published')
  assert.ok(done.asked > 0)
  assert.ok(done.phases.includes('upload') && done.phases.includes('done'))
  const loaded = () => ['core', 'remote', 's3'].filter((module) => performance.getEntriesByType('resource').some(({ name }) => name.endsWith(`/${module}.wasm`)))
  assert.deepEqual([await inPage(loaded), await inWorker(loaded)], [[], ['core', 'remote', 's3']], 'modules are loaded in the worker')
  const aborted = await inPage(() => {
    const abort = new AbortController()
    return failure(() => remote.publish(bucket, { label: 'again', signal: abort.signal, onProgress: () => abort.abort() }))
  })
  assert.equal(aborted?.code, 'ErrAborted')

  const own = await inPage(async () => {
    const objects = new Map()
    const refuse = (code) => { throw Object.assign(new Error(code), { code }) }
    globalThis.own = {
      objects,
      async get(key, { offset = 0, length = Infinity } = {}) {
        const data = objects.get(key) ?? refuse('ErrNotFound')
        return { data: data.subarray(offset, offset + length), etag: String(data.etag) } // its own bytes, not a copy
      },
      async put(key, data, { ifMatch, ifNoneMatch } = {}) {
        const there = objects.get(key)
        if (ifNoneMatch && there || ifMatch && String(there?.etag) !== ifMatch) refuse('ErrPrecondition')
        objects.set(key, Object.assign(data, { etag: objects.size + Math.random() }))
        return { etag: String(data.etag) }
      },
      list: async (prefix) => [...objects].filter(([key]) => key.startsWith(prefix)).map(([key, data]) => ({ key, size: data.length })),
      delete: async (key) => void objects.delete(key),
    }
    await remote.publish(own, { name: 'own' })
    await remote.fs.writeFile('/f', 'changed again')
    await remote.pull(own, { name: 'own' })
    await remote.pull(own, { name: 'own' })
    const text = await remote.fs.readFile('/f', { encoding: 'utf8' })
    // A store that never answers is no reason to wait after an abort.
    const abort = new AbortController()
    const never = () => new Promise(() => abort.abort())
    const hung = await failure(() => remote.publish({ ...own, get: never, put: never }, { name: 'other', signal: abort.signal }))
    return { count: objects.size, text, hung }
  })
  assert.equal(own.text, 'published')
  assert.ok(own.count >= 3)
  assert.equal(own.hung?.code, 'ErrAborted')
})

test('beside a PHPWorker: the page runs PHP over its endpoint and snapshots over this one', async (t) => {
  await Promise.all([bundle('php-endpoint'), bundle('php-page')])
  const site = await startTabs(t)
  const page = await site.context.newPage()
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(`${site.origin}/pages/php-endpoint.html`)
  const seen = await page.evaluate(async () => {
    const { php, volume } = await ready
    const count = async () => (await php.run({ code: `<?php
      $db = new PDO('sqlite:/site/guests.sqlite');
      echo $db->query('SELECT count(*) FROM guests')->fetchColumn();` })).text
    const insert = (name) => php.run({ code: `<?php
      $db = new PDO('sqlite:/site/guests.sqlite');
      $db->exec('CREATE TABLE IF NOT EXISTS guests (name TEXT)');
      $db->prepare('INSERT INTO guests VALUES (?)')->execute(['${name}']);` })
    await insert('Ada')
    const one = await volume.snapshot({ label: 'one guest' })
    await insert('Grace')
    const two = await count()
    await volume.restore(one)
    const after = await count()
    await volume.commit()
    return { two, after, changes: (await volume.diff(one)).length, listed: (await volume.snapshots()).some(({ label }) => label === 'one guest') }
  })
  assert.deepEqual(seen, { two: '2', after: '1', changes: 0, listed: true })
  assert.deepEqual(errors, [])
})
