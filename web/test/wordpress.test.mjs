// What a visitor does with WordPress and its time machine, in real Chromium, on the demo as `make demo` starts it.
//
//   node --test web/test/wordpress.test.mjs

import assert from 'node:assert/strict'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

const FURNISHED = ['Things to try', 'Low tide, 6.40 in the morning', 'What a holdfast is']

test('a post is written in wp-admin, seen on the front page, gone after going back, and there again after going forward', async (t) => {
  const { visitor, elsewhere } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.screenshot('first-page')
  assert.deepEqual(await ada.titles(), FURNISHED)

  await ada.writePost('Seals at noon', 'Eleven of them, on the long rock.')
  await ada.screenshot('editor')
  assert.deepEqual(await ada.frontPage(), ['Seals at noon', ...FURNISHED])
  assert.match(await ada.site().locator('main').innerText(), /Eleven of them, on the long rock/)

  await ada.restore('WordPress, just installed')
  t.diagnostic(await ada.page.locator('#status').textContent())
  assert.deepEqual(await ada.titles(), FURNISHED, 'the frame shows the state before without being asked')
  await ada.screenshot('restored')

  await ada.page.reload()
  await ada.ready()
  assert.deepEqual(await ada.titles(), FURNISHED, 'going back is durable')

  await ada.restore('Published “Seals at noon”')
  assert.deepEqual(await ada.titles(), ['Seals at noon', ...FURNISHED])
  assert.ok((await ada.points()).includes('Back to: WordPress, just installed'), 'where one was is a point too')
  assert.deepEqual(elsewhere, [], 'nothing comes from another origin')
})

test('a post is there after the browser is killed right after WordPress said so', async (t) => {
  const { visitor } = await openDemo(t)
  const profile = await visitor()
  let ada = await profile.arrive()
  await ada.ready()
  await ada.writePost('Written before the power cut', 'On disk.')
  await ada.sigkill()
  ada = await profile.arrive()
  await ada.ready()
  assert.equal((await ada.frontPage())[0], 'Written before the power cut')
})

test('links, a comment form, settings and an upload work, and each makes one point that says what it was', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()

  await ada.site().getByRole('link', { name: 'Things to try' }).click()
  await ada.at(/things-to-try/)
  await ada.site().getByLabel('Comment', { exact: false }).first().fill('I tried them all.')
  await ada.site().getByRole('button', { name: 'Post Comment' }).click()
  await ada.at(/#comment-/)
  assert.match(await ada.site().locator('body').innerText(), /I tried them all/)
  assert.equal((await ada.points())[0], 'Comment by admin')

  await ada.go('/wp-admin/options-general.php')
  await ada.site().getByLabel('Site Title').fill('Notes from the long rock')
  await ada.site().getByRole('button', { name: 'Save Changes' }).click()
  await ada.site().getByText('Settings saved.').waitFor()
  assert.ok((await ada.points()).includes('Setting changed: site title'))

  // One in the background, as WordPress does it by itself; one with a form.
  const png = await ada.page.screenshot({ clip: { x: 0, y: 0, width: 300, height: 200 } })
  await ada.go('/wp-admin/media-new.php')
  await ada.site().locator('input[type=file][multiple]').setInputFiles({ name: 'limpets.png', mimeType: 'image/png', buffer: png })
  await ada.point('Uploaded “limpets”')
  await ada.go('/wp-admin/media-new.php?browser-uploader')
  await ada.site().locator('#async-upload').setInputFiles({ name: 'seals.png', mimeType: 'image/png', buffer: png })
  await ada.site().locator('#html-upload').click()
  await ada.at(/upload\.php/)
  await ada.point('Uploaded “seals”')
  await ada.page.waitForFunction(() => {
    const image = document.getElementById('frame').contentDocument.querySelector('img[src*="seals"]')
    return image?.complete && image.naturalWidth > 0
  })

  await ada.press('Site')
  await ada.at(/^\/$/)
  assert.match(await ada.site().locator('header').first().innerText(), /Notes from the long rock/)
  const before = (await ada.points()).length
  await ada.press('Reload the site')
  await ada.page.waitForFunction(() => document.getElementById('loading').hidden)
  assert.equal((await ada.points()).length, before, 'a request that changes nothing makes no point')
})
