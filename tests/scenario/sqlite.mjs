// The work that the crash scenario does with SQLite: numbered transactions, each
// the same for the same seed, each acknowledged when SQLite says that it is
// committed. A database is anything with `run(sql)`, which resolves with rows.

import { below, seeded } from './random.mjs'

export const modes = [
  { name: 'DELETE' },
  { name: 'TRUNCATE' },
  { name: 'PERSIST' },
  { name: 'WAL' },
  { name: 'WAL with exclusive locking', exclusive: true },
]

const kept = 40 // rows; older ones are deleted again

/** From a few bytes to some pages. */
function body(seed, n) {
  const random = seeded(seed + n * 7919)
  return String.fromCharCode(97 + below(random, 26)).repeat(1 + below(random, below(random, 4) ? 300 : 30_000))
}

/** Sets the journal mode, which must take. */
async function prepare(db, { name, exclusive }) {
  if (exclusive) await db.run('PRAGMA locking_mode = EXCLUSIVE')
  const journal = name.split(' ')[0]
  const used = (await db.run(`PRAGMA journal_mode = ${journal}`))[0][0]
  if (used !== journal.toLowerCase()) throw new Error(`the journal mode is ${used}, not ${journal}`)
  await db.run('PRAGMA synchronous = FULL') // in WAL mode the default may be NORMAL, which promises no durability
}

/** One transaction after the other on two connections, when they may share. `acknowledge` is told each number once it is committed. */
export async function insertUntilKilled(db, other, mode, seed, from, acknowledge) {
  const connections = mode.exclusive ? [db] : [db, other]
  for (const c of connections) await prepare(c, mode)
  await db.run('CREATE TABLE IF NOT EXISTS entry (n INTEGER PRIMARY KEY, body TEXT); CREATE INDEX IF NOT EXISTS bodies ON entry (body)')
  for (let n = from + 1; ; n++) {
    const c = connections[n % connections.length]
    const insert = `INSERT INTO entry (n, body) VALUES (${n}, '${body(seed, n)}')`
    await c.run(n % 3 ? `BEGIN; ${insert}; DELETE FROM entry WHERE n <= ${n - kept}; COMMIT` : insert)
    await acknowledge(n)
  }
}

/** The last transaction that is there, and what is wrong. */
export async function checkRows(db, seed) {
  const [[integrity]] = await db.run('PRAGMA integrity_check')
  const difference = integrity === 'ok' ? [] : [`integrity_check: ${integrity}`]
  if ((await db.run("SELECT count(*) FROM sqlite_schema WHERE name = 'entry'"))[0][0] === 0) return { step: 0, difference }
  const rows = await db.run('SELECT n, body FROM entry ORDER BY n')
  const step = rows.length ? rows[rows.length - 1][0] : 0
  // Two of three transactions delete.
  const first = Math.max(1, step + 1 - kept - (step % 3 === 0 && step > kept ? 1 : 0))
  const expected = Array.from({ length: step - first + 1 }, (_, i) => first + i)
  if (rows.map(([n]) => n).join() !== expected.join()) difference.push(`rows ${rows.map(([n]) => n)}, expected ${expected}`)
  for (const [n, text] of rows) if (text !== body(seed, n)) difference.push(`row ${n} has another content`)
  return { step, difference }
}
