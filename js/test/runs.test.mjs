/** Reads and writes that JavaScript does without a call (wasm/core/ABI.md, runs) change what they should and nothing else. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { memory, open } from 'holdfast'
import { CORE } from '../internal.js'

/** A clock that stands still: so writes may always use the last one's run. @param {import('node:test').TestContext} t */
function still(t) {
  const now = Date.now()
  t.mock.method(Date, 'now', () => now)
}

/** Counts calls into the module. @param {any} core @param {string} name */
function counting(core, name) {
  const x = core.x
  const counted = { calls: 0 }
  core.x = { ...x, [name]: (/** @type {any[]} */ ...args) => (counted.calls++, x[name](...args)) }
  return counted
}

test('what is written without a call is in no snapshot, is committed, and goes with a restore', async (t) => {
  still(t)
  const volume = await open('runs', { storage: memory() })
  const { fs } = volume
  fs.writeFileSync('/f', 'a'.repeat(20000))
  const fd = fs.openSync('/f', 'r+')
  const writes = counting(volume[CORE], 'handle_write')
  fs.writeSync(fd, '1', 0)
  fs.writeSync(fd, '2', 1)
  fs.writeSync(fd, '3', 9000)
  assert.equal(writes.calls, 1, 'two of three need no call')
  const first = volume.snapshot()
  fs.writeSync(fd, 'x', 1)
  assert.equal(writes.calls, 2, 'what a snapshot has is not overwritten')
  fs.writeSync(fd, 'y', 2)
  volume.commit()
  fs.writeSync(fd, 'z', 3)
  assert.equal(writes.calls, 3)
  assert.ok(volume.dirty, 'what was committed is not overwritten unnoticed')
  assert.equal(fs.readFileSync('/f', 'utf8').slice(0, 5), '1xyza')
  const then = volume.readSnapshot(first)
  assert.equal(then.readFileSync('/f', 'utf8').slice(0, 5), '12aaa')
  assert.equal(then.readFileSync('/f', 'utf8')[9000], '3')
  then.release()
  volume.restore(first)
  assert.throws(() => fs.writeSync(fd, 'w', 2), { code: 'ESTALE' })
  assert.throws(() => fs.readSync(fd, Buffer.alloc(4), 0, 4, 0), { code: 'ESTALE' })
  assert.equal(fs.readFileSync('/f', 'utf8').slice(0, 5), '12aaa')
  fs.closeSync(fd)
  await volume.close()
})

test('a run ends with its file: the next one under its number, and memory that moved, are read anew', async (t) => {
  still(t)
  const volume = await open('runs', { storage: memory() })
  const { fs } = volume
  const at = (/** @type {number} */ fd, /** @type {number} */ position) => {
    const b = Buffer.alloc(1)
    return fs.readSync(fd, b, 0, 1, position) ? b.toString() : 'end'
  }
  fs.writeFileSync('/a', 'a'.repeat(100))
  fs.writeFileSync('/b', 'b'.repeat(100))
  const a = fs.openSync('/a', 'r')
  assert.equal(at(a, 3) + at(a, 4), 'aa')
  fs.closeSync(a)
  const b = fs.openSync('/b', 'r+')
  assert.equal(at(b, 3) + at(b, 4), 'bb')
  const before = volume[CORE].memorySize
  fs.writeFileSync('/large', new Uint8Array(64 << 20))
  assert.ok(volume[CORE].memorySize > before)
  assert.equal(at(b, 3) + at(b, 4), 'bb')
  fs.writeSync(b, 'c', 3)
  assert.equal(at(b, 3) + at(b, 4), 'cb')
  fs.truncateSync('/b', 4)
  assert.equal(at(b, 3) + at(b, 4), 'cend')
  fs.truncateSync('/b', 10)
  assert.equal(at(b, 3) + at(b, 4), 'c\0')
  fs.closeSync(b)
  await volume.close()
})
