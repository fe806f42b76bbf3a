import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { open } from '../../js/index.js'
import { nodeDirectory } from '../../js/node.js'
import { below, chooseSeed, seeded } from '../scenario/random.mjs'
import { audit } from '../scenario/rivals.mjs'

test('Node: processes that take a volume from each other, are stopped and killed, lose nothing that was acknowledged', async (t) => {
  const seed = chooseSeed(t, 'tests/node/rivals.test.mjs')
  const random = seeded(seed)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-rivals-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const acknowledged = []
  const seen = {}
  let stopped = 0
  let killed = 0

  /** One after the other, until it has had enough turns; some do not live to see it. */
  async function rival(number) {
    for (let life = 0; life < 3; life++) {
      const child = fork(path.join(import.meta.dirname, 'rival.mjs'), [folder, String((seed % 1000) * 100 + number * 10 + life), '12'])
      let gone = false
      const ended = once(child, 'exit').then(([code, signal]) => {
        gone = true
        return signal ?? code
      })
      t.after(() => child.kill('SIGKILL'))
      child.on('message', ({ line, seen: its }) => {
        if (line) acknowledged.push(line)
        for (const [what, n] of Object.entries(its ?? {})) seen[what] = (seen[what] ?? 0) + n
      })
      const kill = life < 2 && random() < 0.6
      while (!gone) {
        await Promise.race([ended, sleep(20 + below(random, 300))])
        if (gone) break
        if (kill && random() < 0.15) {
          killed++
          child.kill('SIGKILL')
          break
        }
        stopped++
        child.kill('SIGSTOP')
        await sleep(below(random, 60))
        child.kill('SIGCONT')
      }
      const how = await ended
      assert.ok(how === 0 || how === 'SIGKILL', `a process ended with ${how}; its error is above`)
    }
  }
  await Promise.all([1, 2, 3].map(rival))

  const volume = await open('contended', { storage: nodeDirectory(folder) })
  assert.deepEqual(await audit(volume, acknowledged), [])
  await volume.close()
  assert.deepEqual((await readdir(folder)).filter((name) => !/^(log|steal\.|log\.copy)/.test(name)), [])
  t.diagnostic(`${acknowledged.length} acknowledged; ${stopped} stops, ${killed} kills; ${JSON.stringify(seen)}`)
  assert.ok(acknowledged.length > 0)
})
