/** Python's own standard library at work on a volume, in Pyodide. */

import test, { before } from 'node:test'
import assert from 'node:assert/strict'
import { loadPyodide } from 'pyodide'
import { open, memory } from 'holdfast'
import { captureEmscripten, materializeEmscripten } from 'holdfast/emscripten'
import { mountPyodide } from 'holdfast/pyodide'
import { arrayStorage, quota } from './storages.mjs'

/** @type {any} */ let pyodide
before(async () => void (pyodide = await loadPyodide()))

/** Runs Python and answers what its last line is worth, from JSON. @param {string} code @param {any} [py] */
const run = (code, py = pyodide) => JSON.parse(py.runPython(`import json\ndef main():\n${code.replace(/^/gm, '  ')}\njson.dumps(main())`))

/** @param {import('node:test').TestContext} t @param {any} [storage] */
async function mounted(t, storage = memory(), py = pyodide) {
  const volume = await open('v', { storage })
  const mount = mountPyodide(py, volume, '/hf')
  t.after(async () => {
    mount.unmount()
    await volume.close({ commit: false })
  })
  return volume
}

/** What a crash would leave now. @param {ReturnType<typeof arrayStorage>} storage */
const crashed = (storage) => open('v', { storage: arrayStorage({ bytes: storage.bytes.slice() }) })

test('pathlib, os.walk, shutil, tempfile and zipfile do on a volume what they do on MEMFS', async (t) => {
  const volume = await mounted(t)
  const work = (/** @type {string} */ root) => run(`
import os, pathlib, shutil, tempfile, zipfile, stat, io
root = pathlib.Path('${root}')
log = []
src = root / 'src'
(src / 'pkg' / 'sub').mkdir(parents=True)
for i in range(40):
    (src / 'pkg' / f'm{i}.py').write_text(f'# {i}\\n' * i)
(src / 'pkg' / 'sub' / 'größe.bin').write_bytes(bytes(range(256)) * 300)
(src / 'link').symlink_to('pkg/m3.py')
os.chmod(src / 'pkg' / 'm1.py', 0o640)
os.utime(src / 'pkg' / 'm2.py', (1000000000, 1000000001))
log.append(sorted(str(p.relative_to(src)) for p in src.rglob('*.py')))
log.append([(d[len(str(root)):], sorted(ds), sorted(fs)) for d, ds, fs in os.walk(root)])
shutil.copytree(src, root / 'copy', symlinks=True)
log.append(os.readlink(root / 'copy' / 'link'))
log.append([oct(os.stat(root / 'copy' / 'pkg' / 'm1.py').st_mode), os.stat(root / 'copy' / 'pkg' / 'm2.py').st_mtime])
shutil.move(str(root / 'copy' / 'pkg' / 'sub'), str(root / 'moved'))
log.append(sorted(os.listdir(root / 'moved')))
shutil.rmtree(src / 'pkg' / 'sub')
archive = shutil.make_archive(str(root / 'archive'), 'zip', root / 'copy')
with zipfile.ZipFile(archive) as z:
    log.append([z.testzip(), len(z.namelist())])
    z.extractall(root / 'unzipped')
with zipfile.ZipFile(archive, 'a', zipfile.ZIP_DEFLATED) as z: # reads, seeks and writes the same file
    z.writestr('added.txt', 'added' * 1000)
with zipfile.ZipFile(archive) as z:
    log.append([z.testzip(), z.read('added.txt')[-5:].decode()])
log.append(sorted(os.listdir(root / 'unzipped' / 'pkg'))[:3])
tar = shutil.make_archive(str(root / 'archive'), 'gztar', root / 'copy')
shutil.unpack_archive(tar, root / 'untarred', filter='data')
log.append((root / 'untarred' / 'pkg' / 'm7.py').read_text() == '# 7\\n' * 7)
with tempfile.TemporaryDirectory(dir=root) as d:
    with tempfile.NamedTemporaryFile(dir=d, delete=False) as f:
        f.write(b'x' * 5000); f.flush()
        log.append([os.path.getsize(f.name), oct(stat.S_IMODE(os.stat(f.name).st_mode))])
    with tempfile.TemporaryFile(dir=d) as f: # unlinked while it is open
        f.write(b'abc'); f.seek(10); f.write(b'd'); f.seek(0)
        log.append([f.read().hex(), os.fstat(f.fileno()).st_size])
    with tempfile.SpooledTemporaryFile(max_size=10, dir=d) as f:
        f.write(b'y' * 100); f.seek(0); log.append(len(f.read()))
log.append(os.path.exists(d))
p = root / 'f'
with open(p, 'x+b') as f:
    f.write(b'0123456789'); f.seek(4); f.truncate(); f.seek(0, 2); f.write(b'end'); f.seek(2, os.SEEK_SET); log.append(f.read().decode())
with open(p, 'ab') as f:
    f.write(b'!'); log.append(f.tell())
fd = os.open(p, os.O_RDWR)
log.append([os.pwrite(fd, b'PW', 20), os.pread(fd, 4, 5).hex(), os.lseek(fd, 100, os.SEEK_END), os.fstat(fd).st_size])
log.append([os.writev(fd, [b'a', b'bc']), os.fstat(fd).st_size])
os.ftruncate(fd, 3); os.fsync(fd)
other = os.dup(fd); os.close(fd); log.append(os.fstat(other).st_size); os.close(other)
p.replace(root / 'g'); log.append((root / 'g').read_text())
def fails(call):
    try: call(); return 'no error'
    except OSError as e: return type(e).__name__ + ' ' + os.strerror(e.errno)
log.append([fails(c) for c in (
  lambda: os.rmdir(root / 'copy'), lambda: os.mkdir(root / 'copy'), lambda: open(root / 'none'), lambda: open(root / 'g' / 'x'), lambda: open(root / 'copy', 'w'),
  lambda: open(root / 'g', 'x'), lambda: os.readlink(root / 'g'), lambda: os.listdir(root / 'g'), lambda: os.unlink(root / 'copy'),
  lambda: os.rename(root / 'none', root / 'x'), lambda: os.rename(root / 'copy', root / 'copy' / 'in'), lambda: os.symlink('x', root / 'g'))])
log.append(sorted(e.name + str(e.is_dir()) for e in os.scandir(root)))
log.append(shutil.disk_usage(root).free > 0)
return log`)
  pyodide.FS.mkdir('/mem')
  const [want, got] = [work('/mem'), work('/hf')]
  assert.deepEqual(got, want)
  // And the volume holds the same files.
  const other = await open('w', { storage: memory() })
  t.after(() => other.close())
  captureEmscripten(pyodide.FS, '/mem', other)
  const list = (/** @type {any} */ fs) => fs.readdirSync('/', { recursive: true }).sort().map((/** @type {string} */ p) => {
    const s = fs.lstatSync(`/${p}`)
    return [p, s.mode, s.isFile() && !/archive/.test(p) ? Buffer.from(fs.readFileSync(`/${p}`)).toString('base64') : '']
  })
  assert.deepEqual(list(volume.fs), list(other.fs))
})

for (const [mode, durable] of /** @type {const} */ ([['DELETE', true], ['TRUNCATE', true], ['PERSIST', false], ['WAL', false]])) {
  test(`sqlite3, ${mode}: ${durable ? 'each transaction is durable' : 'what was inserted is durable after holdfast.commit()'}`, async (t) => {
    const storage = arrayStorage()
    const volume = await mounted(t, storage)
    const rows = run(`
import sqlite3
db = sqlite3.connect('/hf/x.db', isolation_level=None)
mode = db.execute('pragma journal_mode = ${mode}').fetchone()[0]
db.execute('create table t(id integer primary key, v text)')
db.executemany('insert into t(v) values(?)', [('é' * (i % 3000),) for i in range(200)])
db.execute('begin'); db.executemany('update t set v = ? where id = ?', [(str(i), i) for i in range(1, 100)]); db.execute('rollback')
with db: db.execute("delete from t where id > 150")
db.execute('vacuum')
${durable ? '' : "import holdfast\nassert holdfast.commit(label='rows').durable"}
return [mode, db.execute('select count(*), sum(length(v)) from t').fetchone(), db.execute('pragma integrity_check').fetchone()[0]]`)
    const sum = Array.from({ length: 150 }, (_, i) => i).reduce((a, b) => a + b)
    assert.deepEqual(rows, [mode.toLowerCase(), [150, sum], 'ok'])
    // The connection is still open: what is there now is what a crash would leave.
    const again = await crashed(storage)
    const other = await loadPyodide()
    mountPyodide(other, again, '/hf')
    assert.deepEqual(run(`
import sqlite3
db = sqlite3.connect('/hf/x.db')
return [db.execute('select count(*), sum(length(v)) from t').fetchone(), db.execute('pragma integrity_check').fetchone()[0]]`, other), [[150, sum], 'ok'])
    await again.close()
    assert.equal(volume.closed, false)
  })
}

test('mmap: what flush and close write back is in the file, within its size, and durable after flush', async (t) => {
  const storage = arrayStorage()
  await mounted(t, storage)
  const result = run(`
import mmap, os
with open('/hf/m', 'wb') as f: f.write(b'a' * 10000)
f = open('/hf/m', 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[0:3] = b'xyz'
log = [m.find(b'a'), open('/hf/m', 'rb').read(3).decode()]
m.flush()
log.append(open('/hf/m', 'rb').read(4).decode())
m2 = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_COPY); m2[0:3] = b'---'; m2.close()
ro = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); log.append(ro[:4].decode()); ro.close()
return log`)
  assert.deepEqual(result, [3, 'aaa', 'xyza', 'xyza'])
  const again = await crashed(storage)
  assert.equal(again.fs.readFileSync('/m', 'latin1').slice(0, 4), 'xyza')
  await again.close()
  assert.deepEqual(run(`
import mmap
f = open('/hf/m', 'r+b')
m = mmap.mmap(f.fileno(), 0)
m[9990:10000] = b'0123456789'
m.close(); f.close()
data = open('/hf/m', 'rb').read()
# Whoever closes the file before the mapping: the runtime cannot tell us whose it was, and must not write it elsewhere.
f = open('/hf/m', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close(); m[0:3] = b'???'
g = open('/hf/other', 'w+b'); g.write(b'b' * 20000); g.flush(); m.close(); g.close()
return [len(data), data[9988:].decode(), open('/hf/other', 'rb').read(4).decode()]`), [10000, 'aa0123456789', 'bbbb'])
})

test('os.fsync commits, and hears of a full disk; Python sees restored files, and ESTALE where it had one open', async (t) => {
  const storage = arrayStorage()
  const volume = await mounted(t, storage)
  run(`import os, pathlib
f = open('/hf/a', 'w'); f.write('one'); f.flush(); os.fsync(f.fileno()); f.close()
pathlib.Path('/hf/not-synced').write_text('x'); return 0`)
  const again = await crashed(storage)
  assert.deepEqual(again.fs.readdirSync('/'), ['a'])
  await again.close()
  storage.fail = quota()
  assert.deepEqual(run(`import os
with open('/hf/b', 'w') as f:
    f.write('b'); f.flush()
    try: os.fsync(f.fileno())
    except OSError as e: return os.strerror(e.errno)`), 'No space left on device')
  storage.fail = null
  assert.deepEqual(run(`import os, holdfast
point = holdfast.snapshot(label='before')
f = open('/hf/a'); os.unlink('/hf/b'); os.mkdir('/hf/d'); os.chdir('/hf/d')
holdfast.restore(point.id)
log = [sorted(os.listdir('/hf')), open('/hf/b').read()]
try: f.read()
except OSError as e: log.append(e.errno)
try: os.listdir('.')
except OSError as e: log.append(type(e).__name__)
os.chdir('/')
log.append([p.label for p in holdfast.snapshots() if hasattr(p, 'label')])
return log`), [['a', 'b', 'not-synced'], 'b', 72, 'FileNotFoundError', ['before']])
  assert.equal(volume.fs.readFileSync('/b', 'utf8'), 'b')
})

test("two Pythons see each other's changes at once, and what one keeps in its own memory can be captured for the other", async (t) => {
  const volume = await mounted(t)
  const other = await loadPyodide()
  mountPyodide(other, volume, '/shared')
  run(`import os; os.makedirs('/hf/d'); open('/hf/d/f', 'w').write('from one'); return 0`)
  assert.equal(run(`import os; s = open('/shared/d/f').read(); os.rename('/shared/d', '/shared/e'); return s`, other), 'from one')
  assert.deepEqual(run(`import os; return [os.listdir('/hf'), open('/hf/e/f').read()]`), [['e'], 'from one'])
  run(`import sqlite3, os
os.makedirs('/home/pyodide/site/sub')
db = sqlite3.connect('/home/pyodide/site/x.db'); db.execute('create table t(v)'); db.executemany('insert into t values(?)', [(i,) for i in range(500)]); db.commit()
return 0`)
  captureEmscripten(pyodide, '/home/pyodide/site', volume, { targetRoot: '/site' })
  materializeEmscripten(other, '/home/pyodide/site', volume, { root: '/site' })
  assert.deepEqual(run(`import sqlite3, os
db = sqlite3.connect('/home/pyodide/site/x.db')
return [db.execute('select count(*) from t').fetchone()[0], db.execute('pragma integrity_check').fetchone()[0], os.path.isdir('/home/pyodide/site/sub')]`, other), [500, 'ok', true])
})
