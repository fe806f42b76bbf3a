// What can be done with published volumes, from a page, with a real S3 server
// on another origin: checked, listed, read in place, encrypted, branched,
// verified and pruned.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

const puts = (exchanges) => exchanges.filter(({ method }) => method === 'PUT')
const sent = (exchanges) => exchanges.reduce((sum, exchange) => sum + exchange.sent, 0)
const gets = (exchanges) => exchanges.filter(({ method }) => method === 'GET')

/** A site, its server, and visitors with the volume and PHP open. */
async function start(t) {
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  const visit = async () => {
    const visitor = await (await site.visitor()).arrive()
    await visitor.evaluate(async (config) => {
      globalThis.volume = await holdfast.open('site')
      globalThis.bucket = holdfast.s3(config)
    }, s3.config)
    return visitor
  }
  return { site, s3, visit }
}

/** A database with posts, as WordPress has them: text of some kilobytes. Runs in the worker. */
async function fill() {
  globalThis.php = await startPHP(volume)
  await sql(php, [
    'CREATE TABLE wp_posts (ID INTEGER PRIMARY KEY AUTOINCREMENT, post_author INT, post_date TEXT, post_content TEXT, post_title TEXT, post_name TEXT)',
    'CREATE INDEX post_name ON wp_posts (post_name)',
    'CREATE TABLE wp_postmeta (meta_id INTEGER PRIMARY KEY AUTOINCREMENT, post_id INT, meta_key TEXT, meta_value TEXT)',
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
     INSERT INTO wp_posts SELECT i, 1, '2026-11-22', replace(hex(zeroblob(60)), '00', 'Some words of post number ' || i || '. '), 'Post ' || i, 'post-' || i FROM n`,
  ])
  for (let i = 0; i < 200; i++) volume.fs.writeFileSync(`/plugin-${i}.php`, `<?php // ${i}\n`.repeat(200 + i))
  volume.commit()
}

const words = ('it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness it was the epoch of belief ' +
  'it was the epoch of incredulity it was the season of light it was the season of darkness it was the spring of hope it was the winter of despair ' +
  'we had everything before us we had nothing before us').slice(0, 320)

/** What differs from a point: the pages, and the sum of their sizes when each is compressed. Runs in the worker. */
async function changes(before) {
  let [pages, bytes] = [0, 0]
  for (const { path, type, ranges } of volume.diff(before)) {
    if (type !== 'file') continue
    const content = volume.fs.readFileSync(path)
    const changed = new Set(ranges.flatMap(({ offset, length }) => {
      const first = Math.floor(offset / 4096)
      return Array.from({ length: Math.ceil((offset + length) / 4096) - first }, (_, i) => first + i)
    }))
    for (const page of changed) {
      const stream = new Blob([content.subarray(page * 4096, page * 4096 + 4096)]).stream().pipeThrough(new CompressionStream('deflate-raw'))
      bytes += (await new Response(stream).arrayBuffer()).byteLength
      pages++
    }
  }
  return { pages, bytes }
}

test('after one post at most three requests are sent, and 1.5 times the compressed pages and 4 KiB', async (t) => {
  const { s3, visit } = await start(t)
  const author = await visit()
  await author.evaluate(fill)
  const first = await author.evaluate(() => volume.publish(bucket))
  t.diagnostic(`first publish: ${first.bytesSent} bytes for ${first.contentNew} of content`)
  assert.ok(first.bytesSent < first.contentNew / 2, 'text is compressed')
  for (let post = 0; post < 12; post++) {
    const before = await author.evaluate(() => volume.snapshot())
    await author.evaluate(([n, words]) => sql(php, [
      `INSERT INTO wp_posts (post_author, post_date, post_content, post_title, post_name)
       SELECT 1, '2026-11-23', group_concat(word, ' '), 'New', 'new-${n}' FROM (
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT substr('${words}', 1 + abs(random()) % 300, 4 + abs(random()) % 5) AS word FROM n)`,
      `INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (last_insert_rowid(), '_edit_lock', '1700000000:1')`,
    ]), [post, words])
    const changed = await author.evaluate(changes, before)
    s3.proxy.take()
    const result = await author.evaluate(() => volume.publish(bucket))
    const exchanges = s3.proxy.take().filter(({ method }) => method !== 'OPTIONS')
    t.diagnostic(`post ${post}: ${changed.pages} pages, ${changed.bytes} bytes compressed; ${exchanges.length} requests, ${sent(exchanges)} bytes`)
    assert.ok(exchanges.length <= 3, JSON.stringify(exchanges))
    assert.equal(sent(exchanges), result.bytesSent)
    assert.ok(sent(exchanges) <= 1.5 * changed.bytes + 4096)
  }
})

test('a page checks its bucket, lists what is in it, reads it in place, goes back, verifies and prunes', async (t) => {
  const { s3, visit } = await start(t)
  const author = await visit()
  const check = await author.evaluate(() => holdfast.checkRemote(bucket))
  t.diagnostic(JSON.stringify(check))
  assert.equal(check.ok, true)
  assert.ok(Math.abs(check.clockSkew) < 60_000)

  await author.evaluate(fill)
  for (const label of ['one', 'two', 'three']) {
    await author.evaluate(async (label) => {
      volume.fs.writeFileSync('/version', label)
      await volume.publish(bucket, { label })
    }, label)
  }
  const reader = await visit()
  const list = await reader.evaluate(() => holdfast.listSnapshots(bucket, { name: 'site' }))
  assert.deepEqual(list.map(({ label, current }) => [label, current]), [['three', ['site']], ['two', []], ['one', []]])

  s3.proxy.take()
  const read = await reader.evaluate(async (snapshot) => {
    const files = await holdfast.readRemote(bucket, { name: 'site', snapshot })
    return [await files.readFile('/version', { encoding: 'utf-8' }), (await files.readdir('/')).length, await files.readFile('/plugin-7.php', { encoding: 'utf-8' })]
  }, list[2].id)
  assert.deepEqual(read, ['one', 202, '<?php // 7\n'.repeat(207)])
  const ranged = gets(s3.proxy.take())
  assert.ok(ranged.every(({ status, path }) => status === (path.includes('/packs/') ? 206 : status)), 'packs are read in parts')

  assert.equal(await reader.evaluate(async (snapshot) => {
    await volume.pull(bucket, { snapshot })
    return volume.fs.readFileSync('/version', 'utf8')
  }, list[1]), 'two')

  assert.deepEqual((await reader.evaluate(() => holdfast.verifyRemote(bucket))).damages, [])
  const pruned = await reader.evaluate(() => holdfast.prune(bucket, { keep: 1, gracePeriod: 0 }))
  t.diagnostic(JSON.stringify(pruned))
  assert.equal(pruned.snapshotsDeleted, 2)
  const after = await reader.evaluate(() => holdfast.verifyRemote(bucket))
  assert.deepEqual([after.damages, after.snapshots, after.unneeded], [[], 1, 0])
  assert.equal(await reader.evaluate(async () => {
    await volume.pull(bucket)
    return volume.fs.readFileSync('/version', 'utf8')
  }), 'three')
  // The author, who remembers what was there, goes on.
  await author.evaluate(async () => {
    volume.fs.writeFileSync('/version', 'four')
    await volume.publish(bucket)
  })
  assert.deepEqual((await reader.evaluate(() => holdfast.verifyRemote(bucket))).damages, [])
})

test('checkRemote finds wrong credentials, and headers that CORS hides', async (t) => {
  const { s3, visit } = await start(t)
  const page = await visit()
  const wrong = await page.evaluate((config) => holdfast.checkRemote(holdfast.s3({ ...config, credentials: { ...config.credentials, secretAccessKey: 'wrong' } })), s3.config)
  assert.deepEqual(wrong.checks.map(({ name, ok, code }) => [name, ok, code]), [['access', false, 'ErrCredentials']])
  assert.ok(!JSON.stringify(wrong).includes(s3.config.credentials.secretAccessKey))
  const missing = await page.evaluate((config) => holdfast.checkRemote(holdfast.s3({ ...config, bucket: 'no-such-bucket' })), s3.config)
  assert.deepEqual(missing.checks.map(({ name, code }) => [name, code]), [['access', 'ErrNoBucket']])
})

test('with a key the server sees ciphertext, and a conflict becomes a branch', async (t) => {
  const { s3, visit } = await start(t)
  const [author, other] = [await visit(), await visit()]
  const key = Array.from({ length: 32 }, (_, i) => (i * 37 + 5) & 255)
  for (const page of [author, other]) await page.evaluate((key) => { globalThis.encryptionKey = new Uint8Array(key) }, key)
  const published = await author.evaluate(async () => {
    volume.fs.writeFileSync('/a telling name', 'telling text '.repeat(5000))
    return volume.publish(bucket, { encryptionKey, label: 'a telling label' })
  })
  assert.equal(published.encrypted, true)
  const pack = s3.proxy.take().find(({ method, path }) => method === 'PUT' && path.includes('/packs/')).path
  const stored = Buffer.from(await (await s3.request(pack)).arrayBuffer())
  assert.ok(stored.length > 200 && !stored.includes('telling'))
  assert.equal((await other.evaluate(() => failure(() => volume.pull(bucket)))).code, 'ErrKey')
  assert.equal((await other.evaluate(() => failure(() => volume.pull(bucket, { encryptionKey: new Uint8Array(32) })))).code, 'ErrKey')
  await other.evaluate(() => volume.pull(bucket, { encryptionKey }))

  await author.evaluate(async () => {
    volume.fs.writeFileSync('/whose', 'the author')
    await volume.publish(bucket, { encryptionKey })
  })
  await other.evaluate(() => volume.fs.writeFileSync('/whose', 'the other'))
  assert.equal((await other.evaluate(() => failure(() => volume.publish(bucket, { encryptionKey })))).code, 'ErrConflict')
  const branch = await other.evaluate(() => volume.publish(bucket, { encryptionKey, onConflict: 'branch' }))
  assert.notEqual(branch.name, 'site')
  const both = await author.evaluate(async (name) => {
    const read = async (name) => (await holdfast.readRemote(bucket, { name, encryptionKey })).readFile('/whose', { encoding: 'utf-8' })
    return [await read('site'), await read(name)]
  }, branch.name)
  assert.deepEqual(both, ['the author', 'the other'])
  assert.deepEqual((await author.evaluate(() => holdfast.verifyRemote(bucket, { encryptionKey }))).damages, [])
})

test('an abort stops a publish and a pull within one request, and both go on where they stopped', async (t) => {
  const { s3, visit } = await start(t)
  const [author, reader] = [await visit(), await visit()]
  await author.evaluate(() => {
    const noise = new Uint8Array(1 << 20)
    for (let i = 0; i < 24; i++) {
      for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536))
      volume.fs.writeFileSync(`/noise-${i}`, noise)
    }
  })
  /** Aborts once some objects are done; tells how many requests there are afterwards. */
  const cut = async (page, what) => {
    const code = await page.evaluate(async (what) => {
      const stop = new AbortController()
      const error = await failure(() => volume[what](bucket, { signal: stop.signal, onProgress: (p) => p.objectsDone >= 2 && stop.abort() }))
      return error?.code
    }, what)
    assert.equal(code, 'ErrAborted')
    const exchanges = s3.proxy.take().filter(({ path }) => path.includes('/packs/'))
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal(s3.proxy.take().length, 0, 'nothing is sent after it')
    return exchanges
  }
  s3.proxy.take()
  await cut(author, 'publish')
  const rest = await author.evaluate(() => volume.publish(bucket))
  t.diagnostic(`publish: ${rest.packsReused} packs were there, ${rest.packsSent} sent`)
  assert.ok(rest.packsReused >= 1 && rest.packsSent >= 1)
  s3.proxy.take()
  const before = await cut(reader, 'pull')
  await reader.evaluate(() => volume.pull(bucket))
  const after = gets(s3.proxy.take()).filter(({ path }) => path.includes('/packs/'))
  t.diagnostic(`pull: ${gets(before).length} packs asked for, then ${after.length}`)
  assert.ok(after.length <= rest.packsReused + rest.packsSent - 2)
  const sums = (page) => page.evaluate(async () => {
    const hex = []
    for (const name of volume.fs.readdirSync('/')) hex.push(new Uint8Array(await crypto.subtle.digest('SHA-256', volume.fs.readFileSync('/' + name))).join())
    return hex
  })
  assert.deepEqual(await sums(reader), await sums(author))
})
