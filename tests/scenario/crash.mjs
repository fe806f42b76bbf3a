// "A crash at any point leaves the last acknowledged commit, whole", as one
// scenario for every place where Holdfast runs. Drivers start and kill the
// process (a browser or a Node process); everything else is here.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { below, seeded } from './random.mjs'

/**
 * Kills the process in `rounds` rounds, each right after an acknowledged commit or a few milliseconds later,
 * and checks after every restart that the volume is exactly as that commit, or the one in flight, left it.
 *
 * @param {object} driver
 * @param {(acknowledge: (step: number) => void) => Promise<{
 *   check(seed: number): Promise<{ step: number, difference: string[] }>,
 *   write(seed: number, from: number): void,
 *   sigkill(): Promise<void>,
 * }>} driver.start a process on the same storage as the one before; `sigkill` resolves when its last acknowledgement is in
 */
export async function survivesKills({ start, seed, rounds = 4, log = () => {} }) {
  const random = seeded(seed)
  let acknowledged = 0
  for (let round = 0; round <= rounds; round++) {
    let onAcknowledged = () => {}
    const running = await start((step) => {
      acknowledged = step
      onAcknowledged(step)
    })
    const found = await running.check(seed)
    assert.ok(found.step === acknowledged || found.step === acknowledged + 1,
      `round ${round}: commit ${acknowledged} was acknowledged, but the volume opened at ${found.step}`)
    assert.deepEqual(found.difference, [], `round ${round}: the volume is not what commit ${found.step} left`)
    log(`round ${round}: acknowledged ${acknowledged}, found ${found.step}`)
    acknowledged = found.step

    if (round === rounds) return running.sigkill()
    const stopAt = acknowledged + 1 + below(random, 25)
    const wait = random() < 0.5 ? 0 : random() * 12
    const reached = new Promise((resolve) => {
      onAcknowledged = (step) => step === stopAt && resolve()
    })
    running.write(seed, acknowledged)
    await reached
    if (wait) await sleep(wait)
    await running.sigkill()
  }
}
