// The oldest and the newest PHP in Chromium, with stack switching (JSPI), on a volume in OPFS; Python; and sites that were saved as plain
// files, taken into a volume and given back.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startSite } from './site.mjs'

for (const build of ['oldest', 'newest']) {
  test(`the ${build} PHP, with JSPI: what SQLite commits survives SIGKILL in each journal mode, and two runtimes share a volume`, async (t) => {
    const site = await startSite(t, 'guests')
    const visitor = await site.visitor()
    let browser = await visitor.arrive()
    const said = await browser.evaluate(async (build) => {
      const volume = await holdfast.open('site')
      const { run } = await startPHP(build, volume)
      const said = [await jspi(), await run(`chdir('/site'); mkdir('a/b', 0750, true); file_put_contents('a/b/f', str_repeat('x', 20000)); rename('a/b/f', 'a/g'); symlink('g', 'a/l');
        $h = fopen('a/g', 'r+'); fseek($h, 100000); fwrite($h, '!'); ftruncate($h, 50000); fclose($h); clearstatcache();
        echo filesize('a/l'), ' ', implode(',', array_diff(scandir('a'), array('.', '..'))), ' ', readlink('a/l');`)]
      for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']) {
        said.push(await run(`$db = new PDO('sqlite:/site/${mode}.db'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION); $db->exec('pragma journal_mode = ${mode}'); $db->exec('pragma synchronous = full');
          $db->exec('create table t(v)'); for ($i = 0; $i < 30; $i++) $db->exec("insert into t values($i)"); echo $db->query('select count(*) from t')->fetchColumn();`))
      }
      return said
    }, build)
    assert.deepEqual(said, [true, '50000 b,g,l g', '30', '30', '30', '30'])
    await browser.sigkill()
    browser = await visitor.arrive()
    const found = await browser.evaluate(async (build) => {
      const volume = await holdfast.open('site')
      const [one, two] = [await startPHP(build, volume), await startPHP('newest', volume)]
      const found = []
      for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']) {
        found.push(await one.run(`$db = new PDO('sqlite:/site/${mode}.db'); echo $db->query('select count(*) from t')->fetchColumn(), ' ', $db->query('pragma integrity_check')->fetchColumn();`))
      }
      // Two runtimes in one worker: each sees at once what the other did.
      await one.run(`mkdir('/site/d'); file_put_contents('/site/d/f', 'from one');`)
      found.push(await two.run(`echo file_get_contents('/site/d/f'); rename('/site/d', '/site/e');`))
      found.push(await one.run(`clearstatcache(); echo is_dir('/site/d') ? 'still' : 'gone', filesize('/site/e/f');`))
      const snapshot = volume.snapshot()
      await two.run(`unlink('/site/e/f'); rmdir('/site/e'); file_put_contents('/site/new', 'new');`)
      volume.restore(snapshot)
      found.push(await one.run(`clearstatcache(); echo file_get_contents('/site/e/f'), file_exists('/site/new') ? 'new' : '';`))
      await volume.close()
      return found
    }, build)
    assert.deepEqual(found, ['30 ok', '30 ok', '30 ok', '30 ok', 'from one', 'gone8', 'from one'])
  })
}

test("Python: transactions of its sqlite3, os.fsync, and holdfast.commit() survive SIGKILL", async (t) => {
  const site = await startSite(t, 'guests')
  const visitor = await site.visitor()
  let browser = await visitor.arrive()
  await browser.evaluate(async () => {
    const python = await startPython(await holdfast.open('site'))
    python(`
import os, pathlib, sqlite3, holdfast
pathlib.Path('/site/dir/sub').mkdir(parents=True)
db = sqlite3.connect('/site/wal.db'); db.execute('pragma journal_mode = wal'); db.execute('create table t(v)')
with db: db.executemany('insert into t values(?)', [(i,) for i in range(1000)])
holdfast.commit(label='with a WAL')
with open('/site/dir/synced', 'w') as f: f.write('synced'); f.flush(); os.fsync(f.fileno())
db2 = sqlite3.connect('/site/delete.db'); db2.execute('create table t(v)')
for i in range(20):
    with db2: db2.execute('insert into t values(?)', (i,))
open('/site/not-synced', 'w').write('x')`)
  })
  await browser.sigkill()
  browser = await visitor.arrive()
  const found = await browser.evaluate(async () => {
    const volume = await holdfast.open('site')
    const python = await startPython(volume)
    return JSON.parse(python(`
import json, os, sqlite3, pathlib
def rows(name):
    db = sqlite3.connect(name)
    return [db.execute('select count(*) from t').fetchone()[0], db.execute('pragma integrity_check').fetchone()[0]]
json.dumps([rows('/site/delete.db'), rows('/site/wal.db'), pathlib.Path('/site/dir/synced').read_text(), os.path.isdir('/site/dir/sub'), os.path.exists('/site/not-synced')])`))
  })
  assert.deepEqual(found, [[20, 'ok'], [1000, 'ok'], 'synced', true, false])
})

test('a site saved as plain files becomes a volume, is used there, and goes back to plain files that the guest can use', async (t) => {
  const site = await startSite(t, 'guests')
  const visitor = await site.visitor()
  let browser = await visitor.arrive()
  const imported = await browser.evaluate(async () => {
    const { run, FS } = await startPHP('newest')
    await run(`mkdir('/site/wp-content/database', 0755, true); mkdir('/site/wp-content/empty'); file_put_contents('/site/index.php', '<?php // Silence is golden.');
      file_put_contents('/site/größe.bin', str_repeat(implode('', array_map('chr', range(0, 255))), 40000)); file_put_contents('/site/nothing', '');
      $db = new PDO('sqlite:/site/wp-content/database/.ht.sqlite'); $db->exec('create table t(v)'); for ($i = 0; $i < 300; $i++) $db->exec("insert into t values($i)");`)
    const saved = await directory('sites/site-mine')
    await savePlain(FS, '/site', saved)
    const volume = await holdfast.open('mine')
    const progress = []
    const result = await importDirectory(saved, volume, { path: '/', onProgress: (p) => progress.push(p) })
    const mtime = volume.fs.statSync('/index.php').mtimeMs - (await (await saved.getFileHandle('index.php')).getFile()).lastModified
    return { result, first: progress[0], last: progress.at(-1), dirty: volume.dirty, mtime, names: volume.fs.readdirSync('/', { recursive: true }).sort(), newest: volume.snapshots()[0].label }
  })
  const bytes = 256 * 40000
  assert.deepEqual(imported.names, ['größe.bin', 'index.php', 'nothing', 'wp-content', 'wp-content/database', 'wp-content/database/.ht.sqlite', 'wp-content/empty'])
  assert.equal(imported.result.files, 4)
  assert.equal(imported.result.directories, 3)
  assert.ok(imported.result.bytes > bytes)
  assert.equal(imported.first.phase, 'import')
  assert.deepEqual([imported.last.bytesDone, imported.last.bytesTotal, imported.last.objectsDone], [imported.result.bytes, imported.result.bytes, 4])
  assert.deepEqual([imported.dirty, imported.newest], [false, 'imported site-mine'])
  assert.ok(Math.abs(imported.mtime) < 1)
  await browser.sigkill()

  browser = await visitor.arrive()
  const after = await browser.evaluate(async () => {
    const volume = await holdfast.open('mine')
    const { run } = await startPHP('newest', volume)
    const before = volume.snapshot()
    await run(`$db = new PDO('sqlite:/site/wp-content/database/.ht.sqlite'); $db->exec('insert into t values(-1)'); unlink('/site/nothing'); mkdir('/site/nothing'); rmdir('/site/wp-content/empty'); file_put_contents('/site/new', 'new');`)
    const saved = await directory('sites/site-mine')
    const whole = await plainFiles(saved)
    const refused = await failure(() => exportDirectory(volume, saved))
    const untouched = JSON.stringify(await plainFiles(saved)) === JSON.stringify(whole)
    await (await saved.getFileHandle('stale-wal', { create: true })).createWritable().then((s) => s.close())
    const result = await exportDirectory(volume, saved, { replace: true })
    const names = Object.keys(await plainFiles(saved)).sort()
    // An older state, elsewhere, is what was imported.
    const old = await directory('old')
    await exportDirectory(volume, old, { snapshot: before })
    const same = JSON.stringify(Object.entries(await plainFiles(old)).sort()) === JSON.stringify(Object.entries(whole).sort())
    // A guest of its own finds a whole database in the plain files.
    const guest = await startPHP('newest')
    await loadPlain(guest.FS, '/site', saved)
    const rows = await guest.run(`$db = new PDO('sqlite:/site/wp-content/database/.ht.sqlite'); echo $db->query('select count(*), min(v) from t')->fetch(PDO::FETCH_NUM)[1], ' ', $db->query('select count(*) from t')->fetchColumn(), ' ', $db->query('pragma integrity_check')->fetchColumn();`)
    return { refused, untouched, result, names, same, rows }
  })
  assert.equal(after.refused.code, 'ENOTEMPTY')
  assert.equal(after.untouched, true)
  assert.deepEqual(after.names, ['größe.bin', 'index.php', 'new', 'nothing', 'wp-content', 'wp-content/database', 'wp-content/database/.ht.sqlite'])
  assert.deepEqual([after.result.files, after.result.unchanged, after.result.skipped], [4, 2, []])
  assert.equal(after.same, true)
  assert.equal(after.rows, '-1 301 ok')
})

test('an import that fails or is given up leaves the volume as it was; an export refuses what plain files cannot be', async (t) => {
  const site = await startSite(t, 'guests')
  const browser = await (await site.visitor()).arrive()
  const seen = await browser.evaluate(async () => {
    const volume = await holdfast.open('v')
    volume.fs.mkdirSync('/kept')
    volume.fs.writeFileSync('/kept/f', 'kept')
    const from = await directory('from')
    for (const name of ['a', 'b', 'c']) await (await from.getFileHandle(name, { create: true })).createWritable().then(async (s) => { await s.write(new Uint8Array(100000)); await s.close() })
    const list = () => volume.fs.readdirSync('/', { recursive: true }).sort().join()
    const seen = { notEmpty: await failure(() => importDirectory(from, volume)) }
    const abort = new AbortController()
    seen.aborted = await failure(() => importDirectory(from, volume, { path: '/deep/in', signal: abort.signal, onProgress: (p) => p.objectsDone === 1 && abort.abort() }))
    seen.thrown = await failure(() => importDirectory(from, volume, { path: '/x', onProgress: (p) => { if (p.objectsDone === 2) throw new Error('of the caller') } }))
    seen.left = list()
    const half = await directory('half')
    const state = async (flags) => {
      const stream = await (await half.getFileHandle('wp-runtime.json', { create: true })).createWritable()
      await stream.write(JSON.stringify({ slug: 'half', ...flags }))
      await stream.close()
    }
    seen.half = []
    for (const flags of [{ initialOpfsSyncPending: true }, { opfsSiteRemovalPending: true }]) {
      await state(flags)
      seen.half.push((await failure(() => importDirectory(half, volume, { path: '/half' }))).code)
    }
    await state({ initialOpfsSyncPending: false })
    seen.half.push((await importDirectory(half, volume, { path: '/half' })).files)
    volume.fs.rmSync('/half', { recursive: true })
    const [one, two] = [importDirectory(from, volume, { path: '/one' }), failure(() => importDirectory(from, volume, { path: '/two' }))]
    seen.second = await two
    await one
    seen.imported = list()
    volume.fs.rmSync('/one', { recursive: true })
    seen.filtered = (await importDirectory(from, volume, { path: '/kept', replace: true, filter: (path) => path !== 'b' }), list())
    volume.fs.symlinkSync('a', '/kept/link')
    volume.fs.symlinkSync('..', '/kept/up')
    const to = await directory('to')
    seen.symlink = await failure(() => exportDirectory(volume, to))
    seen.none = Object.keys(await plainFiles(to))
    seen.loop = await failure(() => exportDirectory(volume, to, { symlinks: 'follow' }))
    seen.skipped = (await exportDirectory(volume, to, { symlinks: 'skip' })).skipped
    volume.fs.unlinkSync('/kept/up')
    await exportDirectory(volume, to, { symlinks: 'follow', replace: true, filter: (path) => path !== 'kept/c' })
    seen.followed = Object.keys(await plainFiles(to)).sort()
    // What the filter leaves out stays where it is, also in a directory that the volume does not have.
    const gone = await to.getDirectoryHandle('gone', { create: true })
    for (const name of ['stays', 'goes']) await gone.getFileHandle(name, { create: true })
    await (await to.getDirectoryHandle('all-goes', { create: true })).getFileHandle('x', { create: true })
    await exportDirectory(volume, to, { symlinks: 'skip', replace: true, filter: (path) => path !== 'gone/stays' && path !== 'kept/c' })
    seen.left2 = Object.keys(await plainFiles(to)).sort()
    await volume.close()
    return seen
  })
  assert.deepEqual([seen.notEmpty.code, seen.aborted.code, seen.thrown.message, seen.second.code], ['ENOTEMPTY', 'ErrAborted', 'of the caller', 'EBUSY'])
  assert.equal(seen.left, 'kept,kept/f')
  assert.deepEqual(seen.half, ['ErrIncomplete', 'ErrIncomplete', 1])
  assert.equal(seen.imported, 'kept,kept/f,one,one/a,one/b,one/c')
  assert.equal(seen.filtered, 'kept,kept/a,kept/c')
  assert.deepEqual([seen.symlink.code, seen.symlink.path, seen.none], ['ErrUnsupported', '/kept/link', []])
  assert.equal(seen.loop.code, 'ELOOP')
  assert.deepEqual(seen.skipped, ['/kept/link', '/kept/up'])
  assert.deepEqual(seen.followed, ['kept', 'kept/a', 'kept/c', 'kept/link'])
  assert.deepEqual(seen.left2, ['gone', 'gone/stays', 'kept', 'kept/a', 'kept/c'])
})
