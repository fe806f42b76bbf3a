/** What volume.fs has besides the calls that fs-model.test.mjs compares with Node's: streams, handles, change events, copies of trees. */

import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { open, memory } from 'holdfast'
import { arrayStorage } from './storages.mjs'

/** @param {import('node:test').TestContext} t */
async function start(t) {
  const volume = await open('fs', { storage: memory() })
  t.after(() => volume.close())
  return volume
}

/** @param {ReadableStream<any>} stream */
async function all(stream) {
  const list = []
  for await (const chunk of /** @type {any} */ (stream)) list.push(chunk)
  return list
}

const text = (/** @type {any[]} */ chunks) => Buffer.concat(chunks).toString()

test('createReadStream: ranges, chunks, encodings, descriptors, errors, abort', async (t) => {
  const { fs } = await start(t)
  const content = 'grüße '.repeat(40000)
  fs.writeFileSync('/f', content)
  assert.equal(text(await all(fs.createReadStream('/f'))), content)
  assert.equal(text(await all(fs.createReadStream('/f', { start: 3, end: 6 }))), Buffer.from(content).subarray(3, 7).toString())
  assert.deepEqual(await all(fs.createReadStream('/f', { start: 1e9 })), [])
  const chunks = await all(fs.createReadStream('/f', { highWaterMark: 1000 }))
  assert.ok(chunks.length > 200 && chunks.every((c) => c.length <= 1000))
  for (const encoding of /** @type {const} */ (['utf8', 'base64', 'hex', 'utf16le', 'latin1'])) {
    const parts = await all(fs.createReadStream('/f', { encoding, highWaterMark: 1001 })) // a character is cut at nearly every end of a chunk
    assert.ok(parts.every((p) => typeof p === 'string'))
    assert.equal(parts.join(''), Buffer.from(content).toString(encoding))
  }
  const fd = fs.openSync('/f')
  assert.equal((await all(fs.createReadStream('/ignored', { fd, end: 4, autoClose: false }))).length, 1)
  assert.equal(fs.fstatSync(fd).isFile(), true)
  await all(fs.createReadStream('/ignored', { fd }))
  assert.throws(() => fs.fstatSync(fd), { code: 'EBADF' })
  await assert.rejects(all(fs.createReadStream('/none')), { code: 'ENOENT', syscall: 'open', path: '/none' })
  await assert.rejects(all(fs.createReadStream('/')), { code: 'EISDIR' })
  const stop = new AbortController()
  const reader = fs.createReadStream('/f', { signal: stop.signal }).getReader()
  await reader.read()
  stop.abort(new Error('enough'))
  await assert.rejects(reader.read(), /enough/)
  const half = fs.createReadStream('/f').getReader()
  await half.read()
  await half.cancel()
  assert.equal(fs.openSync('/f'), 3, 'no descriptor is left open')
})

test('createWriteStream: strings and bytes, flags, start, errors; pipeTo between volumes and responses', async (t) => {
  const { fs } = await start(t)
  const w = fs.createWriteStream('/f').getWriter()
  await w.write('one ')
  await w.write(new TextEncoder().encode('two '))
  await w.write(new Uint16Array([0x2121]))
  await w.close()
  assert.equal(fs.readFileSync('/f', 'utf8'), 'one two !!')
  const more = fs.createWriteStream('/f', { flags: 'a', mode: 0o600 }).getWriter()
  await more.write('more')
  await more.close()
  const inside = fs.createWriteStream('/f', { flags: 'r+', start: 4, flush: true }).getWriter()
  await inside.write('TW')
  await inside.write('O')
  await inside.close()
  assert.equal(fs.readFileSync('/f', 'utf8'), 'one TWO !!more')
  await assert.rejects(fs.createWriteStream('/none/f').getWriter().write('x'), { code: 'ENOENT' })
  await assert.rejects(fs.createWriteStream('/f', { flags: 'wx' }).getWriter().write('x'), { code: 'EEXIST' })
  const big = new Uint8Array(300_000).map((_, i) => i)
  await /** @type {any} */ (new Response(big).body).pipeTo(fs.createWriteStream('/big'))
  await fs.createReadStream('/big').pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip')).pipeTo(fs.createWriteStream('/copy'))
  assert.deepEqual(fs.readFileSync('/copy'), Buffer.from(big))
  assert.deepEqual(new Uint8Array(await (await fs.openAsBlob('/copy')).arrayBuffer()), big)
  assert.equal(fs.openSync('/f'), 3, 'no descriptor is left open')
})

test('file handles read, write, vector, stream and read lines', async (t) => {
  const { fs } = await start(t)
  const h = await fs.promises.open('/f', 'w+')
  assert.deepEqual(await h.write('first\nsecond\r\nthird'), { bytesWritten: 19, buffer: 'first\nsecond\r\nthird' })
  assert.equal((await h.writev([Buffer.from('\n'), Buffer.from('fourth')], 19)).bytesWritten, 7)
  const { bytesRead, buffer } = await h.read({ position: 0 })
  assert.equal(buffer.subarray(0, bytesRead).toString(), 'first\nsecond\r\nthird\nfourth')
  assert.equal((await h.read(Buffer.alloc(4), 1, 2, 0)).buffer.toString(), '\0fi\0')
  const parts = [Buffer.alloc(5), Buffer.alloc(1)]
  assert.equal((await h.readv(parts, 0)).bytesRead, 6)
  assert.equal(parts[0].toString(), 'first')
  assert.equal((await h.stat()).size, 26)
  await h.truncate(25)
  await h.chmod(0o600)
  await h.utimes(1, 2)
  await h.sync()
  assert.equal((await h.stat({ bigint: true })).mtimeNs, 2_000_000_000n)
  assert.equal(text(await all(h.createReadStream({ start: 0, autoClose: false }))).length, 25)
  const lines = []
  for await (const line of h.readLines({ start: 0, highWaterMark: 3 })) lines.push(line)
  assert.deepEqual(lines, ['first', 'second', 'third', 'fourt'])
  assert.equal(h.fd, -1, 'readLines closes')
  const g = await fs.promises.open('/f')
  assert.equal(text(await all(g.readableWebStream())).length, 25)
  assert.notEqual(g.fd, -1)
  await g.close()
  await assert.rejects(g.stat(), { code: 'EBADF' })
})

test('calls with a callback answer later, and throw wrong arguments at once', async (t) => {
  const { fs } = await start(t)
  let now = true
  const written = new Promise((resolve) => fs.writeFile('/f', 'text', (/** @type {any} */ err) => resolve([err, now])))
  now = false
  assert.deepEqual(await written, [null, false])
  assert.throws(() => fs.readFile('/f'), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => fs.readFile(7.5, () => {}), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.equal(await new Promise((resolve) => fs.readFile('/none', (/** @type {any} */ err) => resolve(err.code))), 'ENOENT')
  const fd = fs.openSync('/f')
  const into = Buffer.alloc(10)
  assert.deepEqual(await new Promise((resolve) => fs.read(fd, into, 0, 10, 0, (/** @type {any[]} */ ...a) => resolve(a))), [null, 4, into])
  assert.equal(await new Promise((resolve) => fs.exists('/f', resolve)), true)
})

test('statfs has the names that Node has, as numbers or bigints', async (t) => {
  const { fs } = await start(t)
  for (const bigint of [false, true]) {
    const [ours, theirs] = [fs.statfsSync('/', { bigint }), nodeFs.statfsSync('/', { bigint })]
    assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort())
    assert.ok(Object.values(ours).every((n) => typeof n === (bigint ? 'bigint' : 'number') && n >= 0))
  }
  assert.throws(() => fs.statfsSync('/none'), { code: 'ENOENT', syscall: 'statfs' })
})

test('opendir lists once and then is closed', async (t) => {
  const { fs } = await start(t)
  fs.mkdirSync('/d/e', { recursive: true })
  fs.writeFileSync('/d/f', '')
  const names = []
  const whole = await fs.promises.opendir('/d')
  for await (const e of whole) names.push([e.name, e.isDirectory(), e.parentPath])
  assert.throws(() => whole.closeSync(), { code: 'ERR_DIR_CLOSED' })
  assert.deepEqual(names, [['e', true, '/d'], ['f', false, '/d']])
  const dir = fs.opendirSync('/d')
  assert.equal((await dir.read())?.name, 'e')
  await dir.close()
  assert.throws(() => dir.readSync(), { code: 'ERR_DIR_CLOSED' })
  await assert.rejects(dir.close(), { code: 'ERR_DIR_CLOSED' })
  assert.throws(() => fs.opendirSync('/d/f'), { code: 'ENOTDIR', syscall: 'opendir' })
})

test('cp does with trees what Node does', async (t) => {
  const { fs } = await start(t)
  const top = nodeFs.mkdtempSync(join(tmpdir(), 'holdfast-cp-'))
  t.after(() => nodeFs.rmSync(top, { recursive: true, force: true }))
  /** @param {any} f @param {string} r */
  const make = (f, r) => {
    f.mkdirSync(`${r}/src/sub/empty`, { recursive: true })
    f.writeFileSync(`${r}/src/a`, 'a', { mode: 0o600 })
    f.writeFileSync(`${r}/src/sub/b`, 'b')
    f.utimesSync(`${r}/src/a`, 1000, 2000)
    f.chmodSync(`${r}/src/sub`, 0o777) // more than the umask leaves
    f.symlinkSync('../a', `${r}/src/sub/link`)
    f.symlinkSync('/nowhere', `${r}/src/abs`)
    f.mkdirSync(`${r}/dest`)
    f.writeFileSync(`${r}/dest/a`, 'old')
    f.writeFileSync(`${r}/file`, 'file')
  }
  make(nodeFs, top)
  make(fs, '')
  /** @type {[string, string, any][]} */
  const cases = [
    ['/src', '/one', { recursive: true, verbatimSymlinks: true }],
    ['/src', '/one', { recursive: true, filter: (/** @type {string} */ s) => !/link|abs/.test(s) }],
    ['/src', '/two', {}],
    ['/src', '/dest', { recursive: true, force: false, filter: (/** @type {string} */ s) => !/link|abs/.test(s) }],
    ['/src/a', '/dest/a', { force: false, errorOnExist: true }],
    ['/src/a', '/dest/a', { preserveTimestamps: true }],
    ['/src', '/file', { recursive: true }],
    ['/file', '/src', {}],
    ['/src', '/src', { recursive: true }],
    ['/src', '/src/sub/deep', { recursive: true }],
    ['/src/a', '/new/deep/er/a', {}],
    ['/src/sub', '/three', { recursive: true, dereference: true }],
    ['/src/sub', '/four', { recursive: true, filter: (/** @type {string} */ s) => !s.endsWith('empty') }],
    ['/none', '/five', {}],
    ['/src/sub/link', '/copied-link', { verbatimSymlinks: true }],
    ['/src', '/x', { recursive: true, dereference: true, verbatimSymlinks: true }],
  ]
  const done = (/** @type {() => void} */ op) => {
    try {
      op()
      return 'done'
    } catch (/** @type {any} */ err) {
      return err.code
    }
  }
  const tree = (/** @type {any} */ f, /** @type {string} */ r, dir = '') => f.readdirSync(`${r}${dir}/`).sort().flatMap((/** @type {string} */ name) => {
    const p = `${dir}/${name}`
    const st = f.lstatSync(r + p)
    if (st.isDirectory()) return [`${p} ${st.mode.toString(8)}`, ...tree(f, r, p)]
    return [`${p} ${st.mode.toString(8)} ${st.isSymbolicLink() ? f.readlinkSync(r + p).replace(r, '') : f.readFileSync(r + p, 'utf8')} ${p.endsWith('dest/a') ? st.mtimeMs < 1e9 : ''}`]
  })
  for (const [from, to, options] of cases) {
    const what = `cp ${from} ${to} ${JSON.stringify(options)}`
    assert.equal(done(() => fs.cpSync(from, to, options)), done(() => nodeFs.cpSync(top + from, top + to, options)), what)
    assert.deepEqual(tree(fs, ''), tree(nodeFs, top), what)
  }
  for (let i = 0; i < 2; i++) fs.cpSync('/src/sub', '/six', { recursive: true }) // Node refuses to put a link in the place of an equal one
  assert.equal(fs.readlinkSync('/six/link'), '/src/a', 'a relative link is made absolute')
  await fs.promises.cp('/src', '/seven', { recursive: true })
  assert.equal(fs.readFileSync('/seven/a', 'utf8'), 'a')
})

test('watch tells of every change, whoever makes it', async (t) => {
  const volume = await start(t)
  const { fs } = volume
  fs.mkdirSync('/d/sub', { recursive: true })
  fs.writeFileSync('/d/f', 'x')
  /** @type {string[]} */ const events = []
  let wake = () => {}
  const see = (/** @type {string} */ who) => (/** @type {string} */ type, /** @type {string} */ name) => {
    events.push(`${who} ${type} ${name}`)
    wake()
  }
  /** Until all of these were told; then they are forgotten. @param {string[]} expected */
  const told = async (...expected) => {
    while (!expected.every((e) => events.includes(e))) await new Promise((resolve) => (wake = () => resolve(undefined)))
    const got = [...new Set(events.splice(0))].sort()
    assert.deepEqual(got, [...expected].sort())
  }
  const before = volume.snapshot()
  const dir = fs.watch('/d', see('dir'))
  const tree = fs.watch('/', { recursive: true }, see('tree'))
  fs.writeFileSync('/d/f', 'too early for the next one')
  const file = fs.watch('/d/f', see('file'))
  await told('dir change f', 'tree change d/f')
  fs.writeFileSync('/d/f', 'changed')
  await told('dir change f', 'tree change d/f', 'file change f')
  fs.writeFileSync('/d/new', '')
  fs.writeFileSync('/d/sub/deep', '')
  await told('dir rename new', 'tree rename d/new', 'tree rename d/sub/deep')
  fs.renameSync('/d/new', '/other')
  await told('dir rename new', 'tree rename d/new', 'tree rename other')
  fs.chmodSync('/other', 0o600)
  await told('tree change other')
  volume.restore(before)
  await told('dir change f', 'file change f', 'tree change d/f', 'tree rename d/sub/deep', 'tree rename other')
  fs.unlinkSync('/d/f')
  await told('dir rename f', 'file rename f', 'tree rename d/f')
  let closed = 0
  for (const w of [dir, tree, file]) w.on('close', () => (closed++, wake())).close()
  while (closed < 3) await new Promise((resolve) => (wake = () => resolve(undefined)))
  fs.writeFileSync('/d/f', 'unseen')
  assert.throws(() => fs.watch('/none'), { code: 'ENOENT', syscall: 'watch' })

  const stop = new AbortController()
  const seen = fs.promises.watch('/d', { signal: stop.signal })
  fs.writeFileSync('/d/late', '')
  assert.deepEqual((await seen.next()).value, { eventType: 'rename', filename: 'late' })
  stop.abort()
  await assert.rejects(seen.next(), { name: 'AbortError' })

  const change = new Promise((resolve) => fs.watchFile('/d/late', (/** @type {any} */ now, /** @type {any} */ old) => resolve([now.size, old.size])))
  fs.writeFileSync('/d/late', '12345')
  assert.deepEqual(await change, [5, 0])
  fs.unwatchFile('/d/late')
  const last = new Promise((resolve) => fs.watch('/d', see('end')).once('close', resolve))
  await volume.close()
  await last // the watchers of a closed volume close
})

test('watching costs the history nothing', async (t) => {
  const volume = await start(t)
  volume.commit()
  const points = volume.snapshots().length
  const watcher = volume.fs.watch('/', { recursive: true })
  const seen = new Promise((resolve) => watcher.once('change', (/** @type {any[]} */ ...a) => resolve(a)))
  volume.fs.writeFileSync('/f', 'x')
  assert.deepEqual(await seen, ['rename', 'f'])
  assert.equal(volume.snapshots().length, points)
  watcher.close()
})

test('a file that is opened for synchronous writing is durable after each write', async (t) => {
  const storage = arrayStorage()
  const volume = await open('fs', { storage })
  t.after(() => volume.close())
  const { fs } = volume
  const fd = fs.openSync('/log', 'as')
  for (let i = 1; i <= 3; i++) {
    fs.writeSync(fd, 'line\n')
    assert.equal(volume.dirty, false)
  }
  fs.writeFileSync('/other', 'x')
  assert.equal(volume.dirty, true)
  fs.fsyncSync(fd)
  assert.equal(volume.dirty, false)
  fs.writeFileSync('/other', 'y', { flush: true })
  assert.equal(volume.dirty, false)
  const w = fs.createWriteStream('/streamed', { flush: true }).getWriter()
  await w.write('z')
  await w.close()
  assert.equal(volume.dirty, false)
})

test('a snapshot is read through the same calls', async (t) => {
  const volume = await start(t)
  volume.fs.writeFileSync('/f', 'then')
  const snap = volume.readSnapshot(volume.snapshot())
  volume.fs.writeFileSync('/f', 'now')
  assert.equal(text(await all(snap.createReadStream('/f'))), 'then')
  assert.deepEqual((await snap.promises.readdir('/')), ['f'])
  await assert.rejects(snap.createWriteStream('/f').getWriter().write('x'), { code: 'EROFS' })
  snap.watch('/f').close()
  assert.throws(() => snap.copyFileSync('/f', '/g'), { code: 'EROFS', syscall: 'copyfile' })
  snap.release()
})

test('the table in the README says what there is', async (t) => {
  const { fs } = await start(t)
  fs.writeFileSync('/f', '')
  const handle = await fs.promises.open('/f')
  const readme = nodeFs.readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const section = readme.slice(readme.indexOf('## volume.fs')).split('\n## ')[0]
  const rows = [...section.matchAll(/^\| (`.*?) \| (.*?) \| (.*?) \| (.*?) \|$/gm)].map(([, names, ...forms]) => ({
    names: [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    forms: forms.map((f) => f.trim()),
  }))
  assert.ok(rows.length >= 5)
  const has = (/** @type {any} */ object, /** @type {string} */ name) => (typeof object[name] === 'function' ? 'yes' : '')
  const named = new Set()
  for (const { names, forms } of rows) {
    for (const name of names) {
      named.add(name)
      assert.deepEqual(forms, [has(fs, `${name}Sync`), has(fs, name), has(fs.promises, name)], name)
    }
  }
  const listed = (/** @type {string} */ title) => [...(section.match(new RegExp(`^${title}: (.*)$`, 'm'))?.[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name)
  const methods = (/** @type {any} */ object) => Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter((n) => n !== 'constructor' && typeof object[n] === 'function')
  assert.deepEqual(listed('A file handle has').sort(), methods(handle).sort())
  const missing = new Set(listed('Not there'))
  for (const name of missing) assert.ok(!(name in fs) && !(`${name}Sync` in fs) && !(name in fs.promises), `${name} is there`)
  const classes = new Set(['Stats', 'Dirent', 'Dir'])
  const all = (/** @type {any} */ of) => Object.keys(of).filter((n) => typeof of[n] === 'function' && !classes.has(n)).map((n) => n.replace(/Sync$/, ''))
  for (const name of [...all(fs), ...all(fs.promises)]) assert.ok(named.has(name), `the table does not name ${name}`)
  // Newer Nodes have more, of which the table cannot know.
  if (process.version.startsWith('v20.')) {
    for (const name of [...all(nodeFs), ...all(nodeFs.promises)]) assert.ok(named.has(name) || missing.has(name), `the table does not say whether there is ${name}`)
    const theirs = await nodeFs.promises.open(process.execPath)
    for (const name of methods(theirs)) assert.ok(methods(handle).includes(name) || missing.has(name), `FileHandle.${name}`)
    await theirs.close()
  }
  for (const [name, value] of Object.entries(fs.constants)) assert.equal(value, /** @type {any} */ (nodeFs.constants)[name], name)
  await handle.close()
})
