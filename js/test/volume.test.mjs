/** Snapshots, history, errors and the end of a volume. */

import test from 'node:test'
import assert from 'node:assert/strict'
import { open, memory, salvage, HoldfastError } from 'holdfast'
import { Core } from '../core.js'
import { arrayStorage, quota } from './storages.mjs'

/** @param {import('node:test').TestContext} t @param {any} [options] */
async function volumeOf(t, options = { storage: memory() }) {
  const volume = await open('v', options)
  t.after(() => volume.close({ commit: false }))
  return volume
}
/** @param {any} fs @param {string} [dir] @returns {string[]} every path with everything that stat and read tell */
function tree(fs, dir = '') {
  return fs.readdirSync(dir || '/').flatMap((/** @type {string} */ name) => {
    const p = `${dir}/${name}`
    const s = fs.lstatSync(p, { bigint: true })
    const content = s.isFile() ? fs.readFileSync(p, 'latin1') : s.isSymbolicLink() ? fs.readlinkSync(p) : ''
    const line = [p, s.ino, s.mode, s.nlink, s.uid, s.gid, s.size, s.mtimeNs, s.atimeNs, content].join(' ')
    return s.isDirectory() ? [line, ...tree(fs, p)] : [line]
  })
}

test('nothing leaks into the global object', async (t) => {
  const before = Reflect.ownKeys(globalThis)
  await volumeOf(t)
  assert.deepEqual(Reflect.ownKeys(globalThis), before)
})

test('restore is exact, in both directions, and costs no new epoch but one', async (t) => {
  const volume = await volumeOf(t)
  const { fs } = volume
  fs.mkdirSync('/d/e', { recursive: true })
  fs.writeFileSync('/d/f', Buffer.alloc(100000, 'abc'))
  fs.linkSync('/d/f', '/d/hard')
  fs.symlinkSync('f', '/d/soft')
  fs.utimesSync('/d/f', 1e9 + 0.25, 1e9 + 0.5)
  fs.chownSync('/d/f', 3, 4)
  const one = volume.snapshot({ label: 'one' })
  const treeOne = tree(fs)
  fs.truncateSync('/d/f', 5)
  fs.rmSync('/d/e', { recursive: true })
  fs.renameSync('/d/soft', '/soft')
  fs.writeFileSync('/d/f-wal', 'left over')
  const two = volume.snapshot()
  const treeTwo = tree(fs)
  const { epoch } = volume
  volume.restore(one)
  assert.equal(volume.epoch, epoch + 1)
  assert.deepEqual(tree(fs), treeOne)
  volume.restore(two.id)
  assert.deepEqual(tree(fs), treeTwo)
  volume.restore(one)
  assert.deepEqual(tree(fs), treeOne)
  assert.equal(one.label, 'one')
  assert.equal(one.durable, false)
})

test('diff says what changed, and where', async (t) => {
  const volume = await volumeOf(t)
  const { fs } = volume
  fs.mkdirSync('/d')
  fs.writeFileSync('/d/f', Buffer.alloc(40000, 1))
  fs.writeFileSync('/gone', '')
  fs.writeFileSync('/m', '')
  fs.writeFileSync('/old', 'same')
  const a = volume.snapshot()
  const fd = fs.openSync('/d/f', 'r+')
  fs.writeSync(fd, Buffer.alloc(10, 2), 0, 10, 20000)
  fs.closeSync(fd)
  fs.unlinkSync('/gone')
  fs.chmodSync('/m', 0o600)
  fs.symlinkSync('f', '/d/l')
  fs.renameSync('/old', '/new')
  const short = (/** @type {import('../volume.js').Change[]} */ list) => list.map((c) => `${c.change} ${c.type} ${c.from ? c.from + ' -> ' : ''}${c.path}`).sort()
  const want = ['create symlink /d/l', 'delete file /gone', 'metadata file /m', 'rename file /old -> /new', 'update file /d/f']
  assert.deepEqual(short(volume.diff(a)), want)
  const b = volume.snapshot()
  fs.writeFileSync('/later', '')
  assert.deepEqual(short(volume.diff(a, b)), want)
  assert.deepEqual(volume.diff(a, b).find((c) => c.path === '/d/f')?.ranges, [{ offset: 20000, length: 10 }])
  assert.deepEqual(volume.diff(b, b), [])
})

test('a point can be read while the files go on', async (t) => {
  const volume = await volumeOf(t)
  const { fs } = volume
  fs.mkdirSync('/d')
  fs.writeFileSync('/d/f', Buffer.alloc(3 << 20, 'old'))
  fs.symlinkSync('d/f', '/l')
  const snap = volume.snapshot()
  const before = tree(fs)
  fs.writeFileSync('/d/f', 'new')
  fs.unlinkSync('/l')
  const old = volume.readSnapshot(snap)
  assert.deepEqual(tree(old), before)
  assert.equal(old.readFileSync('/l').length, 3 << 20)
  const fd = old.openSync('/d/f')
  const b = Buffer.alloc(4)
  assert.equal(old.readSync(fd, b, 0, 4, 3), 4)
  assert.equal(b.toString(), 'oldo')
  assert.equal(old.fstatSync(fd).size, 3 << 20)
  old.closeSync(fd)
  for (const change of [
    () => old.writeFileSync('/d/f', ''),
    () => old.mkdirSync('/x'),
    () => old.unlinkSync('/l'),
    () => old.rmdirSync('/d'),
    () => old.renameSync('/l', '/m'),
    () => old.symlinkSync('x', '/m'),
    () => old.linkSync('/d/f', '/m'),
    () => old.chmodSync('/d', 0o700),
    () => old.truncateSync('/d/f', 0),
    () => old.rmSync('/d', { recursive: true }),
    () => old.accessSync('/d', 2),
  ])
    assert.throws(change, { code: 'EROFS' }, String(change))
  assert.throws(() => old.readFileSync('/none'), { code: 'ENOENT', syscall: 'open', path: '/none' })
  assert.equal(await old.promises.readFile('/d/f', 'latin1'), Buffer.alloc(3 << 20, 'old').toString())
  volume.restore(snap)
  old.release()
  assert.throws(() => old.readdirSync('/'), { code: 'EBADF' })
})

test('commits are durable, and the history can be restored after reopening', async (t) => {
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  volume.fs.writeFileSync('/f', '1')
  const first = volume.commit({ label: 'first' })
  assert.ok(first.durable && first.bytesWritten > 0 && first.flushes === 1)
  volume.fs.writeFileSync('/f', '2')
  const snap = volume.snapshot({ label: 'second' })
  volume.fs.writeFileSync('/f', '3')
  assert.equal(volume.dirty, true)
  await volume.close() // durability 'fsync': commits
  assert.equal(storage.released, 1)
  const again = await volumeOf(t, { storage: arrayStorage(storage) })
  assert.equal(again.uuid.length, 36)
  assert.equal(again.fs.readFileSync('/f', 'utf8'), '3')
  const labels = again.snapshots().map((s) => s.label ?? '')
  assert.deepEqual(labels.filter(Boolean), ['second', 'first'])
  assert.ok(again.snapshots().every((s) => s.durable))
  again.restore(first)
  assert.equal(again.fs.readFileSync('/f', 'utf8'), '1')
  again.restore(snap.id)
  assert.equal(again.fs.readFileSync('/f', 'utf8'), '2')
})

test('a deleted snapshot is gone for ever, and what only it needed is given back', async (t) => {
  const storage = arrayStorage()
  let volume = await open('v', { storage, history: { keep: 2 } })
  volume.fs.writeFileSync('/big', Buffer.alloc(8 << 20, 'x'))
  const kept = volume.snapshot({ label: 'kept' })
  const gone = volume.snapshot({ label: 'gone' })
  volume.fs.rmSync('/big')
  const work = (n) => {
    for (let i = 0; i < n; i++) {
      volume.fs.writeFileSync('/a', `version ${i}`)
      volume.commit()
    }
  }
  work(400)
  volume.deleteSnapshot(gone)
  assert.throws(() => volume.deleteSnapshot(gone.id), { code: 'ErrNotFound' })
  work(400)
  assert.ok((await volume.estimate()).file > 8 << 20)
  assert.ok((await volume.estimate()).needed > 8 << 20)
  volume.deleteSnapshot(kept)
  work(1000)
  const { file, free } = await volume.estimate()
  assert.ok(file - free < 3 << 20, `${file} bytes, ${free} of them free`)
  await volume.close()
  volume = await open('v', { storage, history: { keep: 2 } })
  t.after(() => volume.close())
  assert.deepEqual(volume.snapshots().map((s) => s.label ?? ''), ['', ''])
  assert.throws(() => volume.restore(kept), { code: 'ErrNotFound' })
  await volume.verify()
})

test('close without a commit gives up what was not committed; a second close does nothing', async (t) => {
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  volume.fs.writeFileSync('/f', '1')
  volume.commit()
  volume.fs.writeFileSync('/f', '2')
  await Promise.all([volume.close({ commit: false }), volume.close({ commit: false })])
  await volume.close()
  assert.equal(volume.closed, true)
  const again = await volumeOf(t, { storage: arrayStorage(storage) })
  assert.equal(again.fs.readFileSync('/f', 'utf8'), '1')
})

test('a closed volume says so, whatever is called', async () => {
  const volume = await open('v', { storage: memory() })
  const snap = volume.snapshot()
  const { fs } = volume
  await volume.close()
  for (const call of [
    () => volume.snapshot(),
    () => volume.snapshots(),
    () => volume.restore(snap),
    () => volume.diff(snap),
    () => volume.commit(),
    () => volume.readSnapshot(snap),
    () => volume.epoch,
    () => fs.readFileSync('/f'),
    () => fs.writeFileSync('/f', ''),
    () => fs.mkdirSync('/d'),
    () => fs.readdirSync('/'),
  ])
    assert.throws(call, (/** @type {any} */ e) => e instanceof HoldfastError && e.code === 'ErrClosed' && /"v" is closed/.test(e.message), String(call))
  await assert.rejects(volume.publish(/** @type {any} */ ({})), { code: 'ErrClosed' })
})

test('a full disk is ErrQuota with its cause; memory keeps everything, close keeps the volume open', async () => {
  const storage = arrayStorage()
  const volume = await open('v', { storage })
  volume.fs.writeFileSync('/f', 'x')
  storage.fail = quota()
  assert.throws(() => volume.commit(), (/** @type {any} */ e) => e.code === 'ErrQuota' && e.cause === storage.fail && e.hint.length > 0)
  const fd = volume.fs.openSync('/f', 'r+')
  assert.throws(() => volume.fs.fsyncSync(fd), { code: 'ENOSPC', syscall: 'fsync' })
  await assert.rejects(volume.close(), { code: 'ErrQuota' })
  assert.equal(volume.fs.readFileSync('/f', 'utf8'), 'x')
  storage.fail = null
  await volume.close()
  const again = await open('v', { storage: arrayStorage(storage) })
  assert.equal(again.fs.readFileSync('/f', 'utf8'), 'x')
  await again.close()
})

test('open reports what is wrong and lets go of the storage', async () => {
  const storage = arrayStorage({ bytes: new Uint8Array(9000).fill(65) })
  await assert.rejects(open('v', { storage }), { name: 'HoldfastError', code: 'ErrNotVolume' })
  assert.equal(storage.released, 1)
  assert.deepEqual([...new Set(storage.bytes)], [65], 'and what was there is untouched')
  await assert.rejects(open('', { storage: memory() }), { code: 'ErrName' })
  await assert.rejects(open('../x', { storage: memory() }), { code: 'ErrName' })
  await assert.rejects(open('v'), { code: 'ErrUnsupported' })
  await assert.rejects(open('v', { storage: memory(), durability: /** @type {any} */ ('never') }), TypeError)
  await assert.rejects(open('v', { storage: memory(), signal: AbortSignal.abort() }), { code: 'ErrAborted' })
  const full = arrayStorage()
  full.fail = quota()
  await assert.rejects(open('v', { storage: full }), { code: 'ErrQuota' })
})

test('restoring what is not there changes nothing', async (t) => {
  const volume = await volumeOf(t)
  volume.fs.writeFileSync('/f', '')
  const { epoch } = volume
  assert.throws(() => volume.restore('00000000000000ff'), { code: 'ErrNotFound', errno: 2 })
  assert.throws(() => volume.restore(/** @type {any} */ ({})), { code: 'ErrNotFound' })
  assert.equal(volume.epoch, epoch)
  assert.equal(volume.fs.existsSync('/f'), true)
})

test('descriptors are stale after a restore', async (t) => {
  const volume = await volumeOf(t)
  volume.fs.writeFileSync('/f', 'x')
  const snap = volume.snapshot()
  const fd = volume.fs.openSync('/f', 'r+')
  volume.restore(snap)
  for (const call of [() => volume.fs.readSync(fd, Buffer.alloc(1)), () => volume.fs.writeSync(fd, 'y'), () => volume.fs.fstatSync(fd), () => volume.fs.fsyncSync(fd), () => volume.fs.ftruncateSync(fd, 0), () => volume.fs.fchmodSync(fd, 0)])
    assert.throws(call, { code: 'ESTALE', errno: -116 }, String(call))
  volume.fs.closeSync(fd)
  assert.throws(() => volume.fs.closeSync(fd), { code: 'EBADF' })
})

test('long transfers and sparse files', async (t) => {
  const { fs } = await volumeOf(t)
  const big = Buffer.alloc(9 << 20, 0)
  for (let i = 0; i < big.length; i += 4099) big[i] = i & 255 // every page differs
  fs.writeFileSync('/big', big)
  assert.ok(fs.readFileSync('/big').equals(big))
  const fd = fs.openSync('/sparse', 'w+')
  fs.writeSync(fd, Buffer.from('end'), 0, 3, 2 ** 40)
  assert.equal(fs.fstatSync(fd).size, 2 ** 40 + 3)
  const b = Buffer.alloc(8, 1)
  assert.equal(fs.readSync(fd, b, 0, 8, 2 ** 40 - 5), 8)
  assert.equal(b.toString('latin1'), '\0\0\0\0\0end')
  fs.closeSync(fd)
})

test('names at and past the limits', async (t) => {
  const { fs } = await volumeOf(t)
  const name = 'é'.repeat(127) + 'x' // 255 bytes
  fs.writeFileSync(`/${name}`, '')
  assert.deepEqual(fs.readdirSync('/'), [name])
  assert.throws(() => fs.writeFileSync(`/${name}y`, ''), { code: 'ENAMETOOLONG' })
  assert.throws(() => fs.statSync('/d'.repeat(3000)), { code: 'ENAMETOOLONG' })
  assert.throws(() => fs.statSync('/\0'), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => fs.statSync(/** @type {any} */ (5)), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('the promises do what the calls do', async (t) => {
  const { fs } = await volumeOf(t)
  const p = fs.promises
  await p.mkdir('/a/b', { recursive: true })
  await p.writeFile('/a/b/f', 'hello')
  assert.equal(await p.readFile('/a/b/f', 'utf8'), 'hello')
  await assert.rejects(p.readFile('/none'), { code: 'ENOENT', syscall: 'open' })
  const h = await p.open('/a/b/f', 'r+')
  assert.deepEqual(await h.read(Buffer.alloc(2), 0, 2, 1), { bytesRead: 2, buffer: Buffer.from('el') })
  await h.truncate(2)
  assert.equal((await h.stat()).size, 2)
  assert.equal(await h.readFile('utf8'), 'he')
  await h.sync()
  await h.close()
  await h.close()
  assert.deepEqual(await p.readdir('/a', { recursive: true }), ['b', 'b/f'])
  const dirents = await p.readdir('/a', { withFileTypes: true })
  assert.equal(dirents[0].isDirectory() && dirents[0].parentPath, '/a')
})

test('a panic in the module is an error once and for all, and nothing is returned by the call that panicked', async () => {
  const core = await Core.start({})
  /** @type {any} */
  let told
  core.ondeath = (err) => (told = err)
  // No volume is open in it: the first call on its files is one on nil.
  assert.throws(() => core.x.lookup(1, core.put(0, 'name')), { name: 'HoldfastError', code: 'ErrInternal', message: /nil pointer/ })
  assert.match(told.details, /goroutine/)
  assert.equal(core.x.lookup(1, core.put(0, 'name')), -5)
  assert.equal(core.x.handle_open(1), -5)
  assert.equal(core.failure(-5), told)
  await assert.rejects(core.finish('verify', core.x.verify(), {}), { code: 'ErrInternal' })
})

test('verify reads everything, shows progress, can be stopped, and names what is damaged', async (t) => {
  const storage = arrayStorage()
  const volume = await open('verified', { storage })
  t.after(() => volume.close({ commit: false }))
  volume.fs.writeFileSync('/big', new Uint8Array(5e6).fill(7))
  volume.commit()
  /** @type {import('../volume.js').Progress[]} */
  const seen = []
  await volume.verify({ onProgress: (p) => seen.push(p) })
  assert.ok(seen.length > 3 && seen.every((p, i) => p.phase === 'verify' && (i === 0 || p.bytesDone >= seen[i - 1].bytesDone)))
  assert.equal(seen.at(-1)?.bytesDone, seen.at(-1)?.bytesTotal)
  const abort = new AbortController()
  await assert.rejects(volume.verify({ signal: abort.signal, onProgress: () => abort.abort() }))
  storage.bytes[storage.bytes.length >> 1] ^= 1
  await assert.rejects(volume.verify(), (/** @type {any} */ err) => err.code === 'ErrCorrupt' && err.hint.length > 0)
  assert.equal(volume.fs.readFileSync('/big').length, 5e6, 'what is in memory is whole')
})

test('salvage opens what is whole of a damaged volume, says what is lost, and writes nothing', async (t) => {
  const storage = arrayStorage()
  const volume = await open('damaged', { storage })
  volume.fs.writeFileSync('/a', 'first'.repeat(500))
  const first = volume.commit()
  volume.fs.writeFileSync('/a', 'second'.repeat(500))
  const second = volume.commit()
  await volume.close()
  const at = Buffer.from(storage.bytes.buffer).indexOf('secondsecond')
  storage.bytes[at] ^= 1
  const again = await open('damaged', { storage })
  await assert.rejects(again.verify(), { code: 'ErrCorrupt' })
  assert.throws(() => again.fs.readFileSync('/a'), { code: 'EIO' })
  await again.close({ commit: false })
  const before = storage.bytes.slice()
  const { volume: saved, salvaged } = await salvage('damaged', { storage })
  t.after(() => saved.close())
  assert.equal(saved.fs.readFileSync('/a', 'utf8'), 'first'.repeat(500))
  assert.equal(salvaged.point.id, first.id)
  assert.deepEqual(salvaged.lost, [second.seq])
  assert.match(salvaged.damages[0], /checksum/)
  saved.fs.writeFileSync('/b', 'in memory only')
  assert.throws(() => saved.commit(), { code: 'ErrReadOnly' })
  await saved.close()
  assert.deepEqual(storage.bytes, before)
})
