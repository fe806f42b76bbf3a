import test from 'node:test'
import { survivesKills } from '../scenario/crash.mjs'
import { chooseSeed } from '../scenario/random.mjs'
import { startSite } from './site.mjs'

test('Chromium: after SIGKILL a volume on OPFS opens at its last acknowledged commit, whole', async (t) => {
  const seed = chooseSeed(t, 'tests/e2e/crash.test.mjs')
  const site = await startSite(t)
  const visitor = await site.visitor()

  await survivesKills({ seed, start, log: (text) => t.diagnostic(text) })

  async function start(acknowledge) {
    const browser = await visitor.arrive()
    site.onPost('/acknowledge', (step) => acknowledge(step))
    await browser.evaluate(async () => {
      globalThis.volume = await holdfast.open('crash')
    })
    return {
      check: (seed) => browser.evaluate(
        async (seed) => check(volume, await holdfast.open('model', { storage: holdfast.memory() }), seed), seed),
      write: (seed, from) => browser.begin(
        ({ seed, from }) => writeUntilKilled(volume, seed, from, (step) => tell('/acknowledge', step)), { seed, from }),
      sigkill: () => browser.sigkill(),
    }
  }
})
