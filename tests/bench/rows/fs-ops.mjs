// Single calls of Emscripten's FS, in the PHP program: MEMFS is what a volume takes the place of.

import * as holdfast from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { alternate, timeSync } from '../measure.mjs'
import { startPhp } from './guests.mjs'

export async function run({ quick, runs }) {
  const volume = await holdfast.open('fs-ops', { storage: holdfast.memory() })
  const { php, FS } = await startPhp()
  await php.mount('/volume', holdfastMount(volume))
  FS.mkdirTree('/memory')
  const folders = { ours: '/volume', peer: '/memory' }

  const heap = new Int8Array(new WebAssembly.Memory({ initial: 4 }).buffer) // as the program passes HEAP8
  const page = 4096
  const twenty = new Uint8Array(20_000).fill(1)
  const deep = 'a/b/c/d'
  for (const folder of Object.values(folders)) {
    FS.writeFile(`${folder}/file`, new Uint8Array(1024 * page).fill(1))
    FS.writeFile(`${folder}/20k`, twenty)
    FS.mkdirTree(`${folder}/${deep}`)
    FS.mkdirTree(`${folder}/hundred`)
    FS.writeFile(`${folder}/${deep}/x.php`, 'x')
    for (let i = 0; i < 100; i++) FS.writeFile(`${folder}/hundred/file-${i}.php`, 'x')
  }
  const n = quick ? 200 : 20_000
  const open = (folder, op) => {
    const stream = FS.open(`${folder}/file`, 'r+')
    op(stream)
    FS.close(stream)
  }
  /** @type {[string, string, number, (folder: string, n: number) => void][]} */
  const operations = [
    ['read-4k', 'read of 4 KiB', n, (f, n) => open(f, (s) => { for (let i = 0; i < n; i++) FS.read(s, heap, 0, page, (i & 1023) * page) })],
    ['write-4k', 'write of 4 KiB', n, (f, n) => open(f, (s) => { for (let i = 0; i < n; i++) FS.write(s, heap, 0, page, (i & 1023) * page) })],
    ['read-16b', 'read of 16 bytes', n, (f, n) => open(f, (s) => { for (let i = 0; i < n; i++) FS.read(s, heap, 0, 16, 24) })],
    ['stat', 'stat, five levels deep', n, (f, n) => { for (let i = 0; i < n; i++) FS.stat(`${f}/${deep}/x.php`) }],
    ['open-close', 'open and close, five levels deep', n, (f, n) => { for (let i = 0; i < n; i++) FS.close(FS.open(`${f}/${deep}/x.php`, 'r')) }],
    ['readdir', 'readdir of 100 names', n / 20, (f, n) => { for (let i = 0; i < n; i++) FS.readdir(`${f}/hundred`) }],
    ['create-unlink', 'create and unlink', n / 10, (f, n) => { for (let i = 0; i < n; i++) { FS.close(FS.open(`${f}/new${i}`, 'w')); FS.unlink(`${f}/new${i}`) } }],
    ['rewrite-20k', 'rewriting a file of 20 KB', n / 10, (f, n) => { for (let i = 0; i < n; i++) FS.writeFile(`${f}/20k`, twenty) }],
  ]
  const rows = []
  for (const [id, what, n, operation] of operations) {
    const side = (folder) => () => (timeSync(() => operation(folder, n)) / n) * 1000
    rows.push({
      id: `fs-ops/${id}`, what, unit: 'µs', peerName: 'MEMFS', goal: { ratio: 1 / 1.3 },
      samples: await alternate(runs, { ours: side(folders.ours), peer: side(folders.peer) }, { warm: quick ? 1 : 3 }),
    })
  }
  await volume.close()
  return rows
}
