/** A volume mounted in php-wasm's file system object, used through that object. */

import test, { after } from 'node:test'
import assert from 'node:assert/strict'
import { open, memory } from 'holdfast'
import { createFsType, materializeEmscripten, mountEmscripten } from 'holdfast/emscripten'
import { fsOf } from 'holdfast/php'
import { startPhp, stopPhp } from './php.mjs'
import { random } from './random.mjs'
import { arrayStorage, quota } from './storages.mjs'

after(stopPhp)

const SEED = Number(process.env.SEED ?? Date.now() % 1e9)
const ESTALE = 72, ENOENT = 44, ENOSPC = 51, EIO = 29, EINVAL = 28 // as WASI numbers them

/** A runtime's FS object. @returns {Promise<any>} */
async function startFs() {
  const { php } = await startPhp()
  return fsOf(php)
}
/** @param {number} errno @param {() => any} f */
const fails = (errno, f) => assert.throws(f, (/** @type {any} */ e) => e.name === 'ErrnoError' && e.errno === errno)
const text = (/** @type {any} */ FS, /** @type {string} */ p) => FS.readFile(p, { encoding: 'utf8' })

test(`random operations of two runtimes on one volume, and restores between them, do what they do on one MEMFS (seed ${SEED})`, async (t) => {
  const [A, B] = [await startFs(), await startFs()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  for (const FS of [A, B]) mountEmscripten({ FS }, volume, '/hf')
  A.mkdirTree('/mem')
  const rnd = random(SEED)
  const int = (/** @type {number} */ n) => Math.floor(rnd() * n)
  const pick = (/** @type {any[]} */ a) => a[int(a.length)]
  const path = () => Array.from({ length: 1 + int(3) }, () => '/' + pick(['a', 'b', 'c', 'é'])).join('')
  const data = () => new Uint8Array(int(rnd() < 0.2 ? 20000 : 50)).fill(1 + int(255))
  const stat = (/** @type {any} */ FS, /** @type {any} */ s) => ({ mode: s.mode, size: FS.isDir(s.mode) ? 0 : s.size, mtime: 0 })
  /** @type {{ FS: any, stream: any }[][]} Open on both sides, each in the runtime that opened it. */
  let opened = []
  /** @type {import('../volume.js').Snapshot[]} */
  const points = []
  /** An operation on an open file. @param {string} what @param {(FS: any, stream: any) => any} op */
  const onStream = (what, op) => {
    const i = int(opened.length)
    return [`${what} #${i}`, (/** @type {any} */ _, /** @type {string} */ _r, /** @type {number} */ side) => { const f = opened[i]?.[side]; return f && op(f.FS, f.stream) }]
  }
  /** @typedef {(FS: any, root: string, side: number) => any} Op */
  /** @type {(() => any[])[]} */
  const ops = [
    () => { const p = path(), b = data(), flags = pick(['w', 'a', 'r+']); return [`write ${p} ${flags}`, (FS, r) => FS.writeFile(r + p, b, { flags })] },
    () => { const p = path(); return [`read ${p}`, (FS, r) => Buffer.from(FS.readFile(r + p)).toString('latin1')] },
    () => { const p = path(); return [`mkdir ${p}`, (FS, r) => void FS.mkdir(r + p)] },
    () => { const p = path(); return [`mkdir ${p}`, (FS, r) => void FS.mkdir(r + p)] },
    () => { const p = path(); return [`rmdir ${p}`, (FS, r) => FS.rmdir(r + p)] },
    () => { const p = path(); return [`unlink ${p}`, (FS, r) => FS.unlink(r + p)] },
    () => { const p = path(), q = path(); return [`rename ${p} ${q}`, (FS, r) => FS.rename(r + p, r + q)] },
    () => { const p = path(), to = pick(['a', 'b/c', 'missing']); return [`symlink ${to} ${p}`, (FS, r) => void FS.symlink(to, r + p)] },
    () => { const p = path(); return [`readlink ${p}`, (FS, r) => FS.readlink(r + p)] },
    () => { const p = path(); return [`stat ${p}`, (FS, r) => stat(FS, FS.stat(r + p))] },
    () => { const p = path(); return [`lstat ${p}`, (FS, r) => stat(FS, FS.lstat(r + p))] },
    () => { const p = pick([path(), '']); return [`readdir ${p}`, (FS, r) => FS.readdir(r + p).sort()] },
    () => { const p = path(), n = int(9000); return [`truncate ${p} ${n}`, (FS, r) => FS.truncate(r + p, n)] },
    () => { const p = path(), m = pick([0o644, 0o600, 0o755]); return [`chmod ${p}`, (FS, r) => FS.chmod(r + p, m)] },
    () => { const p = path(), s = (1e9 + int(1e6)) * 1000; return [`utime ${p}`, (FS, r) => (FS.utime(r + p, s, s), FS.stat(r + p).mtime.getTime())] },
    () => { const p = path(), flags = pick(['r', 'r+', 'w', 'w+', 'a', 'a+']); /** @type {any[]} */ const pair = []; opened.push(pair); return [`open ${p} ${flags}`, (FS, r, side) => { pair[side] = { FS, stream: FS.open(r + p, flags) }; return 0 }] },
    () => { const i = int(opened.length), pair = opened[i]; return [`close ${i}`, (_, _r, side) => { if (pair?.[side]) { pair[side].FS.close(pair[side].stream); delete pair[side] } }] },
    () => { const n = int(9000), pos = rnd() < 0.5 ? undefined : int(9000); return onStream('read', (FS, f) => { const b = new Uint8Array(n); return [FS.read(f, b, 0, n, pos), Buffer.from(b).toString('latin1')] }) },
    () => { const b = data(), pos = rnd() < 0.5 ? undefined : int(9000); return onStream('write', (FS, f) => FS.write(f, b, 0, b.length, f.flags & 0o2000 /* where MEMFS does not append */ ? undefined : pos)) },
    () => { const w = int(3), n = int(5000) - 500; return onStream(`llseek ${n} ${w}`, (FS, f) => FS.llseek(f, n, w)) },
    () => { const n = int(9000); return onStream(`ftruncate ${n}`, (FS, f) => FS.ftruncate(f.fd, n)) },
    () => onStream('fstat', (FS, f) => FS.fstat(f.fd).size),
    () => onStream('dup', (FS, f) => { const d = FS.dupStream(f); const n = FS.llseek(d, 0, 1); FS.close(d); return n }),
  ]
  /** @type {string[]} */
  const log = []
  for (let i = 0; i < 6000; i++) {
    if (rnd() < 0.003) points.push(volume.snapshot())
    if (points.length && rnd() < 0.003) {
      log.push('restore')
      for (const pair of opened) for (const f of Object.values(pair)) f.FS.close(f.stream)
      opened = []
      const snapshot = pick(points)
      volume.restore(snapshot)
      materializeEmscripten(A, '/mem', volume, { snapshot })
    }
    const guest = int(2)
    const [what, op] = pick(ops)()
    log.push(`${'AB'[guest]} ${what}`)
    const outcome = (/** @type {any} */ FS, /** @type {string} */ r, /** @type {number} */ side) => {
      try {
        return { value: op(FS, r, side) }
      } catch (/** @type {any} */ e) {
        if (e.name !== 'ErrnoError') throw new Error(`${what}: ${e.stack}`)
        return { errno: e.errno }
      }
    }
    const got = outcome([A, B][guest], '/hf', 1)
    // MEMFS compares paths as text, and so moves a directory into itself through a symlink.
    if (what.startsWith('rename') && 'errno' in got && got.errno === EINVAL) continue
    const want = outcome(A, '/mem', 0)
    assert.deepEqual(got, want, `step ${i} (SEED=${SEED}): ${what}\nafter ${log.slice(-12, -1).join('\n')}`)
  }
  assert.deepEqual(volume.fs.readdirSync('/').sort(), A.readdir('/mem').slice(2).sort())
})

test('a mounted directory of the volume is the root of the mount', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  assert.throws(() => mountEmscripten({ FS }, volume, '/hf', { path: '/site' }), { code: 'ENOENT' })
  volume.fs.mkdirSync('/site/sub', { recursive: true })
  const { unmount } = mountEmscripten({ FS }, volume, '/hf', { path: '/site' })
  FS.writeFile('/hf/sub/f', 'x')
  assert.equal(volume.fs.readFileSync('/site/sub/f', 'utf8'), 'x')
  unmount()
  assert.deepEqual(FS.readdir('/hf'), ['.', '..'])
})

test('what one runtime, or volume.fs, does to names the other runtime sees at once', async (t) => {
  const [A, B] = [await startFs(), await startFs()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS: A }, volume, '/a')
  mountEmscripten({ FS: B }, volume, '/b')

  A.mkdirTree('/a/d/e')
  A.writeFile('/a/d/e/f', 'one')
  assert.equal(text(B, '/b/d/e/f'), 'one') // and B has the nodes cached now
  A.writeFile('/a/d/e/f', 'two')
  assert.equal(text(B, '/b/d/e/f'), 'two')

  A.unlink('/a/d/e/f')
  fails(ENOENT, () => B.stat('/b/d/e/f'))
  A.mkdir('/a/d/e/f') // the name stands for another kind of thing now
  assert.equal(B.isDir(B.stat('/b/d/e/f').mode), true)

  B.rename('/b/d', '/b/D')
  fails(ENOENT, () => A.stat('/a/d/e'))
  assert.deepEqual(A.readdir('/a/D/e'), ['.', '..', 'f'])
  A.writeFile('/a/D/e/g', 'g')
  B.stat('/b/D/e/g')
  volume.fs.rmSync('/D', { recursive: true })
  fails(ENOENT, () => A.stat('/a/D'))
  fails(ENOENT, () => B.stat('/b/D/e/g'))

  A.writeFile('/a/x', '')
  B.stat('/b/x')
  A.chmod('/a/x', 0o600)
  assert.equal(B.lookupPath('/b/x').node.mode & 0o777, 0o600)
  volume.fs.chmodSync('/x', 0o640)
  assert.equal(A.lookupPath('/a/x').node.mode & 0o777, 0o640)

  A.writeFile('/a/y', 'y')
  B.stat('/b/x')
  B.stat('/b/y')
  A.rename('/a/y', '/a/x') // over a name that B has cached
  assert.equal(text(B, '/b/x'), 'y')
  A.unlink('/a/x')
  A.writeFile('/a/x', 'made anew') // what stood there before A's rename is forgotten, too
  assert.equal(text(B, '/b/x'), 'made anew')
})

test('after a restore: restored files, stale streams, no stale node', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  FS.mkdirTree('/hf/dir/sub')
  FS.writeFile('/hf/dir/f', 'before')
  const snap = volume.snapshot()
  FS.writeFile('/hf/dir/f', 'after')
  FS.writeFile('/hf/dir/new', 'new')
  FS.chmod('/hf/dir', 0o700)
  FS.chdir('/hf/dir')
  const stream = FS.open('/hf/dir/f', 'r+')
  const dir = FS.open('/hf/dir', 'r')
  const mine = FS.lookupPath('/hf/dir/f').node
  FS.stat('/hf/dir/new')

  volume.restore(snap)
  assert.equal(text(FS, '/hf/dir/f'), 'before')
  assert.equal(text(FS, 'f'), 'before', 'the working directory survives')
  assert.deepEqual(FS.readdir('/hf/dir'), ['.', '..', 'f', 'sub'])
  fails(ENOENT, () => FS.stat('/hf/dir/new'))
  assert.equal(FS.stat('/hf/dir').mode & 0o777, 0o777)
  const b = new Uint8Array(10)
  fails(ESTALE, () => FS.read(stream, b, 0, 10, 0))
  fails(ESTALE, () => FS.write(stream, b, 0, 10, 0))
  fails(ESTALE, () => FS.llseek(stream, 0, 2))
  fails(ESTALE, () => FS.fstat(stream.fd))
  fails(ESTALE, () => FS.ftruncate(stream.fd, 0))
  fails(ESTALE, () => FS.fchmod(stream.fd, 0o600))
  fails(ESTALE, () => stream.stream_ops.fsync(stream))
  fails(ESTALE, () => FS.fstat(dir.fd))
  fails(ESTALE, () => FS.chmod(mine, 0o600))
  fails(ESTALE, () => FS.open(mine, 'r'))
  FS.close(stream)
  FS.close(dir)
  assert.equal(text(FS, '/hf/dir/f'), 'before')
})

test('a mount inside the mount survives a restore, unless its directory is gone', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  const empty = volume.snapshot()
  FS.mkdirTree('/hf/a/in')
  FS.mount(FS.filesystems.MEMFS, {}, '/hf/a/in')
  FS.writeFile('/hf/a/in/m', 'memory')
  const snap = volume.snapshot()
  FS.writeFile('/hf/a/f', 'f')
  volume.restore(snap)
  assert.equal(text(FS, '/hf/a/in/m'), 'memory')
  fails(ENOENT, () => FS.stat('/hf/a/f'))
  FS.writeFile('/hf/a/g', 'g')
  assert.equal(volume.fs.readFileSync('/a/g', 'utf8'), 'g')
  volume.restore(empty)
  fails(ENOENT, () => FS.stat('/hf/a'))
  volume.restore(snap)
  assert.deepEqual(FS.readdir('/hf/a/in'), ['.', '..'])
})

test('when the mounted directory itself is gone after a restore, the mount is stale until it is back', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  const empty = volume.snapshot()
  volume.fs.mkdirSync('/site')
  volume.fs.writeFileSync('/site/f', 'f')
  const full = volume.snapshot()
  mountEmscripten({ FS }, volume, '/hf', { path: '/site' })
  assert.equal(text(FS, '/hf/f'), 'f')
  volume.restore(empty)
  fails(ESTALE, () => FS.stat('/hf/f'))
  fails(ESTALE, () => FS.readdir('/hf'))
  volume.restore(full)
  assert.equal(text(FS, '/hf/f'), 'f')
})

test('an open file lives on without a name, until it is closed', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/f', 'content')
  const s = FS.open('/hf/f', 'r+')
  const d = FS.dupStream(s)
  FS.unlink('/hf/f')
  FS.close(s)
  const b = new Uint8Array(7)
  assert.equal(FS.read(d, b, 0, 7, 0), 7)
  assert.equal(Buffer.from(b).toString(), 'content')
  assert.equal(FS.fstat(d.fd).nlink, 0)
  FS.close(d)
  fails(ENOENT, () => FS.stat('/hf/f'))
})

test('what is written through a stream that appends goes to the end, whoever else writes, and wherever pwrite says', async (t) => {
  const [A, B] = [await startFs(), await startFs()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS: A }, volume, '/hf')
  mountEmscripten({ FS: B }, volume, '/hf')
  const [a, b] = [A.open('/hf/log', 'a'), B.open('/hf/log', 'a')]
  const bytes = (/** @type {string} */ s) => new TextEncoder().encode(s)
  A.write(a, bytes('one '), 0, 4)
  B.write(b, bytes('two '), 0, 4)
  A.write(a, bytes('three '), 0, 6)
  B.write(b, bytes('four'), 0, 4, 0)
  assert.equal(text(A, '/hf/log'), 'one two three four')
})

test('mmap gives a copy; msync writes it back within the file, and durably', async (t) => {
  const FS = await startFs()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/f', new Uint8Array(5000).fill(7))
  const s = FS.open('/hf/f', 'r+')
  const { ptr, allocated } = FS.mmap(s, 8192, 0, 3, 1)
  assert.equal(allocated && ptr > 0 && ptr % 65536, 0)
  const { flushes } = storage
  FS.msync(s, new Uint8Array(8192).fill(9), 0, 8192, 1)
  assert.deepEqual([...new Set(FS.readFile('/hf/f'))], [9])
  assert.equal(FS.stat('/hf/f').size, 5000)
  assert.equal(storage.flushes, flushes + 1)
  assert.equal(volume.dirty, false)
  FS.msync(s, new Uint8Array(8192).fill(1), 0, 8192, 2) // a private mapping is not written
  assert.deepEqual([...new Set(FS.readFile('/hf/f'))], [9])
  // The guest closed the file while it was mapped, and opened another one, which got the number of its descriptor.
  FS.writeFile('/hf/other', 'other')
  FS.close(s)
  const other = FS.open('/hf/other', 'r+')
  assert.equal(other.fd === s.fd || s.fd === null, true)
  FS.msync(other, new Uint8Array(8192).fill(1), 0, 8192, 1)
  assert.equal(text(FS, '/hf/other'), 'other')
  FS.close(other)
  // SQLite's index of a WAL is not a file that anybody may find later.
  FS.writeFile('/hf/x.db-shm', new Uint8Array(100))
  const shm = FS.open('/hf/x.db-shm', 'r+')
  FS.mmap(shm, 100, 0, 3, 1)
  FS.msync(shm, new Uint8Array(100).fill(1), 0, 100, 1)
  assert.deepEqual([...new Set(FS.readFile('/hf/x.db-shm'))], [0])
  FS.close(shm)
})

test('statfs tells what is in use and what is left', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/a', '')
  const before = FS.statfs('/hf/a')
  FS.writeFile('/hf/b', new Uint8Array(1 << 20))
  const after = FS.statfs('/hf')
  assert.ok(before.bfree - after.bfree >= 256 && before.bfree - after.bfree < 300, `${before.bfree} - ${after.bfree}`)
  assert.equal(after.blocks, before.blocks)
  assert.deepEqual([after.bsize, after.namelen, after.bavail], [4096, 255, after.bfree])
  assert.equal(FS.statfs('/tmp').fsid === after.fsid, false)
})

test('hard links, as runtimes with FS.link make them', async (t) => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  // What FS.link of Emscripten does after it has found the directory; php-wasm and Pyodide are built without it.
  const link = (/** @type {string} */ from, /** @type {string} */ dir, /** @type {string} */ name, flags = 0) => {
    const { node } = FS.lookupPath(dir)
    return node.node_ops.link(node, name, from, flags)
  }
  FS.mkdir('/hf/d')
  FS.writeFile('/hf/a', 'one')
  FS.symlink('a', '/hf/l')
  link('/hf/a', '/hf/d', 'b')
  link('/hf/l', '/hf', 'l2')
  link('/hf/l', '/hf', 'c', 0x400)
  FS.writeFile('/hf/d/b', 'through b')
  assert.equal(text(FS, '/hf/a'), 'through b')
  assert.deepEqual([FS.stat('/hf/a').ino === FS.stat('/hf/d/b').ino, FS.stat('/hf/c').nlink, FS.readlink('/hf/l2')], [true, 3, 'a'])
  FS.chmod('/hf/a', 0o600)
  assert.deepEqual([FS.lookupPath('/hf/d/b').node.mode & 0o777, FS.stat('/hf/c').mode & 0o777], [0o600, 0o600])
  FS.unlink('/hf/a')
  assert.deepEqual([text(FS, '/hf/c'), FS.stat('/hf/c').nlink], ['through b', 2])
  FS.rename('/hf/c', '/hf/d/b') // the same file: nothing happens, as on Linux
  assert.deepEqual([text(FS, '/hf/c'), text(FS, '/hf/d/b')], ['through b', 'through b'])
  fails(63, () => link('/hf/d', '/hf', 'd2')) // EPERM
  fails(20, () => link('/hf/c', '/hf', 'd')) // EEXIST
  fails(ENOENT, () => link('/hf/none', '/hf', 'x'))
  FS.writeFile('/tmp/elsewhere', '')
  fails(75, () => link('/tmp/elsewhere', '/hf', 'x')) // EXDEV
})

test('another runtime uses the mount through PROXYFS', async (t) => {
  const [A, B] = [await startFs(), await startFs()]
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  mountEmscripten({ FS: A }, volume, '/site')
  B.mkdirTree('/site')
  B.mount(B.filesystems.PROXYFS, { root: '/site', fs: A }, '/site')
  B.mkdir('/site/d', 0o750)
  B.writeFile('/site/d/f', 'from B')
  assert.equal(text(A, '/site/d/f'), 'from B')
  A.writeFile('/site/d/f', 'from A, longer')
  assert.equal(text(B, '/site/d/f'), 'from A, longer')
  B.rename('/site/d/f', '/site/g')
  B.symlink('g', '/site/l')
  assert.equal(text(A, '/site/l'), 'from A, longer')
  B.truncate('/site/g', 4)
  B.chmod('/site/g', 0o600)
  B.utime('/site/g', 5000, 6000)
  const { size, mode, mtime } = A.stat('/site/g')
  assert.deepEqual([size, mode & 0o777, mtime.getTime()], [4, 0o600, 6000])
  const s = B.open('/site/g', 'a+')
  B.write(s, new TextEncoder().encode('!'), 0, 1)
  assert.equal(B.llseek(s, 0, 2), 5)
  B.close(s)
  fails(ENOENT, () => B.stat('/site/none'))
  fails(55, () => (B.writeFile('/site/d/x', ''), B.rmdir('/site/d'))) // ENOTEMPTY
  B.unlink('/site/d/x')
  B.rmdir('/site/d')
  assert.deepEqual(A.readdir('/site').sort(), ['.', '..', 'g', 'l'])
  const snap = volume.snapshot()
  B.writeFile('/site/g', 'changed')
  volume.restore(snap)
  assert.equal(text(B, '/site/g'), 'from!')
})

test('fsync commits before it returns, and fails with the right number when the commit fails', async (t) => {
  const FS = await startFs()
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  t.after(() => volume.close({ commit: false }))
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/f', 'x')
  const s = FS.open('/hf/f', 'r+')
  let flushes = storage.flushes
  assert.equal(s.stream_ops.fsync(s), 0)
  assert.equal(storage.flushes, flushes + 1)
  assert.equal(volume.dirty, false)
  assert.equal(s.stream_ops.fsync(s), 0)
  assert.equal(storage.flushes, flushes + 1, 'nothing changed: nothing is written')

  /** @type {any[]} */
  const called = []
  FS.writeFile('/hf/f', 'y')
  s.node.mount.type.syncfs(s.node.mount, false, (/** @type {any} */ err) => called.push(err))
  assert.deepEqual(called, [null], 'called before it returns')
  assert.equal(volume.dirty, false)

  FS.writeFile('/hf/f', 'z')
  storage.fail = quota()
  fails(ENOSPC, () => s.stream_ops.fsync(s))
  s.node.mount.type.syncfs(s.node.mount, false, (/** @type {any} */ err) => called.push(err.errno))
  assert.equal(called[1], ENOSPC)
  storage.fail = new Error('broken')
  fails(EIO, () => s.stream_ops.fsync(s))
  assert.equal(text(FS, '/hf/f'), 'z', 'memory keeps what could not be committed')
  storage.fail = null
  s.stream_ops.fsync(s)
  assert.equal(volume.dirty, false)
  const again = await open('v', { storage: arrayStorage(storage) })
  assert.equal(again.fs.readFileSync('/f', 'utf8'), 'z')
  await again.close()
})

test("with durability 'manual' fsync does nothing", async (t) => {
  const FS = await startFs()
  const storage = arrayStorage()
  const volume = await open('v', { storage, durability: 'manual' })
  t.after(() => volume.close())
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/f', 'x')
  const s = FS.open('/hf/f', 'r+')
  const { writes } = storage
  s.stream_ops.fsync(s)
  assert.equal(storage.writes, writes)
  volume.commit()
  assert.ok(storage.writes > writes)
})

test('what is no FS, or one of WasmFS, is refused', async (t) => {
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  assert.throws(() => mountEmscripten({}, volume, '/hf'), TypeError)
  assert.throws(() => mountEmscripten({ FS: { mount() {}, mkdirTree() {} } }, volume, '/hf'), TypeError)
})

test('guests of a closed volume get EIO, not an exception they cannot handle', async () => {
  const FS = await startFs()
  const volume = await open('v', { storage: memory() })
  mountEmscripten({ FS }, volume, '/hf')
  FS.writeFile('/hf/f', 'x')
  const s = FS.open('/hf/f', 'r+')
  await volume.close()
  const b = new Uint8Array(1)
  fails(EIO, () => FS.stat('/hf/f'))
  fails(EIO, () => FS.read(s, b, 0, 1, 0))
  fails(EIO, () => FS.write(s, b, 0, 1, 0))
  fails(EIO, () => FS.open('/hf/new', 'w'))
  fails(EIO, () => s.stream_ops.fsync(s))
  FS.close(s)
  assert.throws(() => createFsType(FS, volume), { code: 'ErrClosed' })
})
