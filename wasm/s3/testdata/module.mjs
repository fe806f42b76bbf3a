// The S3 module as JavaScript sees it, against the S3 server that the environment names. node_test.go runs it.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { test } from 'node:test'

const env = process.env
const before = Object.keys(globalThis)
await import(env.WASM_EXEC)
const go = new globalThis.Go()
const started = performance.now()
const { instance } = await WebAssembly.instantiate(readFileSync(env.S3_WASM), go.importObject)
const compiled = performance.now()
go.run(instance)
const { holdfastS3 } = globalThis
assert.equal(typeof holdfastS3, 'function', 'registered before main blocks')
console.log(`compiled in ${(compiled - started).toFixed()} ms, started in ${(performance.now() - compiled).toFixed()} ms; new globals: ${Object.keys(globalThis).filter((k) => !before.includes(k))}`)

const credentials = { accessKeyId: env.HOLDFAST_S3_ACCESS_KEY, secretAccessKey: env.HOLDFAST_S3_SECRET_KEY }
const config = { endpoint: env.HOLDFAST_S3_ENDPOINT, region: env.HOLDFAST_S3_REGION, bucket: env.HOLDFAST_S3_BUCKET, prefix: 'module/' + randomBytes(6).toString('hex'), credentials }
const store = holdfastS3(config)
const bytes = (text) => new TextEncoder().encode(text)
const text = ({ data }) => new TextDecoder().decode(data)
const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const rejects = (promise, code) => assert.rejects(promise, (err) => {
  assert.equal(err.code, code, `${err.code}: ${err.message}`)
  assert.ok(err instanceof Error)
  for (const secret of [env.HOLDFAST_S3_SECRET_KEY, 'wrong-secret']) {
    assert.ok(!JSON.stringify([err.message, err.hint, err.path, err.stack, err]).includes(secret), err.message)
  }
  return true
})

test('objects travel whole and in parts', async () => {
  const data = new Uint8Array(randomBytes(3_000_000))
  const { etag } = await store.put('a', data, { sha256: sha256(data) })
  assert.match(etag, /^".+"$/)
  const got = await store.get('a', {})
  assert.ok(got.data instanceof Uint8Array)
  assert.deepEqual(Buffer.from(got.data), Buffer.from(data))
  assert.equal(got.etag, etag)
  assert.deepEqual(Buffer.from((await store.get('a', { offset: 2_999_990, length: 100 })).data), Buffer.from(data.subarray(2_999_990)))
  assert.deepEqual(Buffer.from((await store.get('a', { offset: 5, length: 7 })).data), Buffer.from(data.subarray(5, 12)))
  await store.put('empty', new Uint8Array(0))
  assert.equal((await store.get('empty')).data.length, 0)
  await rejects(store.get('empty', { offset: 0, length: 10 }), 'ErrRange')
})

test('a view of a larger buffer is sent as the view', async () => {
  const big = bytes('0123456789')
  await store.put('view', big.subarray(3, 6))
  assert.equal(text(await store.get('view')), '345')
})

test('conditions hold', async () => {
  const { etag } = await store.put('c', bytes('1'), { ifNoneMatch: true })
  await rejects(store.put('c', bytes('2'), { ifNoneMatch: true }), 'ErrPrecondition')
  await rejects(store.put('c', bytes('2'), { ifMatch: '"other"' }), 'ErrPrecondition')
  await store.put('c', bytes('3'), { ifMatch: etag })
  await rejects(store.put('c', bytes('4'), { ifMatch: etag }), 'ErrPrecondition')
  assert.equal(text(await store.get('c')), '3')
})

test('list and delete', async () => {
  for (const k of ['l/b', 'l/a']) await store.put(k, bytes(k))
  assert.deepEqual((await store.list('l/')).map((o) => o.key), ['l/a', 'l/b'])
  await store.delete('l/a')
  await store.delete('l/a', {})
  assert.deepEqual((await store.list('l/', {})).map((o) => o.key), ['l/b'])
  await rejects(store.get('l/a'), 'ErrNotFound')
})

test('the content that does not match its hash is refused', async () => {
  await rejects(store.put('h', bytes('x'), { sha256: sha256(bytes('y')) }), 'ErrUnreachable')
  await rejects(store.get('h'), 'ErrNotFound')
})

test('the caller\'s array goes to fetch, and fetch\'s answer to the caller, uncopied', async () => {
  let sent, answer
  const spied = holdfastS3({ ...config, fetch: async (url, init) => {
    sent = init
    const res = await fetch(url, init)
    const arrayBuffer = res.arrayBuffer.bind(res)
    res.arrayBuffer = async () => (answer = await arrayBuffer())
    return res
  } })
  const data = bytes('content')
  await spied.put('z', data, { sha256: sha256(data) })
  assert.equal(sent.body, data)
  for (const name of Object.keys(sent.headers)) {
    assert.ok(['Authorization', 'Content-Type', 'X-Amz-Content-Sha256', 'X-Amz-Date'].includes(name), `${name} needs a CORS rule`)
  }
  assert.equal(sent.credentials, 'omit')
  const got = await spied.get('z', { offset: 0, length: 100 })
  assert.equal(got.data.buffer, answer)
})

test('credentials come from an object or a function', async () => {
  await store.put('p', bytes('x'))
  let calls = 0
  const provider = holdfastS3({ ...config, credentials: async () => { calls++; return { ...credentials, expiration: Date.now() + 3600e3 } } })
  assert.equal(text(await provider.get('p')), 'x')
  assert.equal(text(await provider.get('p')), 'x')
  assert.equal(calls, 1)
  const expiring = holdfastS3({ ...config, credentials: () => { calls++; return { ...credentials, expiration: new Date(Date.now() + 1000) } } })
  await expiring.get('p')
  await expiring.get('p')
  assert.ok(calls >= 3)
  for (const [expiration, times] of [[new Date(Date.now() + 1000).toISOString(), 2], [new Date(Date.now() + 3600e3).toISOString(), 1], [Date.now() + 50e3, 2], [undefined, 1], [null, 1]]) {
    calls = 0
    const s = holdfastS3({ ...config, credentials: () => { calls++; return { ...credentials, expiration } } })
    await s.get('p')
    await s.get('p')
    assert.equal(calls >= 2, times === 2, `${expiration}: asked ${calls} times`)
  }
  await rejects(holdfastS3({ ...config, credentials: { ...credentials, expiration: 'soon' } }).get('p'), 'ErrCredentials')
  await rejects(holdfastS3({ ...config, credentials: async () => { throw new Error('wrong-secret') } }).get('p'), 'ErrCredentials')
  await rejects(holdfastS3({ ...config, credentials: () => { throw new Error('wrong-secret') } }).get('p'), 'ErrCredentials')
  await rejects(holdfastS3({ ...config, credentials: () => undefined }).get('p'), 'ErrCredentials')
})

test('what is wrong has a code and a hint', async () => {
  const wrong = (more) => holdfastS3({ ...config, ...more })
  for (const [code, s] of [
    ['ErrCredentials', wrong({ credentials: { ...credentials, secretAccessKey: 'wrong-secret' } })],
    ['ErrCredentials', wrong({ credentials: { accessKeyId: 'nobody', secretAccessKey: 'wrong-secret' } })],
    ['ErrNoBucket', wrong({ bucket: 'nothing-here' })],
    ['ErrUnreachable', wrong({ endpoint: 'http://127.0.0.1:1' })],
    ['ErrUnreachable', wrong({ fetch: async () => { throw new TypeError('Failed to fetch') } })],
    ['ErrUnreachable', wrong({ fetch: () => { throw new TypeError('thrown at once') } })],
  ]) {
    for (const call of [() => s.get('x', { length: 5 }), () => s.put('x', bytes('x')), () => s.list('')]) {
      await rejects(call(), code)
      await call().catch((err) => assert.ok(err.hint.length > 20))
    }
  }
})

test('a configuration that cannot be right rejects every call', async () => {
  for (const c of [undefined, 5, {}, { ...config, endpoint: 'nowhere' }, { ...config, endpoint: 'http://user:wrong-secret@host' }, { ...config, bucket: '' }, { ...config, credentials: undefined }]) {
    const s = holdfastS3(c)
    for (const call of [() => s.get('x'), () => s.put('x', bytes('x')), () => s.list(''), () => s.delete('x')]) await rejects(call(), 'ErrInvalid')
  }
  await rejects(store.put('x', 'text'), 'ErrInvalid')
  await rejects(store.put('x', bytes('x'), { sha256: 'ff' }), 'ErrInvalid')
  await rejects(store.get(), 'ErrInvalid')
})

test('an aborted call ends at once', async () => {
  const hanging = createServer(() => {}).listen(0, '127.0.0.1')
  await new Promise((ready) => hanging.once('listening', ready))
  const s = holdfastS3({ ...config, endpoint: `http://127.0.0.1:${hanging.address().port}` })
  const c = new AbortController()
  setTimeout(() => c.abort(), 20)
  const start = performance.now()
  await rejects(s.get('x', { signal: c.signal }), 'ErrAborted')
  await rejects(s.put('x', bytes('x'), { signal: AbortSignal.abort() }), 'ErrAborted')
  assert.ok(performance.now() - start < 5000)
  hanging.closeAllConnections()
  hanging.close()
})

test('an answer longer than asked for is not taken in', async () => {
  const long = (chunked) => createServer((_, res) => {
    if (!chunked) res.setHeader('content-length', 1e12)
    const more = () => { while (!res.destroyed && res.write(Buffer.alloc(65536))); }
    res.on('drain', more)
    more()
  }).listen(0, '127.0.0.1')
  for (const chunked of [false, true]) {
    const server = long(chunked)
    await new Promise((ready) => server.once('listening', ready))
    const s = holdfastS3({ ...config, endpoint: `http://127.0.0.1:${server.address().port}` })
    await rejects(s.get('x', { length: 1000 }), 'ErrUnsupported')
    await rejects(s.list(''), 'ErrUnsupported')
    server.closeAllConnections()
    server.close()
  }
})

test('answers without a length arrive', async () => {
  const server = createServer((_, res) => { res.setHeader('etag', '"e"'); res.write('abc'); setTimeout(() => res.end('def'), 10) }).listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const s = holdfastS3({ ...config, endpoint: `http://127.0.0.1:${server.address().port}` })
  const got = await s.get('x', { length: 1000 })
  assert.equal(text(got), 'abcdef')
  assert.equal(got.etag, '"e"')
  server.close()
})

test('a connection that breaks in the middle of an answer is unreachable', async () => {
  const server = createServer((_, res) => { res.setHeader('content-length', 100); res.write('abc'); setTimeout(() => res.destroy(), 10) }).listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const s = holdfastS3({ ...config, endpoint: `http://127.0.0.1:${server.address().port}` })
  await rejects(s.get('x', { length: 1000 }), 'ErrUnreachable')
  server.close()
})

test.after(() => setImmediate(() => process.exit()))
