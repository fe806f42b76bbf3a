/** SQLite without a filesystem of its own, on a volume: sqlite-wasm and wa-sqlite. */

import assert from 'node:assert/strict'
import test from 'node:test'
import { open, memory } from 'holdfast'
import { builds } from './sqlite-builds.mjs'
import { arrayStorage, quota } from './storages.mjs'
import * as code from '../sqlite-codes.js'

const JOURNALS = ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']

/** @param {number} expected @returns {(err: any) => boolean} */
const withCode = (expected) => (err) => {
  assert.equal(err.code, expected, err.message)
  return true
}

/** A new build on what a crash would leave of a storage. @param {string} build @param {any} storage */
async function afterCrash(build, storage) {
  const volume = await open('sqlite', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
  return { volume, ...(await builds[build](volume)) }
}

for (const [build, start] of Object.entries(builds)) {
  test(`${build}: flushes and what a crash leaves`, async (t) => {
    // synchronous FULL: what is acknowledged is durable, at one flush each. wa-sqlite's WAL is NORMAL unless told.
    for (const journal of [...JOURNALS, 'MEMORY', 'OFF']) {
      await t.test(`${journal}: an insert costs one flush, and a crash after it leaves it`, async () => {
        const storage = arrayStorage()
        const volume = await open('sqlite', { storage })
        const sqlite = await start(volume)
        const db = await sqlite.open('/a.db')
        await db.run(`PRAGMA journal_mode = ${journal}; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (0, '')`)
        for (let n = 1; n <= 12; n++) {
          const before = storage.flushes
          await db.run(`INSERT INTO t VALUES (${n}, '${'x'.repeat(n * 700)}')`)
          assert.equal(storage.flushes - before, 1, `insert ${n}`)
          assert.equal(volume.dirty, false)
          if (n % 4 !== 0) continue
          const crashed = await afterCrash(build, storage)
          const again = await crashed.open('/a.db')
          assert.deepEqual(await again.run('SELECT count(*), sum(length(v)) FROM t; PRAGMA integrity_check'), [[n + 1, (700 * n * (n + 1)) / 2], ['ok']])
          await again.close()
          await crashed.volume.close()
        }
        assert.deepEqual(await db.run('PRAGMA journal_mode'), [[journal.toLowerCase()]])
        await db.close()
        await volume.close()
      })
    }
  })

  test(`${build}: a crash at any flush leaves each transaction whole or not at all, over several databases too`, async () => {
    for (const journal of JOURNALS) {
      const storage = arrayStorage()
      const volume = await open('sqlite', { storage })
      const sqlite = await start(volume)
      const db = await sqlite.open('/a.db')
      await db.run(`PRAGMA journal_mode = ${journal}; PRAGMA synchronous = FULL; PRAGMA cache_size = 5; CREATE TABLE t (n, v);
        ATTACH '/b.db' AS b; PRAGMA b.journal_mode = ${journal}; PRAGMA b.synchronous = FULL; CREATE TABLE b.u (n, v)`)
      /** @type {Uint8Array[]} */ const states = []
      const session = /** @type {any} */ (storage.session)
      const flush = session.file.flush
      session.file.flush = () => {
        flush()
        states.push(storage.bytes.slice())
      }
      const both = (/** @type {number} */ n) => `BEGIN; INSERT INTO t VALUES (${n}, 'x'); INSERT INTO u VALUES (${n}, 'x');
        UPDATE t SET v = '${'y'.repeat(5000)}'; UPDATE u SET v = '${'z'.repeat(5000)}'; COMMIT`
      for (let n = 1; n <= 6; n++) {
        await db.run(both(n))
        const crashed = await open('sqlite', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
        const again = await (await start(crashed)).open('/a.db')
        assert.deepEqual(await again.run(`ATTACH '/b.db' AS b; SELECT max(n) FROM t; SELECT max(n) FROM u`), [[n], [n]], `${journal}: acknowledged`)
        await crashed.close({ commit: false })
      }
      assert.ok(states.length >= 6)
      for (const [i, bytes] of states.entries()) {
        const crashed = await open('sqlite', { storage: arrayStorage({ bytes }) })
        const again = await (await start(crashed)).open('/a.db')
        const [t, a, u, b] = await again.run(`ATTACH '/b.db' AS b; SELECT coalesce(max(n), 0), count(*) FROM t; PRAGMA main.integrity_check;
          SELECT coalesce(max(n), 0), count(*) FROM u; PRAGMA b.integrity_check`)
        assert.deepEqual([a, b], [['ok'], ['ok']], `${journal}, flush ${i}`)
        assert.equal(t[0], t[1])
        assert.equal(u[0], u[1])
        // In WAL mode SQLite commits each database by itself (https://www.sqlite.org/wal.html#overview, disadvantage 3).
        if (journal !== 'WAL') assert.deepEqual(t, u, `${journal}, flush ${i}`)
        await crashed.close({ commit: false })
      }
      await db.close()
      await volume.close()
    }
  })

  test(`${build}: a full disk fails the transaction with SQLITE_FULL, leaves what was, and may have room again`, async () => {
    for (const journal of JOURNALS) {
      const storage = arrayStorage()
      const volume = await open('sqlite', { storage })
      const sqlite = await start(volume)
      const db = await sqlite.open('/a.db')
      await db.run(`PRAGMA journal_mode = ${journal}; PRAGMA synchronous = FULL; CREATE TABLE t (n); INSERT INTO t VALUES (1)`)
      storage.fail = quota()
      await assert.rejects(db.run('INSERT INTO t VALUES (2)'), withCode(code.FULL), journal)
      assert.equal(sqlite.vfs.lastError.code, 'ErrQuota')
      assert.ok(sqlite.vfs.lastError.hint)
      assert.deepEqual(await db.run('SELECT n FROM t; PRAGMA integrity_check'), [[1], ['ok']], `${journal}: read while the disk is full`)
      await assert.rejects(db.run('UPDATE t SET n = 5'), withCode(code.FULL), journal)
      storage.fail = null
      assert.deepEqual(await db.run('INSERT INTO t VALUES (3); SELECT n FROM t; PRAGMA integrity_check'), [[1], [3], ['ok']], journal)
      const crashed = await afterCrash(build, storage)
      assert.deepEqual(await (await crashed.open('/a.db')).run('SELECT n FROM t; PRAGMA integrity_check'), [[1], [3], ['ok']], `${journal}: on disk`)
      await db.close()
      await volume.close()
    }
  })

  test(`${build}: a transaction over two databases that finds the disk full happens in neither`, async () => {
    for (const journal of ['DELETE', 'TRUNCATE', 'PERSIST']) {
      const storage = arrayStorage()
      const volume = await open('sqlite', { storage })
      const sqlite = await start(volume)
      const db = await sqlite.open('/a.db')
      await db.run(`PRAGMA journal_mode = ${journal}; CREATE TABLE t (n); INSERT INTO t VALUES (1);
        ATTACH '/b.db' AS b; PRAGMA b.journal_mode = ${journal}; CREATE TABLE b.u (n); INSERT INTO u VALUES (1)`)
      // How many writes to the file the transaction does: it is to fail at each.
      const before = storage.writes
      await db.run('BEGIN; UPDATE t SET n = 2; UPDATE u SET n = 2; COMMIT')
      const writes = storage.writes - before
      assert.ok(writes >= 2)
      for (let at = 0; at < writes; at++) {
        const session = /** @type {any} */ (storage.session)
        const write = session.file.write
        let left = at
        session.file.write = (/** @type {any} */ bytes, /** @type {number} */ off) => {
          if (left-- <= 0) throw quota()
          return write(bytes, off)
        }
        const old = (await db.run('SELECT n FROM t'))[0][0]
        let failed = false
        await db.run(`BEGIN; UPDATE t SET n = ${old + 1}; UPDATE u SET n = ${old + 1}; COMMIT`).catch((err) => {
          assert.equal(err.code, code.FULL)
          failed = true
        })
        session.file.write = write
        await db.run('ROLLBACK').catch(() => {}) // SQLite may have done it
        const now = failed ? old : old + 1
        assert.deepEqual(await db.run('SELECT n FROM t; SELECT n FROM u'), [[now], [now]], `${journal}: write ${at} of ${writes} failed`)
        const crashed = await afterCrash(build, storage)
        assert.deepEqual(await (await crashed.open('/a.db')).run(`ATTACH '/b.db' AS b; SELECT n FROM t; SELECT n FROM u`), [[now], [now]], `${journal}: on disk, ${at}`)
        await crashed.volume.close({ commit: false })
      }
      await db.close()
      await volume.close()
    }
  })

  test(`${build}: connections lock each other out as on a disk`, async () => {
    for (const journal of ['DELETE', 'TRUNCATE', 'PERSIST']) {
      const volume = await open('sqlite', { storage: memory() })
      const sqlite = await start(volume)
      const [a, b, c] = [await sqlite.open('/a.db'), await sqlite.open('/a.db'), await sqlite.open('/a.db')]
      await a.run(`PRAGMA journal_mode = ${journal}; CREATE TABLE t (n); INSERT INTO t VALUES (1)`)
      const busy = (/** @type {Promise<any>} */ p, /** @type {string} */ why) => assert.rejects(p, (/** @type {any} */ err) => (err.code & 255) === code.BUSY, `${journal}: ${why}`)
      await a.run('BEGIN IMMEDIATE; INSERT INTO t VALUES (2)') // RESERVED
      assert.deepEqual(await b.run('SELECT count(*) FROM t'), [[1]], 'readers go on beside a RESERVED lock')
      await busy(b.run('INSERT INTO t VALUES (3)'), 'one writer at a time')
      await b.run('BEGIN; SELECT * FROM t') // SHARED
      await busy(a.run('COMMIT'), 'a reader keeps the writer from committing')
      await busy(c.run('SELECT * FROM t'), 'a PENDING lock lets no new reader in')
      await b.run('COMMIT')
      await a.run('COMMIT')
      assert.deepEqual(await c.run('SELECT n FROM t ORDER BY n'), [[1], [2]])
      await a.run('BEGIN EXCLUSIVE')
      await busy(b.run('SELECT * FROM t'), 'an EXCLUSIVE lock keeps readers out')
      await a.run('ROLLBACK')
      // Two that read and then want to write: one must give up.
      await a.run('BEGIN; SELECT * FROM t')
      await b.run('BEGIN; SELECT * FROM t')
      await a.run('INSERT INTO t VALUES (4)')
      await busy(b.run('INSERT INTO t VALUES (5)'), 'two upgrades')
      await b.run('ROLLBACK')
      await a.run('COMMIT')
      await a.run('PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES (6)')
      await busy(b.run('SELECT * FROM t'), 'exclusive locking mode')
      await a.close()
      assert.deepEqual(await b.run('SELECT n FROM t; PRAGMA integrity_check'), [[1], [2], [4], [6], ['ok']])
      await b.close()
      await c.close()
      await volume.close()
    }
  })

  test(`${build}: with a write-ahead log readers and a writer work side by side, without exclusive locking`, async () => {
    const volume = await open('sqlite', { storage: memory() })
    const sqlite = await start(volume)
    const [a, b] = [await sqlite.open('/a.db'), await sqlite.open('/a.db')]
    await a.run('PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)')
    await b.run('BEGIN; SELECT * FROM t')
    await a.run('INSERT INTO t VALUES (2)')
    assert.deepEqual(await b.run('SELECT n FROM t'), [[1]], 'a reader sees the state it began with')
    await assert.rejects(b.run('INSERT INTO t VALUES (3)'), withCode(code.BUSY | (2 << 8))) // SQLITE_BUSY_SNAPSHOT
    await b.run('COMMIT')
    assert.deepEqual(await b.run('SELECT n FROM t'), [[1], [2]])
    await a.run('BEGIN IMMEDIATE')
    await assert.rejects(b.run('INSERT INTO t VALUES (3)'), withCode(code.BUSY))
    await a.run('COMMIT')
    assert.deepEqual((await b.run('PRAGMA wal_checkpoint(TRUNCATE)'))[0][0], 0, 'a checkpoint over two connections')
    assert.equal(volume.fs.statSync('/a.db-wal').size, 0)
    for (let i = 0; i < 1500; i++) await (i % 2 ? a : b).run(`INSERT INTO t VALUES (${i + 10})`) // past an automatic checkpoint
    assert.deepEqual(await a.run('SELECT count(*) FROM t; PRAGMA integrity_check'), [[1502], ['ok']])
    assert.ok(!volume.fs.existsSync('/a.db-shm'), 'shared memory is no file')
    await a.close()
    assert.ok(volume.fs.existsSync('/a.db-wal'))
    await b.close()
    assert.ok(!volume.fs.existsSync('/a.db-wal'), 'the last connection takes the log with it')
    await volume.close()
  })

  test(`${build}: after a restore an open connection fails clearly, harms nothing, and a new one works`, async () => {
    for (const journal of JOURNALS) {
      for (const inside of [false, true]) {
        const volume = await open('sqlite', { storage: memory() })
        const sqlite = await start(volume)
        const db = await sqlite.open('/a.db')
        await db.run(`PRAGMA journal_mode = ${journal}; CREATE TABLE t (n, v); INSERT INTO t VALUES (1, 'x')`)
        const before = volume.snapshot()
        await db.run('INSERT INTO t VALUES (2, 1)')
        if (inside) await db.run(`PRAGMA cache_size = 1; BEGIN; UPDATE t SET v = '${'y'.repeat(50000)}'; INSERT INTO t SELECT n, v FROM t`)
        volume.restore(before)
        const state = volume.snapshot()
        for (const sql of inside ? ["INSERT INTO t VALUES (3, 'y'); COMMIT"] : ['SELECT * FROM t', 'INSERT INTO t VALUES (3, 0)']) {
          await assert.rejects(db.run(sql), withCode(code.IOERR_VNODE), `${journal}: ${sql}`)
        }
        assert.equal(sqlite.vfs.lastError.code, 'ESTALE')
        assert.match(sqlite.vfs.lastError.hint, /open it again/)
        const again = await sqlite.open('/a.db') // beside the stale one
        assert.deepEqual(await again.run('SELECT n FROM t; PRAGMA integrity_check'), [[1], ['ok']])
        await db.close()
        if (journal !== 'WAL') assert.deepEqual(volume.diff(state), [], 'the stale connection changed nothing')
        assert.deepEqual(await again.run('INSERT INTO t VALUES (4, 0); SELECT n FROM t; PRAGMA integrity_check'), [[1], [4], ['ok']])
        await again.close()
        await volume.close()
      }
    }
  })

  test(`${build}: a snapshot taken inside a transaction restores to the state before it`, async () => {
    const volume = await open('sqlite', { storage: memory() })
    const sqlite = await start(volume)
    const db = await sqlite.open('/a.db')
    await db.run(`PRAGMA cache_size = 1; CREATE TABLE t (n, v); INSERT INTO t VALUES (1, '${'x'.repeat(50000)}')`)
    await db.run(`BEGIN; UPDATE t SET n = 2, v = '${'y'.repeat(50000)}'; INSERT INTO t SELECT n, v FROM t`)
    assert.ok(volume.fs.existsSync('/a.db-journal'))
    const inside = volume.snapshot()
    await db.run('COMMIT')
    await db.close()
    volume.restore(inside)
    const again = await sqlite.open('/a.db')
    assert.deepEqual(await again.run('SELECT n FROM t; PRAGMA integrity_check'), [[1], ['ok']])
    await again.close()
    await volume.close()
  })

  test(`${build}: temporary files are in memory, and vacuum works`, async () => {
    const volume = await open('sqlite', { storage: memory() })
    const sqlite = await start(volume)
    const db = await sqlite.open('/a.db')
    await db.run(`PRAGMA temp_store = FILE; PRAGMA cache_size = 5; CREATE TABLE t (n, v);
      WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) INSERT INTO t SELECT n, hex(randomblob(200)) FROM c;
      CREATE TEMP TABLE u AS SELECT * FROM t ORDER BY v; CREATE INDEX i ON t (v)`)
    assert.deepEqual(await db.run('SELECT count(*) FROM (SELECT DISTINCT v FROM u); PRAGMA integrity_check'), [[3000], ['ok']])
    assert.deepEqual(volume.fs.readdirSync('/'), ['a.db'])
    const size = volume.fs.statSync('/a.db').size
    await db.run('DELETE FROM t WHERE n > 10; VACUUM')
    assert.ok(volume.fs.statSync('/a.db').size < size / 10)
    assert.deepEqual(await db.run('SELECT count(*) FROM t; PRAGMA integrity_check'), [[10], ['ok']])
    await db.close()
    await volume.close()
  })

  test(`${build}: names, links, and what cannot be opened`, async () => {
    const volume = await open('sqlite', { storage: memory() })
    volume.fs.mkdirSync('/data/sub', { recursive: true })
    volume.fs.symlinkSync('/data/sub', '/link')
    volume.fs.symlinkSync('sub/a.db', '/data/also.db')
    const sqlite = await start(volume, { directory: '/data' })
    const db = await sqlite.open('sub/a.db')
    await db.run('CREATE TABLE t (n); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
    for (const name of ['/link/a.db', 'also.db', './sub/../sub/a.db', '/data//sub/a.db']) {
      const other = await sqlite.open(name)
      await assert.rejects(other.run('INSERT INTO t VALUES (2)'), withCode(code.BUSY), `${name} is the same file`)
      await other.close()
    }
    await db.run('COMMIT')
    const byLink = await sqlite.open('also.db')
    await db.close()
    await byLink.run('PRAGMA journal_mode = WAL; INSERT INTO t VALUES (2)')
    assert.deepEqual(volume.fs.readdirSync('/data/sub'), ['a.db', 'a.db-wal'], 'the log is where everybody looks for it')
    await byLink.run('PRAGMA journal_mode = DELETE; DELETE FROM t WHERE n = 2')
    await byLink.close()
    const readOnly = await sqlite.open('also.db', 'r')
    assert.deepEqual(await readOnly.run('SELECT n FROM t'), [[1]])
    await assert.rejects(readOnly.run('INSERT INTO t VALUES (2)'), withCode(code.READONLY))
    await readOnly.close()
    const cannot = (/** @type {string} */ path, /** @type {string} */ flags) =>
      assert.rejects(sqlite.open(path, flags), (/** @type {any} */ err) => (err.code & 255) === code.CANTOPEN, path)
    await cannot('/data/none.db', 'w')
    await cannot('/none/a.db', 'wc')
    await cannot('/data', 'wc')
    await cannot('/data/sub/a.db/b.db', 'wc')
    await volume.close()
    await assert.rejects(sqlite.open('/data/sub/a.db', 'w'))
  })

  test(`${build}: a database whose name was given to another file is not written to`, async () => {
    const volume = await open('sqlite', { storage: memory() })
    const sqlite = await start(volume)
    const db = await sqlite.open('/a.db')
    await db.run('CREATE TABLE t (n)')
    volume.fs.renameSync('/a.db', '/b.db')
    await assert.rejects(db.run('INSERT INTO t VALUES (1)'), withCode(code.READONLY_DBMOVED))
    await db.close()
    await volume.close()
  })

  test(`${build}: with durability 'manual' only commit() writes`, async () => {
    const storage = arrayStorage()
    const volume = await open('sqlite', { storage, durability: 'manual' })
    const sqlite = await start(volume)
    const db = await sqlite.open('/a.db')
    await db.run('CREATE TABLE t (n); INSERT INTO t VALUES (1)')
    const { flushes } = storage
    await db.run('INSERT INTO t VALUES (2)')
    assert.equal(storage.flushes, flushes)
    volume.commit()
    const crashed = await afterCrash(build, storage)
    assert.deepEqual(await (await crashed.open('/a.db')).run('SELECT n FROM t'), [[1], [2]])
    await volume.close()
  })
}

test('two builds on one volume lock each other out, and never share a write-ahead log', async () => {
  const volume = await open('sqlite', { storage: memory() })
  const one = await builds['sqlite-wasm'](volume)
  const two = await builds['wa-sqlite'](volume)
  const a = await one.open('/a.db')
  const b = await two.open('/a.db')
  await a.run('CREATE TABLE t (n); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)')
  assert.deepEqual(await b.run('SELECT count(*) FROM t'), [[0]])
  await assert.rejects(b.run('INSERT INTO t VALUES (2)'), withCode(code.BUSY))
  await a.run('COMMIT')
  await b.run('INSERT INTO t VALUES (2)')
  await b.close()
  await a.run('PRAGMA journal_mode = WAL; INSERT INTO t VALUES (3)')
  const c = await two.open('/a.db')
  await assert.rejects(c.run('SELECT * FROM t'), withCode(code.BUSY_RECOVERY))
  await a.close()
  assert.deepEqual(await c.run('SELECT n FROM t; PRAGMA integrity_check'), [[1], [2], [3], ['ok']])
  await c.close()
  await volume.close()
})

test('installVfs says what it needs, and goes again', async () => {
  const volume = await open('sqlite', { storage: memory() })
  const { default: init } = await import('@sqlite.org/sqlite-wasm')
  const { installVfs, waSqliteVfs } = await import('holdfast/sqlite')
  assert.throws(() => installVfs({}, volume), TypeError)
  assert.throws(() => waSqliteVfs({}, volume), TypeError)
  const sqlite3 = await init()
  const vfs = installVfs(sqlite3, volume, { name: 'files', makeDefault: true })
  assert.throws(() => installVfs(sqlite3, volume, { name: 'files' }), { code: 'EEXIST' })
  const db = new sqlite3.oo1.DB('/a.db')
  db.exec('CREATE TABLE t (n)')
  assert.ok(volume.fs.existsSync('/a.db'))
  assert.throws(() => vfs.uninstall(), { code: 'EBUSY' })
  db.close()
  vfs.uninstall()
  assert.equal(sqlite3.capi.sqlite3_vfs_find('files'), 0)
  await volume.close()
  assert.throws(() => installVfs(sqlite3, volume), { code: 'ErrClosed' })
})
