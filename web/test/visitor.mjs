// The demo as visitors meet it: one server, and a browser with a profile for each visitor.

import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { freshProfile, launch } from '../../tests/e2e/chromium.mjs'
import { buildPage } from '../build.mjs'
import { startDemo } from '../serve.mjs'

const out = path.join(import.meta.dirname, 'out')
let built

/** @param {import('node:test').TestContext} t */
export async function openDemo(t) {
  await (built ??= buildPage())
  await mkdir(out, { recursive: true })
  const demo = await startDemo()
  t.after(() => demo.close())
  const elsewhere = []

  async function visitor() {
    const profile = await freshProfile()
    t.after(() => profile.remove())
    return {
      /** Starts a browser on the profile and opens the page in it. */
      async arrive({ at = '/', width = 1200, height = 900 } = {}) {
        const browser = await launch(profile.folder)
        t.after(() => browser.sigkill())
        async function tab(address = at) {
          const page = await browser.context.newPage()
          page.on('pageerror', (error) => t.diagnostic(`page error: ${error.stack ?? error}`))
          page.on('console', (message) => { if (message.type() === 'error') t.diagnostic(`console: ${message.text()}`) })
          await page.setViewportSize({ width, height })
          await page.goto(new URL(address, demo.url).href)
          return guest(page)
        }
        browser.context.on('request', (request) => {
          const { origin, protocol } = new URL(request.url())
          if (protocol.startsWith('http') && origin !== demo.url && origin !== demo.s3.config.endpoint) elsewhere.push(request.url())
        })
        return { ...(await tab()), tab, context: browser.context, sigkill: browser.sigkill }
      },
    }
  }

  return { demo, visitor, elsewhere }
}

/** What a visitor does on the page. */
function guest(page) {
  const settled = () => page.waitForSelector('#app[aria-busy="false"]')
  const status = (text) => page.waitForFunction((text) => document.getElementById('status').textContent.includes(text), text)
  return {
    page,
    status,
    settled,
    /** The page has started: the guestbook's answer is shown. */
    async ready() {
      await page.waitForSelector('#entries [data-count]')
      await settled()
    },
    async sign(name, message) {
      await page.getByLabel('Your name').fill(name)
      await page.getByLabel('Your message').fill(message)
      await page.getByRole('button', { name: 'Sign', exact: true }).click()
      await status('Signed')
    },
    async takeSnapshot(label) {
      await page.getByLabel('Label of the snapshot').fill(label)
      await page.getByRole('button', { name: 'Take snapshot' }).click()
      await status('taken')
    },
    press: (name) => page.getByRole('button', { name, exact: true }).click(),
    count: async () => Number(await page.locator('.count').getAttribute('data-count')),
    /** [message, name] of each entry that is shown. */
    entries: () => page.locator('.entry').evaluateAll((list) =>
      list.map((entry) => [entry.querySelector('.message').textContent, entry.querySelector('.name').textContent])),
    statusText: () => page.locator('#status').textContent(),
    problem: async () => {
      await page.waitForSelector('#problem:not(:empty)')
      return page.locator('#problem').innerText()
    },
    async screenshot(name, { colorScheme = 'light' } = {}) {
      await page.emulateMedia({ colorScheme })
      // A window as tall as the page: in a shorter one the dock would lie in the middle of the picture.
      const { width, height } = page.viewportSize()
      const whole = await page.evaluate(() => document.documentElement.scrollHeight)
      await page.setViewportSize({ width, height: Math.max(height, whole) })
      await page.screenshot({ path: path.join(out, `${name}.png`) })
      await page.setViewportSize({ width, height })
    },
  }
}
