// Every request of a publish and of a pull fails once, in every way that a network fails: the head is always whole, and trying
// again always ends in success. A real S3 server, with a proxy in front that fails; clients are Node and Chromium.

import assert from 'node:assert/strict'
import test from 'node:test'
import * as holdfast from '../../js/index.js'
import { chooseSeed } from '../scenario/random.mjs'
import { folders, startTransfer } from '../scenario/transfer.mjs'
import { startGateway } from './gateway.mjs'
import { FAULTS, recordingProxy } from './proxy.mjs'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

const file = 'tests/e2e/faults.test.mjs'
const requests = (exchanges) => exchanges.filter(({ method }) => method !== 'OPTIONS')

/** The scenario in this process. */
async function inNode(t, seed, remoteOf) {
  const transfer = await startTransfer(holdfast, remoteOf, seed)
  t.after(() => transfer.close())
  return (step, argument) => transfer[step](argument)
}

/** The scenario in a worker of a page. */
async function inChromium(site, seed, config) {
  const browser = await (await site.visitor()).arrive()
  await browser.evaluate(async ([seed, config]) => {
    globalThis.transfer = await startTransfer(holdfast, folders(holdfast.s3(config)), seed)
  }, [seed, config])
  return (step, argument) => browser.evaluate(([step, argument]) => transfer[step](argument), [step, argument])
}

/** One fault at the request with this number, the first time that it comes by. */
function failOnce(proxy, kind, index) {
  proxy.take()
  let done = false
  proxy.fault = (_, i) => {
    if (done || i !== index) return null
    done = true
    return { kind, retryAfter: 0 }
  }
  return () => {
    proxy.fault = null
    assert.ok(done, `request ${index} never came`)
  }
}

/**
 * Runs every fault at every request of a publish and of a pull through one proxy.
 *
 * @param {(step: string, argument: any) => Promise<any>} run
 */
async function everyFault(t, run, proxy, kinds) {
  let n = 0
  let failed = 0
  const fresh = () => `v${n++}`
  const count = async (action) => {
    proxy.take()
    const result = await action()
    assert.deepEqual([result.code, result.wrong], [null, []])
    return requests(proxy.take()).length
  }

  const name = fresh()
  await run('begin', { name })
  const publishes = await count(() => run('publish', { name }))
  const pulls = await count(() => run('pull', { name }))
  t.diagnostic(`a publish is ${publishes} requests, a pull ${pulls}; ${kinds.length} faults at each: ${kinds.join(', ')}`)

  for (const kind of kinds) {
    for (let index = 0; index < publishes; index++) {
      const at = `${kind} at request ${index} of a publish`
      // Without tries of its own, the publish may fail. Whatever became of it, somebody else finds a whole state, and publishing again works.
      const name = fresh()
      await run('begin', { name })
      let hit = failOnce(proxy, kind, index)
      const first = await run('publish', { name, retry: false })
      hit()
      assert.ok(first.code === null || first.code === 'ErrUnreachable', `${at}: ${JSON.stringify(first)}`)
      if (first.code) failed++
      assert.deepEqual(first.wrong, [], at)
      const found = await run('pull', { name })
      assert.equal(found.code, null, `${at}: ${JSON.stringify(found)}`)
      assert.ok(found.tree === 'after' || (found.tree === 'before' && first.code), `${at}: ${found.tree}`)
      const second = await run('publish', { name, again: true })
      assert.deepEqual([second.code, second.wrong], [null, []], `${at}, again: ${JSON.stringify(second)}`)
      assert.equal((await run('pull', { name })).tree, 'after', at)

      // With them it does not fail.
      const other = fresh()
      await run('begin', { name: other })
      hit = failOnce(proxy, kind, index)
      const result = await run('publish', { name: other })
      hit()
      assert.deepEqual([result.code, result.wrong], [null, []], `${at}: ${JSON.stringify(result)}`)
      assert.equal((await run('pull', { name: other })).tree, 'after', at)
    }
    for (let index = 0; index < pulls; index++) {
      const at = `${kind} at request ${index} of a pull`
      let hit = failOnce(proxy, kind, index)
      const first = await run('pull', { name, retry: false })
      hit()
      if (first.code) failed++
      assert.deepEqual(first.wrong, [], at)
      assert.equal(first.tree, first.code === null ? 'after' : 'own', at)
      assert.ok(first.code === null || first.code === 'ErrUnreachable', `${at}: ${JSON.stringify(first)}`)
      hit = failOnce(proxy, kind, index)
      const second = await run('pull', { name })
      hit()
      assert.deepEqual([second.code, second.tree, second.wrong], [null, 'after', []], at)
    }
  }
  t.diagnostic(`${n - 1} publishes, ${kinds.length * pulls * 2} pulls under faults; ${failed} failed that did not try again`)
  assert.ok(failed > (publishes + pulls) * kinds.length * 0.5, 'the faults are ones')
}

test('every fault at every request, from Node', async (t) => {
  const seed = chooseSeed(t, file)
  const s3 = await startS3({ pageOrigin: 'http://127.0.0.1' })
  t.after(() => s3.stop())
  await everyFault(t, await inNode(t, seed, folders(holdfast.s3(s3.config))), s3.proxy, FAULTS)
})

test('every fault at every request, from Chromium', async (t) => {
  const seed = chooseSeed(t, file)
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  s3.proxy.keepAlive = false // Chromium repeats by itself what fails on a line that was used before
  await everyFault(t, await inChromium(site, seed, s3.config), s3.proxy, ['drop', 'cut-request', 'drop-answer', 'cut-answer', '503'])

  // A browser asks for permission first (preflight); that answer can be lost, too.
  const run = await inChromium(site, seed, s3.config)
  for (const kind of ['drop', '503']) {
    await run('begin', { name: `preflight-${kind}` })
    const browser = await inChromium(site, seed, s3.config) // it remembers no preflight
    let failed = 0
    s3.proxy.fault = ({ method }) => (method === 'OPTIONS' && failed++ < 2 ? { kind } : null)
    const result = await browser('pull', { name: `preflight-${kind}` })
    s3.proxy.fault = null
    assert.ok(failed >= 2)
    assert.deepEqual([result.code, result.wrong], [null, []], kind)
    assert.notEqual(result.tree, 'own', kind)
  }
})

test('every fault between the browser, the gateway and the bucket', async (t) => {
  const seed = chooseSeed(t, file)
  const s3 = await startS3({ pageOrigin: 'http://127.0.0.1' })
  t.after(() => s3.stop())
  const gateway = await startGateway(t, { s3: s3.config, origins: '*' })
  const front = await recordingProxy(gateway.url)
  t.after(() => front.close())
  for (const [proxy, kinds] of [[front, ['drop-answer', '503']], [s3.proxy, ['drop-answer', 'cut-answer']]]) {
    const prefix = proxy === front ? 'front-' : 'back-'
    const remoteOf = (name, retry) => holdfast.gateway({ url: front.origin, token: gateway.token({ volume: name, rights: 'write' }), retry })
    const run = await inNode(t, seed, remoteOf)
    await everyFault(t, (step, argument) => run(step, { ...argument, name: prefix + argument.name }), proxy, kinds)
  }
})

test('a server that never answers is given up, and asked again', async (t) => {
  const seed = chooseSeed(t, file)
  const s3 = await startS3({ pageOrigin: 'http://127.0.0.1' })
  t.after(() => s3.stop())
  const run = await inNode(t, seed, folders(holdfast.s3(s3.config)))
  const retry = { attempts: 4, baseDelay: 1, timeout: 2000 }
  await run('begin', { name: 'v' })
  s3.proxy.take()
  await run('publish', { name: 'v' })
  const hangs = requests(s3.proxy.log).map(({ method, path }, index) => ({ what: `${method} ${path.replace(/\w{64}/, '…')}`, index }))
    .filter(({ what }) => /^PUT|heads/.test(what))
  assert.ok(hangs.length >= 4)
  await Promise.all(hangs.map(async ({ what, index }) => {
    // Each at a server of its own, all at once: they spend their time waiting.
    const own = await startS3({ pageOrigin: 'http://127.0.0.1' })
    t.after(() => own.stop())
    const run = await inNode(t, seed, folders(holdfast.s3(own.config)))
    await run('begin', { name: 'v' })
    const hit = failOnce(own.proxy, 'hang', index)
    const result = await run('publish', { name: 'v', retry })
    hit()
    assert.deepEqual([result.code, result.wrong], [null, []], `${what}: ${JSON.stringify(result)}`)
    assert.equal((await run('pull', { name: 'v' })).tree, 'after', what)
  }))
})

test('abort stops within one request, wherever it comes, and leaves whole what is there', async (t) => {
  const seed = chooseSeed(t, file)
  const s3 = await startS3({ pageOrigin: 'http://127.0.0.1' })
  t.after(() => s3.stop())
  const transfer = await startTransfer(holdfast, folders(holdfast.s3(s3.config)), seed)
  t.after(() => transfer.close())
  for (const action of ['publish', 'pull']) {
    await transfer.begin({ name: action })
    s3.proxy.take()
    await transfer[action]({ name: action })
    const count = s3.proxy.take().length
    for (let index = 0; index < count; index++) {
      const name = `${action}-${index}`
      const at = `${action}, request ${index} of ${count}`
      await transfer.begin({ name })
      s3.proxy.take()
      const { stop, done, tree } = transfer.abortable({ name, action })
      s3.proxy.fault = (_, i) => {
        if (i !== index) return null
        stop.abort()
        return { kind: 'delay' } // so that it is not over before the abort
      }
      const result = await done
      assert.equal(result.code, 'ErrAborted', `${at}: ${JSON.stringify(result)}`)
      assert.deepEqual(result.wrong, [], at)
      await new Promise((resolve) => setTimeout(resolve, 20))
      s3.proxy.fault = null
      assert.equal(s3.proxy.take().length, index + 1, `${at}: nothing is asked after it`)
      if (action === 'pull') assert.equal(await tree(), 'own', at)
      const found = await transfer.pull({ name })
      assert.ok(found.tree === 'before' || (action === 'publish' && index === count - 1 && found.tree === 'after'), `${at}: ${JSON.stringify(found)}`)
      assert.equal((await transfer.publish({ name })).code, null, at)
      assert.equal((await transfer.pull({ name })).tree, 'after', at)
    }
  }
})

test('a publish that was interrupted sends nothing again that arrived', async (t) => {
  const seed = chooseSeed(t, file)
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  const visitor = await site.visitor()
  let browser = await visitor.arrive()
  const publish = (browser) => browser.evaluate(async (config) => {
    const steps = []
    const error = await failure(() => volume.publish(holdfast.s3({ ...config, retry: { attempts: 2, baseDelay: 1 } }), { onProgress: (p) => steps.push(p) }))
    return { code: error?.code ?? null, tree: await tree(volume.fs) }
  }, s3.config)
  await browser.evaluate(async (seed) => {
    globalThis.volume = await holdfast.open('site')
    let x = seed >>> 0
    for (let file = 0; file < 5; file++) {
      const data = new Uint8Array(2_000_000)
      for (let i = 0; i < data.length; i++) data[i] = (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24
      volume.fs.writeFileSync(`/f${file}`, data)
    }
    volume.commit()
  }, seed)
  // The first pack arrives, then the line goes down.
  let first = null
  s3.proxy.fault = async (exchange) => {
    if (exchange.method !== 'PUT' || exchange === (first ??= exchange)) return null
    while (first.status === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return { kind: 'cut-request' }
  }
  assert.equal((await publish(browser)).code, 'ErrUnreachable')
  s3.proxy.fault = null
  const packs = (exchanges) => exchanges.filter(({ method, path, status }) => method === 'PUT' && path.includes('/packs/') && status === 200).map(({ path }) => path)
  const arrived = packs(s3.proxy.take())
  assert.equal(arrived.length, 1)

  // The browser is closed, and the volume opened again: nothing is remembered but what is in it.
  await browser.sigkill()
  browser = await visitor.arrive()
  await browser.evaluate(async () => { globalThis.volume = await holdfast.open('site', { ifLocked: 'wait' }) })
  const result = await publish(browser)
  assert.equal(result.code, null)
  const sent = packs(s3.proxy.take())
  t.diagnostic(`${arrived.length} packs arrived at first, ${sent.length} were sent afterwards`)
  assert.ok(sent.length > 0)
  assert.deepEqual(sent.filter((path) => arrived.includes(path)), [], 'a pack that arrived is not sent again')
  const pulled = await browser.evaluate(async (config) => {
    const other = await holdfast.open('other', { storage: holdfast.memory() })
    await other.pull(holdfast.s3(config), { name: 'site' })
    return tree(other.fs)
  }, s3.config)
  assert.deepEqual(pulled, result.tree)
})

test('a clock that is wrong by hours is corrected', async (t) => {
  const seed = chooseSeed(t, file)
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  for (const hours of [-7, 5]) {
    const browser = await (await site.visitor()).arrive()
    s3.proxy.take()
    const result = await browser.evaluate(async ([seed, config, hours]) => {
      const RealDate = Date
      globalThis.Date = class extends RealDate {
        constructor(...args) {
          args.length ? super(...args) : super(RealDate.now() + hours * 3600e3)
        }
        static now() {
          return RealDate.now() + hours * 3600e3
        }
      }
      globalThis.transfer = await startTransfer(holdfast, folders(holdfast.s3(config)), seed)
      await transfer.begin({ name: `off-by-${hours}` })
      return transfer.pull({ name: `off-by-${hours}` })
    }, [seed, s3.config, hours])
    assert.deepEqual([result.code, result.tree], [null, 'before'])
    const refused = s3.proxy.take().filter(({ status }) => status === 403).length
    assert.ok(refused > 0, 'the server refuses that time at first')
    t.diagnostic(`${hours} hours: ${refused} requests refused before it was corrected`)
  }
})

test('how long a server asks to be left alone is understood', async (t) => {
  const s3 = await startS3({ pageOrigin: 'http://127.0.0.1' })
  t.after(() => s3.stop())
  const gateway = await startGateway(t, { s3: s3.config, origins: '*' })
  s3.proxy.fault = () => ({ kind: '503', retryAfter: 7 })
  for (const store of [holdfast.s3(s3.config), holdfast.gateway({ url: gateway.url, token: gateway.token({ volume: 'v', rights: 'read' }) })]) {
    await assert.rejects(store.get('heads/v'), { code: 'ErrUnreachable', retryAfter: 7000 })
  }
})
