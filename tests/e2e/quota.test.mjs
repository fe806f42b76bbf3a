// A full disk: what Chromium's quota does to a volume on OPFS, and to PHP and SQLite on it.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startSite } from './site.mjs'
import { startTabs } from './tabs.mjs'

/** Sets how much the origin may keep; undefined lifts the limit. */
async function limit(page, origin, quotaSize) {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize })
  return () => cdp.detach() // the limit ends with the session that set it
}

const MB = 1 << 20

test('commit on a full disk: ErrQuota with a hint, memory keeps everything, the disk the commit before; with room the next commit succeeds', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  const commit = () => tab.evaluate(() => failure(() => volume.commit()))
  const files = () => tab.evaluate(() => Object.fromEntries(volume.fs.readdirSync('/').map((name) => {
    const bytes = volume.fs.readFileSync('/' + name)
    return [name, `${bytes.length} × ${bytes[0]}${bytes.every((b) => b === bytes[0]) ? '' : ', torn'}`]
  })))
  const reopen = async () => {
    await tab.evaluate(() => volume.close({ commit: false }))
    assert.equal(await tab.open('v'), null)
    await tab.evaluate(() => volume.verify())
  }
  assert.equal(await tab.open('v'), null)
  await tab.evaluate((MB) => {
    volume.fs.writeFileSync('/old', new Uint8Array(2 * MB).fill(1))
    volume.fs.writeFileSync('/changed', new Uint8Array(2 * MB).fill(2))
    volume.commit()
  }, MB)
  const before = await files()

  // What fits into one write, and what takes several, of which the first succeed.
  for (const size of [3 * MB, 20 * MB]) {
    const change = (size) => tab.evaluate((size) => {
      volume.fs.writeFileSync('/new', new Uint8Array(size).fill(3))
      volume.fs.writeFileSync('/changed', new Uint8Array(1000).fill(4))
      volume.fs.rmSync('/old')
    }, size)
    const after = { changed: '1000 × 4', new: `${size} × 3` }
    const full = await tab.evaluate(() => volume.estimate().then(({ file }) => file))
    await reopen() // Chromium grants room in advance, as long as the file is open
    await limit(tab.page, site.origin, full + size / 2)

    await change(size)
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await commit()
      assert.equal(error?.name, 'HoldfastError')
      assert.equal(error.code, 'ErrQuota')
      assert.match(error.hint, /free some space/)
      assert.equal(error.cause, 'QuotaExceededError')
      assert.deepEqual(await files(), after, 'memory keeps everything')
    }
    const closing = await tab.evaluate(() => failure(() => volume.close()))
    assert.equal(closing?.code, 'ErrQuota', 'and closing does not lose it')
    await reopen()
    assert.deepEqual(await files(), before, 'on the disk is the commit before')

    await change(size)
    assert.equal((await commit())?.code, 'ErrQuota', 'it is still full')
    await limit(tab.page, site.origin, undefined)
    assert.equal(await commit(), null)
    await reopen()
    assert.deepEqual(await files(), after)

    await tab.evaluate((MB) => {
      volume.fs.rmSync('/new')
      volume.fs.writeFileSync('/old', new Uint8Array(2 * MB).fill(1))
      volume.fs.writeFileSync('/changed', new Uint8Array(2 * MB).fill(2))
      volume.commit()
    }, MB)
  }
})

test('a full disk at every step of a series of commits: each fails whole or is there after reopening', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  assert.equal(await tab.open('v'), null)
  await tab.evaluate(() => volume.commit({ label: 'first' }))
  const outcomes = []
  for (let step = 0; step < 12; step++) {
    const { file } = await tab.evaluate(() => volume.estimate())
    await limit(tab.page, site.origin, file + step * 25_000)
    const [acknowledged, refused] = await tab.evaluate(() => {
      let n = volume.fs.existsSync('/n') ? Number(volume.fs.readFileSync('/n', 'utf8')) : 0
      try {
        for (const end = n + 6; n < end; ) {
          volume.fs.writeFileSync('/n', String(n + 1))
          volume.fs.writeFileSync('/body', new Uint8Array(30_000).fill(n + 1))
          volume.commit()
          n++
        }
        return [n, null]
      } catch (error) {
        return [n, error.code]
      }
    })
    if (refused) assert.equal(refused, 'ErrQuota')
    outcomes.push(refused ? 'full' : 'written')
    await tab.evaluate(() => volume.close({ commit: false }))
    assert.equal(await tab.open('v'), null)
    const [found, byte] = await tab.evaluate(async () => {
      await volume.verify()
      return volume.fs.existsSync('/n') ? [Number(volume.fs.readFileSync('/n', 'utf8')), volume.fs.readFileSync('/body')[29_999]] : [0, 0]
    })
    assert.equal(found, acknowledged, 'what was acknowledged, and nothing else')
    assert.equal(byte, found)
  }
  t.diagnostic(outcomes.join(' '))
  assert.ok(outcomes.includes('full'))
})

test('PHP and SQLite on a full disk: the insert fails, the database stays sound, and goes on when there is room', async (t) => {
  for (const mode of ['DELETE', 'WAL']) {
    const site = await startSite(t)
    const browser = await (await site.visitor()).arrive()
    const open = () => browser.evaluate(async (mode) => {
      globalThis.volume = await holdfast.open('site')
      globalThis.php = await startPHP(volume)
      await sql(php, [`PRAGMA journal_mode = ${mode}`, 'CREATE TABLE IF NOT EXISTS entry (n INTEGER PRIMARY KEY, body BLOB)'])
    }, mode)
    const insert = () => browser.evaluate(() => failure(() => sql(php, ['INSERT INTO entry (body) VALUES (randomblob(200000))'])))
    const state = () => browser.evaluate(async () => {
      const [integrity, rows] = await sql(php, ['PRAGMA integrity_check', 'SELECT count(*) FROM entry'])
      return { integrity: integrity[0][0], rows: rows[0][0] }
    })
    await open()
    let rows = 0
    assert.equal(await insert(), null)
    rows++
    await limit(browser.page, site.origin, await browser.evaluate(() => volume.estimate().then(({ file }) => file)) + 500_000)
    let error = null
    for (let tries = 0; tries < 20 && !error; tries++) {
      error = await insert()
      if (!error) rows++
    }
    assert.match(error?.message ?? '', /disk I\/O error|full/, `${mode}: SQLite says so`)
    t.diagnostic(`${mode}: ${rows} rows, then: ${/SQLSTATE[^\n]*?(?= in )/.exec(error.message)?.[0] ?? error.message.slice(0, 200)}`)
    const seen = await state()
    // In a write-ahead log, what failed may be in the log: as on any disk, the outcome is unknown until it is looked at, and stays what it was then (opfs/COMMIT.md).
    if (mode === 'WAL' && seen.rows === rows + 1) rows++
    assert.deepEqual(seen, { integrity: 'ok', rows }, `${mode}: while it is full`)

    await limit(browser.page, site.origin, undefined)
    assert.equal(await insert(), null, `${mode}: with room`)
    rows++
    assert.deepEqual(await state(), { integrity: 'ok', rows })
    await browser.evaluate(() => volume.close())
    await open()
    assert.deepEqual(await state(), { integrity: 'ok', rows }, `${mode}: after reopening`)
    await browser.sigkill()
  }
})

test('estimate tells what the site and the volume take; requestPersistence asks in the page and says so in a worker', async (t) => {
  const site = await startTabs(t)
  const tab = await site.tab()
  assert.equal(await tab.open('v'), null)
  const before = await tab.evaluate(() => volume.estimate())
  await tab.evaluate(() => {
    volume.fs.writeFileSync('/big', new Uint8Array(5_000_000).fill(1))
    volume.commit()
  })
  const after = await tab.evaluate(() => volume.estimate())
  assert.ok(after.file >= before.file + 5_000_000, JSON.stringify({ before, after }))
  assert.ok(after.usage >= after.file && after.quota > after.usage, JSON.stringify(after))
  assert.ok(after.memory >= 5_000_000)

  const refused = await tab.evaluate(() => failure(() => holdfast.requestPersistence()))
  assert.equal(refused?.code, 'ErrUnsupported')
  assert.match(refused.hint, /in the page/)
  assert.equal(typeof await tab.page.evaluate(() => holdfast.requestPersistence()), 'boolean')
  await tab.cdp.send('Browser.grantPermissions', { origin: site.origin, permissions: ['durableStorage'] })
  assert.equal(await tab.page.evaluate(() => holdfast.requestPersistence()), true)
  assert.equal(await tab.evaluate(() => holdfast.requestPersistence()), true, 'a worker can tell that it is granted')
})
