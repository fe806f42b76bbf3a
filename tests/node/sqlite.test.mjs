import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { survivesKills } from '../scenario/crash.mjs'
import { chooseSeed } from '../scenario/random.mjs'
import { modes } from '../scenario/sqlite.mjs'
import { startChild } from './child.mjs'

for (const build of ['sqlite-wasm', 'wa-sqlite']) {
  for (const mode of modes) {
    test(`Node, ${build} in ${mode.name}: after kill -9 every acknowledged transaction is there, and the database is sound`, async (t) => {
      const seed = chooseSeed(t, 'tests/node/sqlite.test.mjs')
      const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-node-'))
      t.after(() => rm(folder, { recursive: true, force: true }))
      const start = (acknowledge) => startChild(t, 'sqlite-process.mjs', [folder, build, JSON.stringify(mode)], acknowledge)
      await survivesKills({ seed, rounds: 3, start, log: (text) => t.diagnostic(text) })
    })
  }
}
