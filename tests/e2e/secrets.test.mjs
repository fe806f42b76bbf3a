// What must not leave the module does not: secrets are looked for in every request and answer, in errors, progress, the console, and in
// what the volume's file and everything else in the browser's storage hold.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startGateway } from './gateway.mjs'
import { recordingProxy } from './proxy.mjs'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

/** A secret in every form in which it could hide. */
const forms = (secret) => [
  secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, ''), Buffer.from(secret).toString('base64url'),
  Buffer.from(secret).toString('hex'), [...secret].reverse().join(''), Buffer.from(secret, 'utf16le').toString('latin1'),
]

/** Everything that can be read of a value, its hidden properties and causes included. Runs in the worker. */
function spell(value, seen = new Set()) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return String(value)
  if (seen.has(value)) return ''
  seen.add(value)
  return Reflect.ownKeys(value).map((key) => {
    try {
      return `${String(key)}=${spell(value[key], seen)}`
    } catch {
      return String(key)
    }
  }).concat(value instanceof Error ? `${value}` : []).join('\n')
}

/** All bytes of all files in the browser's storage, a letter for each. Runs in the worker. */
async function stored() {
  const texts = []
  const visit = async (folder) => {
    for await (const [name, handle] of folder.entries()) {
      texts.push(name)
      if (handle.kind === 'directory') await visit(handle)
      else texts.push(new TextDecoder('latin1').decode(await (await handle.getFile()).arrayBuffer()))
    }
  }
  await visit(await navigator.storage.getDirectory())
  texts.push(JSON.stringify(await indexedDB.databases()), JSON.stringify(await caches.keys()))
  return texts
}

async function open(site, texts) {
  const browser = await (await site.visitor()).arrive()
  browser.page.on('console', (message) => texts.push(message.text()))
  browser.page.on('pageerror', (error) => texts.push(String(error.stack)))
  await browser.evaluate(`globalThis.spell = ${spell}; globalThis.stored = ${stored}; globalThis.tryEverything = ${tryEverything}; null`)
  await browser.evaluate(async () => {
    globalThis.texts = []
    for (const name of ['log', 'warn', 'error', 'info', 'debug']) {
      const real = console[name]
      console[name] = (...args) => {
        texts.push(...args.map((arg) => spell(arg)))
        real(...args)
      }
    }
    addEventListener('error', (event) => texts.push(spell(event.error)))
    addEventListener('unhandledrejection', (event) => texts.push(spell(event.reason)))
    globalThis.volume = await holdfast.open('site')
    for (let i = 0; i < 20; i++) volume.fs.writeFileSync(`/f${i}`, `content ${i} `.repeat(500))
    volume.commit()
  })
  return browser
}

/** Publishes and pulls with stores that work and stores that do not, and answers with all that was said. Runs in the worker. */
async function tryEverything(remotes) {
  const outcomes = []
  for (const [name, remote] of Object.entries(remotes)) {
    let code = null
    for (const action of [() => volume.publish(remote, options), () => volume.pull(remote, options), () => remote.get('heads/site'), () => remote.put('checks/x', new Uint8Array(1)), () => remote.list('packs/')]) {
      volume.fs.writeFileSync('/changes', name + Math.random())
      const stop = new AbortController()
      var options = { onProgress: (p) => { texts.push(spell(p)); if (name === 'aborted') stop.abort() }, signal: stop.signal }
      try {
        texts.push(spell(await action()))
      } catch (error) {
        code ??= error.code
        texts.push(spell(error), String(error.stack), JSON.stringify(error))
        console.error(error)
      }
    }
    outcomes.push([name, code])
  }
  volume.commit()
  await volume.close()
  texts.push(...await stored())
  return { outcomes: Object.fromEntries(outcomes), texts }
}

function assertNowhere(texts, secrets) {
  assert.ok(texts.length > 100, `${texts.length} texts were looked through`)
  for (const [name, secret] of Object.entries(secrets)) {
    for (const form of forms(secret)) {
      const found = texts.find((text) => text.includes(form))
      assert.ok(!found, `${name} is in ${found?.slice(Math.max(0, found.indexOf(form) - 100), found.indexOf(form) + 200)}`)
    }
  }
}

test('S3 secrets leave the module in no form', async (t) => {
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin, keepTexts: true })
  t.after(() => s3.stop())
  const said = []
  const browser = await open(site, said)
  const secrets = { real: s3.config.credentials.secretAccessKey, wrong: 'a-secret-that-is+wrong/x=', thrown: 'thrown-by-the-provider', late: 'a-later-secret-that-is-refused' }
  const { outcomes, texts } = await browser.evaluate(async ([config, secrets]) => {
    const retry = { attempts: 2, baseDelay: 1 }
    const s3 = (more) => holdfast.s3({ ...config, retry, ...more })
    const { credentials } = config
    let calls = 0
    return tryEverything({
      good: s3({}),
      provider: s3({ credentials: async () => ({ ...credentials, expiration: Date.now() + 1000 }) }),
      aborted: s3({}),
      wrong: s3({ credentials: { ...credentials, secretAccessKey: secrets.wrong } }),
      unknown: s3({ credentials: { accessKeyId: 'nobody', secretAccessKey: secrets.wrong } }),
      throws: s3({ credentials: () => { throw Object.assign(new Error(secrets.thrown), { code: secrets.thrown, hint: secrets.thrown, cause: secrets.thrown }) } }),
      rejects: s3({ credentials: async () => { throw secrets.thrown } }),
      malformed: s3({ credentials: async () => ({ accessKeyId: '', secretAccessKey: secrets.wrong, expiration: secrets.wrong }) }),
      changing: s3({ credentials: () => ({ ...credentials, secretAccessKey: calls++ ? secrets.late : secrets.wrong }) }),
      bucket: s3({ bucket: 'no-such-bucket' }),
      unreachable: s3({ endpoint: 'http://127.0.0.1:1' }),
      invalid: s3({ endpoint: 'no address', credentials: { ...credentials, secretAccessKey: secrets.wrong } }),
      inAddress: s3({ endpoint: `http://user:${secrets.thrown}@127.0.0.1:1` }),
    })
  }, [s3.config, secrets])
  t.diagnostic(JSON.stringify(outcomes))
  assert.deepEqual(outcomes, {
    good: null, provider: null, aborted: 'ErrAborted', wrong: 'ErrCredentials', unknown: 'ErrCredentials', throws: 'ErrCredentials', rejects: 'ErrCredentials',
    malformed: 'ErrCredentials', changing: 'ErrCredentials', bucket: 'ErrNoBucket', unreachable: 'ErrUnreachable', invalid: 'ErrInvalid', inAddress: 'ErrInvalid',
  })
  const wire = s3.proxy.log.flatMap(({ texts }) => texts ?? [])
  assert.ok(wire.some((text) => text.includes('AWS4-HMAC-SHA256')) && wire.some((text) => text.includes('SignatureDoesNotMatch')))
  assert.ok(texts.some((text) => text.includes('HOLDPACK') || text.includes('content 1')) && texts.some((text) => text.includes('bytesDone')), 'storage and progress are among the texts')
  assertNowhere([...texts, ...said, ...wire], secrets)
})

test('a session token goes to the service only, and a gateway\'s token to the gateway only', async (t) => {
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin, keepTexts: true })
  t.after(() => s3.stop())
  const gateway = await startGateway(t, { s3: s3.config, origins: site.origin })
  const front = await recordingProxy(gateway.url, { keepTexts: true })
  t.after(() => front.close())
  const said = []
  const browser = await open(site, said)
  const secrets = {
    session: 'a-session-token+of/sts=', token: gateway.token({ volume: 'site', rights: 'write' }), expired: gateway.token({ volume: 'site', rights: 'write', exp: 1 }),
    thrown: 'thrown-by-the-provider', key: gateway.key,
  }
  const { outcomes, texts } = await browser.evaluate(async ([config, url, { session, token, expired, thrown }]) => {
    const retry = { attempts: 2, baseDelay: 1 }
    const gateway = (token) => holdfast.gateway({ url, token, retry })
    let calls = 0
    return tryEverything({
      session: holdfast.s3({ ...config, retry, credentials: async () => ({ ...config.credentials, sessionToken: session }) }),
      good: gateway(token),
      renewed: gateway(async () => (calls++ ? token : expired)),
      aborted: gateway(token),
      expired: gateway(expired),
      altered: gateway(token + 'x'),
      throws: gateway(() => { throw new Error(thrown) }),
      malformed: gateway(() => ({ token })),
    })
  }, [s3.config, front.origin, secrets])
  t.diagnostic(JSON.stringify(outcomes))
  const { session, ...ours } = outcomes
  assert.deepEqual(ours, {
    good: null, renewed: null, aborted: 'ErrAborted', expired: 'ErrCredentials', altered: 'ErrCredentials', throws: 'ErrCredentials', malformed: 'ErrCredentials',
  })
  assertNowhere([...texts, ...said], secrets)
  const bytes = (proxy) => proxy.log.flatMap(({ texts }) => texts ?? [])
  assert.ok(bytes(s3.proxy).some((text) => text.includes(secrets.session)), 'the session token is a header of S3 requests')
  assertNowhere(bytes(s3.proxy), { token: secrets.token, expired: secrets.expired, key: secrets.key })
  assertNowhere(bytes(front), { key: secrets.key, s3: s3.config.credentials.secretAccessKey, thrown: secrets.thrown })
})
