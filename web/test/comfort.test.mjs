// Whether everybody can use it: axe-core, the keyboard, narrow windows, light and dark, and nothing that jumps while it loads.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Serious findings on the page itself; what is in the frame is WordPress's. */
async function findings({ page }) {
  const { violations } = await page.evaluate(async (source) => {
    if (!globalThis.axe) new Function(source)()
    return globalThis.axe.run({ exclude: [['#frame']] }, { iframes: false, resultTypes: ['violations'] })
  }, axe)
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

const TABS = ['Timeline', 'Changes', 'Publish', 'Files']

for (const [width, height] of [[1360, 860], [390, 844]]) {
  test(`axe-core finds nothing serious, and nothing is wider than ${width} px, in light and dark`, async (t) => {
    const { visitor } = await openDemo(t)
    const ada = await (await visitor()).arrive({ width, height })
    // axe is started from a string, which the page's own policy forbids: a test may.
    const session = await ada.context.newCDPSession(ada.page)
    await session.send('Page.setBypassCSP', { enabled: true })
    await ada.page.reload()
    await ada.ready()
    await ada.takeSnapshot('before the storm')
    for (const colorScheme of ['light', 'dark']) {
      await ada.page.emulateMedia({ colorScheme })
      for (const name of TABS) {
        await ada.choose(name)
        if (name === 'Changes') await ada.page.waitForSelector('#differences:not([aria-busy]) p')
        assert.deepEqual(await findings(ada), [], `${name}, ${colorScheme}`)
        const overflow = await ada.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`)
        await ada.screenshot(`${name.toLowerCase()}-${width}-${colorScheme}`, { colorScheme, whole: width < 500 })
      }
    }
  })
}

test('nothing moves while the page loads', async (t) => {
  const { visitor } = await openDemo(t)
  for (const [width, height] of [[1360, 860], [390, 844]]) {
    const browser = await (await visitor()).arrive({ at: '/icon.svg', width, height })
    const ada = await browser.tab('/', (page) => page.addInitScript(() => {
      globalThis.shifts = []
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries()) shifts.push([value, ...sources.map(({ node }) => node?.id || node?.className || node?.nodeName)])
      }).observe({ type: 'layout-shift', buffered: true })
    }))
    await ada.ready()
    const shifts = await ada.page.evaluate(() => globalThis.shifts)
    assert.ok(shifts.reduce((sum, [value]) => sum + value, 0) < 0.005, `${width} px: ${JSON.stringify(shifts)}`)
  }
})

test('everything can be done with the keyboard', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  const { keyboard } = ada.page
  const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim())
  await ada.page.locator('#panel').focus()
  const tabTo = async (pattern) => {
    for (let i = 0; i < 40; i++) {
      if (pattern.test(await focused())) return
      await keyboard.press('Tab')
    }
    assert.fail(`Tab does not reach ${pattern}, but ${await focused()}`)
  }
  await tabTo(/^tab-timeline$/)
  await tabTo(/^label$/)
  await keyboard.type('by hand')
  await keyboard.press('Enter')
  await ada.status('taken')
  assert.equal(await focused(), 'label', 'focus stays where it was')
  await tabTo(/^Restore “WordPress, just installed”/)
  await keyboard.press('Enter')
  await ada.status('Restored')
  assert.match(await focused(), /^Restore “/, 'focus is not lost when the list is made anew')
  await ada.page.locator('#tab-timeline').focus()
  await keyboard.press('ArrowRight')
  assert.equal(await focused(), 'tab-changes')
  await keyboard.press('End')
  assert.equal(await focused(), 'tab-files')
  await tabTo(/^kill$/)
  assert.notEqual(await ada.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none', 'it can be seen where the focus is')
})
