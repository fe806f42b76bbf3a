// One origin and as many browsers on it as a test wants, one after the other
// or side by side. Everything is taken down when the test ends.

import { bundle, folders } from './bundle.mjs'
import { freshProfile, launch, openWorker } from './chromium.mjs'
import { serve } from './serve.mjs'

const bundled = {}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} [name] of the worker, in pages/
 */
export async function startSite(t, name = 'holdfast') {
  await (bundled[name] ??= bundle(name))
  const web = await serve(folders)
  t.after(() => web.close())

  return {
    origin: web.origin,
    onPost: web.onPost,

    /** A visitor: a profile that outlives its browsers. */
    async visitor() {
      const profile = await freshProfile()
      t.after(() => profile.remove())
      return {
        /** Starts a browser on the profile, and the worker in it. */
        async arrive() {
          const browser = await launch(profile.folder)
          t.after(() => browser.sigkill())
          let leaving = false
          const { page, worker } = await openWorker(browser.context, `${web.origin}/pages/worker.html?worker=${name}`,
            (text) => { if (!leaving) t.diagnostic(text) })
          return {
            page,
            worker,
            /** Runs a function in the worker; see pages/ for what is there. */
            evaluate: (fn, argument) => worker.evaluate(fn, argument),
            /** Like evaluate, for work that is expected to be cut off. */
            begin(fn, argument) {
              worker.evaluate(fn, argument).catch((error) => { if (!leaving) t.diagnostic(String(error)) })
            },
            sigkill() {
              leaving = true
              return browser.sigkill()
            },
          }
        },
      }
    },
  }
}
