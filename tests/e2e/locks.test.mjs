// One writer: what tabs do to each other that want the same volume, on real OPFS.

import assert from 'node:assert/strict'
import test from 'node:test'
import { latch, startTabs } from './tabs.mjs'

const read = (tab, path = '/f') => tab.evaluate((path) => volume.fs.readFileSync(path, 'utf8'), path)
/** Writes and commits; the error as plain data, null when it was acknowledged. */
const commit = (tab, text) => tab.evaluate((text) => failure(() => {
  volume.fs.writeFileSync('/f', text)
  volume.commit()
}), text)
/** How the volume ended for this tab, as `volume.lost` says; null when it has not. */
const lost = (tab) => tab.evaluate(() => Promise.race([
  volume.lost.then(({ code, message, hint }) => ({ code, message, hint })),
  new Promise((resolve) => setTimeout(() => resolve(null), 0)),
]))
/** What no tab may be left with: locks of the origin, held or asked for. */
const locks = (tab) => tab.evaluate(async () => {
  const { held, pending } = await navigator.locks.query()
  return [...held, ...pending].map((lock) => lock.name)
})
/** Reopens it in `tab`, reads every byte, and answers the file. */
async function reopened(tab, name = 'v') {
  await tab.evaluate(() => volume.close({ commit: false }))
  assert.equal(await tab.open(name), null)
  await tab.evaluate(() => volume.verify())
  return read(tab)
}

test("ifLocked 'fail': a second tab is refused, and says what to do, until the first has closed", async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  assert.equal(await a.open('v'), null)
  assert.equal(await commit(a, 'from a'), null)
  const refused = await b.open('v')
  assert.equal(refused?.name, 'HoldfastError')
  assert.equal(refused.code, 'ErrLocked')
  assert.match(refused.message, /"v" is open in another tab/)
  assert.match(refused.hint, /close it there/)
  assert.equal(await commit(a, 'again'), null, 'who has it is not disturbed')
  await a.evaluate(() => volume.close())
  assert.equal(await b.open('v'), null)
  assert.equal(await read(b), 'again')
  assert.equal((await a.open('v', { ifLocked: 'fail' }))?.code, 'ErrLocked')
  assert.equal(await a.open('another'), null, 'volumes do not keep each other out')
})

test("ifLocked 'wait': a tab gets the volume when the other has closed it, and an aborted wait leaves nothing", async (t) => {
  const site = await startTabs(t)
  const [a, b, c] = [await site.tab(), await site.tab(), await site.tab()]
  assert.equal(await a.open('v'), null)
  assert.equal(await commit(a, 'from a'), null)
  await b.evaluate(() => {
    globalThis.abort = new AbortController()
    globalThis.waited = failure(() => holdfast.open('v', { ifLocked: 'wait', signal: abort.signal }))
  })
  const waiting = c.open('v', { ifLocked: 'wait' })
  while ((await locks(a)).length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
  const aborted = await b.evaluate(() => {
    abort.abort()
    return waited
  })
  assert.equal(aborted?.code, 'ErrAborted')
  assert.equal((await locks(a)).length, 2, 'it is not in the queue any more')
  await a.evaluate(() => volume.close())
  assert.equal(await waiting, null)
  assert.equal(await read(c), 'from a')
  assert.equal(await lost(a), null, 'closing is not losing')
  await c.evaluate(() => volume.close())
  assert.deepEqual(await locks(a), [])
})

test("ifLocked 'steal': the stealer has every acknowledged commit; the other is told, keeps its memory, and commits no more", async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  let acknowledged = 0
  const enough = latch()
  site.onPost('/acknowledge', (n) => {
    acknowledged = n
    if (n === 40) enough.open()
  })
  assert.equal(await a.open('v'), null)
  await a.evaluate(() => {
    volume.lost.then(({ code }) => postMessage(`lost: ${code}`))
    globalThis.ended = failure(async () => {
      for (let n = 1; ; n++) {
        volume.fs.writeFileSync('/f', String(n))
        volume.fs.writeFileSync('/twin', String(n).repeat(3000))
        volume.commit()
        await tell('/acknowledge', n)
      }
    })
  })
  await enough.opened
  assert.equal(await b.open('v', { ifLocked: 'steal' }), null)
  const found = await read(b)
  assert.equal(await read(b, '/twin'), found.repeat(3000), 'one instant')
  const end = await a.evaluate(() => ended)
  assert.equal(end?.code, 'ErrFenced')
  assert.match(end.message, /taken over/)
  assert.match(end.hint, /only in memory/)
  assert.ok(Number(found) >= acknowledged, `${acknowledged} was acknowledged, ${found} is there`)

  assert.equal((await lost(a))?.code, 'ErrFenced')
  assert.deepEqual(await a.page.evaluate(() => told), ['lost: ErrFenced'], 'and so its page knows')
  assert.equal((await commit(a, 'too late'))?.code, 'ErrFenced')
  assert.equal(await read(a), 'too late', 'memory keeps it')
  assert.equal((await a.evaluate(() => failure(() => volume.fs.fsyncSync(volume.fs.openSync('/f')))))?.code, 'EIO', 'a guest hears of it too')
  assert.equal((await a.evaluate(() => failure(() => volume.close())))?.code, 'ErrFenced', 'closing would lose something')

  assert.equal(await commit(b, 'from b'), null)
  assert.equal(await lost(b), null)
  await a.evaluate(() => volume.close({ commit: false }))
  assert.equal((await a.open('v'))?.code, 'ErrLocked')
  assert.equal(await a.open('v', { ifLocked: 'steal' }), null, 'it can be taken back')
  assert.equal(await read(a), 'from b')
  assert.equal(await b.evaluate(() => volume.lost.then(({ code }) => code)), 'ErrFenced', 'one that does nothing is told too')
  assert.equal((await commit(b, 'x'))?.code, 'ErrFenced')
  assert.equal(await reopened(a), 'from b')
})

test('stealing from a worker that is busy: it keeps the volume if it stays busy, and loses nothing', async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  assert.equal(await a.open('v'), null)
  const long = latch()
  const begun = latch()
  site.onPost('/long', () => (begun.open(), long.opened))
  const first = a.evaluate(() => failure(() => {
    volume.fs.writeFileSync('/f', 'before')
    volume.commit()
    block('/long')
    volume.fs.writeFileSync('/f', 'after')
    volume.commit()
  }))
  await begun.opened
  const refused = await b.open('v', { ifLocked: 'steal' })
  assert.equal(refused?.code, 'ErrLocked')
  assert.match(refused.hint, /busy or frozen/)
  long.open()
  assert.equal(await first, null)
  assert.equal(await lost(a), null)
  assert.equal(await commit(a, 'still mine'), null)
  assert.equal((await b.open('v'))?.code, 'ErrLocked', 'and it has its lock again')

  // Busy for a moment only: then it has to give way.
  const short = latch()
  const again = latch()
  site.onPost('/short', () => (again.open(), short.opened))
  const second = a.evaluate(() => failure(async () => {
    block('/short')
    await volume.lost
    volume.commit()
  }))
  await again.opened
  const stealing = b.open('v', { ifLocked: 'steal' })
  while ((await locks(b)).length === 0 || !(await b.evaluate(() => navigator.locks.query().then(({ held }) => held.length)))) await 0
  short.open()
  assert.equal(await stealing, null)
  assert.equal((await second)?.code, 'ErrFenced')
  assert.equal(await read(b), 'still mine')
  assert.equal(await reopened(b), 'still mine')
})

test('a frozen tab: a stealer gets the volume or a clear ErrLocked, and thawing does no harm', async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  assert.equal(await a.open('v'), null)
  assert.equal(await commit(a, 'acknowledged'), null)
  await a.evaluate(() => volume.fs.writeFileSync('/f', 'not committed'))
  await a.cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
  const answer = await b.open('v', { ifLocked: 'steal' })
  t.diagnostic(`while the other is frozen: ${answer ? answer.code : 'taken over'}`)
  if (answer) assert.equal(answer.code, 'ErrLocked')
  else assert.equal(await read(b), 'acknowledged')
  await a.cdp.send('Page.setWebLifecycleState', { state: 'active' })
  const owner = answer ? a : b
  const other = answer ? b : a
  assert.equal(await commit(owner, 'from its owner'), null)
  if (answer) assert.equal((await other.open('v'))?.code, 'ErrLocked')
  else assert.equal((await commit(other, 'late'))?.code, 'ErrFenced')
  assert.equal(await reopened(owner), 'from its owner')
})

for (const [how, end] of [
  ['crashes', (tab) => {
    const gone = tab.page.waitForEvent('crash')
    tab.cdp.send('Page.crash').catch(() => {})
    return gone
  }],
  ['is closed', (tab) => tab.page.close()],
  ['is closed by the browser', (tab) => tab.cdp.send('Page.close')],
  ['ends its worker', (tab) => tab.page.evaluate(() => worker.terminate())],
  ['goes elsewhere', (tab) => tab.page.goto('about:blank')],
])
  test(`a tab that ${how} frees the volume, with every acknowledged commit`, async (t) => {
    const site = await startTabs(t)
    const [a, b] = [await site.tab(), await site.tab()]
    assert.equal(await a.open('v'), null)
    assert.equal(await commit(a, 'acknowledged'), null)
    await a.evaluate(() => volume.fs.writeFileSync('/f', 'not committed'))
    await end(a)
    assert.equal(await b.open('v'), null)
    assert.equal(await read(b), 'acknowledged')
    assert.equal(await commit(b, 'from b'), null)
  })

test('a page that is reloaded again and again, in the middle of its work, opens its volume each time', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  const opened = []
  let next = latch()
  site.onPost('/opened', (answer) => {
    opened.push(answer)
    next.open()
  })
  let acknowledged = 0
  site.onPost('/acknowledge', (n) => (acknowledged = n))
  const reloads = 20
  for (let n = 0; n <= reloads; n++) {
    // The worker opens the volume before anything else, and commits until it is cut off.
    if (n === 0) await tab.page.goto(`${site.origin}/pages/plain.html?volume=v`)
    else await tab.page.reload({ waitUntil: 'commit' })
    await next.opened
    next = latch()
    const { error, count } = opened.at(-1)
    assert.equal(error, null, `after ${n} reloads: ${JSON.stringify(error)}`)
    assert.ok(count >= acknowledged, `${acknowledged} was acknowledged, ${count} is there`)
  }
  t.diagnostic(`${reloads} reloads, ${acknowledged} commits`)
})

test('a worker that takes the place of one that was ended in the middle of something opens the volume at once', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  const never = latch()
  t.after(() => never.open())
  site.onPost('/never', () => never.opened)
  site.onPost('/opened', () => null)
  site.onPost('/acknowledge', (n) => n)
  const answers = await tab.page.evaluate(async () => {
    const answers = []
    for (let n = 0; n < 12; n++) {
      worker.terminate()
      globalThis.worker = new Worker(`/pages/plain.mjs?volume=v&then=${n % 2 ? 'block' : 'commit'}`, { type: 'module' })
      const { error } = await new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)))
      answers.push(error)
    }
    return answers
  })
  assert.deepEqual(answers, Array(12).fill(null))
})

test('open waits for what an earlier page has not quite let go of: the lock, or the handle', async (t) => {
  const site = await startTabs(t)
  const [a, b] = [await site.tab(), await site.tab()]
  const names = async (kind) => (await b.evaluate(() => navigator.locks.query()))[kind].length
  const until = async (condition) => {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal(await a.open('v'), null)
  await a.evaluate(() => volume.close())

  await a.evaluate(() => new Promise((granted) => {
    navigator.locks.request('holdfast:v', () => new Promise((done) => {
      globalThis.letGo = done
      granted()
    }))
  }))
  const first = b.open('v')
  await until(() => names('pending'))
  await a.evaluate(() => letGo())
  assert.equal(await first, null, 'the lock lingered')
  await b.evaluate(() => volume.close())

  await a.evaluate(async () => {
    const dir = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('holdfast')).getDirectoryHandle('v')
    globalThis.handle = await (await dir.getFileHandle('log')).createSyncAccessHandle()
  })
  const second = b.open('v')
  await until(() => names('held'))
  await a.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100))) // it has met the handle by then, most times
  await a.evaluate(() => handle.close())
  assert.equal(await second, null, 'the handle lingered')
})

test('whatever makes open fail, it lets go of lock and file, and the next open works', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  const quota = (size) => tab.cdp.send('Storage.overrideQuotaForOrigin', { origin: site.origin, quotaSize: size })
  const file = (name) => tab.evaluate(async (name) => {
    const root = await navigator.storage.getDirectory()
    const dir = await (await root.getDirectoryHandle('holdfast', { create: true })).getDirectoryHandle(name, { create: true })
    const handle = await (await dir.getFileHandle('log', { create: true })).createSyncAccessHandle()
    const size = handle.getSize()
    handle.close()
    return size
  }, name)

  for (const name of ['', '..', 'a/b', '.hidden', 'x'.repeat(101)]) assert.equal((await tab.open(name))?.code, 'ErrName')

  await tab.evaluate(async () => {
    const root = await navigator.storage.getDirectory()
    const dir = await (await root.getDirectoryHandle('holdfast', { create: true })).getDirectoryHandle('foreign', { create: true })
    const handle = await (await dir.getFileHandle('log', { create: true })).createSyncAccessHandle()
    handle.write(new Uint8Array(20000).fill(65))
    handle.close()
  })
  for (let i = 0; i < 3; i++) assert.equal((await tab.open('foreign'))?.code, 'ErrNotVolume')
  assert.equal(await file('foreign'), 20000, 'the file is free, and as it was')

  assert.equal(await tab.open('damaged'), null)
  assert.equal(await commit(tab, 'x'), null)
  await tab.evaluate(async () => {
    await volume.close()
    const dir = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('holdfast')).getDirectoryHandle('damaged')
    const handle = await (await dir.getFileHandle('log')).createSyncAccessHandle()
    handle.write(new Uint8Array(64).fill(7), { at: 40 })
    handle.write(new Uint8Array(64).fill(7), { at: 4096 + 40 })
    handle.close()
  })
  for (let i = 0; i < 2; i++) assert.equal((await tab.open('damaged'))?.code, 'ErrCorrupt')
  await file('damaged')

  await quota(0)
  const full = await tab.open('full')
  assert.equal(full?.code, 'ErrQuota', JSON.stringify(full))
  assert.ok(full.hint)
  await quota(undefined)
  assert.equal(await tab.open('full'), null)
  await tab.evaluate(() => volume.close())

  const wasm = await tab.evaluate(() => failure(() => holdfast.open('module', { wasm: new Uint8Array(10) })))
  assert.ok(wasm)
  assert.equal(await tab.open('module'), null)
  await tab.evaluate(() => volume.close())

  // Aborted at every moment of opening: whichever wins, nothing is left.
  const outcomes = await tab.evaluate(async () => {
    const outcomes = { opened: 0, ErrAborted: 0 }
    for (let ticks = 0; ticks < 60; ticks++) {
      const abort = new AbortController()
      const opening = holdfast.open('aborted', { signal: abort.signal })
      for (let i = 0; i < ticks; i++) await new Promise((resolve) => { const c = new MessageChannel(); c.port1.onmessage = resolve; c.port2.postMessage(0) })
      abort.abort()
      try {
        const opened = await opening
        outcomes.opened++
        await opened.close()
      } catch (error) {
        outcomes[error.code] = (outcomes[error.code] ?? 0) + 1
      }
      const check = await holdfast.open('aborted')
      await check.close()
    }
    return outcomes
  })
  t.diagnostic(`aborted opens: ${JSON.stringify(outcomes)}`)
  assert.deepEqual(Object.keys(outcomes), ['opened', 'ErrAborted'])
  assert.ok(outcomes.ErrAborted > 0)
  assert.deepEqual(await locks(tab), [])
})
