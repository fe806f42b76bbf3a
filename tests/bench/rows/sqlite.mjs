// SQLite without a guest's filesystem: a volume as its VFS, and the pools of files in OPFS that its builds bring along.

import * as holdfast from 'holdfast'
import { installVfs, waSqliteVfs } from 'holdfast/sqlite'
import { alternate, timeSync, time } from '../measure.mjs'
import { countWrites, rawDisk } from './disk.mjs'

/** All through one build each; a database is made anew for every round. The guest alone, in memory, is the build's own VFS on its MEMFS. */
async function builds() {
  const volume = await holdfast.open('sqlite', { history: { keep: 1 } })
  const { default: init } = await import('/npm/@sqlite.org/sqlite-wasm/dist/index.mjs')
  const sqlite3 = await init({ print: () => {}, printErr: () => {} })
  const vfs = installVfs(sqlite3, volume)
  const pool = await sqlite3.installOpfsSAHPoolVfs({ initialCapacity: 12 })
  const { capi, wasm } = sqlite3
  const ownVfs = capi.sqlite3_vfs_find(0)
  const xDelete = wasm.functionEntry(new capi.sqlite3_vfs(ownVfs).$xDelete)
  const remove = (name) => {
    const path = wasm.allocCString(name)
    if (xDelete(ownVfs, path, 0) !== 0) throw new Error(`${name} was not removed`)
    wasm.dealloc(path)
  }
  let n = 0
  return {
    /** @param {'ours' | 'peer' | 'memory'} side @param {string} mode @param {(db: any) => number} work */
    with(side, mode, work) {
      const name = `/db${n++}`
      const db = side === 'peer' ? new pool.OpfsSAHPoolDb(name) : new sqlite3.oo1.DB(name, 'c', side === 'ours' ? vfs.name : undefined)
      try {
        // The pool and MEMFS have no shared memory: WAL works there for one connection alone.
        if (side !== 'ours' && mode === 'wal') db.exec('PRAGMA locking_mode = exclusive')
        const got = db.selectValue(`PRAGMA journal_mode = ${mode}`)
        if (got !== mode) throw new Error(`journal mode ${got} instead of ${mode}`)
        db.exec('PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
        return work(db)
      } finally {
        db.close()
        if (side === 'ours') volume.fs.rmSync(name)
        else if (side === 'peer') pool.unlink(name)
        else remove(name)
      }
    },
    async close() {
      await pool.removeVfs()
      await volume.close()
    },
  }
}

const insert = (db, count) => {
  const statement = db.prepare('INSERT INTO t (v) VALUES (?)')
  for (let i = 0; i < count; i++) statement.bind(1, `row ${i}`).stepReset()
  statement.finalize()
}

async function waBuild() {
  const volume = await holdfast.open('wa-sqlite', { history: { keep: 1 } })
  const { default: factory } = await import('/npm/@journeyapps/wa-sqlite/dist/wa-sqlite.mjs')
  const { Factory } = await import('/npm/@journeyapps/wa-sqlite/src/sqlite-api.js')
  const { MemoryVFS } = await import('/npm/@journeyapps/wa-sqlite/src/examples/MemoryVFS.js')
  const { AccessHandlePoolVFS } = await import('/npm/@journeyapps/wa-sqlite/src/examples/AccessHandlePoolVFS.js')
  const module = await factory()
  const sqlite3 = Factory(module)
  const vfs = waSqliteVfs(module, volume)
  const pool = await AccessHandlePoolVFS.create('/wa-sqlite-pool', module)
  sqlite3.vfs_register(vfs, false)
  sqlite3.vfs_register(pool, false)
  const memory = await MemoryVFS.create('memory', module)
  sqlite3.vfs_register(memory, false)
  const vfses = { ours: vfs, peer: pool, memory }
  let n = 0
  return {
    async autocommit(side, count, transactions) {
      const name = `/db${n++}`
      const db = await sqlite3.open_v2(name, 2 | 4, vfses[side].name)
      await sqlite3.exec(db, 'PRAGMA journal_mode = delete; PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
      const ms = await transactions(() => time(async () => {
        for await (const statement of sqlite3.statements(db, 'INSERT INTO t (v) VALUES (?)')) {
          for (let i = 0; i < count; i++) {
            sqlite3.bind_text(statement, 1, `row ${i}`)
            await sqlite3.step(statement)
            await sqlite3.reset(statement)
          }
        }
      }))
      await sqlite3.close(db)
      if (side === 'ours') volume.fs.rmSync(name)
      else vfses[side].jDelete(name, 0)
      return ms
    },
    close: () => volume.close(),
  }
}

/**
 * The sides of a row. The floor is what the guest computes by itself, in the same journal mode on files in memory, and as many commits as there are
 * transactions, of as many bytes as ours wrote.
 *
 * @param {(side: 'ours' | 'peer' | 'memory', transactions: (work: () => T) => T) => T} run gives to `transactions` what takes its own time
 * @param {number} transactions
 * @param {{ commits: (n: number, bytes: number, ms: number) => number }} disk
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
  return {
    ours: () => run('ours', counting),
    peer: () => run('peer', (work) => work()),
    floor: async () => disk.commits(transactions, bytes, await run('memory', (work) => work())),
  }
}

export async function autocommit({ quick, runs }) {
  const count = quick ? 20 : 1000
  const what = `${count} autocommit inserts, synchronous=FULL`
  const rows = []
  const disk = await rawDisk('sqlite-autocommit-floor')
  const sqlite = await builds()
  for (const [mode, ratio] of [['delete', 5], ['wal', 1.5]]) {
    const run = (side, transactions) => sqlite.with(side, mode, (db) => transactions(() => timeSync(() => insert(db, count))))
    rows.push({
      id: `sqlite-autocommit/${mode}`, what: `${what}, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio },
      samples: await alternate(runs, sides(run, count, disk)),
    })
  }
  await sqlite.close()
  const wa = await waBuild()
  rows.push({
    id: 'sqlite-autocommit/wa-delete', what: `${what}, DELETE, wa-sqlite`, unit: 'ms', peerName: 'wa-sqlite AccessHandlePoolVFS', goal: { ratio: 5 },
    samples: await alternate(runs, sides((side, transactions) => wa.autocommit(side, count, transactions), count, disk)),
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
    const run = (side, transactions) => sqlite.with(side, mode, (db) => transactions(() => timeSync(() => db.transaction(() => insert(db, count)))))
    rows.push({
      id: `sqlite-bulk/${mode}`, what: `${count} rows in one transaction, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio: 1.5 },
      samples: await alternate(runs, sides(run, 1, disk)),
    })
  }
  disk.close()
  await sqlite.close()
  return rows
}
