import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { survivesKills } from '../scenario/crash.mjs'
import { chooseSeed } from '../scenario/random.mjs'
import { startChild } from './child.mjs'

test('Node: after kill -9 a volume opens at its last acknowledged commit, whole', async (t) => {
  const seed = chooseSeed(t, 'tests/node/crash.test.mjs')
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))

  await survivesKills({ seed, rounds: 8, start: (acknowledge) => startChild(t, 'process.mjs', [folder], acknowledge), log: (text) => t.diagnostic(text) })
})
