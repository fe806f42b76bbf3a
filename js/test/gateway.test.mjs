/** The client of the gateway against servers that misbehave. What it does with a gateway is in tests/e2e/gateway.test.mjs. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { gateway } from 'holdfast'

const pack = new TextEncoder().encode('the bytes of a pack')
const key = `packs/${createHash('sha256').update(pack).digest('hex')}`

/**
 * A server that answers with `answer`, and keeps what it was asked.
 *
 * @param {import('node:test').TestContext} t
 * @param {(request: import('node:http').IncomingMessage & { text: string }, response: import('node:http').ServerResponse) => void} answer
 */
async function serve(t, answer) {
  /** @type {{ method: string, url: string, headers: any, text: string }[]} */
  const log = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    log.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, text })
    answer(Object.assign(request, { text }), response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(null)))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`, log }
}

/** @param {any} value */
const json = (value, status = 200) => (/** @type {any} */ _, /** @type {import('node:http').ServerResponse} */ response) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))

/**
 * A gateway that signs for another server, which answers with `answer`.
 *
 * @param {import('node:test').TestContext} t
 * @param {Parameters<typeof serve>[1]} answer
 */
async function signing(t, answer, more = {}) {
  const bucket = await serve(t, answer)
  const front = await serve(t, (request, response) => {
    const { op, key } = JSON.parse(request.text)
    const method = /** @type {any} */ ({ put: 'PUT', delete: 'DELETE' })[op] ?? 'GET'
    json({ method, url: `${bucket.url}/${key}?signed=${front.log.length}`, headers: { authorization: 'signed' }, seconds: 300, folder: 'f/', ...more })(request, response)
  })
  return { store: gateway({ url: front.url, token: 'a.b.c' }), front, bucket }
}

test('what is missing or malformed is said at once', () => {
  for (const config of [{}, { url: 'http://x' }, { token: 't' }, { url: 'x', token: 't' }, { url: 'ftp://x', token: 't' }, { url: 'http://x?y', token: 't' }]) {
    assert.throws(() => gateway(/** @type {any} */ (config)), { name: 'HoldfastError', code: 'ErrInvalid' })
  }
})

test('a read that was signed is not asked for again; a write is', async (t) => {
  const { store, front, bucket } = await signing(t, (_, response) => void response.writeHead(206, { etag: '"e"', 'content-range': 'bytes 4-8/19' }).end('bytes'))
  for (let i = 0; i < 3; i++) assert.equal(new TextDecoder().decode((await store.get(key, { offset: 4, length: 5 })).data), 'bytes')
  assert.equal(front.log.length, 1)
  assert.deepEqual(bucket.log.map(({ headers }) => [headers.range, headers.authorization]), Array(3).fill(['bytes=4-8', 'signed']))
  for (let i = 0; i < 2; i++) await store.put(key, pack, { ifNoneMatch: true })
  assert.equal(front.log.length, 3)
  assert.deepEqual(JSON.parse(front.log[1].text), { op: 'put', key, size: pack.length, sha256: key.slice(6), ifNoneMatch: true })
  assert.ok(!bucket.log.some(({ headers }) => JSON.stringify(headers).includes('a.b.c')), 'the token is for the gateway only')
})

test('a signature that has become too old is asked for again, once', async (t) => {
  let refusals = 0
  const { store, front } = await signing(t, (request, response) => {
    if (refusals-- > 0) return void response.writeHead(403).end('<Error><Code>RequestTimeTooSkewed</Code></Error>')
    response.writeHead(200, { etag: '"e"' }).end('x')
  })
  await store.get(key)
  refusals = 1
  await store.get(key)
  assert.equal(front.log.length, 2)
  refusals = 2
  await assert.rejects(store.get(key), { code: 'ErrClock' })
  const expired = await signing(t, (_, response) => void response.end('x'), { seconds: 0 })
  await expired.store.get(key)
  await expired.store.get(key)
  assert.equal(expired.front.log.length, 2)
})

test('answers of S3 mean what they say', async (t) => {
  /** @type {[number, Record<string, string>, string]} */ let answer
  const { store } = await signing(t, (_, response) => void response.writeHead(answer[0], answer[1]).end(answer[2]))
  for (const [status, body, code] of /** @type {[number, string, string][]} */ ([
    [404, '<Error><Code>NoSuchKey</Code></Error>', 'ErrNotFound'], [404, '<Error><Code>NoSuchBucket</Code></Error>', 'ErrNoBucket'],
    [404, '<html>no such page</html>', 'ErrUnsupported'], [403, '<Error><Code>AccessDenied</Code></Error>', 'ErrCredentials'],
    [412, '', 'ErrPrecondition'], [409, '<Error><Code>ConditionalRequestConflict</Code></Error>', 'ErrUnreachable'], [416, '', 'ErrRange'],
    [400, '<Error><Code>RequestTimeout</Code></Error>', 'ErrUnreachable'], [400, '<Error><Code>BadDigest</Code></Error>', 'ErrUnreachable'],
    [429, '', 'ErrUnreachable'], [500, '', 'ErrUnreachable'], [501, '', 'ErrUnsupported'], [503, 'x'.repeat(1e6), 'ErrUnreachable'],
  ])) {
    answer = [status, { date: 'Sat, 21 Nov 2026 10:00:00 GMT', 'retry-after': '3' }, body]
    await assert.rejects(store.get(key), (/** @type {any} */ err) => {
      assert.deepEqual([err.name, err.code, err.path, err.date, err.retryAfter], ['HoldfastError', code, key, 1795255200000, 3000], `${status} ${body.slice(0, 100)}`)
      assert.ok(err.message.length < 1000)
      return true
    })
  }
})

test('no more than was asked for is taken in, and nothing else than it', async (t) => {
  /** @type {(response: import('node:http').ServerResponse) => void} */ let answer = () => {}
  const { store } = await signing(t, (_, response) => answer(response))
  for (const chunked of [false, true]) {
    answer = (response) => {
      if (!chunked) response.setHeader('content-length', 1e12)
      const more = () => { while (!response.destroyed && response.write(Buffer.alloc(65536))); }
      response.on('drain', more)
      more()
    }
    await assert.rejects(store.get(key, { offset: 0, length: 1000 }), { code: 'ErrUnsupported' })
    await assert.rejects(store.list('packs/'), { code: 'ErrUnsupported' })
    await assert.rejects(store.get(key), { code: 'ErrUnsupported' })
  }
  answer = (response) => void response.end('from the beginning')
  await assert.rejects(store.get(key, { offset: 5, length: 100 }), { code: 'ErrUnsupported' })
  answer = (response) => void response.writeHead(206, { 'content-range': 'bytes 0-9/10' }).end('0123456789')
  await assert.rejects(store.get(key, { offset: 5, length: 100 }), { code: 'ErrUnsupported' })
  answer = (response) => { response.writeHead(200, { 'content-length': 100 }).write('abc'); setTimeout(() => response.destroy(), 10) }
  await assert.rejects(store.get(key), { code: 'ErrUnreachable' })
})

test('a list of S3 is read to its end, whatever its folder is called', async (t) => {
  const folder = 'a&b <ü>/site/'
  const escaped = 'a&amp;b &lt;&#252;&#x3e;/site/'
  const all = Array.from({ length: 5 }, (_, i) => `packs/${String(i).repeat(64)}`)
  const { store, front } = await signing(t, (request, response) => {
    const after = JSON.parse(front.log.at(-1)?.text ?? '').after
    const rest = all.filter((k) => !after || k > after)
    const items = rest.slice(0, 2).map((k) => `<Contents><Key>${escaped}${k}</Key><LastModified>2026-11-21T10:00:00.000Z</LastModified><Size>7</Size></Contents>`)
    response.end(`<?xml version="1.0"?><ListBucketResult xmlns="x">${items.join('\n')}<Contents><Key>other/packs/x</Key></Contents><IsTruncated>${rest.length > 2}</IsTruncated></ListBucketResult>`)
  }, { folder })
  assert.deepEqual(await store.list('packs/'), all.map((key) => ({ key, size: 7, modified: 1795255200000 })))
  assert.equal(front.log.length, 3)
})

test('what is no gateway is noticed', async (t) => {
  for (const answer of [json({}), json([]), json('text'), (/** @type {any} */ _, /** @type {any} */ response) => response.end('<html>')]) {
    const { url } = await serve(t, answer)
    await assert.rejects(gateway({ url, token: 't' }).get(key), { code: 'ErrUnsupported' })
  }
  await assert.rejects(gateway({ url: 'http://127.0.0.1:1', token: 't' }).get(key), { code: 'ErrUnreachable', hint: /CORS/ })
})

test('a token is asked for once, and again when it is refused', async (t) => {
  let good = 'one'
  const { url } = await serve(t, (request, response) =>
    (request.headers.authorization === `Bearer ${good}` ? json({ direct: true }) : json({ code: 'ErrCredentials', message: 'the token has expired', hint: 'Get a new one.' }, 401))(request, response))
  const made = ['one', 'two', 'three', 'four', 'five']
  let calls = 0
  const store = gateway({ url, token: async () => made[calls++] })
  await Promise.all([store.delete(key), store.delete(key), store.delete(key)])
  assert.equal(calls, 1)
  good = 'two'
  await Promise.all([store.delete(key), store.delete(key), store.delete(key)])
  assert.equal(calls, 2, 'once for all who were refused')
  good = 'none'
  await assert.rejects(store.delete(key), { code: 'ErrCredentials', message: /expired/, hint: 'Get a new one.' })
  assert.equal(calls, 3)
  for (const token of [() => '', () => null, () => 'with space', () => Promise.reject(new Error('a secret')), () => { throw new Error('a secret') }]) {
    await assert.rejects(gateway({ url, token: /** @type {any} */ (token) }).get(key), (/** @type {any} */ err) => err.code === 'ErrCredentials' && !`${err.stack}${err.cause}`.includes('a secret'))
  }
})

test('an aborted call ends at once', async (t) => {
  const { url } = await serve(t, () => {})
  const store = gateway({ url, token: 't' })
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('enough')), 20)
  await assert.rejects(store.get(key, { signal: stop.signal }), (/** @type {any} */ err) => err.code === 'ErrAborted' && err.cause.message === 'enough')
  await assert.rejects(store.put(key, pack, { signal: stop.signal }), { code: 'ErrAborted' })
})
