// A volume travels through an S3 server that checks signatures, from one
// visitor's browser to another's, across origins.

import assert from 'node:assert/strict'
import test from 'node:test'
import { chooseSeed } from '../scenario/random.mjs'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

const total = (exchanges, what) => exchanges.reduce((sum, exchange) => sum + exchange[what], 0)
const puts = (exchanges) => exchanges.filter(({ method }) => method === 'PUT')

/** A tree with everything a tree may hold, and a site's database. Runs in the worker. */
async function buildSite(seed) {
  const random = new Uint8Array(300_000)
  for (let i = 0, x = seed >>> 0; i < random.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    random[i] = x >>> 24
  }
  const { fs } = volume
  fs.mkdirSync('/content/plugins/deep/deeper', { recursive: true })
  fs.mkdirSync('/empty folder')
  for (const size of [0, 1, 4095, 4096, 4097, 300_000]) fs.writeFileSync(`/content/${size}.bin`, random.subarray(0, size))
  fs.writeFileSync('/content/copy.bin', random)
  fs.writeFileSync('/content/plugins/deep/deeper/index.php', '<?php echo "hello";')
  fs.writeFileSync('/content/日本語 – ünïcode 🌊.txt', 'names are UTF-8')
  fs.writeFileSync('/' + 'n'.repeat(255), 'the longest name')
  fs.writeFileSync('/sparse', 'start')
  fs.truncateSync('/sparse', 5_000_000)
  fs.appendFileSync('/sparse', 'end')
  fs.symlinkSync('content/1.bin', '/relative')
  fs.symlinkSync('/nowhere/at all', '/dangling')
  fs.linkSync('/content/4097.bin', '/content/plugins/second name')
  fs.chmodSync('/content/1.bin', 0o400)
  fs.chmodSync('/content/plugins', 0o2750)
  fs.chmodSync('/content/plugins/deep/deeper/index.php', 0o4755)
  fs.utimesSync('/content/4096.bin', new Date('1999-12-31T23:59:59.123Z'), new Date('2038-01-19T03:14:08.456Z'))
  for (let i = 0; i < 300; i++) fs.writeFileSync(`/content/plugins/deep/f${i}`, `file ${i}`)
  await sql(php, [
    'CREATE TABLE entry (n INTEGER PRIMARY KEY, body TEXT)',
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO entry SELECT i, hex(randomblob(100)) FROM n`,
  ])
  volume.commit({ label: 'built' })
}

async function openSite(browser) {
  await browser.evaluate(async () => {
    globalThis.volume = await holdfast.open('site')
    globalThis.php = await startPHP(volume)
  })
}

const treeOf = (browser) => browser.evaluate(() => tree(volume.fs))
const publish = (browser, config) => browser.evaluate((config) => failure(() => volume.publish(holdfast.s3(config))), config)
const pull = (browser, config) => browser.evaluate((config) => failure(() => volume.pull(holdfast.s3(config))), config)

test('a published site arrives in a fresh profile byte for byte, and one new row is published in three requests', async (t) => {
  const seed = chooseSeed(t, 'tests/e2e/publish.test.mjs')
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  const author = await (await site.visitor()).arrive()
  await openSite(author)
  await author.evaluate(buildSite, seed)
  const original = await treeOf(author)
  t.diagnostic(`${original.length} files, folders and links are compared`)
  const modules = () => performance.getEntriesByType('resource').map(({ name }) => /\/(\w+)\.wasm$/.exec(name)?.[1]).filter((name) => /^(core|remote|s3)$/.test(name ?? ''))
  await author.evaluate(() => volume.verify())
  assert.deepEqual(await author.evaluate(modules), ['core'], 'the other modules are not loaded before they are needed')

  const progress = await author.evaluate(async (config) => {
    const steps = []
    await volume.publish(holdfast.s3(config), { onProgress: (step) => steps.push({ ...step }) })
    return steps
  }, s3.config)
  assert.deepEqual(await author.evaluate(modules), ['core', 'remote', 's3'])
  const first = s3.proxy.take()
  assert.ok(first.some(({ method, status }) => method === 'OPTIONS' && status < 300), 'the browser asked permission first (preflight)')
  assert.ok(progress.length > 0, 'progress is told')
  assert.deepEqual(await treeOf(author), original, 'publishing changes nothing')
  t.diagnostic(`first publish: ${puts(first).length} PUT, ${total(puts(first), 'sent')} bytes; ${first.length} requests in all`)

  const reader = await (await site.visitor()).arrive()
  await openSite(reader)
  assert.equal(await pull(reader, s3.config), null)
  assert.deepEqual(await treeOf(reader), original)
  assert.deepEqual(await reader.evaluate(() => sql(php, ['PRAGMA integrity_check', 'SELECT count(*) FROM entry'])), [[['ok']], [[2000]]])

  await author.evaluate(() => sql(php, ["INSERT INTO entry (body) VALUES ('one more')"]))
  s3.proxy.take()
  assert.equal(await publish(author, s3.config), null)
  const second = s3.proxy.take()
  t.diagnostic(`second publish: ${puts(second).length} PUT, ${total(puts(second), 'sent')} bytes; ${second.length} requests in all`)
  assert.ok(puts(second).length <= 3, `${puts(second).length} PUT requests for one row`)
  const share = total(puts(second), 'sent') / total(puts(first), 'sent')
  assert.ok(share < 0.1, `one row sent ${(100 * share).toFixed(1)} % of what the whole site took`)

  const changed = await treeOf(author)
  assert.notDeepEqual(changed, original)
  assert.equal(await pull(reader, s3.config), null)
  assert.deepEqual(await treeOf(reader), changed)
  assert.deepEqual(await reader.evaluate(() => sql(php, ['PRAGMA integrity_check', 'SELECT count(*) FROM entry'])), [[['ok']], [[2001]]])

  // What was pulled is a volume like any other: it is committed, and opens again.
  await reader.evaluate(async () => {
    volume.commit({ label: 'pulled' })
    await volume.close()
    globalThis.volume = await holdfast.open('site')
  })
  assert.deepEqual(await treeOf(reader), changed)
})

const troubles = [
  {
    name: 'a wrong secret', code: 'ErrCredentials',
    config: ({ config }) => ({ ...config, credentials: { ...config.credentials, secretAccessKey: 'not the secret' } }),
  },
  {
    name: 'an unknown access key', code: 'ErrCredentials',
    config: ({ config }) => ({ ...config, credentials: { ...config.credentials, accessKeyId: 'nobody' } }),
  },
  { name: 'a missing bucket', code: 'ErrNoBucket', config: ({ config }) => ({ ...config, bucket: 'no-such-bucket' }) },
  { name: 'a server that is down', code: 'ErrUnreachable', config: ({ config }) => config, down: true },
]

for (const trouble of troubles) {
  test(`publish and pull with ${trouble.name}: ${trouble.code}, and the local state is untouched`, async (t) => {
    const seed = chooseSeed(t, 'tests/e2e/publish.test.mjs')
    const site = await startSite(t)
    const s3 = await startS3({ pageOrigin: site.origin })
    t.after(() => s3.stop())
    const author = await (await site.visitor()).arrive()
    await openSite(author)
    await author.evaluate(buildSite, seed)
    if (trouble.down) await s3.proxy.close()
    await author.evaluate(() => volume.fs.writeFileSync('/draft.txt', 'not committed yet'))
    const before = await treeOf(author)

    for (const attempt of [publish, pull]) {
      const error = await attempt(author, trouble.config(s3))
      t.diagnostic(`${attempt.name}: ${JSON.stringify(error)}`)
      assert.equal(error?.name, 'HoldfastError', `${attempt.name}: ${JSON.stringify(error)}`)
      assert.equal(error.code, trouble.code, `${attempt.name}: ${JSON.stringify(error)}`)
      assert.ok(!JSON.stringify(error).includes(trouble.config(s3).credentials.secretAccessKey), 'the error does not tell the secret')
    }
    assert.deepEqual(await treeOf(author), before)
    await author.evaluate(async () => {
      await sql(php, ["INSERT INTO entry (body) VALUES ('still works')"])
      volume.commit({ label: 'after the failure' })
    })
    if (!trouble.down) assert.equal(await publish(author, s3.config), null, 'publishing works once the settings are right')
  })
}
