/** Copying between a guest's own memory and a volume, with the FS objects of real runtimes. */

import test, { after } from 'node:test'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { loadPyodide } from 'pyodide'
import { open, memory } from 'holdfast'
import { captureEmscripten, materializeEmscripten, mountEmscripten } from 'holdfast/emscripten'
import { fsOf } from 'holdfast/php'
import { startPhp, stopPhp } from './php.mjs'
import { random } from './random.mjs'
import { arrayStorage } from './storages.mjs'

after(stopPhp)

const SEED = Number(process.env.SEED ?? Date.now() % 1e9)

/** @returns {Promise<any>} */
async function startFs() {
  const { php } = await startPhp()
  return fsOf(php)
}

/** Everything that can be told of a tree. @param {any} FS @param {string} root */
function treeOf(FS, root) {
  /** @type {Record<string, any[]>} */
  const tree = {}
  const visit = (/** @type {string} */ path) => {
    const { mode, mtime } = FS.lstat(root + path)
    tree[path] = [mode, mtime.getTime()]
    if (FS.isLink(mode)) tree[path].push(FS.readlink(root + path))
    else if (FS.isFile(mode)) tree[path].push(createHash('sha256').update(FS.readFile(root + path)).digest('hex'))
    else for (const name of FS.readdir(root + path).sort()) if (name !== '.' && name !== '..') visit(`${path}/${name}`)
  }
  visit('')
  return tree
}

/** The same of a volume. @param {any} fs @param {string} root */
function volumeTreeOf(fs, root) {
  /** @type {Record<string, any[]>} */
  const tree = {}
  const visit = (/** @type {string} */ path) => {
    const s = fs.lstatSync(root + path || '/')
    tree[path] = [s.mode, Math.trunc(s.mtimeMs)]
    if (s.isSymbolicLink()) tree[path].push(fs.readlinkSync(root + path))
    else if (s.isFile()) tree[path].push(createHash('sha256').update(fs.readFileSync(root + path)).digest('hex'))
    else for (const name of fs.readdirSync(root + path || '/').sort()) visit(`${path}/${name}`)
  }
  visit('')
  return tree
}

/** Random changes of a guest's tree. @param {any} FS @param {string} root @param {() => number} rnd @param {number} steps */
function disturb(FS, root, rnd, steps) {
  const int = (/** @type {number} */ n) => Math.floor(rnd() * n)
  const path = () => root + Array.from({ length: 1 + int(3) }, () => '/' + 'abcé'[int(4)]).join('')
  const remove = (/** @type {string} */ p) => {
    const { mode } = FS.lstat(p)
    if (!FS.isDir(mode)) return FS.unlink(p)
    for (const name of FS.readdir(p)) if (name !== '.' && name !== '..') remove(`${p}/${name}`)
    FS.rmdir(p)
  }
  const ops = [
    () => FS.writeFile(path(), new Uint8Array(int(rnd() < 0.1 ? 1.5e6 : 9000)).fill(int(256)), { flags: 'w' }),
    () => {
      const s = FS.open(path(), 'r+')
      FS.write(s, new Uint8Array(1 + int(5000)).fill(int(256)), 0, 1, int(20000))
      FS.close(s)
    },
    () => FS.mkdir(path(), 0o700 + int(64)),
    () => FS.mkdir(path()),
    () => remove(path()),
    () => FS.rename(path(), path()),
    () => FS.symlink(['a', '../b', '/none/é'][int(3)], path()),
    () => FS.chmod(path(), int(0o1000)),
    () => FS.truncate(path(), int(9000)),
    () => FS.utime(path(), int(1e6) * 1000, int(1e6) * 1000 + int(1000)),
  ]
  for (let i = 0; i < steps; i++) {
    try {
      ops[int(ops.length)]()
    } catch (/** @type {any} */ err) {
      if (err.name !== 'ErrnoError') throw err
    }
  }
}

for (const [guest, start] of Object.entries({ PHP: startFs, Pyodide: async () => (await loadPyodide()).FS })) {
  test(`${guest}: capture and materialize make another guest's tree identical, whatever it had (seed ${SEED})`, async (t) => {
    const [A, B] = [await start(), await start()]
    const volume = await open('v', { storage: memory() })
    t.after(() => volume.close())
    const rnd = random(SEED)
    for (const FS of [A, B]) {
      FS.ignorePermissions = true
      FS.mkdirTree('/tree')
    }
    for (let round = 0; round < 20; round++) {
      disturb(A, '/tree', rnd, 40)
      disturb(B, '/tree', rnd, 10)
      const before = volume.fs.existsSync('/in/it') ? volumeTreeOf(volume.fs, '/in/it') : {}
      const want = treeOf(A, '/tree')
      const captured = captureEmscripten(A, '/tree', volume, { targetRoot: '/in/it', unchanged: true })
      const note = `round ${round}, SEED=${SEED}`
      assert.deepEqual(volumeTreeOf(volume.fs, '/in/it'), want, note)
      assert.deepEqual(treeOf(A, '/tree'), want, `${note}: the guest is as it was`)

      // What the lists say is what happened.
      const names = (/** @type {{ path: string }[]} */ list) => list.map((e) => e.path.slice('/in/it'.length)).sort()
      const changed = { create: [], update: [], metadata: [], unchanged: [], delete: [] }
      const type = (/** @type {any[]} */ e) => e[0] & 0o170000
      /** @type {Record<string, string[]>} */ const expected = changed
      for (const [path, now] of Object.entries(want)) {
        const old = before[path]
        if (!old || type(old) !== type(now)) expected.create.push(path)
        else if (old[2] !== now[2]) expected.update.push(path)
        else expected[old[0] === now[0] && old[1] === now[1] ? 'unchanged' : 'metadata'].push(path)
      }
      for (const [path, old] of Object.entries(before)) if (!want[path] || type(want[path]) !== type(old)) expected.delete.push(path)
      for (const list of Object.values(expected)) list.sort()
      assert.deepEqual(
        { create: names(captured.create), update: names(captured.update), metadata: names(captured.metadata), unchanged: names(captured.unchanged ?? []), delete: names(captured.delete.map((path) => ({ path }))) },
        expected,
        note,
      )
      const again = captureEmscripten(A, '/tree', volume, { targetRoot: '/in/it' })
      assert.deepEqual([again.create, again.update, again.delete, again.metadata, again.bytesWritten], [[], [], [], [], 0], note)

      const snapshot = rnd() < 0.5 ? captured.snapshot : undefined
      if (snapshot) volume.fs.writeFileSync('/in/it/later', 'after the snapshot')
      materializeEmscripten(B, '/tree', volume, { root: '/in/it', snapshot })
      assert.deepEqual(treeOf(B, '/tree'), want, note)
      if (snapshot) volume.fs.unlinkSync('/in/it/later')
    }
  })
}

test('the lists: type, mode, size, target and hash; parents first, deletions deepest first', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  FS.mkdirTree('/site/d/e')
  FS.writeFile('/site/d/e/f', 'content')
  FS.chmod('/site/d/e/f', 0o640)
  FS.symlink('d/e', '/site/link')
  const sha = `sha256:${createHash('sha256').update('content').digest('hex')}`
  const { create, entries, snapshot, ...rest } = captureEmscripten(FS, '/site', volume, { label: 'first', entries: true, hash: true })
  assert.equal(snapshot.label, 'first')
  assert.deepEqual(create.map((e) => e.path), ['/d', '/link', '/d/e', '/d/e/f'])
  assert.deepEqual(entries?.map((e) => e.path), ['/', '/d', '/d/e', '/d/e/f', '/link'])
  const mtimeMs = FS.stat('/site/d/e/f').mtime.getTime()
  assert.deepEqual(create[3], { path: '/d/e/f', type: 'file', mode: 0o100640, mtimeMs, size: 7, hash: sha })
  assert.deepEqual([create[1].type, create[1].target, create[1].size, create[1].hash], ['symlink', 'd/e', 0, undefined])
  assert.equal('unchanged' in rest, false)
  FS.unlink('/site/d/e/f')
  FS.rmdir('/site/d/e')
  FS.rmdir('/site/d')
  FS.writeFile('/site/d', 'a file now')
  const second = captureEmscripten(FS, '/site', volume, { parentId: snapshot.id, commit: true })
  assert.deepEqual(second.delete, ['/d/e/f', '/d/e', '/d'])
  assert.deepEqual(second.create.map((e) => [e.path, e.type]), [['/d', 'file']])
  assert.deepEqual([second.snapshot.durable, second.snapshot.parentId, volume.dirty], [true, snapshot.id, false])
  assert.throws(() => captureEmscripten(FS, '/site', volume, { parentId: snapshot.id }), { code: 'ErrConflict' })
  const back = materializeEmscripten(FS, '/copy', volume, { snapshot, hash: true })
  assert.deepEqual(back.create.map((e) => e.path), ['/copy', '/copy/d', '/copy/link', '/copy/d/e', '/copy/d/e/f'])
  assert.equal(back.create[4].hash, sha)
})

test('only the pages that differ are written, and a file with two names keeps the other as it was', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  FS.mkdirTree('/site')
  FS.writeFile('/site/big', new Uint8Array(3 << 20).fill(1))
  assert.equal(captureEmscripten(FS, '/site', volume).bytesWritten, 3 << 20)
  const s = FS.open('/site/big', 'r+')
  for (const at of [0, 1500000, 1500001, (3 << 20) - 1]) FS.write(s, new Uint8Array([9]), 0, 1, at)
  FS.close(s)
  const { bytesWritten, update, snapshot } = captureEmscripten(FS, '/site', volume)
  assert.deepEqual([bytesWritten, update.map((e) => e.path)], [3 * 4096, ['/big']])
  volume.fs.linkSync('/big', '/big2')
  FS.truncate('/site/big', 5)
  FS.writeFile('/site/big2', volume.fs.readFileSync('/big2'))
  captureEmscripten(FS, '/site', volume)
  assert.deepEqual([volume.fs.statSync('/big').size, volume.fs.statSync('/big2').size], [5, 3 << 20])
  assert.equal(volume.readSnapshot(snapshot).statSync('/big').size, 3 << 20)
})

test('a filter leaves out: not captured, and not touched when materialized', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  FS.mkdirTree('/site/cache/deep')
  FS.writeFile('/site/cache/deep/f', 'cached')
  FS.writeFile('/site/f', 'f')
  captureEmscripten(FS, '/site', volume)
  /** @type {string[]} */ const asked = []
  const filter = (/** @type {string} */ path, /** @type {string} */ type) => {
    asked.push(`${type} ${path}`)
    return path !== '/site/cache'
  }
  const { delete: gone } = captureEmscripten(FS, '/site', volume, { filter })
  assert.deepEqual(asked, ['directory /site/cache', 'file /site/f'])
  assert.deepEqual(gone, ['/cache/deep/f', '/cache/deep', '/cache'])
  FS.unlink('/site/f')
  FS.mkdirTree('/site/new/cache')
  FS.writeFile('/site/new/cache/x', 'x')
  FS.writeFile('/site/new/y', 'y')
  const keep = (/** @type {string} */ path) => !path.endsWith('/cache')
  const { delete: removed } = materializeEmscripten(FS, '/site', volume, { filter: keep })
  assert.deepEqual(removed, ['/site/new/y'], 'a directory with something that stays in it stays')
  assert.equal(FS.readFile('/site/cache/deep/f', { encoding: 'utf8' }), 'cached')
  assert.equal(FS.readFile('/site/new/cache/x', { encoding: 'utf8' }), 'x')
  assert.equal(FS.readFile('/site/f', { encoding: 'utf8' }), 'f')
  materializeEmscripten(FS, '/site', volume)
  assert.deepEqual(FS.readdir('/site'), ['.', '..', 'f'])
  // @ts-expect-error answers a promise, which would be true
  assert.throws(() => captureEmscripten(FS, '/site', volume, { filter: async () => false }), TypeError)
})

test('devices fail the call before anything changes, unless they are to be ignored; then they stay', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  FS.mkdirTree('/site/d')
  FS.mkdev('/site/d/dev', 0o666, FS.makedev(64, 0))
  FS.writeFile('/site/a', 'a')
  assert.throws(() => captureEmscripten(FS, '/site', volume), { code: 'ErrUnsupported', path: '/site/d/dev' })
  assert.deepEqual(volume.fs.readdirSync('/'), [])
  assert.deepEqual(volume.snapshots().filter((s) => !s.durable), [])
  const ignoreUnsupported = true
  captureEmscripten(FS, '/site', volume, { ignoreUnsupported })
  assert.deepEqual(volume.fs.readdirSync('/', { recursive: true }), ['a', 'd'])
  FS.unlink('/site/a')
  assert.throws(() => materializeEmscripten(FS, '/site', volume), { code: 'ErrUnsupported' })
  assert.equal(FS.analyzePath('/site/a').exists, false)
  volume.fs.rmSync('/d', { recursive: true })
  materializeEmscripten(FS, '/site', volume, { ignoreUnsupported })
  assert.deepEqual(FS.readdir('/site').sort(), ['.', '..', 'a', 'd'])
  assert.deepEqual(FS.readdir('/site/d'), ['.', '..', 'dev'])
  // What would have to be written over a device, or replace the directory that holds it, is refused.
  volume.fs.mkdirSync('/d')
  volume.fs.writeFileSync('/d/dev', 'x')
  assert.throws(() => materializeEmscripten(FS, '/site', volume, { ignoreUnsupported }), { code: 'EEXIST', path: '/site/d/dev' })
  volume.fs.rmSync('/d', { recursive: true })
  volume.fs.writeFileSync('/d', 'x')
  assert.throws(() => materializeEmscripten(FS, '/site', volume, { ignoreUnsupported }), { code: 'ENOTEMPTY', path: '/site/d' })
})

test('what a volume cannot hold, or what is not there, fails before anything changes', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  volume.fs.writeFileSync('/kept', 'kept')
  FS.mkdirTree('/site')
  FS.writeFile(`/site/${'ü'.repeat(128)}`, 'x')
  assert.throws(() => captureEmscripten(FS, '/site', volume), { code: 'ENAMETOOLONG' })
  assert.throws(() => captureEmscripten(FS, '/none', volume), { code: 'ENOENT' })
  assert.throws(() => captureEmscripten(FS, '/etc/hosts', volume), { code: FS.analyzePath('/etc/hosts').exists ? 'ENOTDIR' : 'ENOENT' })
  assert.throws(() => materializeEmscripten(FS, '/site', volume, { root: '/none' }), { code: 'ENOENT' })
  assert.throws(() => materializeEmscripten(FS, '/site', volume, { snapshot: 'none' }), { code: 'ErrNotFound' })
  assert.deepEqual(volume.fs.readdirSync('/'), ['kept'])
  mountEmscripten(FS, volume, '/hf')
  FS.mkdirTree('/outer/in')
  assert.throws(() => captureEmscripten(FS, '/hf', volume, { targetRoot: '/copy' }), { code: 'ErrUnsupported' })
  const other = await open('w', { storage: memory() })
  t.after(() => other.close())
  captureEmscripten(FS, '/hf', other)
  assert.equal(other.fs.readFileSync('/kept', 'utf8'), 'kept', 'a mount of another volume is a tree as any other')
})

test('a damaged block fails the call, not the guest', async (t) => {
  const FS = await startFs()
  const storage = arrayStorage()
  let volume = await open('v', { storage })
  volume.fs.writeFileSync('/a', 'a')
  volume.fs.writeFileSync('/b', new Uint8Array(200000).map((_, i) => i * 7))
  await volume.close()
  const bytes = storage.bytes.slice()
  // Somewhere inside of b's content, which is the largest part of the file.
  const at = bytes.findIndex((_, i) => i > 8192 && [0, 7, 14, 21, 28, 35].every((v, k) => bytes[i + k] === v)) + 100000
  assert.ok(at > 100000)
  bytes[at] ^= 1
  volume = await open('v', { storage: arrayStorage({ bytes }) })
  t.after(() => volume.close({ commit: false }))
  FS.mkdirTree('/site')
  FS.writeFile('/site/mine', 'mine')
  assert.throws(() => materializeEmscripten(FS, '/site', volume), (/** @type {any} */ err) => err.code === 'EIO' && err.cause?.code === 'ErrCorrupt')
  assert.deepEqual(FS.readdir('/site'), ['.', '..', 'mine'])
})

test('PHP goes on with what was materialized, and a database copied while it is written is whole', async (t) => {
  const [a, b] = [await startPhp(), await startPhp()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  const guests = [await fsOf(a.php), await fsOf(b.php)]
  /** @type {any[]} */ const points = []
  a.php.onMessage((/** @type {string} */ _) => void points.push(captureEmscripten(guests[0], '/site', volume).snapshot))
  for (const mode of ['DELETE', 'WAL']) {
    points.length = 0
    await a.run(`@mkdir('/site'); array_map('unlink', glob('/site/*')); $db = new PDO('sqlite:/site/x.db'); $db->exec('pragma journal_mode = ${mode}'); $db->exec('pragma cache_size = 1'); $db->exec('create table t(v)');
      for ($i = 0; $i < 3; $i++) { $db->exec('begin'); for ($k = 0; $k < 50; $k++) $db->exec("insert into t values('" . str_repeat('x', 2000) . "')"); post_message_to_js('now'); $db->exec('commit'); post_message_to_js('now'); }`)
    assert.equal(points.length, 6)
    for (const [i, snapshot] of points.entries()) {
      materializeEmscripten(guests[1], '/site', volume, { snapshot })
      const rows = Math.floor((i + 1) / 2) * 50
      assert.equal(await b.run(`$db = new PDO('sqlite:/site/x.db'); echo $db->query('select count(*) from t')->fetchColumn(), ' ', $db->query('pragma integrity_check')->fetchColumn();`), `${rows} ok`, `${mode} ${i}`)
    }
  }
})
