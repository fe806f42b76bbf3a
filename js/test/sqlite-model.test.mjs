/**
 * Random work of several connections on one database, with crashes, restores, changes of the journal mode and a disk that is full now
 * and then: the rows are always those of the transactions that were acknowledged. SEED=<n> repeats a run, STEPS=<n> makes it longer.
 */

import assert from 'node:assert/strict'
import test from 'node:test'
import { open } from 'holdfast'
import * as code from '../sqlite-codes.js'
import { random } from './random.mjs'
import { builds } from './sqlite-builds.mjs'
import { arrayStorage, quota } from './storages.mjs'

const SEED = Number(process.env.SEED ?? Date.now() % 1e9)
const STEPS = Number(process.env.STEPS ?? 500)

/**
 * @typedef {Map<number, number>} Rows number → length of its text
 * @typedef {{ db: import('./sqlite-connections.mjs').Db, inside: { rows: Rows, wrote: boolean } | null }} Connection inside: of a transaction, what it sees
 */

for (const build of ['sqlite-wasm', 'wa-sqlite']) {
  test(`${build}: what is acknowledged is there, and nothing else (seed ${SEED})`, async () => {
    const rnd = random(SEED)
    const int = (/** @type {number} */ n) => Math.floor(rnd() * n)
    const pick = (/** @type {any[]} */ a) => a[int(a.length)]
    /** @type {string[]} */ const log = []
    let storage = arrayStorage()
    let volume = await open('model', { storage, history: { keep: 1000 } })
    let sqlite = await builds[build](volume)
    /** @type {Rows} */ let committed = new Map()
    /** @type {Connection[]} */ let connections = []
    /** @type {{ point: any, rows: Rows }[]} */ const points = []
    let journal = 'delete'
    let next = 1

    async function connect() {
      const db = await sqlite.open('/a.db')
      await db.run('PRAGMA cache_size = 10; PRAGMA synchronous = FULL') // so small a cache spills
      connections.push({ db, inside: null })
    }

    /** What became of it: 'done', or 'busy' or 'full', which are no failures of ours. @param {Connection} c @param {string} sql */
    async function attempt(c, sql) {
      log.push(`${connections.indexOf(c)}: ${sql.replace(/x{20,}/, (x) => `${x.length} x`)}`)
      try {
        await c.db.run(sql)
        return 'done'
      } catch (/** @type {any} */ err) {
        log.push(`   ${err.message}`)
        if ((err.code & 255) === code.BUSY) return 'busy'
        if ((err.code & 255) === code.FULL && storage.fail) return 'full'
        throw err
      }
    }

    /** @param {Connection} c */
    async function rollBack(c) {
      await c.db.run('ROLLBACK').catch(() => {}) // SQLite may have done it
      c.inside = null
    }

    /** After a transaction that found the disk full. @param {Connection} c */
    async function failed(c) {
      await rollBack(c)
      if (journal !== 'wal') return
      // What failed is in the log, behind what counts, until another transaction takes its place (opfs/COMMIT.md).
      storage.fail = null
      for (const other of connections) await rollBack(other)
      await c.db.run(`INSERT INTO t VALUES (${next}, '')`)
      committed = new Map(committed).set(next++, 0)
    }

    /** @param {Connection} c */
    async function check(c) {
      /** @type {any[][]} */ let rows
      try {
        rows = await c.db.run('SELECT n, length(v) FROM t ORDER BY n')
      } catch (/** @type {any} */ err) {
        if ((err.code & 255) !== code.BUSY) throw err
        return
      }
      assert.deepEqual(rows, [...(c.inside?.rows ?? committed)].sort((a, b) => a[0] - b[0]))
    }

    /** Opens everything anew. */
    async function reopen() {
      connections = []
      await connect()
      assert.deepEqual(await connections[0].db.run('PRAGMA integrity_check'), [['ok']])
      await check(connections[0])
      for (let i = 0; i < 2; i++) await connect()
      journal = (await connections[0].db.run('PRAGMA journal_mode'))[0][0]
    }

    /** @type {Record<string, () => Promise<any>>} */
    const ops = {
      async write() {
        const c = pick(connections)
        const rows = new Map(c.inside?.rows ?? committed)
        const n = rnd() < 0.4 ? next++ : (pick([...rows.keys()]) ?? next++)
        const length = int(rnd() < 0.2 ? 30000 : 200)
        let sql = `UPDATE t SET v = '${'x'.repeat(length)}' WHERE n = ${n}`
        if (!rows.has(n)) sql = `INSERT INTO t VALUES (${n}, '${'x'.repeat(length)}')`
        else if (rnd() < 0.3) sql = `DELETE FROM t WHERE n = ${n}`
        const result = await attempt(c, sql)
        if (result === 'full') return failed(c)
        if (result === 'busy') return rollBack(c) // in a write-ahead log it may see an old state for ever
        if (sql.startsWith('DELETE')) rows.delete(n)
        else rows.set(n, length)
        if (c.inside) c.inside = { rows, wrote: true }
        else committed = rows
      },
      async begin() {
        const c = pick(connections)
        if (c.inside) return
        // The read fixes what a deferred transaction sees.
        if ((await attempt(c, `BEGIN ${pick(['IMMEDIATE', 'EXCLUSIVE', 'DEFERRED'])}; SELECT count(*) FROM t`)) !== 'done') return rollBack(c)
        c.inside = { rows: new Map(committed), wrote: false }
      },
      async commit() {
        const c = pick(connections.filter((c) => c.inside))
        if (!c) return
        const result = await attempt(c, 'COMMIT')
        if (result === 'busy') return // readers are in the way: it can be tried again
        if (result === 'full') return failed(c)
        if (c.inside?.wrote) committed = c.inside.rows
        c.inside = null
      },
      rollback: () => rollBack(pick(connections)),
      read: () => check(pick(connections)),
      async mode() {
        for (const c of connections) await rollBack(c)
        if ((await attempt(connections[0], `PRAGMA journal_mode = ${pick(['DELETE', 'TRUNCATE', 'PERSIST', 'WAL', 'WAL'])}`)) === 'full') {
          // SQLite leaves the connection half changed.
          storage.fail = null
          for (const { db } of connections) await db.close()
          await reopen()
        }
        journal = (await connections[0].db.run('PRAGMA journal_mode'))[0][0]
      },
      async upkeep() {
        const c = pick(connections)
        if (c.inside) return
        if ((await attempt(c, pick(['VACUUM', 'PRAGMA wal_checkpoint(PASSIVE)', 'PRAGMA wal_checkpoint(TRUNCATE)', 'PRAGMA incremental_vacuum', 'ANALYZE']))) === 'full') await failed(c)
      },
      async full() {
        storage.fail = storage.fail ? null : quota()
        log.push(storage.fail ? 'the disk is full' : 'the disk has room')
      },
      async another() {
        if (storage.fail) return
        const [c] = connections.splice(int(connections.length), 1)
        for (const other of connections) await rollBack(other) // one that has the lock would keep the new one out
        await c.db.close() // inside a transaction: it is rolled back
        await connect()
      },
      async snapshot() {
        if (storage.fail || rnd() < 0.5) return
        points.push({ point: volume.snapshot(), rows: committed })
      },
      async restore() {
        if (points.length === 0 || rnd() < 0.7) return
        storage.fail = null
        const { point, rows } = pick(points)
        log.push('restore')
        volume.restore(point)
        await rollBack(connections[0]) // inside a transaction it may read on, of what it has in its cache
        await assert.rejects(connections[0].db.run('SELECT * FROM t'), { code: code.IOERR_VNODE })
        const stale = connections
        committed = rows
        await reopen()
        for (const { db } of stale) await db.close()
        await check(connections[1])
        volume.commit() // until then it is in memory only
      },
      async crash() {
        if (rnd() < 0.7) return
        log.push('crash')
        storage = arrayStorage({ bytes: storage.bytes.slice() })
        volume = await open('model', { storage, history: { keep: 1000 } })
        sqlite = await builds[build](volume)
        points.length = 0
        await reopen()
      },
    }
    const names = Object.keys(ops).flatMap((name) => Array(/** @type {any} */ ({ write: 12, commit: 5, begin: 4, read: 4 })[name] ?? 1).fill(name))

    await connect()
    await connections[0].db.run('CREATE TABLE t (n INTEGER PRIMARY KEY, v TEXT)')
    await reopen()
    for (let i = 0; i < STEPS; i++) {
      try {
        await ops[pick(names)]()
      } catch (/** @type {any} */ err) {
        throw new Error(`step ${i} (SEED=${SEED}), journal mode ${journal}: ${err.message}\nbefore it:\n${log.slice(-25).join('\n')}`, { cause: err })
      }
    }
    storage.fail = null
    for (const c of connections) await rollBack(c)
    for (const c of connections) await check(c)
    assert.deepEqual(await connections[0].db.run('PRAGMA integrity_check'), [['ok']])
    await volume.close()
  })
}
