// Several tabs of one browser on one origin, each with a dedicated worker that has the package unbundled (pages/plain.mjs).

import { folders } from './bundle.mjs'
import { freshProfile, launch, openWorker } from './chromium.mjs'
import { serve } from './serve.mjs'

/** @param {import('node:test').TestContext} t */
export async function startTabs(t) {
  const web = await serve(folders)
  t.after(() => web.close())
  const profile = await freshProfile()
  t.after(() => profile.remove())
  const browser = await launch(profile.folder)
  t.after(() => browser.sigkill())

  return {
    origin: web.origin,
    onPost: web.onPost,
    context: browser.context,

    async tab() {
      const errors = []
      const { page, worker } = await openWorker(browser.context, `${web.origin}/pages/plain.html`, (text) => errors.push(text))
      const tab = {
        page,
        worker,
        errors,
        cdp: await browser.context.newCDPSession(page),
        /** Runs a function in the worker; see pages/plain.mjs for what is there. */
        evaluate: (fn, argument) => tab.worker.evaluate(fn, argument),
        /** Opens volume `name` as the worker's `volume`. Answers the error as plain data, null when it is open. */
        open: (name, options = {}) => tab.evaluate(({ name, options }) => failure(async () => {
          globalThis.volume = await holdfast.open(name, options)
        }), { name, options }),
        /** Reloads the page at once, with whatever its worker has open. */
        async reload() {
          const started = page.waitForEvent('worker')
          await page.reload()
          tab.worker = await started
          await tab.evaluate(async () => {
            while (!globalThis.ready) await new Promise((resolve) => setTimeout(resolve, 5))
          })
        },
      }
      return tab
    },
  }
}

/** A promise and what settles it. */
export function latch() {
  let open
  const opened = new Promise((resolve) => (open = resolve))
  return { opened, open }
}
