import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { survivesKills } from '../scenario/crash.mjs'
import { chooseSeed } from '../scenario/random.mjs'

test('Node: after kill -9 a volume opens at its last acknowledged commit, whole', async (t) => {
  const seed = chooseSeed(t, 'tests/node/crash.test.mjs')
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-node-'))
  t.after(() => rm(folder, { recursive: true, force: true }))

  await survivesKills({ seed, rounds: 8, start: (acknowledge) => start(t, folder, acknowledge), log: (text) => t.diagnostic(text) })
})

async function start(t, folder, acknowledge) {
  const child = fork(path.join(import.meta.dirname, 'process.mjs'), [folder])
  const gone = Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  t.after(() => child.kill('SIGKILL'))

  /** The first message with this key; fails when the process ends before. */
  const message = (key) => Promise.race([
    new Promise((resolve) => child.on('message', (m) => key in m && resolve(m[key]))),
    gone.then(() => { throw new Error(`the process ended without saying "${key}"; its error is above`) }),
  ])
  await message('ready')
  child.on('message', (m) => m.acknowledged && acknowledge(m.acknowledged))

  return {
    check(seed) {
      child.send({ name: 'check', seed })
      return message('checked')
    },
    write: (seed, from) => child.send({ name: 'write', seed, from }),
    async sigkill() {
      child.kill('SIGKILL')
      await gone // and with it every message that was in the pipe
    },
  }
}
