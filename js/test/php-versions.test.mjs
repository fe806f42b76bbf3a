/** The oldest and the newest PHP that php-wasm ships, on a volume. The code is what PHP 5.2 understands. */

import test, { after } from 'node:test'
import assert from 'node:assert/strict'
import { LegacyPHPVersions, SupportedPHPVersions } from '@php-wasm/universal'
import { open, memory } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { startPhp, stopPhp } from './php.mjs'
import { arrayStorage } from './storages.mjs'

after(stopPhp)

const oldest = LegacyPHPVersions.at(-1) ?? SupportedPHPVersions.at(-1)
const newest = SupportedPHPVersions[0]
const db = (/** @type {string} */ path) => `$db = new PDO('sqlite:${path}'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);`
const count = (/** @type {string} */ path) => `${db(path)} echo $db->query('select count(*) from t')->fetchColumn(), ' ', $db->query('pragma integrity_check')->fetchColumn();`

for (const version of /** @type {any[]} */ ([oldest, newest])) {
  test(`PHP ${version}: files`, async (t) => {
    const { php, run } = await startPhp(version)
    const volume = await open('v', { storage: memory() })
    t.after(() => volume.close())
    await php.mount('/data', holdfastMount(volume))
    assert.equal(
      await run(`chdir('/data'); mkdir('a/b', 0750, true); file_put_contents('a/b/f', str_repeat('0123456789', 2000)); file_put_contents('a/b/f', 'end', FILE_APPEND);
        echo PHP_VERSION >= '${version}', ' ', filesize('a/b/f'), ' ', decoct(fileperms('a/b') & 0777), ' ';
        $h = fopen('a/b/f', 'r+'); fseek($h, 8190); fwrite($h, 'PAGE'); fseek($h, -3, SEEK_END); echo fread($h, 9), ' '; ftruncate($h, 8194); fseek($h, 9000); fwrite($h, '!'); $s = fstat($h); echo $s['size'], ' '; fclose($h);
        echo bin2hex(substr(file_get_contents('a/b/f'), 8190, 6)), ' ';
        symlink('b/f', 'a/l'); echo readlink('a/l'), ' ', filesize('a/l'), ' ';
        touch('a/b/f', 1000000000, 1000000001); clearstatcache(); echo filemtime('a/b/f'), ' ', fileatime('a/b/f'), ' ';
        chmod('a/b/f', 0604); clearstatcache(); echo decoct(fileperms('a/b/f') & 0777), ' ';
        rename('a/b/f', 'a/g'); copy('a/g', 'a/h'); unlink('a/l'); echo implode(',', array_diff(scandir('a'), array('.', '..'))), ' ';
        echo var_export(@rmdir('a'), true), ' ', var_export(rmdir('a/b'), true), ' ';
        $h = fopen('a/h', 'r'); unlink('a/h'); echo strlen(stream_get_contents($h)), ' '; fclose($h);
        $t = tempnam('/data', 'tmp'); echo file_exists($t) ? 'temp' : ''; unlink($t);
        $z = new RecursiveIteratorIterator(new RecursiveDirectoryIterator('/data')); foreach ($z as $f) if ($f->isFile()) echo ' ', $f->getPathname();
        echo disk_free_space('/data') > 0 && disk_free_space('/data') < disk_total_space('/data') ? ' free' : '';`),
      '1 20003 750 end 9001 504147450000 b/f 9001 1000000000 1000000001 604 b,g,h false true 9001 temp /data/a/g free',
    )
  })

  test(`PHP ${version}: what SQLite commits is durable, in every journal mode, and a restore takes it back`, async (t) => {
    const storage = arrayStorage()
    const volume = await open('v', { storage })
    t.after(() => volume.close())
    const { php, run } = await startPhp(version)
    await php.mount('/data', holdfastMount(volume))
    for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']) {
      const path = `/data/${mode}.db`
      await run(`${db(path)} $db->exec('pragma journal_mode = ${mode}'); $db->exec('pragma synchronous = full'); $db->exec('create table t(v)'); for ($i = 0; $i < 20; $i++) $db->exec("insert into t values($i)");`)
      const crashed = await open('v', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
      const other = await startPhp(version)
      await other.php.mount('/data', holdfastMount(crashed))
      assert.equal(await other.run(count(path)), '20 ok', mode)
      await crashed.close()
      const snap = volume.snapshot()
      await run(`${db(path)} $db->exec('delete from t');`)
      volume.restore(snap)
      assert.equal(await run(count(path)), '20 ok', mode)
    }
  })

  test(`PHP ${version}: two runtimes, one of them a PHP ${newest}, see each other's changes at once`, async (t) => {
    const [a, b] = [await startPhp(version), await startPhp(newest)]
    const volume = await open('v', { storage: memory() })
    t.after(() => volume.close())
    await a.php.mount('/data', holdfastMount(volume))
    await b.php.mount('/else/where', holdfastMount(volume))
    await a.run(`mkdir('/data/d'); file_put_contents('/data/d/f', 'from a'); ${db('/data/x.db')} $db->exec('create table t(v)'); $db->exec('insert into t values(1)');`)
    assert.equal(await b.run(`echo file_get_contents('/else/where/d/f'); rename('/else/where/d', '/else/where/e'); ${db('/else/where/x.db')} $db->exec('insert into t values(2)');`), 'from a')
    assert.equal(await a.run(`clearstatcache(); echo is_dir('/data/d') ? 'still' : 'gone', file_get_contents('/data/e/f'), ' '; ${count('/data/x.db')}`), 'gonefrom a 2 ok')
  })
}

test('what runtimes do through PROXYFS is durable when their request ends, and SQLite\'s transactions when they end', async (t) => {
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  const [a, b] = [await startPhp(newest), await startPhp(newest)]
  await a.php.mount('/site', holdfastMount(volume))
  const { proxyFileSystem } = await import('@php-wasm/universal')
  await proxyFileSystem(a.php, b.php, ['/site'])
  const held = async () => {
    const crashed = await open('v', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })
    const fs = crashed.fs
    const files = fs.readdirSync('/').map((/** @type {string} */ name) => [name, fs.readFileSync(`/${name}`)])
    await crashed.close()
    return Object.fromEntries(files)
  }
  await b.run(`file_put_contents('/site/f', 'from b');`)
  assert.equal(String((await held()).f), 'from b')
  assert.equal(await a.run(`echo file_get_contents('/site/f');`), 'from b')
  /** @type {Uint8Array[]} */ const crashes = []
  b.php.onMessage((/** @type {string} */ _) => void crashes.push(storage.bytes.slice()))
  await b.run(`${db('/site/x.db')} $db->exec('create table t(v)'); $db->exec('insert into t values(1)'); post_message_to_js('now');`)
  const crashed = await open('v', { storage: arrayStorage({ bytes: crashes[0] }) })
  const other = await startPhp(newest)
  await other.php.mount('/site', holdfastMount(crashed))
  assert.equal(await other.run(count('/site/x.db')), '1 ok')
  await crashed.close()
  assert.equal(await a.run(count('/site/x.db')), '1 ok')
})
