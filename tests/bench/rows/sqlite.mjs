// SQLite without a guest's filesystem: a volume as its VFS, and the pools of files in OPFS that its builds bring along.

import * as holdfast from 'holdfast'
import { installVfs, waSqliteVfs } from 'holdfast/sqlite'
import { alternate, timeSync, time } from '../measure.mjs'

/** All through one build each; a database is made anew for every round. */
async function builds() {
  const volume = await holdfast.open('sqlite', { history: { keep: 1 } })
  const { default: init } = await import('/npm/@sqlite.org/sqlite-wasm/dist/index.mjs')
  const sqlite3 = await init({ print: () => {}, printErr: () => {} })
  const vfs = installVfs(sqlite3, volume)
  const pool = await sqlite3.installOpfsSAHPoolVfs({ initialCapacity: 12 })
  let n = 0
  return {
    /** @param {'ours' | 'peer'} side @param {string} mode @param {(db: any) => number} work */
    with(side, mode, work) {
      const name = `/db${n++}`
      const db = side === 'ours' ? new sqlite3.oo1.DB(name, 'c', vfs.name) : new pool.OpfsSAHPoolDb(name)
      try {
        // The pool has no shared memory: WAL works there for one connection alone.
        if (side === 'peer' && mode === 'wal') db.exec('PRAGMA locking_mode = exclusive')
        const got = db.selectValue(`PRAGMA journal_mode = ${mode}`)
        if (got !== mode) throw new Error(`journal mode ${got} instead of ${mode}`)
        db.exec('PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
        return work(db)
      } finally {
        db.close()
        if (side === 'ours') volume.fs.rmSync(name)
        else pool.unlink(name)
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
  const { AccessHandlePoolVFS } = await import('/npm/@journeyapps/wa-sqlite/src/examples/AccessHandlePoolVFS.js')
  const module = await factory()
  const sqlite3 = Factory(module)
  const vfs = waSqliteVfs(module, volume)
  const pool = await AccessHandlePoolVFS.create('/wa-sqlite-pool', module)
  sqlite3.vfs_register(vfs, false)
  sqlite3.vfs_register(pool, false)
  let n = 0
  return {
    async autocommit(side, count) {
      const name = `/db${n++}`
      const db = await sqlite3.open_v2(name, 2 | 4, side === 'ours' ? vfs.name : pool.name)
      await sqlite3.exec(db, 'PRAGMA journal_mode = delete; PRAGMA synchronous = full; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)')
      const ms = await time(async () => {
        for await (const statement of sqlite3.statements(db, 'INSERT INTO t (v) VALUES (?)')) {
          for (let i = 0; i < count; i++) {
            sqlite3.bind_text(statement, 1, `row ${i}`)
            await sqlite3.step(statement)
            await sqlite3.reset(statement)
          }
        }
      })
      await sqlite3.close(db)
      if (side === 'ours') volume.fs.rmSync(name)
      else pool.jDelete(name, 0)
      return ms
    },
    close: () => volume.close(),
  }
}

export async function autocommit({ quick, runs }) {
  const count = quick ? 20 : 1000
  const what = `${count} autocommit inserts, synchronous=FULL`
  const rows = []
  const sqlite = await builds()
  for (const [mode, ratio] of [['delete', 5], ['wal', 1.5]]) {
    const side = (name) => () => sqlite.with(name, mode, (db) => timeSync(() => insert(db, count)))
    rows.push({
      id: `sqlite-autocommit/${mode}`, what: `${what}, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio },
      samples: await alternate(runs, { ours: side('ours'), peer: side('peer') }),
    })
  }
  await sqlite.close()
  const wa = await waBuild()
  rows.push({
    id: 'sqlite-autocommit/wa-delete', what: `${what}, DELETE, wa-sqlite`, unit: 'ms', peerName: 'wa-sqlite AccessHandlePoolVFS', goal: { ratio: 5 },
    samples: await alternate(runs, { ours: () => wa.autocommit('ours', count), peer: () => wa.autocommit('peer', count) }),
  })
  await wa.close()
  return rows
}

export async function bulk({ quick, runs }) {
  const count = quick ? 1000 : 100_000
  const sqlite = await builds()
  const rows = []
  for (const mode of ['delete', 'wal']) {
    const side = (name) => () => sqlite.with(name, mode, (db) => timeSync(() => db.transaction(() => insert(db, count))))
    rows.push({
      id: `sqlite-bulk/${mode}`, what: `${count} rows in one transaction, ${mode.toUpperCase()}`, unit: 'ms', peerName: 'sqlite-wasm opfs-sahpool', goal: { ratio: 1.5 },
      samples: await alternate(runs, { ours: side('ours'), peer: side('peer') }),
    })
  }
  await sqlite.close()
  return rows
}
