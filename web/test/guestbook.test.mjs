// What a visitor does with the guestbook, in real Chromium, on the demo as `make demo` starts it.
//
//   node --test web/test/guestbook.test.mjs

import assert from 'node:assert/strict'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

test('an entry is there after a reload, as it was typed', async (t) => {
  const { visitor, elsewhere } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  assert.equal(await ada.count(), 0)
  await ada.sign('Ada <Lovelace>', "It's <b>here</b> & \"there\" – 日本語 🌊")
  const typed = [["It's <b>here</b> & \"there\" – 日本語 🌊", 'Ada <Lovelace>']]
  assert.deepEqual(await ada.entries(), typed)
  await ada.page.reload()
  await ada.ready()
  assert.deepEqual(await ada.entries(), typed)
  assert.deepEqual(elsewhere, [], 'nothing comes from another origin')
})

test('an entry is there after the browser is killed right after it was acknowledged', async (t) => {
  const { visitor } = await openDemo(t)
  const profile = await visitor()
  let ada = await profile.arrive()
  await ada.ready()
  for (let i = 1; i <= 3; i++) {
    await ada.sign('Ada', `kill ${i}`)
    await ada.sigkill()
    ada = await profile.arrive()
    await ada.ready()
    assert.equal(await ada.count(), i)
    assert.equal((await ada.entries())[0][0], `kill ${i}`)
  }
})

test('what was deleted comes back with a snapshot, and what was there before going back is not lost', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'first')
  await ada.sign('Grace', 'second')
  await ada.press('Add 1,000 sample entries')
  await ada.status('1,000 added')
  await ada.takeSnapshot('before the flood')

  await ada.press('Delete all entries')
  await ada.status('1,002 deleted')
  assert.equal(await ada.count(), 0)
  await ada.sign('Noah', 'after the flood')

  const restore = (text) => ada.page.getByRole('button', { name: `Restore “${text}`, exact: false }).first().click()
  await restore('before the flood')
  await ada.status('Restored “before the flood” in')
  t.diagnostic(await ada.statusText())
  t.diagnostic(await ada.page.locator('#durability').textContent())
  assert.equal(await ada.count(), 1002)
  await ada.press('Show older entries')
  await ada.settled()
  assert.equal((await ada.entries()).length, 70)

  await ada.page.reload()
  await ada.ready()
  assert.equal(await ada.count(), 1002, 'going back is durable')

  await restore('Noah signed')
  await ada.status('Restored “Noah signed” in')
  assert.deepEqual(await ada.entries(), [['after the flood', 'Noah']])
})

test('one entry can be deleted, and an empty message is refused in words', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'stays')
  await ada.sign('Bob', 'goes')
  await ada.press('Delete the entry of Bob')
  await ada.status('Deleted')
  assert.deepEqual(await ada.entries(), [['stays', 'Ada']])
  await ada.page.getByLabel('Your name').fill('Eve')
  await ada.page.getByLabel('Your message').fill('   ')
  await ada.press('Sign')
  assert.match(await ada.problem(), /fill in both/)
  await ada.press('Dismiss this message')
  assert.equal(await ada.count(), 1)
})

test('a second tab says that the guestbook is open elsewhere, and opens it when the first is closed', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'from the first tab')
  const second = await ada.tab()
  await second.page.waitForSelector('#trouble:not([hidden])')
  assert.match(await second.page.locator('#trouble').innerText(), /open in another tab/)
  await second.screenshot('locked')
  await second.press('Try again')
  await second.page.waitForFunction(() => document.getElementById('trouble-text').textContent.includes('Close the other'))
  await ada.page.close()
  await second.press('Try again')
  await second.ready()
  assert.deepEqual(await second.entries(), [['from the first tab', 'Ada']])
})

test('everything can be done with the keyboard, every control has a name, and focus is never lost', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  const { keyboard } = ada.page
  const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.textContent)
  const tabTo = async (what) => {
    for (let i = 0; i < 60; i++) {
      if ((await focused()) === what) return
      await keyboard.press('Tab')
    }
    assert.fail(`Tab does not reach ${what}`)
  }
  await tabTo('name')
  await keyboard.type('Ada')
  await keyboard.press('Tab')
  await keyboard.type('without a mouse')
  await keyboard.press('Tab')
  await keyboard.press('Enter')
  await ada.status('Signed')
  assert.equal(await focused(), 'name')
  await tabTo('label')
  await keyboard.type('typed')
  await keyboard.press('Enter')
  await ada.status('taken')
  await tabTo('Restore')
  await keyboard.press('Enter')
  await ada.status('Restored')
  assert.notEqual(await ada.page.evaluate(() => document.activeElement.tagName), 'BODY')

  const nameless = await ada.page.evaluate(() => [...document.querySelectorAll('button, input:not([type=hidden]), textarea, progress')]
    .filter((control) => !control.getAttribute('aria-label') && !control.labels?.[0]?.textContent.trim() && !control.textContent.trim())
    .map((control) => control.outerHTML))
  assert.deepEqual(nameless, [])
})

test('a full disk is told in words, leaves nothing half done, and signing works once there is space', async (t) => {
  const { demo, visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  const devtools = await ada.context.newCDPSession(ada.page)
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: demo.url, quotaSize: 1 })
  // Chromium hands out space in steps ahead of need, so it takes a while until the quota is felt.
  let acknowledged = 0
  while (await ada.page.locator('#problem').innerText() === '') {
    assert.ok(acknowledged < 100_000, 'the quota is never felt')
    acknowledged = await ada.count()
    await ada.press('Add 1,000 sample entries')
    await ada.settled()
  }
  t.diagnostic(`full after ${acknowledged} entries`)
  assert.match(await ada.problem(), /no space left.*Free some space/s)
  await ada.screenshot('no-space')
  await ada.press('Dismiss this message')
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: demo.url })
  await ada.sign('Ada', 'after')
  assert.equal(await ada.count(), acknowledged + 1)
})

test('it can be used at 390 px, in light and in dark, and no entry sticks out', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.screenshot('starting')
  await ada.ready()
  await ada.screenshot('empty')
  await ada.sign('Margaret Hamilton', 'The tide was out as far as I have ever seen it. We walked to the second rock and back, and nobody spoke.')
  await ada.takeSnapshot('before the storm')
  await ada.sign('Edsger', 'Short and to the point.')
  await ada.sign('Radia Perlman', 'I think that I shall never see\na graph more lovely than a tree.')
  await ada.screenshot('light')
  await ada.screenshot('dark', { colorScheme: 'dark' })
  await ada.page.setViewportSize({ width: 390, height: 844 })
  await ada.screenshot('phone-light')
  await ada.screenshot('phone-dark', { colorScheme: 'dark' })
  await ada.sign('W'.repeat(60), 'x'.repeat(300))
  await ada.screenshot('phone-long')
  const tooWide = await ada.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.equal(tooWide, 0, 'nothing sticks out sideways')
})
