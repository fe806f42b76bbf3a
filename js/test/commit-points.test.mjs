/** How many flushes a transaction of SQLite costs, with real PHP: promised is one, in every mode with a rollback journal. */

import assert from 'node:assert/strict'
import test, { after } from 'node:test'
import { open } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { arrayStorage } from './storages.mjs'
import { startPhp, stopPhp } from './php.mjs'

after(stopPhp)

const ROWS = 40

/** @type {[journal: string, synchronous: string, least: number, most: number][]} flushes for ROWS inserts */
const cases = [
  ['DELETE', 'NORMAL', ROWS, ROWS],
  ['DELETE', 'FULL', ROWS, ROWS],
  ['DELETE', 'EXTRA', ROWS, ROWS],
  ['TRUNCATE', 'NORMAL', ROWS, ROWS],
  ['TRUNCATE', 'FULL', ROWS, ROWS],
  ['PERSIST', 'NORMAL', ROWS, ROWS],
  ['PERSIST', 'FULL', ROWS, ROWS],
  ['WAL', 'FULL', ROWS, ROWS + 3], // and a checkpoint, should one fall due
  ['WAL', 'NORMAL', 0, 3],
]

for (const [journal, synchronous, least, most] of cases) {
  test(`${journal}, synchronous ${synchronous}: ${ROWS} inserts cost ${least === most ? least : `${least} to ${most}`} flushes, and the file holds each`, async () => {
    const storage = arrayStorage()
    const volume = await open('flushes', { storage })
    const php = await startPhp()
    await php.php.mount('/d', holdfastMount(volume))
    const connect = `$db = new PDO('sqlite:/d/a.db'); $db->exec('PRAGMA journal_mode = ${journal}; PRAGMA synchronous = ${synchronous};');`
    await php.run(`${connect} $db->exec('CREATE TABLE t (x)'); $db->exec('INSERT INTO t VALUES (0)');`)
    volume.commit()
    const before = storage.flushes
    await php.run(`${connect}
      for ($i = 1; $i <= ${ROWS}; $i++) $db->exec("INSERT INTO t VALUES ($i)");`)
    const flushes = storage.flushes - before
    assert.ok(flushes >= least && flushes <= most, `${flushes} flushes`)
    // What the file holds now is what a crash would leave.
    const again = await open('flushes', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
    const other = await startPhp()
    await other.php.mount('/d', holdfastMount(again))
    const [rows, sound] = (await other.run(`$db = new PDO('sqlite:/d/a.db');
      echo $db->query('SELECT max(x) FROM t')->fetchColumn(), ' ', $db->query('PRAGMA integrity_check')->fetchColumn();`)).split(' ')
    assert.equal(sound, 'ok')
    if (synchronous !== 'NORMAL' || journal !== 'WAL') assert.equal(Number(rows), ROWS)
    await volume.close()
    await again.close()
  })
}

test('a file of another kind that is synced inside a transaction is durable at once, and the database rolls back', async () => {
  const storage = arrayStorage()
  const volume = await open('flushes', { storage })
  const php = await startPhp()
  await php.php.mount('/d', holdfastMount(volume))
  await php.run(`$db = new PDO('sqlite:/d/a.db'); $db->exec('CREATE TABLE t (x)'); $db->exec('INSERT INTO t VALUES (1)');`)
  /** @type {Uint8Array[]} */ const crashed = []
  php.php.onMessage((/** @type {string} */ _) => void crashed.push(storage.bytes.slice()))
  await php.run(`$db = new PDO('sqlite:/d/a.db'); $db->exec('PRAGMA cache_size = 1'); $db->exec('BEGIN');
    for ($i = 0; $i < 50; $i++) $db->exec("INSERT INTO t VALUES ('" . str_repeat('x', 3000) . "')");
    $f = fopen('/d/other', 'w'); fwrite($f, 'content'); fsync($f);
    post_message_to_js('now');
    $db->exec('COMMIT');`)
  assert.equal(crashed.length, 1)
  const again = await open('flushes', { storage: arrayStorage({ bytes: crashed[0] }) })
  assert.equal(again.fs.readFileSync('/other', 'utf8'), 'content')
  const other = await startPhp()
  await other.php.mount('/d', holdfastMount(again))
  assert.equal(await other.run(`$db = new PDO('sqlite:/d/a.db');
    echo $db->query('SELECT count(*) FROM t')->fetchColumn(), ' ', $db->query('PRAGMA integrity_check')->fetchColumn();`), '1 ok')
  await volume.close()
  await again.close()
})
