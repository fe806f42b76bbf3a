// Publishing, the link, two tabs, and what goes wrong, in real Chromium with a real S3 server.
//
//   node --test web/test/publish.test.mjs

import assert from 'node:assert/strict'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

/** A comment is quicker to write than a post. */
async function comment(guest, text) {
  await guest.press('Site')
  await guest.at(/^\/$/)
  await guest.site().getByRole('link', { name: 'Things to try' }).click()
  await guest.at(/things-to-try/)
  await guest.site().getByLabel('Comment', { exact: false }).first().fill(text)
  await guest.site().getByRole('button', { name: 'Post Comment' }).click()
  await guest.at(/#comment-/)
}

const pageText = (guest) => guest.site().locator('body').innerText()

async function seeComment(guest, text) {
  await guest.press('Site')
  await guest.at(/^\/$/)
  await guest.site().getByRole('link', { name: 'Things to try' }).click()
  await guest.at(/things-to-try/)
  assert.ok((await pageText(guest)).includes(text), text)
}

for (const way of ['S3, signed in this page', 'Gateway, which keeps the key']) {
  test(`a published site is opened by its link in a fresh browser: ${way}`, async (t) => {
    const { visitor, demo, elsewhere } = await openDemo(t)
    const ada = await (await visitor()).arrive()
    await ada.ready()
    await ada.writePost('Seen from afar', 'Published, and pulled by another browser.')
    await ada.choose('Publish')
    await ada.page.getByLabel(way).check()
    await ada.press('Publish')
    await ada.status('Published.')
    const sent = await ada.page.locator('#sent').textContent()
    t.diagnostic(sent)
    if (way.startsWith('S3')) assert.match(sent, /^\d+ kB in \d+ requests$/, 'the store has the untouched site already')
    const link = await ada.page.getByLabel('there is no key in this link').inputValue()
    for (const secret of Object.values(demo.s3.config.credentials)) assert.ok(!link.includes(secret))
    await ada.screenshot(`published-${way.slice(0, 2)}`)

    demo.s3.proxy.take()
    const bob = await (await visitor()).arrive({ at: new URL(link).pathname + new URL(link).search })
    await bob.ready()
    assert.equal((await bob.titles())[0], 'Seen from afar')
    for (const { path } of demo.s3.proxy.log) assert.ok(!path.includes('X-Amz-'), 'pulled without a signature')
    assert.deepEqual(elsewhere, [], 'nothing comes from another origin')

    // Once more: there is nothing to send.
    await ada.press('Publish')
    await ada.status('Already published')
  })
}

test('two tabs: the second opens a copy of its own, both publish, and the conflict is a choice in words', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await comment(ada, 'From the first tab.')

  const second = await ada.tab()
  await second.page.waitForSelector('#trouble:not([hidden])')
  assert.match(await second.page.locator('#trouble').innerText(), /open in another tab/)
  await second.screenshot('locked')
  await second.page.getByRole('button', { name: 'Open a second copy' }).click()
  await second.ready()
  await comment(second, 'From the second tab.')

  await ada.choose('Publish')
  await ada.press('Publish')
  await ada.status('Published.')
  await second.choose('Publish')
  await second.press('Publish')
  await second.page.getByText('Somebody else published in the meantime').waitFor()
  await second.screenshot('conflict')
  await second.page.getByRole('button', { name: 'Take theirs' }).click()
  await second.status('every byte checked')
  await seeComment(second, 'From the first tab.')
  assert.ok(!(await pageText(second)).includes('From the second tab.'))
  await second.restore('Comment by admin')
  await seeComment(second, 'From the second tab.')

  await second.choose('Publish')
  await second.press('Publish')
  await second.status('Published.') // it has seen theirs, and goes on from it
  await comment(ada, 'And once more from the first.')
  await ada.press('Publish')
  await ada.page.getByRole('button', { name: 'Publish mine beside it' }).click()
  await ada.status('Published beside the other')
  const link = await ada.page.getByLabel('there is no key in this link').inputValue()
  assert.notEqual(new URL(link).searchParams.get('open'), 'my-site')
  await comment(ada, 'Once more.')
  await ada.press('Publish')
  await ada.page.getByRole('button', { name: 'Publish mine instead' }).click()
  await ada.status('Published.')
})

test('two tabs: the second takes the site over, and the first says so', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await comment(ada, 'Written before the other came.')
  const second = await ada.tab()
  await second.page.getByRole('button', { name: 'Use it here instead' }).click()
  await second.ready()
  await seeComment(second, 'Written before the other came.')
  await ada.page.bringToFront()
  await ada.page.waitForSelector('#trouble:not([hidden])')
  assert.match(await ada.page.locator('#trouble').innerText(), /another tab/)
})

test('publishing can be cancelled, and a store that does not answer is a sentence with a next step', async (t) => {
  const { visitor, demo } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.choose('Publish')
  await ada.page.getByLabel('Name of the published site').fill('another-name') // so that there is much to send
  demo.s3.proxy.delay?.(200)
  await ada.press('Publish')
  await ada.press('Cancel')
  await ada.status('Cancelled')

  await ada.page.getByText('Where to:').click()
  const endpoint = ada.page.getByLabel('Endpoint')
  const right = await endpoint.inputValue()
  await endpoint.fill('http://127.0.0.1:9')
  await ada.press('Publish')
  const said = await ada.problem()
  t.diagnostic(said)
  assert.match(said, /does not answer.*try again/s)
  await ada.screenshot('unreachable')
  await ada.press('Dismiss this message')
  await endpoint.fill(right)
  await ada.page.getByLabel('Secret key').fill('wrong')
  await ada.press('Publish')
  assert.match(await ada.problem(), /refused the key/)
  await ada.press('Dismiss this message')
  assert.deepEqual((await ada.titles()).length, 3, 'the site is as it was')
})
