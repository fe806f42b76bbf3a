/** What the VFS promises to SQLite, asked directly: sqlite-files.js and sqlite-locks.js without a SQLite. */

import assert from 'node:assert/strict'
import test from 'node:test'
import { open, memory } from 'holdfast'
import * as code from '../sqlite-codes.js'
import { SqliteFiles } from '../sqlite-files.js'

/** A memory of 64 KiB, and how many parts of it are in use. */
function smallMemory() {
  let next = 4096
  const used = new Set()
  return {
    bytes: new Uint8Array(65536),
    used,
    alloc(/** @type {number} */ n) {
      used.add((next += n))
      return next
    },
    free: (/** @type {number} */ p) => void assert.ok(used.delete(p), 'freed what was in use'),
  }
}

async function start() {
  const volume = await open('vfs', { storage: memory() })
  const mem = smallMemory()
  return { volume, mem, files: new SqliteFiles(volume, mem, '/') }
}

const CREATE = code.OPEN_READWRITE | code.OPEN_CREATE

test('a read past the end says so and fills with zeros, in files and temporary files', async () => {
  const { volume, mem, files } = await start()
  for (const name of ['/f', null]) {
    assert.equal(files.open(name, 1, CREATE), code.OK)
    mem.bytes.fill(7, 0, 100)
    assert.equal(files.write(1, 0, 50, 10), code.OK)
    assert.equal(files.size(1), 60)
    assert.equal(files.read(1, 1000, 60, 0), code.OK)
    assert.deepEqual([...mem.bytes.subarray(1000, 1012)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7], 'what was never written is zeros')
    mem.bytes.fill(9, 1000, 1200)
    assert.equal(files.read(1, 1000, 100, 50), code.IOERR_SHORT_READ)
    assert.deepEqual([...mem.bytes.subarray(1008, 1012)], [7, 7, 0, 0])
    assert.equal(mem.bytes[1099], 0)
    assert.equal(mem.bytes[1100], 9, 'and no further')
    // What a truncation takes away does not come back.
    assert.equal(files.truncate(1, 20), code.OK)
    assert.equal(files.write(1, 0, 1, 40), code.OK)
    assert.equal(files.read(1, 1000, 41, 0), code.OK)
    assert.deepEqual([...mem.bytes.subarray(1018, 1022), mem.bytes[1039], mem.bytes[1040]], [7, 7, 0, 0, 0, 7])
    assert.equal(files.close(1), code.OK)
  }
  assert.deepEqual(volume.fs.readdirSync('/'), ['f'])
  await volume.close()
})

test('an empty file does not count as a journal that is there', async () => {
  const { volume, files } = await start()
  volume.fs.writeFileSync('/empty', '')
  volume.fs.writeFileSync('/full', 'x')
  assert.deepEqual(['/empty', '/full', '/none', '/'].map((p) => files.access(p, code.ACCESS_EXISTS)), [false, true, false, true])
  assert.equal(files.access('/empty', 1), true, 'but may be read and written')
  assert.equal(files.delete('/none', false), code.IOERR_DELETE_NOENT)
  await volume.close()
})

test('writes of an atomic write are undone in memory, the size too', async () => {
  const { volume, mem, files } = await start()
  volume.fs.writeFileSync('/db', 'abcdefghij')
  files.open('/db', 1, CREATE | code.OPEN_MAIN_DB)
  mem.bytes.fill(120, 0, 100)
  const control = (/** @type {number} */ op) => files.control(1, op, () => {})
  assert.equal(control(code.FCNTL_BEGIN_ATOMIC_WRITE), code.OK)
  files.write(1, 0, 4, 2)
  files.write(1, 0, 4, 4)
  files.write(1, 0, 30, 8)
  assert.equal(volume.fs.readFileSync('/db', 'utf8'), 'ab' + 'x'.repeat(36))
  assert.equal(control(code.FCNTL_ROLLBACK_ATOMIC_WRITE), code.OK)
  assert.equal(volume.fs.readFileSync('/db', 'utf8'), 'abcdefghij')
  assert.equal(control(code.FCNTL_BEGIN_ATOMIC_WRITE), code.OK)
  files.write(1, 0, 1, 0)
  assert.equal(control(code.FCNTL_COMMIT_ATOMIC_WRITE), code.OK)
  assert.equal(control(code.FCNTL_ROLLBACK_ATOMIC_WRITE), code.OK)
  assert.equal(volume.fs.readFileSync('/db', 'utf8'), 'xbcdefghij', 'what is committed stays')
  files.close(1)
  await volume.close()
})

test('the last connection frees the shared memory; after a restore each side has its own', async () => {
  const { volume, mem, files } = await start()
  const before = volume.snapshot()
  volume.fs.writeFileSync('/db', 'x')
  const withFile = volume.snapshot()
  for (const id of [1, 2]) files.open('/db', id, CREATE | code.OPEN_MAIN_DB)
  assert.equal(files.shmMap(1, 0, 100, false), 0, 'nothing there, and nothing made')
  const p = files.shmMap(1, 0, 100, true)
  assert.equal(files.shmMap(2, 0, 100, false), p)
  assert.equal(mem.used.size, 1)
  files.shmUnmap(1)
  assert.equal(mem.used.size, 1, 'the other still has it')
  files.close(2)
  assert.equal(mem.used.size, 0)
  files.shmMap(1, 2, 100, true)
  assert.equal(mem.used.size, 3)
  volume.restore(withFile)
  assert.equal(mem.used.size, 3, 'SQLite still holds addresses of it')
  assert.equal(files.lock(1, code.LOCK_SHARED), code.IOERR_VNODE)
  assert.equal(files.shmLock(1, 0, 1, 2 | 8), code.IOERR_VNODE)
  files.open('/db', 3, CREATE | code.OPEN_MAIN_DB)
  assert.equal(files.lock(3, code.LOCK_SHARED), code.OK)
  files.shmMap(3, 0, 100, true)
  files.close(1)
  assert.equal(mem.used.size, 1)
  assert.equal(files.lock(3, code.LOCK_RESERVED), code.OK, 'the stale one left without harm')
  files.close(3)
  assert.equal(mem.used.size, 0)
  volume.restore(before)
  await volume.close()
})
