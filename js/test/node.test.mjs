/** nodeDirectory: the store on Node's own files. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'holdfast'
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
  await assert.rejects(open('v', { storage: nodeDirectory(dir), ifLocked: 'steal' }), { code: 'ErrLocked' })
  await assert.rejects(open('v', { storage: nodeDirectory(dir), ifLocked: 'wait', signal: AbortSignal.timeout(200) }), { code: 'ErrAborted' })
  const waiting = open('v', { storage: nodeDirectory(dir), ifLocked: 'wait' })
  c.process.kill('SIGKILL')
  const volume = await waiting
  await assert.rejects(open('v', { storage: nodeDirectory(dir) }), { code: 'ErrLocked', message: /this process/ })
  await volume.close()
  assert.deepEqual(fs.readdirSync(dir), ['log'], 'nothing is left of any lock')
  await (await open('v', { storage: nodeDirectory(dir) })).close()
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
