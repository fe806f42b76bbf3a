/**
 * volume.fs is node:fs: the same random operations on a volume and on a real directory give the same results, the same errors
 * and the same files. A failure prints the seed: SEED=<n> npm test repeats it.
 */

import test from 'node:test'
import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, memory } from 'holdfast'
import { random } from './random.mjs'

const SEED = Number(process.env.SEED ?? Date.now() % 1e9)
const STEPS = Number(process.env.STEPS ?? 4000)

/** What may be compared of a result or an error. @param {() => any} f @param {string} root */
async function outcome(f, root) {
  const strip = (/** @type {any} */ s) => (typeof s === 'string' ? (root ? s.replaceAll(root, '') || '/' : s).replace(/type number \(\d+\)/, 'a number') : s)
  try {
    return { value: clean(await f(), strip) }
  } catch (/** @type {any} */ err) {
    if (!err.code) throw err
    return { code: err.code, errno: err.errno, syscall: err.syscall, path: strip(err.path), dest: strip(err.dest), message: strip(err.message) }
  }
}

/** @param {any} v @param {(s: any) => any} strip @returns {any} */
function clean(v, strip) {
  if (v instanceof Uint8Array) return Buffer.from(v).toString('latin1')
  if (Array.isArray(v)) return v.map((x) => clean(x, strip)).sort()
  if (v && typeof v === 'object' && 'mtimeMs' in v) {
    const dir = v.isDirectory()
    const big = typeof v.mode === 'bigint' && v.mtimeNs / 1000000n === v.mtimeMs
    return { mode: Number(v.mode), nlink: Number(v.nlink), uid: Number(v.uid), gid: Number(v.gid), size: dir ? 0 : Number(v.size), link: v.isSymbolicLink(), dir, file: v.isFile(), big }
  }
  if (v && typeof v === 'object' && 'name' in v) return `${v.name}:${v.isDirectory()}:${v.isSymbolicLink()}:${strip(v.parentPath ?? v.path)}`
  return strip(v)
}

/**
 * The same calls by promises or callbacks, where there are such: an operation that is one call then gives a promise.
 *
 * @param {any} fs @param {string} style
 */
function styled(fs, style) {
  if (style === 'sync') return fs
  return new Proxy(fs, {
    get(_, /** @type {string} */ sync) {
      const name = sync.replace(/Sync$/, '')
      if (style === 'promises') return fs.promises[name] ? (/** @type {any[]} */ ...args) => fs.promises[name](...args) : fs[sync]
      if (name === 'exists') return (/** @type {string} */ path) => new Promise((resolve) => fs.exists(path, resolve))
      return (/** @type {any[]} */ ...args) =>
        new Promise((resolve, reject) => fs[name](...args, (/** @type {any} */ err, /** @type {any} */ value) => (err ? reject(err) : resolve(value))))
    },
  })
}

test(`random operations do on a volume what they do on disk (seed ${SEED})`, async (t) => {
  process.umask(0o022)
  const top = nodeFs.mkdtempSync(join(tmpdir(), 'holdfast-model-'))
  t.after(() => nodeFs.rmSync(top, { recursive: true, force: true }))
  const volume = await open('model', { storage: memory() })
  t.after(() => volume.close())
  // Links may lead upwards: both trees have the same above the directory that is worked in.
  const deep = '/1/2/3/4/5/6/7/8'
  const root = top + deep
  nodeFs.mkdirSync(root, { recursive: true })
  volume.fs.mkdirSync(deep, { recursive: true })
  const rnd = random(SEED)
  const int = (/** @type {number} */ n) => Math.floor(rnd() * n)
  const pick = (/** @type {any[]} */ a) => a[int(a.length)]
  const names = ['a', 'b', 'c', 'dd', 'é']
  const path = () => {
    let p = ''
    for (let i = 0, n = 1 + int(3); i < n; i++) p += '/' + pick(names)
    if (rnd() < 0.04) p += '/'
    if (rnd() < 0.03) p += '/..'
    return p
  }
  const bytes = () => Buffer.alloc(int(rnd() < 0.2 ? 20000 : 50), 1 + int(255))
  /** @type {(number[] | undefined)[]} descriptors: on disk, in the volume */
  const fds = []

  /** @type {Record<string, () => [op: (fs: any, r: string, side: number) => any, what: string, only?: 'sync']>} */
  const ops = {
    write() { const p = path(), b = bytes(), flag = pick(['w', 'a', 'wx', 'r+', 'a+']); return [(fs, r) => fs.writeFileSync(r + p, b, { flag }), `writeFile ${p} ${flag} ${b.length}`] },
    read() { const p = path(); return [(fs, r) => fs.readFileSync(r + p), `readFile ${p}`] },
    mkdir() { const p = path(), recursive = rnd() < 0.3; return [(fs, r) => fs.mkdirSync(r + p, { recursive }), `mkdir ${p} ${recursive}`, recursive ? 'sync' /* elsewhere Node names another directory in some errors */ : undefined] },
    rmdir() { const p = path(); return [(fs, r) => fs.rmdirSync(r + p), `rmdir ${p}`] },
    unlink() { const p = path(); return [(fs, r) => fs.unlinkSync(r + p), `unlink ${p}`] },
    rm() { const p = path().replace(/\/+$/, ''); return [(fs, r) => { try { fs.rmSync(r + p, { recursive: true, force: true }) } catch (/** @type {any} */ err) { return err.code /* the rest differs from Node to Node */ } }, `rm ${p}`, 'sync'] },
    rename() { const p = path(), q = path(); return [(fs, r) => fs.renameSync(r + p, r + q), `rename ${p} ${q}`] },
    link() { const p = path(), q = path(); return [(fs, r) => fs.linkSync(r + p, r + q), `link ${p} ${q}`] },
    symlink() { const q = path(), to = pick(['a', '../a', 'b/c', '.', '..', 'é', 'missing/x']); return [(fs, r) => fs.symlinkSync(to, r + q), `symlink ${to} ${q}`] },
    readlink() { const p = path(); return [(fs, r) => fs.readlinkSync(r + p), `readlink ${p}`] },
    realpath() { const p = path(); return [(fs, r) => fs.realpathSync(r + p), `realpath ${p}`] },
    stat() { const p = path(); return [(fs, r) => fs.statSync(r + p), `stat ${p}`] },
    lstat() { const p = path(); return [(fs, r) => fs.lstatSync(r + p), `lstat ${p}`] },
    exists() { const p = path(); return [(fs, r) => fs.existsSync(r + p), `exists ${p}`] },
    readdir() { const p = pick([path(), '/']), withFileTypes = rnd() < 0.5; return [(fs, r) => fs.readdirSync(r + p, { withFileTypes }), `readdir ${p}`] },
    truncate() { const p = path(), n = int(12000); return [(fs, r) => fs.truncateSync(r + p, n), `truncate ${p} ${n}`] },
    chmod() { const p = path(), m = pick([0o644, 0o600, 0o755, 0o444]); return [(fs, r) => fs.chmodSync(r + p, m), `chmod ${p} ${m.toString(8)}`] },
    chown() { const p = path(), u = int(3); return [(fs, r) => fs.chownSync(r + p, u, u), `chown ${p} ${u}`] },
    utimes() { const p = path(), s = 1e9 + int(1e6); return [(fs, r) => (fs.utimesSync(r + p, s, s + 1), fs.statSync(r + p).mtimeMs), `utimes ${p} ${s}`, 'sync'] },
    copy() { const p = path(), q = path(), mode = pick([0, 0, 1])
      // Node removes the target when the source is a directory: that is not to be copied.
      return [(fs, r) => (fs.statSync(r + p).isDirectory() ? 0 : fs.copyFileSync(r + p, r + q, mode)), `copyFile ${p} ${q} ${mode}`, 'sync'] },
    access() { const p = path(), m = pick([0, 1, 2, 4]); return [(fs, r) => fs.accessSync(r + p, m), `access ${p} ${m}`] },
    open() {
      const p = path(), flag = pick(['r', 'r+', 'w', 'w+', 'a', 'a+', 'wx'])
      /** @type {number[]} */ const pair = []
      fds.push(pair)
      return [(fs, r, side) => { pair[side] = fs.openSync(r + p, flag); return 0 }, `open ${p} ${flag}`, 'sync']
    },
    close() { const i = int(fds.length); const p = fds[i]; fds[i] = undefined; return [(fs, _, s) => p?.[s] !== undefined && fs.closeSync(p[s]), `close #${i}`, 'sync'] },
    fdRead() { const i = int(fds.length), n = int(9000), pos = rnd() < 0.5 ? null : int(9000); return [(fs, _, s) => { const f = fds[i]?.[s]; if (f === undefined) return; const b = Buffer.alloc(n); return b.subarray(0, fs.readSync(f, b, 0, n, pos)) }, `read #${i}`, 'sync'] },
    fdWrite() { const i = int(fds.length), b = bytes(), pos = rnd() < 0.5 ? null : int(9000); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.writeSync(f, b, 0, b.length, pos) }, `write #${i} ${b.length} at ${pos}`] },
    fdStat() { const i = int(fds.length); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.fstatSync(f) }, `fstat #${i}`] },
    append() { const p = path(), b = bytes(); return [(fs, r) => fs.appendFileSync(r + p, b), `appendFile ${p} ${b.length}`] },
    statBig() { const p = path(); return [(fs, r) => fs.lstatSync(r + p, { bigint: true }), `lstat bigint ${p}`] },
    statOrNot() { const p = path(); return [(fs, r) => [fs.statSync(r + p, { throwIfNoEntry: false })].filter(Boolean), `stat or undefined ${p}`, 'sync'] },
    lchown() { const p = path(), u = int(3); return [(fs, r) => fs.lchownSync(r + p, u, u), `lchown ${p} ${u}`] },
    lutimes() { const p = path(), s = 1e9 + int(1e6); return [(fs, r) => (fs.lutimesSync(r + p, s, s + 1), fs.lstatSync(r + p).mtimeMs), `lutimes ${p} ${s}`, 'sync'] },
    native() { const p = path(); return [(fs, r) => fs.realpathSync.native(r + p), `realpath.native ${p}`, 'sync'] },
    recursive() { const p = pick([path().replace(/\/\.\.$/, '') /* Node takes it as text below the first level */, '/']); return [(fs, r) => fs.readdirSync(r + p, { recursive: true, withFileTypes: true /* names alone: some Nodes follow links, round in circles */ }), `readdir recursive ${p}`, 'sync'] },
    opendir() {
      const p = path()
      return [(fs, r) => {
        let dir
        try { dir = fs.opendirSync(r + p) } catch (/** @type {any} */ err) { return err.code /* some Nodes leave the path out */ }
        const list = []
        for (let e; (e = dir.readSync()); ) list.push(e)
        dir.closeSync()
        return list
      }, `opendir ${p}`, 'sync']
    },
    wrong() {
      const what = int(8), i = int(fds.length)
      return [(fs, r, side) => {
        const f = fds[i]?.[side] ?? 9999
        const call = [() => fs.readFileSync(r + '/a\0b'), () => fs.openSync(r + '/a', 'q'), () => fs.readSync('x'), () => fs.readSync(f, Buffer.alloc(3), 4, 1, 0), () => fs.readSync(f, Buffer.alloc(3), 0, 5, 0),
          () => fs.writeSync(f, Buffer.alloc(3), 2, 2), () => fs.statSync({}), () => fs.chmodSync(r + '/a', 'no')][what]
        try { call() } catch (/** @type {any} */ err) { return `${err.name} ${err.code}` }
      }, `wrong arguments ${what} #${i}`, 'sync']
    },
    fdVector() { const i = int(fds.length), a = [bytes(), bytes()], pos = rnd() < 0.5 ? null : int(9000); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.writevSync(f, a, pos) }, `writev #${i}`] },
    fdVectorRead() { const i = int(fds.length), n = int(5000); return [(fs, _, s) => { const f = fds[i]?.[s]; if (f === undefined) return 0; const a = [Buffer.alloc(n), Buffer.alloc(7)]; return [fs.readvSync(f, a, 3), ...a] }, `readv #${i}`, 'sync'] },
    fdChmod() { const i = int(fds.length), m = pick([0o600, 0o777]); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.fchmodSync(f, m) }, `fchmod #${i}`] },
    fdTimes() { const i = int(fds.length), t = 1e9 + int(1e6); return [(fs, _, s) => { const f = fds[i]?.[s]; if (f === undefined) return 0; fs.futimesSync(f, t, t); return fs.fstatSync(f).mtimeMs }, `futimes #${i}`, 'sync'] },
    fdSync() { const i = int(fds.length); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.fsyncSync(f) }, `fsync #${i}`] },
    fdFile() { const i = int(fds.length), b = bytes(); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.writeFileSync(f, b) }, `writeFile #${i}`] },
    fdReadFile() { const i = int(fds.length); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.readFileSync(f) }, `readFile #${i}`, 'sync' /* Node's callback gets no error */] },
    fdTruncate() { const i = int(fds.length), n = int(9000); return [(fs, _, s) => { const f = fds[i]?.[s]; return f === undefined ? 0 : fs.ftruncateSync(f, n) }, `ftruncate #${i} ${n}`] },
  }

  const log = []
  for (let i = 0; i < STEPS; i++) {
    const [op, call, only] = ops[pick(Object.keys(ops))]()
    const style = only ?? pick(['sync', 'sync', 'promises', 'callbacks'])
    const what = `${call} (${style})`
    log.push(what)
    const want = await outcome(() => op(styled(nodeFs, style), root, 0), top)
    const got = await outcome(() => op(styled(volume.fs, style), deep, 1), '')
    try {
      assert.deepEqual(got, want)
    } catch {
      throw new Error(`step ${i} (SEED=${SEED}): ${what}\nbefore it:\n${log.slice(-12, -1).join('\n')}\n\nvolume: ${JSON.stringify(got)}\ndisk:   ${JSON.stringify(want)}`)
    }
    if (i % 500 === 499) assert.deepEqual(tree(volume.fs, '/1'), tree(nodeFs, `${top}/1`), `trees differ after step ${i} (SEED=${SEED})`)
  }
})

/** @param {any} fs @param {string} root @returns {string[]} */
function tree(fs, root) {
  /** @type {string[]} */
  const list = []
  const walk = (/** @type {string} */ dir, /** @type {string} */ rel) => {
    for (const name of fs.readdirSync(dir).sort()) {
      const p = dir.endsWith('/') ? dir + name : `${dir}/${name}`
      const st = fs.lstatSync(p)
      const content = st.isFile() ? fs.readFileSync(p).toString('latin1') : st.isSymbolicLink() ? fs.readlinkSync(p) : ''
      list.push(`${rel}/${name} ${st.mode.toString(8)} ${st.uid} ${st.nlink} ${content}`)
      if (st.isDirectory()) walk(p, `${rel}/${name}`)
    }
  }
  walk(root, '')
  return list
}
