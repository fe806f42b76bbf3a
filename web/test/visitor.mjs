// The demo as visitors meet it: one server, and a browser with a profile for each visitor.

import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { freshProfile, launch } from '../../tests/e2e/chromium.mjs'
import { buildPage } from '../build.mjs'
import { startDemo } from '../serve.mjs'
import { buildWordPress } from '../wordpress.mjs'

export const out = path.join(import.meta.dirname, 'out')
const built = Promise.all([buildPage(), buildWordPress(), mkdir(out, { recursive: true })])

/** Requests that a page makes of WordPress take a while on a busy machine. */
const PATIENCE = 60_000

/** @param {import('node:test').TestContext} t */
export async function openDemo(t) {
  await built
  const demo = await startDemo()
  t.after(() => demo.close())
  const elsewhere = []

  async function visitor() {
    const profile = await freshProfile()
    t.after(() => profile.remove())
    return {
      /** Starts a browser on the profile and opens the page in it. */
      async arrive({ at = '/', width = 1360, height = 860 } = {}) {
        const browser = await launch(profile.folder)
        t.after(() => browser.sigkill())
        async function tab(address = at, prepare = async () => {}) {
          const page = await browser.context.newPage()
          page.setDefaultTimeout(PATIENCE)
          page.on('pageerror', (error) => t.diagnostic(`page error: ${error.stack ?? error}`))
          page.on('console', (message) => { if (message.type() === 'error') t.diagnostic(`console: ${message.text()} ${message.location().url}`) })
          await page.setViewportSize({ width, height })
          await page.emulateMedia({ reducedMotion: 'reduce' }) // so that nothing is looked at while it moves
          await prepare(page)
          await page.goto(new URL(address, demo.url).href)
          return guest(page)
        }
        browser.context.on('request', (request) => {
          const { origin, protocol } = new URL(request.url())
          const ours = [demo.url, demo.s3.config.endpoint, demo.gateway?.url]
          if (protocol.startsWith('http') && !ours.includes(origin)) elsewhere.push(request.url())
        })
        return { ...(await tab()), tab, context: browser.context, sigkill: browser.sigkill }
      },
    }
  }

  return { demo, visitor, elsewhere }
}

/** What a visitor does on the page. */
function guest(page) {
  const status = (text) => page.waitForFunction((text) => document.getElementById('status').textContent.includes(text), text)
  const settled = () => page.waitForSelector('#app[aria-busy="false"]')
  /** WordPress, in its frame. */
  const site = () => page.frameLocator('#frame')
  const press = (name) => page.getByRole('button', { name, exact: true }).click()
  /** The frame shows a page of the site whose address matches, whole. */
  const at = (pattern) => page.waitForFunction((source) => new RegExp(source).test(document.getElementById('address').value) && document.getElementById('loading').hidden, pattern.source)
  const points = () => page.locator('#points > li .what').allTextContents()

  /** Waits for a point of the timeline. */
  const point = (text) => page.waitForFunction((text) => [...document.querySelectorAll('#points .what')].some((what) => what.textContent === text), text)

  const restored = (text) => page.waitForFunction((text) => new RegExp(`^Restored in [\\d.]+ ms: ${text}`).test(document.getElementById('status').textContent), text)

  return {
    page,
    status,
    restored,
    settled,
    site,
    press,
    at,
    points,
    point,
    /** WordPress's first page is there. */
    async ready() {
      await page.waitForSelector('#curtain[hidden]', { state: 'attached' })
      await settled()
    },
    async go(path) {
      await page.getByLabel('Address in the site').fill(path)
      await page.keyboard.press('Enter')
      await at(new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`))
    },
    /** In the block editor, as a person does. */
    async writePost(title, text) {
      await press('New post')
      const editor = site().frameLocator('iframe[name="editor-canvas"]')
      await editor.getByRole('textbox', { name: 'Add title' }).fill(title)
      await editor.getByRole('button', { name: 'Add default block' }).click()
      await page.keyboard.type(text)
      await site().getByRole('button', { name: 'Publish', exact: true }).click()
      await site().getByRole('region', { name: 'Editor publish' }).getByRole('button', { name: 'Publish', exact: true }).click()
      await site().getByText('is now live').waitFor()
      await point(`Published “${title}”`)
    },
    /** Titles on the front page. */
    async frontPage() {
      await press('Site')
      await at(/^\/$/)
      return titles()
    },
    titles,
    async takeSnapshot(label) {
      await page.getByLabel('Name of the snapshot').fill(label)
      await press('Take snapshot')
      await status('taken')
    },
    async restore(text) {
      await page.getByRole('tab', { name: 'Timeline' }).click()
      await page.getByRole('button', { name: `Restore “${text}”` }).first().click()
      await restored(text)
      await page.waitForFunction(() => document.getElementById('loading').hidden)
    },
    choose: (name) => page.getByRole('tab', { name }).click(),
    problem: async () => {
      await page.waitForSelector('#problem:not(:empty)')
      return page.locator('#problem').innerText()
    },
    async screenshot(name, { colorScheme = 'light', whole = false } = {}) {
      await page.emulateMedia({ colorScheme })
      const { width, height } = page.viewportSize()
      if (whole) await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) })
      await page.screenshot({ path: path.join(out, `${name}.png`) })
      if (whole) await page.setViewportSize({ width, height })
    },
  }

  function titles() {
    return site().locator('main h2 a').allTextContents()
  }
}
