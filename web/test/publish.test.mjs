// Publishing from the page, and fetching in another browser.
//
//   node --test web/test/publish.test.mjs

import assert from 'node:assert/strict'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

test('a published guestbook is fetched by a fresh browser that gets the link', async (t) => {
  const { demo, visitor, elsewhere } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.press('Add 1,000 sample entries')
  await ada.status('1,000 added')
  await ada.sign('Ada', 'travels')
  const figures = await ada.page.evaluateHandle(() => {
    const seen = []
    new MutationObserver(() => seen.push(document.getElementById('transfer-figures').textContent))
      .observe(document.getElementById('transfer-figures'), { childList: true })
    return seen
  })
  await ada.press('Publish')
  await ada.page.waitForSelector('#published:not([hidden])')
  const seen = await figures.jsonValue()
  t.diagnostic(`progress: ${JSON.stringify(seen)}`)
  assert.ok(seen.some((text) => /^[\d.]+ \w+ of [\d.]+ \w+, \d+ of \d+ objects?$/.test(text)), 'bytes and objects are shown')
  t.diagnostic(await ada.page.locator('#published-text').textContent())
  await ada.screenshot('published')

  const link = await ada.page.locator('#link').inputValue()
  const { accessKeyId, secretAccessKey } = demo.s3.config.credentials
  assert.ok(!link.includes(accessKeyId) && !link.includes(secretAccessKey), `a secret in ${link}`)

  const grace = await (await visitor()).arrive({ at: link })
  await grace.status('Fetched')
  await grace.settled()
  assert.equal(await grace.count(), 1001)
  assert.deepEqual(await grace.entries(), await ada.entries())
  assert.ok(!grace.page.url().includes('published'), 'a reload does not fetch again')
  await grace.page.reload()
  await grace.ready()
  assert.equal(await grace.count(), 1001)

  demo.s3.proxy.take()
  await ada.sign('Ada', 'one more')
  await ada.press('Publish')
  await ada.page.waitForSelector('#published:not([hidden])')
  t.diagnostic(`one entry more: ${await ada.page.locator('#published-text').textContent()}`)
  assert.ok(demo.s3.proxy.take().filter(({ method }) => method === 'PUT').length <= 3)

  await grace.press('Fetch')
  await grace.status('Fetched')
  assert.equal(await grace.count(), 1002)
  assert.deepEqual(elsewhere, [], 'nothing comes from another origin')
})

test('whoever follows the link with entries of their own is asked first, and loses nothing', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'published')
  await ada.press('Publish')
  await ada.page.waitForSelector('#published:not([hidden])')
  const grace = await (await visitor()).arrive()
  await grace.ready()
  await grace.sign('Grace', 'my own')
  await grace.page.goto(await ada.page.locator('#link').inputValue())
  await grace.page.waitForSelector('#offer:not([hidden])')
  await grace.screenshot('offer')
  assert.deepEqual(await grace.entries(), [['my own', 'Grace']])
  await grace.press('Fetch the published one')
  await grace.status('Fetched')
  assert.deepEqual(await grace.entries(), [['published', 'Ada']])
  await grace.page.getByRole('button', { name: 'Restore “Grace signed' }).click()
  await grace.status('Restored')
  assert.deepEqual(await grace.entries(), [['my own', 'Grace']])
})

test('publishing can be cancelled, changes nothing then, and works the next time', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'patient')
  let held
  const arrived = new Promise((resolve) => (held = resolve))
  await ada.context.route(/\/packs\//, () => held()) // neither answered nor refused
  await ada.press('Publish')
  await arrived
  await ada.screenshot('publishing')
  await ada.press('Cancel')
  await ada.status('Cancelled')
  await ada.settled()
  await ada.context.unroute(/\/packs\//)
  await ada.press('Publish')
  await ada.page.waitForSelector('#published:not([hidden])')
  assert.deepEqual(await ada.entries(), [['patient', 'Ada']])
})

test('when two browsers publish, the second is asked which one shall be', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'was first')
  await ada.press('Publish')
  await ada.page.waitForSelector('#published:not([hidden])')

  const grace = await (await visitor()).arrive()
  await grace.ready()
  await grace.sign('Grace', 'came later')
  await grace.press('Publish')
  await grace.page.waitForSelector('#conflict:not([hidden])')
  await grace.screenshot('conflict')
  await grace.press('Publish mine instead')
  await grace.page.waitForSelector('#published:not([hidden])')
  await ada.press('Fetch')
  await ada.status('Fetched')
  assert.deepEqual(await ada.entries(), [['came later', 'Grace']])
})

test('a server that is down, and a guestbook that nobody has published, are told in words with a next step', async (t) => {
  const { demo, visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.sign('Ada', 'stays')
  await ada.press('Fetch')
  const nothing = await ada.problem()
  t.diagnostic(nothing)
  assert.match(nothing, /no published guestbook.*Publish one first/s)
  await demo.s3.proxy.close()
  await ada.press('Publish')
  await ada.page.waitForFunction(() => document.getElementById('problem').textContent.includes('does not answer'))
  const down = await ada.problem()
  t.diagnostic(down)
  assert.match(down, /still running/)
  await ada.screenshot('unreachable')
  assert.deepEqual(await ada.entries(), [['stays', 'Ada']])
  await ada.sign('Ada', 'and goes on')
})
