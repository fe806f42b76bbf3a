/** nodeDirectory: the store on Node's own files. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory, open } from 'holdfast'
import { nodeDirectory } from 'holdfast/node'

/** @param {import('node:test').TestContext} t */
function directory(t) {
  const dir = fs.mkdtempSync(join(tmpdir(), 'holdfast-node-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'a', 'volume')
}

/**
 * Another process, which runs code with `volume` open, and prints a line for each say().
 *
 * @param {string} dir
 * @param {string} code
 */
function child(dir, code) {
  const program = `
    import { open } from 'holdfast'
    import { nodeDirectory } from 'holdfast/node'
    const say = (x) => require('node:fs').writeSync(1, x + '\\n')
    const volume = await open('v', { storage: nodeDirectory(${JSON.stringify(dir)}) })
    ${code}`
  const p = spawn(process.execPath, ['--input-type=module', '-e', `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);${program}`], {
    cwd: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  /** @type {(() => void)[]} */
  let waiting = []
  p.stdout.setEncoding('utf8').on('data', (d) => {
    text += d
    for (const w of waiting.splice(0)) w()
  })
  const ended = new Promise((resolve) => p.on('exit', resolve))
  return {
    process: p,
    ended,
    /** The lines so far. */
    lines: () => text.split('\n').slice(0, -1),
    /** @param {number} n lines to wait for */
    async line(n) {
      while (text.split('\n').length <= n) await Promise.race([new Promise((r) => waiting.push(() => r(null))), ended])
      return text.split('\n')[n - 1]
    },
  }
}

test('open, write, commit, kill -9, reopen: every acknowledged commit is there, whole', async (t) => {
  const dir = directory(t)
  let last = 0
  for (let round = 0; round < 4; round++) {
    const c = child(
      dir,
      `for (let n = ${last}; ; ) {
        n++
        volume.fs.writeFileSync('/n', String(n))
        volume.fs.writeFileSync('/twin', String(n))
        const fd = volume.fs.openSync('/n'); volume.fs.fsyncSync(fd); volume.fs.closeSync(fd)
        say(n)
      }`,
    )
    await c.line(20 + round * 13)
    c.process.kill('SIGKILL')
    await c.ended
    const acknowledged = Number(c.lines().at(-1))
    const volume = await open('v', { storage: nodeDirectory(dir) })
    last = Number(volume.fs.readFileSync('/n', 'utf8'))
    assert.ok(last >= acknowledged, `${acknowledged} was acknowledged, ${last} is there`)
    // The write after the last commit may have been committed and not said; the two files are of one instant all the same.
    assert.equal(volume.fs.readFileSync('/twin', 'utf8'), String(last))
    await volume.close()
  }
})

test('a second process gets ErrLocked, until the first has closed or died', async (t) => {
  const dir = directory(t)
  const c = child(dir, `say('open'); setInterval(() => {}, 1000)`)
  await c.line(1)
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'ErrLocked', message: new RegExp(`process ${c.process.pid}`) })
  await assert.rejects(open('v', { storage: nodeDirectory(dir), ifLocked: 'wait', signal: AbortSignal.timeout(200) }), { code: 'ErrAborted' })
  const waiting = open('v', { storage: nodeDirectory(dir), ifLocked: 'wait' })
  c.process.kill('SIGKILL')
  const volume = await waiting
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'ErrLocked', message: /this process/ })
  await volume.close()
  assert.deepEqual(fs.readdirSync(dir), ['log'], 'nothing is left of any lock')
  await (await open('v', { storage: nodeDirectory(dir) })).close()
})

/** Commits for ever, counting in a file; says each commit that was acknowledged, and how it ended. */
const writing = `
    let told
    volume.lost.then((err) => (told = err.code))
    let n = 0
    try {
      for (;;) {
        volume.fs.writeFileSync('/n', String(++n))
        volume.fs.writeFileSync('/twin', String(n).repeat(5000))
        volume.commit()
        say(n)
        await new Promise((resolve) => setImmediate(resolve))
      }
    } catch (err) {
      const again = (() => { try { volume.commit(); return 'none' } catch (err) { return err.code } })()
      await new Promise((resolve) => setImmediate(resolve))
      const kept = volume.fs.readFileSync('/n', 'utf8') === String(n)
      const closed = await volume.close().then(() => 'closed', (err) => err.code)
      await volume.close({ commit: false })
      say(JSON.stringify({ ended: err.code, hint: err.hint, again, told, kept, closed }))
    }`

for (const stopped of [false, true])
  test(`a volume can be taken from ${stopped ? 'a process that is stopped' : 'a process that is writing'}: its next commit is ErrFenced, what it had acknowledged is there`, async (t) => {
    const dir = directory(t)
    const c = child(dir, writing)
    t.after(() => c.process.kill('SIGKILL'))
    await c.line(10)
    if (stopped) c.process.kill('SIGSTOP')
    const volume = await open('v', { storage: nodeDirectory(dir), ifLocked: 'steal' })
    t.after(() => volume.close())
    const found = volume.fs.readFileSync('/n', 'utf8')
    assert.equal(volume.fs.readFileSync('/twin', 'utf8'), found.repeat(5000), 'one instant')
    volume.fs.writeFileSync('/n', 'mine')
    volume.commit()
    if (stopped) c.process.kill('SIGCONT')
    await c.ended
    const lines = c.lines()
    const { hint, ...end } = JSON.parse(lines.pop() ?? '{}')
    assert.deepEqual(end, { ended: 'ErrFenced', again: 'ErrFenced', told: 'ErrFenced', kept: true, closed: 'ErrFenced' })
    assert.match(hint, /only in memory/)
    assert.ok(Number(found) >= Number(lines.at(-1)), `${lines.at(-1)} was acknowledged, ${found} is there`)
    // And nothing of the other's got in between.
    await volume.verify()
    await volume.close()
    const again = await open('v', { storage: nodeDirectory(dir) })
    assert.equal(again.fs.readFileSync('/n', 'utf8'), 'mine')
    await again.close()
    assert.deepEqual(fs.readdirSync(dir), ['log'])
  })

test('a write that was on its way when the volume was taken over reaches nobody', async (t) => {
  const dir = directory(t)
  const first = await open('v', { storage: nodeDirectory(dir) })
  first.fs.writeFileSync('/f', 'acknowledged')
  first.commit()
  // The moment between the question whether the lock is still there and the write: another volume takes over in it.
  const { writeSync } = fs.default
  /** @type {Promise<import('holdfast').Volume> | null} */
  let thief = null
  fs.default.writeSync = (/** @type {any[]} */ ...args) => {
    fs.default.writeSync = writeSync
    syncBuiltinESMExports()
    stealInside()
    return /** @type {any} */ (writeSync)(...args)
  }
  syncBuiltinESMExports()
  /** The part of opening that is synchronous: the lock and the file. */
  function stealInside() {
    thief = open('v', { storage: nodeDirectory(dir), ifLocked: 'steal' })
  }
  first.fs.writeFileSync('/f', 'too late')
  assert.throws(() => first.commit(), { code: 'ErrFenced' })
  const second = await /** @type {any} */ (thief)
  assert.equal(second.fs.readFileSync('/f', 'utf8'), 'acknowledged')
  await second.verify()
  second.commit({ label: 'mine' })
  await first.close({ commit: false })
  await second.close()
  const again = await open('v', { storage: nodeDirectory(dir) })
  assert.equal(again.fs.readFileSync('/f', 'utf8'), 'acknowledged')
  assert.equal(again.snapshots()[0].label, 'mine')
  await again.close()
})

test('stealing from the dead, from nobody, and by many at once', async (t) => {
  const dir = directory(t)
  const steal = { storage: nodeDirectory(dir), ifLocked: /** @type {const} */ ('steal') }
  const c = child(dir, `volume.fs.writeFileSync('/f', 'x'); volume.commit(); say('open'); setInterval(() => {}, 1000)`)
  await c.line(1)
  const { ino } = fs.statSync(join(dir, 'log'))
  c.process.kill('SIGKILL')
  await c.ended
  await (await open('v', steal)).close()
  await (await open('v', steal)).close()
  assert.equal(fs.statSync(join(dir, 'log')).ino, ino, 'nothing needs to be copied')
  const results = await Promise.allSettled(Array.from({ length: 5 }, () => open('v', steal)))
  const volumes = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []))
  for (const r of results) if (r.status === 'rejected') assert.match(r.reason.code, /^Err(Locked|Fenced)$/)
  const writers = volumes.filter((v) => {
    try {
      v.commit({ label: 'mine' })
      return true
    } catch (/** @type {any} */ err) {
      assert.equal(err.code, 'ErrFenced')
      return false
    }
  })
  assert.equal(writers.length, 1, 'one has it in the end')
  for (const v of volumes) await v.close({ commit: false })
  assert.deepEqual(fs.readdirSync(dir), ['log'])
})

test('estimate tells what the disk has room for and what the volume takes', async (t) => {
  const volume = await open('v', { storage: nodeDirectory(directory(t)) })
  const before = await volume.estimate()
  volume.fs.writeFileSync('/big', Buffer.alloc(3 << 20, 'x'))
  volume.commit()
  const after = await volume.estimate()
  assert.ok(after.file >= before.file + (3 << 20) && after.usage === after.file)
  assert.ok((after.quota ?? 0) > after.file && after.memory > 3 << 20)
  await volume.close()
  await assert.rejects(volume.estimate(), { code: 'ErrClosed' })
  const inMemory = await open('v', { storage: memory() })
  assert.deepEqual(Object.keys(await inMemory.estimate()).sort(), ['file', 'free', 'memory', 'needed'])
  await inMemory.close()
})

test('of many that open at once, one has it', async (t) => {
  const dir = directory(t)
  for (let round = 0; round < 5; round++) {
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => open('v', { storage: nodeDirectory(dir) })))
    const got = results.filter((r) => r.status === 'fulfilled')
    assert.ok(got.length <= 1, `${got.length} have it`)
    for (const r of results) if (r.status === 'rejected') assert.equal(r.reason.code, 'ErrLocked')
    for (const r of got) await r.value.close()
  }
})

test('what a dead process left is taken over, also if its number was given to another', async (t) => {
  const dir = directory(t)
  fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(join(dir, `lock.${process.pid}.deadbeef00.000000000000`), '') // our number, another start
  fs.writeFileSync(join(dir, 'lock.4194300.deadbeef00.000000000000'), '') // no such process
  const volume = await open('v', { storage: nodeDirectory(dir) })
  assert.equal(fs.readdirSync(dir).length, 2)
  await volume.close()
  assert.deepEqual(fs.readdirSync(dir), ['log'])
})

test('opening what is no volume fails, leaves it as it was, and leaves no lock', async (t) => {
  const dir = directory(t)
  fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(join(dir, 'log'), 'something else entirely'.repeat(1000))
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'ErrNotVolume' })
  assert.deepEqual(fs.readdirSync(dir), ['log'])
  assert.equal(fs.readFileSync(join(dir, 'log'), 'utf8').slice(0, 23), 'something else entirely')
  // Nor does it when the file cannot even be opened.
  fs.rmSync(join(dir, 'log'))
  fs.mkdirSync(join(dir, 'log'))
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'EISDIR' })
  assert.deepEqual(fs.readdirSync(dir), ['log'])
})
