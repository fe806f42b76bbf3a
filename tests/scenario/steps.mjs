// The work that the crash scenario does inside the process that is killed:
// numbered steps, each one the same change for the same seed, each committed.

import { below, bytes, seeded } from './random.mjs'
import { tree } from './tree.mjs'

const counter = '/step'

/** Change number `i`: some operations on a few files, and the counter. */
export function change(fs, seed, i) {
  const random = seeded(seed + i * 7919)
  const folder = `/d${below(random, 3)}`
  if (!fs.existsSync(folder)) fs.mkdirSync(folder)
  for (let n = 1 + below(random, 4); n > 0; n--) {
    const name = `${folder}/f${below(random, 4)}`
    const there = fs.existsSync(name)
    switch (below(random, there ? 8 : 2)) {
      case 0: fs.writeFileSync(name, bytes(random, below(random, 20_000))); break
      case 1: fs.appendFileSync(name, bytes(random, below(random, 5_000))); break
      case 2: fs.truncateSync(name, below(random, 10_000)); break
      case 3: fs.unlinkSync(name); break
      case 4: fs.renameSync(name, `${folder}/f${below(random, 4)}`); break
      case 5: fs.chmodSync(name, 0o600 + below(random, 0o100)); break
      case 6:
        fs.rmSync(`${folder}/link`, { force: true })
        fs.symlinkSync(`f${below(random, 4)}`, `${folder}/link`)
        break
      case 7:
        fs.rmSync(`${folder}/hard`, { force: true })
        fs.linkSync(name, `${folder}/hard`)
        break
    }
  }
  fs.writeFileSync(counter, String(i))
}

/** Makes, commits and acknowledges one change after the other, until killed. */
export async function writeUntilKilled(volume, seed, from, acknowledge) {
  for (let i = from + 1; ; i++) {
    change(volume.fs, seed, i)
    volume.commit({ label: `step ${i}` })
    await acknowledge(i)
  }
}

/** At which step the volume is, and how it differs from a volume that only ever lived in memory. */
export async function check(volume, inMemory, seed) {
  const step = volume.fs.existsSync(counter) ? Number(volume.fs.readFileSync(counter, 'utf8')) : 0
  for (let i = 1; i <= step; i++) change(inMemory.fs, seed, i)
  const [found, expected] = await Promise.all([tree(volume.fs, { times: false }), tree(inMemory.fs, { times: false })])
  return {
    step,
    difference: [
      ...found.filter((line) => !expected.includes(line)).map((line) => `found:    ${line}`),
      ...expected.filter((line) => !found.includes(line)).map((line) => `expected: ${line}`),
    ],
  }
}
