import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { below, chooseSeed, seeded } from '../scenario/random.mjs'
import { startTabs } from './tabs.mjs'

test('Chromium: tabs that take a volume from each other, are frozen and reloaded, lose nothing that was acknowledged', async (t) => {
  const seed = chooseSeed(t, 'tests/e2e/rivals.test.mjs')
  const random = seeded(seed)
  const site = await startTabs(t)
  const acknowledged = []
  site.onPost('/acknowledge', (line) => void acknowledged.push(line))
  const seen = {}
  let reloads = 0
  let freezes = 0

  async function rival(number) {
    const tab = await site.tab()
    for (let life = 0; life < 3; life++) {
      let done = false
      const contending = tab.evaluate(async (seed) => {
        const { contend } = await import('/scenario/rivals.mjs')
        return contend((options) => holdfast.open('contended', options), { seed, turns: 8, acknowledge: (line) => tell('/acknowledge', line) })
      }, (seed % 1000) * 100 + number * 10 + life).then((its) => {
        for (const [what, n] of Object.entries(its)) seen[what] = (seen[what] ?? 0) + n
      }, (error) => {
        if (!reloading) throw error // the worker has gone with its page
      }).finally(() => (done = true))
      let reloading = false
      contending.catch(() => {})
      const short = life < 2 && random() < 0.5
      while (!done) {
        await Promise.race([contending.catch(() => {}), sleep(100 + below(random, 500))])
        if (done) break
        if (short && random() < 0.3) {
          reloading = true
          reloads++
          await tab.reload()
          break
        }
        freezes++
        await tab.cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
        await sleep(below(random, 100))
        await tab.cdp.send('Page.setWebLifecycleState', { state: 'active' })
      }
      await contending
    }
    return tab
  }
  const [tab] = await Promise.all([1, 2, 3].map(rival))

  assert.equal(await tab.open('contended', { ifLocked: 'wait' }), null)
  const problems = await tab.evaluate(async (acknowledged) => {
    const { audit } = await import('/scenario/rivals.mjs')
    return audit(volume, acknowledged)
  }, acknowledged)
  assert.deepEqual(problems, [])
  t.diagnostic(`${acknowledged.length} acknowledged; ${reloads} reloads, ${freezes} freezes; ${JSON.stringify(seen)}`)
  assert.ok(acknowledged.length > 0)
})
