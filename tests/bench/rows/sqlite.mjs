// SQLite without a guest's filesystem: a volume as its VFS, and the pools of files in OPFS that its builds bring along.

import * as holdfast from 'holdfast'
import { installVfs, waSqliteVfs } from 'holdfast/sqlite'
import { alternate, timeSync, time } from '../measure.mjs'
import { countWrites, rawDisk } from './disk.mjs'

/** A volume that is nowhere but in memory, and the quickest files that there are for a guest: what it takes on them is its own work. */
const inMemory = () => holdfast.open('floor', { storage: holdfast.memory(), durability: 'manual' })

/** All through one build each; a database is made anew for every round. */
async function builds() {
  const volumes = { ours: await holdfast.open('sqlite', { history: { keep: 1 } }), floor: await inMemory() }
  const { default: init } = await import('/npm/@sqlite.org/sqlite-wasm/dist/index.mjs')
  const sqlite3 = await init({ print: () => {}, printErr: () => {} })
  const vfses = Object.fromEntries(Object.entries(volumes).map(([side, volume]) => [side, installVfs(sqlite3, volume, { name: side }).name]))
  const pool = await sqlite3.installOpfsSAHPoolVfs({ initialCapacity: 12 })
  let n = 0
  return {
    /** @param {Side} side @param {string} mode @param {(db: any) => number} work */
    with(side, mode, work) {
      const name = `/db${n++}`
      const db = side === 'peer' ? new pool.OpfsSAHPoolDb(name) : new sqlite3.oo1.DB(name, 'c', vfses[side])
      try {
        // The pool has no shared memory: WAL works there for one connection alone.
        if (side === 'peer' && mode === 'wal') db.exec('PRAGMA locking_mode = exclusive')
        const got = db.selectValue(`PRAGMA journal_mode = ${mode}`)
        if (got !== mode) throw new Error(`journal mode ${got} instead of ${mode}`)
        db.exec('PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
        return work(db)
      } finally {
        db.close()
        if (side === 'peer') pool.unlink(name)
        else volumes[side].fs.rmSync(name)
      }
    },
    async close() {
      await pool.removeVfs()
      for (const volume of Object.values(volumes)) await volume.close()
    },
  }
}

const insert = (db, count, after) => {
  const statement = db.prepare('INSERT INTO t (v) VALUES (?)')
  for (let i = 0; i < count; i++) {
    statement.bind(1, `row ${i}`).stepReset()
    after()
  }
  statement.finalize()
}

async function waBuild() {
  const volumes = { ours: await holdfast.open('wa-sqlite', { history: { keep: 1 } }), floor: await inMemory() }
  const { default: factory } = await import('/npm/@journeyapps/wa-sqlite/dist/wa-sqlite.mjs')
  const { Factory } = await import('/npm/@journeyapps/wa-sqlite/src/sqlite-api.js')
  const { AccessHandlePoolVFS } = await import('/npm/@journeyapps/wa-sqlite/src/examples/AccessHandlePoolVFS.js')
  const module = await factory()
  const sqlite3 = Factory(module)
  const vfses = {
    ours: waSqliteVfs(module, volumes.ours, { name: 'ours' }), floor: waSqliteVfs(module, volumes.floor, { name: 'floor' }),
    peer: await AccessHandlePoolVFS.create('/wa-sqlite-pool', module),
  }
  for (const vfs of Object.values(vfses)) sqlite3.vfs_register(vfs, false)
  let n = 0
  return {
    async autocommit(side, count, transactions, after) {
      const name = `/db${n++}`
      const db = await sqlite3.open_v2(name, 2 | 4, vfses[side].name)
      await sqlite3.exec(db, 'PRAGMA journal_mode = delete; PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
      const ms = await transactions(() => time(async () => {
        for await (const statement of sqlite3.statements(db, 'INSERT INTO t (v) VALUES (?)')) {
          for (let i = 0; i < count; i++) {
            sqlite3.bind_text(statement, 1, `row ${i}`)
            await sqlite3.step(statement)
            await sqlite3.reset(statement)
            after()
          }
        }
      }))
      await sqlite3.close(db)
      if (side === 'peer') vfses.peer.jDelete(name, 0)
      else volumes[side].fs.rmSync(name)
      return ms
    },
    async close() {
      for (const volume of Object.values(volumes)) await volume.close()
    },
  }
}

/**
 * The sides of a row. The floor is what the guest does by itself, in the same journal mode on files in memory, and after each transaction one write and one
 * flush, of as many bytes in all as ours wrote.
 *
 * @typedef {'ours' | 'peer' | 'floor'} Side
 * @param {(side: Side, transactions: (work: () => T) => T, after: () => void) => T} run gives to `transactions` what takes its own time, and calls `after` after each
 * @param {number} transactions
 * @param {{ commit: (bytes: number) => void }} disk
 */
function sides(run, transactions, disk) {
  let bytes = 0
  const counting = (work) => {
    const counted = countWrites()
    const end = (ms) => {
      counted.stop()
      bytes = counted.bytes
      return ms
    }
    const ms = work()
    return ms instanceof Promise ? ms.then(end) : end(ms)
  }
  const nothing = () => {}
  return {
    ours: () => run('ours', counting, nothing),
    peer: () => run('peer', (work) => work(), nothing),
    floor: () => run('floor', (work) => work(), () => disk.commit(bytes / transactions)),
  }
}

export async function autocommit({ quick, runs }) {
  const count = quick ? 20 : 1000
  const what = `${count} autocommit inserts, synchronous=FULL`
  const rows = []
  const disk = await rawDisk('sqlite-autocommit-floor')
  const sqlite = await builds()
  for (const [mode, ratio] of [['delete', 5], ['wal', 1.5]]) {
    const run = (side, transactions, after) => sqlite.with(side, mode, (db) => transactions(() => timeSync(() => insert(db, count, after))))
    rows.push({
      id: `sqlite-autocommit/${mode}`, what: `${what}, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio },
      samples: await alternate(runs, sides(run, count, disk)),
    })
  }
  await sqlite.close()
  const wa = await waBuild()
  rows.push({
    id: 'sqlite-autocommit/wa-delete', what: `${what}, DELETE, wa-sqlite`, unit: 'ms', peerName: 'wa-sqlite AccessHandlePoolVFS', goal: { ratio: 5 },
    samples: await alternate(runs, sides((side, transactions, after) => wa.autocommit(side, count, transactions, after), count, disk)),
  })
  await wa.close()
  disk.close()
  return rows
}

export async function bulk({ quick, runs }) {
  const count = quick ? 1000 : 100_000
  const sqlite = await builds()
  const disk = await rawDisk('sqlite-bulk-floor')
  const rows = []
  for (const mode of ['delete', 'wal']) {
    const run = (side, transactions, after) =>
      sqlite.with(side, mode, (db) => transactions(() => timeSync(() => {
        db.transaction(() => insert(db, count, () => {}))
        after()
      })))
    rows.push({
      id: `sqlite-bulk/${mode}`, what: `${count} rows in one transaction, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio: 1.5 },
      samples: await alternate(runs, sides(run, 1, disk)),
    })
  }
  disk.close()
  await sqlite.close()
  return rows
}
