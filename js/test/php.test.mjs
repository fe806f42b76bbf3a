/** Real PHP and SQLite on a mounted volume. */

import test, { after } from 'node:test'
import assert from 'node:assert/strict'
import { open, memory } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { nextRuntime, startPhp, stopPhp } from './php.mjs'
import { arrayStorage, quota } from './storages.mjs'

after(stopPhp)

const db = (/** @type {string} */ file) => `$db = new PDO('sqlite:${file}'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);`
const count = (/** @type {string} */ file) => `${db(file)} echo $db->query('select count(*) from t')->fetchColumn(), ' ', $db->query('pragma integrity_check')->fetchColumn();`

for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL', 'WAL EXCLUSIVE']) {
  const [journal, locking] = mode.split(' ')
  const pragmas = `$db->exec('PRAGMA journal_mode=${journal}'); ${locking ? `$db->exec('PRAGMA locking_mode=EXCLUSIVE');` : ''} $db->exec('PRAGMA synchronous=FULL');`

  test(`SQLite, ${mode}: an acknowledged row is in the volume that the bytes on disk open as`, async (t) => {
    const { php, run } = await startPhp()
    const storage = arrayStorage()
    const volume = await open('v', { storage })
    t.after(() => volume.close())
    await php.mount('/data', holdfastMount(volume))
    await run(`${db('/data/x.db')} ${pragmas} $db->exec('create table t(id integer primary key, v text)');`)
    for (let rows = 1; rows <= 8; rows++) {
      // The disk is looked at as it is after each insert, as if the page had died then.
      await run(`${db('/data/x.db')} ${pragmas} $db->exec("insert into t(v) values('row ${rows}')");`)
      const again = await open('v', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
      const other = await startPhp()
      await other.php.mount('/data', holdfastMount(again))
      assert.equal(await other.run(count('/data/x.db')), `${rows} ok`)
      other.php.exit()
      await again.close()
    }
  })

  test(`SQLite, ${mode}: a snapshot in the middle of a transaction recovers to before it`, async (t) => {
    const { php, run } = await startPhp()
    const volume = await open('v', { storage: memory() })
    t.after(() => volume.close())
    await php.mount('/data', holdfastMount(volume))
    await run(`${db('/data/x.db')} ${pragmas} $db->exec('create table t(id integer primary key, v text)');
      for ($i = 0; $i < 50; $i++) $db->exec("insert into t(v) values('before')");`)
    /** @type {import('../volume.js').Snapshot | undefined} */
    let snap
    php.onMessage(() => {
      snap = volume.snapshot({ label: 'torn?' })
      return ''
    })
    // A tiny cache makes SQLite write to the database before the transaction ends.
    await run(`${db('/data/x.db')} ${pragmas} $db->exec('PRAGMA cache_size=2'); $db->exec('begin');
      for ($i = 0; $i < 2000; $i++) $db->exec("insert into t(v) values('during " . str_repeat('x', 200) . "')");
      post_message_to_js('now'); $db->exec('commit');`)
    assert.ok(snap)
    assert.equal(await run(count('/data/x.db')), '2050 ok')
    volume.restore(snap)
    assert.equal(await run(count('/data/x.db')), '50 ok')
  })
}

test('what PHP does to files', async (t) => {
  const { php, run } = await startPhp()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  await php.mount('/data', holdfastMount(volume))
  assert.equal(
    await run(`chdir('/data'); mkdir('a/b', 0750, true); file_put_contents('a/b/f', str_repeat('0123456789', 2000)); file_put_contents('a/b/f', 'end', FILE_APPEND);
      echo filesize('a/b/f'), ' ', decoct(fileperms('a/b') & 0777), ' ';
      $h = fopen('a/b/f', 'r+'); fseek($h, 8190); fwrite($h, 'PAGE'); fseek($h, -3, SEEK_END); echo fread($h, 9), ' '; ftruncate($h, 8194); fclose($h);
      echo substr(file_get_contents('a/b/f'), -6), ' ';
      symlink('b/f', 'a/l'); echo readlink('a/l'), ' ', filesize('a/l'), ' ', is_link('a/l') ? 'link' : '', ' ';
      touch('a/b/f', 1000000000, 1000000001); clearstatcache(); echo filemtime('a/b/f'), ' ';
      chmod('a/b/f', 0604); clearstatcache(); echo decoct(fileperms('a/b/f') & 0777), ' ';
      rename('a/b/f', 'a/g'); copy('a/g', 'a/h'); unlink('a/l'); echo implode(',', array_diff(scandir('a'), ['.', '..'])), ' ';
      echo var_export(@rmdir('a'), true), ' ', var_export(rmdir('a/b'), true), ' ', var_export(@file_get_contents('a/none'), true), ' ';
      $t = tempnam('/data', 'tmp'); echo file_exists($t) ? 'temp' : ''; unlink($t);
      echo disk_free_space('/data') > 0 ? ' free' : ''; $f = fopen('/data/s', 'w'); echo ' ', var_export(fsync($f), true), ' ', var_export(flock($f, LOCK_EX), true);`),
    '20003 750 end 89PAGE b/f 8194 link 1000000000 604 b,g,h false true false temp free true true',
  )
  assert.deepEqual(volume.fs.readdirSync('/', { recursive: true }), ['a', 'a/g', 'a/h', 's'])
})

test('two runtimes use one volume', async (t) => {
  const [a, b] = [await startPhp(), await startPhp()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  await a.php.mount('/data', holdfastMount(volume))
  await b.php.mount('/data', holdfastMount(volume))
  for (let i = 0; i < 20; i++) {
    const [x, y] = i % 2 ? [a, b] : [b, a]
    await x.run(`file_put_contents('/data/n', '${i}'); @unlink('/data/old'); rename('/data/n', '/data/old'); mkdir('/data/d${i}');`)
    assert.equal(await y.run(`clearstatcache(); echo file_get_contents('/data/old'), file_exists('/data/n') ? '!' : '', is_dir('/data/d${i}') ? 'd' : ''; rmdir('/data/d${i}');`), `${i}d`)
    assert.equal(await x.run(`clearstatcache(); echo is_dir('/data/d${i}') ? 'still' : 'gone';`), 'gone')
  }
  // Rollback journals work between runtimes: each opens and closes the database.
  await a.run(`${db('/data/x.db')} $db->exec('create table t(v)');`)
  for (let i = 0; i < 20; i++) await (i % 2 ? a : b).run(`${db('/data/x.db')} $db->exec("insert into t values(${i})");`)
  assert.equal(await a.run(count('/data/x.db')), '20 ok')
})

test('a second runtime is refused a WAL database while the first has it open, instead of losing transactions', async (t) => {
  const [a, b] = [await startPhp(), await startPhp()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  for (const { php } of [a, b]) await php.mount('/data', holdfastMount(volume))
  const insert = (/** @type {string} */ who) => `${db('/data/x.db')} $db->exec("insert into t values('${who}')");`
  await a.run(`${db('/data/x.db')} $db->exec('pragma journal_mode = wal'); $db->exec('create table t(v)');`)
  /** @type {string[]} */ const said = []
  a.php.onMessage(async () => void said.push(await b.run(`try { ${insert('b')} echo 'done'; } catch (Exception $e) { echo $e->getMessage(); }`)))
  await a.run(`${insert('a')} post_message_to_js('now'); $db->exec("insert into t values('a')"); post_message_to_js('now'); $db->exec("insert into t values('a')");`)
  assert.equal(said.length, 2)
  for (const message of said) assert.match(message, /disk I\/O error/)
  assert.equal(await b.run(count('/data/x.db')), '3 ok')
  await b.run(insert('b'))
  assert.equal(await a.run(count('/data/x.db')), '4 ok')
  // A runtime that was exchanged in the middle of its work holds nothing.
  await a.php.run({ code: `<?php ${db('/data/x.db')} $db->query('select * from t'); trigger_error('die', E_USER_ERROR);` }).catch(() => {})
  await a.php.hotSwapPHPRuntime(await nextRuntime())
  await b.run(insert('b'))
  assert.equal(await b.run(count('/data/x.db')), '5 ok')
})

for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST']) {
  test(`${mode}: a second runtime is refused a database while the first is inside a transaction, instead of rolling it back`, async (t) => {
    const [a, b] = [await startPhp(), await startPhp()]
    const volume = await open('v', { storage: memory() })
    t.after(() => volume.close())
    for (const { php } of [a, b]) await php.mount('/data', holdfastMount(volume))
    const connect = `${db('/data/x.db')} $db->exec('pragma journal_mode = ${mode}'); $db->exec('pragma cache_size = 1');`
    await a.run(`${connect} $db->exec('create table t(v)'); $db->exec("insert into t values('before')");`)
    /** @type {string[]} */ const said = []
    const attempts = [`echo $db->query('select count(*) from t')->fetchColumn();`, `$db->exec("insert into t values('b')"); echo 'done';`]
    a.php.onMessage(async () => {
      for (const code of attempts) said.push(await b.run(`try { ${connect} ${code} } catch (Exception $e) { echo $e->getMessage(); }`))
    })
    await a.run(`${connect} $db->exec('begin'); for ($i = 0; $i < 100; $i++) $db->exec("insert into t values('" . str_repeat('x', 3000) . "')"); post_message_to_js('now'); $db->exec('commit');`)
    assert.equal(said.length, 2)
    for (const message of said) assert.match(message, /unable to open database file/)
    assert.equal(await b.run(count('/data/x.db')), '101 ok')
    await b.run(`${connect} $db->exec("insert into t values('b')");`)
    assert.equal(await a.run(count('/data/x.db')), '102 ok')
  })
}

test("commitOn 'request.end' commits once after each request", async (t) => {
  const { php, run } = await startPhp()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  const unmount = await php.mount('/data', holdfastMount(volume, { path: '/site', commitOn: 'request.end' }))
  await run(`${db('/data/x.db')} $db->exec('create table t(v)');`)
  const { flushes } = storage
  await run(`${db('/data/x.db')} for ($i = 0; $i < 10; $i++) $db->exec("insert into t values($i)");`)
  assert.equal(storage.flushes, flushes + 1)
  await run(`echo 1;`)
  assert.equal(storage.flushes, flushes + 1, 'a request that changes nothing commits nothing')
  assert.deepEqual(volume.fs.readdirSync('/site'), ['x.db'])
  await unmount()
  await run(`echo 1;`)
})

test("with 'request.end', a commit that fails is told to onError, and made up for by the next request", async (t) => {
  const { php, run } = await startPhp()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  /** @type {any[]} */ const errors = []
  await php.mount('/data', holdfastMount(volume, { commitOn: 'request.end', onError: (err) => errors.push(err) }))
  storage.fail = quota()
  assert.equal(await run(`file_put_contents('/data/f', 'x'); echo 'answered';`), 'answered')
  assert.deepEqual(errors.map((err) => [err.name, err.code]), [['HoldfastError', 'ErrQuota']])
  assert.equal(volume.dirty, true)
  storage.fail = null
  await run(`echo 1;`)
  assert.deepEqual([errors.length, volume.dirty], [1, false])
})

test('a runtime that is exchanged goes on with the volume', async (t) => {
  const { php, run } = await startPhp()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  await php.mount('/data', holdfastMount(volume, { commitOn: 'request.end' }))
  await run(`file_put_contents('/data/f', 'before');`)
  const commits = volume.snapshots().length
  await php.hotSwapPHPRuntime(await nextRuntime())
  assert.equal(await run(`echo file_get_contents('/data/f'); file_put_contents('/data/f', 'after');`), 'before')
  assert.equal(volume.fs.readFileSync('/f', 'utf8'), 'after')
  assert.equal(volume.snapshots().length, commits + 1)
})

test('SQLite hears of a full disk, and goes on when there is room again', async (t) => {
  const { php, run } = await startPhp()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  await php.mount('/data', holdfastMount(volume))
  await run(`${db('/data/x.db')} $db->exec('create table t(v)'); $db->exec("insert into t values(1)");`)
  storage.fail = quota()
  assert.match(await run(`${db('/data/x.db')} try { $db->exec("insert into t values(2)"); echo 'done'; } catch (Exception $e) { echo $e->getMessage(); }`), /disk I\/O error/)
  assert.equal(await run(`$f = fopen('/data/f', 'w'); fwrite($f, 'x'); echo var_export(fsync($f), true);`), 'false')
  storage.fail = null
  await run(`${db('/data/x.db')} $db->exec("insert into t values(3)");`)
  const again = await open('v', { storage: arrayStorage(storage) })
  const other = await startPhp()
  await other.php.mount('/data', holdfastMount(again))
  // Of the row whose commit failed nobody knows, as on a disk that fails at that moment (opfs/COMMIT.md); the others are certain.
  assert.match(await other.run(`${db('/data/x.db')} echo implode(',', $db->query('select v from t order by v')->fetchAll(PDO::FETCH_COLUMN));`), /^1,(2,)?3$/)
  assert.match(await other.run(count('/data/x.db')), /ok$/)
  await again.close()
})

for (const journal of ['DELETE', 'TRUNCATE']) test(`what SQLite reports as failed on a full disk is rolled back, also when the failure comes at the very end (${journal})`, async (t) => {
  const { php, run } = await startPhp()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  await php.mount('/data', holdfastMount(volume))
  const connect = `${db('/data/x.db')} $db->exec('pragma journal_mode = ${journal}');`
  await run(`${connect} $db->exec('create table t(v)'); $db->exec("insert into t values(1)");`)
  storage.fail = quota()
  // The same connection, and one that finds the journal: neither may see what was reported as failed.
  assert.equal(await run(`${connect} try { $db->exec("insert into t values(2)"); echo 'done'; } catch (Exception $e) { echo 'failed'; }
    try { echo ' ', $db->query('select count(*) from t')->fetchColumn(); } catch (Exception $e) { echo ' unreadable'; }`), 'failed 1')
  storage.fail = null
  assert.equal(await run(`${connect} echo $db->query('select count(*) from t')->fetchColumn(); $db->exec("insert into t values(3)");`), '1')
  const again = await open('v', { storage: arrayStorage(storage) })
  const other = await startPhp()
  await other.php.mount('/data', holdfastMount(again))
  assert.equal(await other.run(`${db('/data/x.db')} echo implode(',', $db->query('select v from t order by v')->fetchAll(PDO::FETCH_COLUMN));`), '1,3')
  assert.match(await other.run(count('/data/x.db')), /ok$/)
  await again.close()
})

test('after a failed transaction and a restore, the next transaction is durable when it is acknowledged', async (t) => {
  const { php, run } = await startPhp()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close({ commit: false }))
  await php.mount('/data', holdfastMount(volume))
  await run(`${db('/data/x.db')} $db->exec('create table t(v)'); $db->exec("insert into t values(1)");`)
  const snap = volume.snapshots()[0]
  storage.fail = quota()
  await run(`${db('/data/x.db')} try { $db->exec("insert into t values(2)"); } catch (Exception $e) { }`)
  storage.fail = null
  volume.restore(snap)
  await run(`${db('/data/x.db')} $db->exec("insert into t values(3)");`)
  const again = await open('v', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
  const other = await startPhp()
  await other.php.mount('/data', holdfastMount(again))
  assert.equal(await other.run(`${db('/data/x.db')} echo implode(',', $db->query('select v from t order by v')->fetchAll(PDO::FETCH_COLUMN));`), '1,3')
  await again.close()
})

test('a new request sees the restored files', async (t) => {
  const { php, run } = await startPhp()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  await php.mount('/data', holdfastMount(volume))
  await run(`mkdir('/data/d'); file_put_contents('/data/d/a.php', '<?php return 1;');`)
  const snap = volume.snapshot()
  assert.equal(await run(`file_put_contents('/data/d/a.php', '<?php return 2;'); file_put_contents('/data/b.php', ''); echo include '/data/d/a.php';`), '2')
  volume.restore(snap)
  assert.equal(await run(`echo include '/data/d/a.php', file_exists('/data/b.php') ? 'b' : '';`), '1')
})
