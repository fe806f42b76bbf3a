// Every transaction that SQLite has acknowledged survives a SIGKILL of the
// browser: builds of SQLite that have no filesystem of their own, on a volume in
// OPFS, in every journal mode.

import test from 'node:test'
import { survivesKills } from '../scenario/crash.mjs'
import { chooseSeed } from '../scenario/random.mjs'
import { modes } from '../scenario/sqlite.mjs'
import { startSite } from './site.mjs'

for (const build of ['sqlite-wasm', 'wa-sqlite']) {
  for (const mode of modes) {
    test(`Chromium, ${build} in ${mode.name}: after SIGKILL every acknowledged transaction is there, and the database is sound`, async (t) => {
      const seed = chooseSeed(t, 'tests/e2e/sqlite-crash.test.mjs')
      const site = await startSite(t)
      const visitor = await site.visitor()
      await survivesKills({ seed, rounds: 2, start, log: (text) => t.diagnostic(text) })

      async function start(acknowledge) {
        const browser = await visitor.arrive()
        site.onPost('/acknowledge', (n) => acknowledge(n))
        await browser.evaluate(async (build) => {
          globalThis.sqlite = await startSQLite[build](await holdfast.open('sqlite'))
          globalThis.connections = [await sqlite.open('/app.db'), await sqlite.open('/app.db')]
        }, build)
        return {
          check: (seed) => browser.evaluate((seed) => checkRows(connections[0], seed), seed),
          write: (seed, from) => browser.begin(({ mode, seed, from }) =>
            insertUntilKilled(...connections, mode, seed, from, (n) => tell('/acknowledge', n)), { mode, seed, from }),
          sigkill: () => browser.sigkill(),
        }
      }
    })
  }
}
