// Publishing through the gateway: real Chromium, the Worker in workerd, a real S3 server, and no secret in the browser.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'
import { root } from './bundle.mjs'
import * as holdfast from '../../js/index.js'
import { makeToken, startGateway } from './gateway.mjs'
import { recordingProxy } from './proxy.mjs'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const puts = (exchanges) => exchanges.filter(({ method }) => method === 'PUT')

test('the Worker fits the free plan', (t) => {
  const size = gzipSync(readFileSync(path.join(root, 'build/gateway/gateway.wasm')), { level: 9 }).length
  t.diagnostic(`gateway.wasm: ${size} bytes after gzip`)
  assert.ok(size < 3 * 2 ** 20, 'Cloudflare allows 3 MB')
})

/** In the worker of a page: a small volume, in memory. */
async function fill(name) {
  globalThis.volume = await holdfast.open(name, { storage: holdfast.memory() })
  volume.fs.mkdirSync('/folder')
  for (let i = 0; i < 50; i++) volume.fs.writeFileSync(`/folder/f${i}`, new Uint8Array(20_000).map((_, j) => (i * j * 2654435761) >>> 24))
}

test('a volume travels from one browser to another through the gateway, by signed requests, and no secret reaches the browser', async (t) => {
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin, keepTexts: true })
  t.after(() => s3.stop())
  const gateway = await startGateway(t, { s3: s3.config, origins: site.origin })
  const front = await recordingProxy(gateway.url, { keepTexts: true })
  t.after(() => front.close())
  const config = (rights, volume = 'shop') => ({ url: front.origin, token: gateway.token({ volume, rights }) })

  const author = await (await site.visitor()).arrive()
  await author.evaluate(fill, 'shop')
  const before = await author.evaluate(() => tree(volume.fs))
  const progress = await author.evaluate(async (config) => {
    globalThis.remote = holdfast.gateway(config)
    const steps = []
    await volume.publish(remote, { label: 'first', onProgress: (p) => steps.push(p) })
    return steps
  }, config('write'))
  assert.equal(progress.at(-1).phase, 'done')
  assert.ok(puts(s3.proxy.log).length >= 3)
  for (const { path } of puts(s3.proxy.log)) assert.match(path, /^\/site\/sites\/shop\/(heads\/shop|snapshots\/[0-9a-f]{64}|packs\/[0-9a-f]{64})$/)

  const reader = await (await site.visitor()).arrive()
  const pulled = await reader.evaluate(async (config) => {
    globalThis.volume = await holdfast.open('shop', { storage: holdfast.memory() })
    await volume.pull(holdfast.gateway(config))
    return tree(volume.fs)
  }, config('read'))
  assert.deepEqual(pulled, before)

  // After an edit: three requests to the bucket, and one question for each.
  const shopping = [...s3.proxy.take(), ...front.take()]
  await author.evaluate(async () => {
    volume.fs.writeFileSync('/folder/new', 'one more')
    await volume.publish(remote)
  })
  assert.deepEqual(s3.proxy.log.filter(({ method }) => method !== 'OPTIONS').map(({ method }) => method), ['PUT', 'PUT', 'PUT'])
  assert.equal(front.log.filter(({ method }) => method !== 'OPTIONS').length, 3)
  t.diagnostic(`after an edit: ${puts(s3.proxy.log).reduce((n, { sent }) => n + sent, 0)} bytes in 3 PUT`)

  // A conflict is a conflict here too.
  assert.equal(await reader.evaluate(async (config) => {
    volume.fs.writeFileSync('/folder/mine', 'x')
    return (await failure(() => volume.publish(holdfast.gateway(config)))).code
  }, config('write')), 'ErrConflict')

  const texts = [...shopping, ...s3.proxy.log, ...front.log].flatMap(({ texts }) => texts)
  assert.ok(texts.some((text) => text.includes('Credential=')), 'the texts are those of signed requests')
  for (const text of texts) {
    assert.ok(!text.includes(s3.config.credentials.secretAccessKey), 'the secret is nowhere')
    assert.ok(!text.includes(gateway.key), 'nor is the key of the tokens')
  }
  const loaded = await author.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name))
  assert.ok(loaded.some((name) => name.endsWith('core.wasm')))
  assert.ok(loaded.some((name) => name.endsWith('remote.wasm')))
  assert.ok(!loaded.some((name) => name.endsWith('s3.wasm')), 'the S3 module is not loaded')

  // What the token is not for is refused, and says so.
  const problem = (config, action) => author.evaluate(async ([config, action]) => {
    const remote = holdfast.gateway(config)
    volume.fs.writeFileSync('/folder/new', 'not published')
    return failure(() => (action === 'pull' ? volume.pull(remote) : volume.publish(remote, { overwrite: true })))
  }, [config, action])
  const expired = gateway.token({ volume: 'shop', rights: 'write', exp: 1_700_000_000 })
  s3.proxy.take()
  for (const [what, wrong, action] of [
    ['another volume', config('write', 'blog'), 'pull'],
    ['another volume', config('write', 'blog'), 'publish'],
    ['only reading', config('read'), 'publish'],
    ['expired', { url: front.origin, token: expired }, 'pull'],
    ['altered', { url: front.origin, token: config('write').token.replace(/..$/, 'AA') }, 'publish'],
    ['another key', { url: front.origin, token: makeToken('k'.repeat(40), { volume: 'shop', rights: 'write' }) }, 'publish'],
  ]) {
    const error = await problem(wrong, action)
    t.diagnostic(`${what}, ${action}: ${JSON.stringify(error)}`)
    assert.equal(error?.code, 'ErrCredentials', what)
    assert.equal(error.name, 'HoldfastError')
    assert.ok(!JSON.stringify(error).includes(wrong.token))
  }
  assert.deepEqual(puts(s3.proxy.log), [], 'nothing was written')
  await author.evaluate(async () => {
    volume.fs.writeFileSync('/folder/new', 'and it goes on')
    await volume.publish(remote)
  })
})

test('the same over an R2 binding: the bucket is never named to the browser', async (t) => {
  const site = await startSite(t)
  const gateway = await startGateway(t, { origins: site.origin })
  const token = gateway.token({ volume: 'shop', rights: 'write' })
  const browser = await (await site.visitor()).arrive()
  await browser.evaluate(fill, 'shop')
  const [before, after, conflict] = await browser.evaluate(async (config) => {
    const before = tree(volume.fs)
    await volume.publish(holdfast.gateway(config))
    const other = await holdfast.open('other', { storage: holdfast.memory() })
    const remote = holdfast.gateway(config)
    await other.pull(remote, { name: 'shop' })
    const after = tree(other.fs)
    volume.fs.writeFileSync('/more', 'x')
    await volume.publish(holdfast.gateway(config))
    other.fs.writeFileSync('/less', 'x')
    return [before, after, await failure(() => other.publish(remote, { name: 'shop' }))]
  }, { url: gateway.url, token })
  assert.deepEqual(after, before)
  assert.equal(conflict.code, 'ErrConflict')
  const stored = await (await gateway.worker.getR2Bucket('BUCKET')).list()
  for (const { key } of stored.objects) assert.match(key, /^sites\/shop\/(heads\/shop|snapshots\/[0-9a-f]{64}|packs\/[0-9a-f]{64})$/)
})

test('the Worker refuses what its policy refuses', async (t) => {
  const s3 = await startS3({ pageOrigin: 'http://app.example.org' })
  t.after(() => s3.stop())
  for (const kind of ['S3', 'R2']) {
    const gateway = await startGateway(t, { s3: kind === 'S3' ? s3.config : undefined, origins: 'http://app.example.org' })
    const bearer = { authorization: `Bearer ${gateway.token({ volume: 'shop', rights: 'prune' })}` }
    const ask = async (question, headers = bearer) => (await fetch(gateway.url, { method: 'POST', headers, body: JSON.stringify(question) })).status
    const pack = 'a pack'
    const put = { op: 'put', key: `packs/${sha256(pack)}`, size: pack.length, sha256: sha256(pack), ifNoneMatch: true }
    assert.equal(await ask(put), 200)
    for (const wrong of [
      { ...put, key: `packs/${sha256('another')}` },
      { ...put, sha256: sha256('another') },
      { ...put, sha256: undefined },
      { ...put, size: 2 ** 40 },
      { ...put, key: 'heads/shop', ifNoneMatch: false },
      { ...put, key: 'heads/blog' },
      { ...put, key: `../blog/packs/${sha256(pack)}` },
      { ...put, key: `packs/../../blog/packs/${sha256(pack)}` },
      { op: 'get', key: 'heads/blog' },
      { op: 'get', key: 'heads/%2e%2e/blog' },
      { op: 'list', key: '' },
      { op: 'delete', key: 'heads/shop' },
    ]) assert.equal(await ask(wrong), 403, JSON.stringify(wrong))
    for (const authorization of ['', 'Bearer x.y.z', bearer.authorization.slice(0, -1), `Bearer ${gateway.token({ volume: 'shop', rights: 'read', exp: 1 })}`]) {
      assert.equal(await ask(put, { authorization }), 401)
    }
    if (kind === 'R2') {
      const send = (key, body, headers) => fetch(`${gateway.url}?key=${encodeURIComponent(key)}`, { method: 'PUT', body, headers: { ...bearer, ...headers } })
      const hash = { 'x-content-sha256': sha256(pack) }
      assert.equal((await send(put.key, 'A PACK', hash)).status, 422, 'bytes that do not hash to the name')
      assert.equal((await send(`packs/${sha256('x')}`, pack, hash)).status, 403)
      assert.equal((await send('packs/../heads/shop', pack, hash)).status, 403)
      assert.equal((await send('heads/shop', pack, hash)).status, 403, 'a head without a condition')
      assert.deepEqual((await (await gateway.worker.getR2Bucket('BUCKET')).list()).objects, [])
    }
    const answer = await fetch(gateway.url, { method: 'OPTIONS', headers: { origin: 'http://evil.example.org' } })
    assert.equal(answer.headers.get('access-control-allow-origin'), null)
  }
})

test('what an operator does works through the gateway as well', async (t) => {
  const s3 = await startS3({ pageOrigin: 'http://app.example.org' })
  t.after(() => s3.stop())
  for (const kind of ['S3', 'R2']) {
    const gateway = await startGateway(t, { s3: kind === 'S3' ? s3.config : undefined, origins: '*' })
    const remoteOf = (rights) => holdfast.gateway({ url: gateway.url, token: gateway.token({ volume: 'shop', rights }) })
    const [a, b] = await Promise.all(['a', 'b'].map((name) => holdfast.open(name, { storage: holdfast.memory() })))
    t.after(() => Promise.all([a.close(), b.close()]))
    const [write, prune] = [remoteOf('write'), remoteOf('prune')]
    const name = 'shop'

    const { ok, checks } = await holdfast.checkRemote(write)
    assert.ok(ok, JSON.stringify(checks.filter(({ ok }) => !ok)))
    for (let i = 0; i < 3; i++) {
      a.fs.writeFileSync('/f', `state ${i}`)
      await a.publish(write, { name, label: `label ${i}` })
    }
    // Somebody who does not know of it publishes beside it.
    b.fs.writeFileSync('/g', 'other')
    const branch = await b.publish(write, { name, onConflict: 'branch' })
    assert.match(branch.name ?? branch.volume, /^shop\./, JSON.stringify(branch))
    const listed = await holdfast.listSnapshots(remoteOf('read'))
    assert.equal(listed.length, 4)
    assert.deepEqual((await holdfast.verifyRemote(remoteOf('read'))).damages, [])

    await assert.rejects(holdfast.prune(write, { keep: 1, gracePeriod: 0 }), { code: 'ErrCredentials' })
    const report = await holdfast.prune(prune, { keep: 1, gracePeriod: 0 })
    assert.equal(report.snapshotsDeleted, 2, JSON.stringify(report))
    await b.pull(remoteOf('read'), { name })
    assert.equal(b.fs.readFileSync('/f', 'utf8'), 'state 2')

    // More than fit on one page of a list.
    const many = Array.from({ length: 1003 }, (_, i) => `checks/MANY${String(i).padStart(4, '0')}`)
    const bucket = kind === 'R2' && await gateway.worker.getR2Bucket('BUCKET')
    for (let i = 0; i < many.length; i += 100) {
      await Promise.all(many.slice(i, i + 100).map(async (key) => {
        if (bucket) await bucket.put(`sites/shop/${key}`, 'x')
        else assert.equal((await s3.request(`/site/sites/shop/${key}`, { method: 'PUT', body: 'x' })).status, 200)
      }))
    }
    const found = await write.list('checks/MANY')
    assert.deepEqual(found.map(({ key }) => key), many)
    assert.ok(found.every(({ size, modified }) => size === 1 && Math.abs(modified - Date.now()) < 3600e3))
  }
})
