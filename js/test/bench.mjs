/**
 * What a mount costs against Emscripten's own MEMFS, in php-wasm: `npm run bench`. Rounds alternate; medians and ratios.
 */

import { open, memory } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { startPhp } from './php.mjs'

const ROUNDS = 7
const { php, run } = await startPhp()
const volume = await open('bench', { storage: memory(), durability: process.env.DURABILITY === 'manual' ? 'manual' : 'fsync' })
/** @type {any} */
let FS
await php.mount('/hf', async (p, fs, mountpoint) => {
  FS = fs
  return holdfastMount(volume)(p, fs, mountpoint)
})
FS.mkdirTree('/mem')

/** @param {() => any} f */
async function time(f) {
  const t = performance.now()
  await f()
  return performance.now() - t
}

const median = (/** @type {number[]} */ a) => a.sort((x, y) => x - y)[a.length >> 1]

/**
 * @param {string} name
 * @param {number} n operations per round
 * @param {(dir: string, round: number) => any} op
 */
async function compare(name, n, op) {
  const times = { '/mem': /** @type {number[]} */ ([]), '/hf': /** @type {number[]} */ ([]) }
  for (let r = -2; r < ROUNDS; r++) {
    for (const dir of /** @type {const} */ (r % 2 ? ['/mem', '/hf'] : ['/hf', '/mem'])) {
      const t = await time(() => op(dir, r))
      if (r >= 0) times[dir].push(t)
    }
  }
  const [m, h] = [median(times['/mem']), median(times['/hf'])]
  const unit = (/** @type {number} */ ms) => (n >= 1000 ? `${((ms / n) * 1000).toFixed(2)} µs` : `${ms.toFixed(0)} ms`)
  console.log(`${name.padEnd(34)} MEMFS ${unit(m).padStart(10)}   Holdfast ${unit(h).padStart(10)}   ratio ${(h / m).toFixed(2)}`)
}

const N = 20000
const heap = /** @type {any} */ (new Int8Array(new WebAssembly.Memory({ initial: 4 }).buffer)) // as the runtime passes HEAP8
const page = 4096

for (const dir of ['/mem', '/hf']) {
  FS.writeFile(`${dir}/f`, new Uint8Array(4 << 20).fill(1))
  FS.writeFile(`${dir}/20k`, new Uint8Array(20000).fill(1))
  FS.mkdirTree(`${dir}/a/b/c/d`)
  FS.writeFile(`${dir}/a/b/c/d/x.php`, 'x')
}
/** @param {string} dir @param {(s: any) => void} op */
function withFile(dir, op) {
  const s = FS.open(`${dir}/f`, 'r+')
  op(s)
  FS.close(s)
}
await compare('write 4 KiB', N, (d) => withFile(d, (s) => { for (let i = 0; i < N; i++) FS.write(s, heap, 0, page, (i & 1023) * page) }))
await compare('read 4 KiB', N, (d) => withFile(d, (s) => { for (let i = 0; i < N; i++) FS.read(s, heap, 0, page, (i & 1023) * page) }))
await compare('read 8 KiB', N, (d) => withFile(d, (s) => { for (let i = 0; i < N; i++) FS.read(s, heap, 0, 8192, (i & 511) * 8192) }))
await compare('write 100 B', N, (d) => withFile(d, (s) => { for (let i = 0; i < N; i++) FS.write(s, heap, 0, 100, i * 100) }))
await compare('read 16 B', N, (d) => withFile(d, (s) => { for (let i = 0; i < N; i++) FS.read(s, heap, 0, 16, 24) }))
await compare('stat, 5 levels deep', N, (d) => { for (let i = 0; i < N; i++) FS.stat(`${d}/a/b/c/d/x.php`) })
await compare('open + close, 5 levels deep', N, (d) => { for (let i = 0; i < N; i++) FS.close(FS.open(`${d}/a/b/c/d/x.php`, 'r')) })
await compare('create + unlink', N / 10, (d) => { for (let i = 0; i < N / 10; i++) { FS.close(FS.open(`${d}/new${i}`, 'w')); FS.unlink(`${d}/new${i}`) } })
await compare('readFile 20 KB', N / 10, (d) => { for (let i = 0; i < N / 10; i++) FS.readFile(`${d}/20k`) })
await compare('rewrite 20 KB', N / 10, (d) => { const b = new Uint8Array(20000); for (let i = 0; i < N / 10; i++) FS.writeFile(`${d}/20k`, b) })
for (const mode of ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']) {
  await compare(`1000 inserts, ${mode}`, 1, (d, r) =>
    run(`$db = new PDO('sqlite:${d}/${mode}${r}.db'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
      $db->exec('PRAGMA journal_mode=${mode}'); $db->exec('create table t(id integer primary key, v text)');
      $s = $db->prepare('insert into t(v) values(?)'); for ($i = 0; $i < 1000; $i++) $s->execute(["row $i"]);`),
  )
}
await volume.close()
process.exit(0)
