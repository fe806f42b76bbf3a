// What a visitor does with WordPress and its time machine, in real Chromium, on the demo as `make demo` starts it.
//
//   node --test web/test/wordpress.test.mjs

import assert from 'node:assert/strict'
import path from 'node:path'
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
  // The picture in the README: SCREENSHOT=1 node --test web/test/wordpress.test.mjs
  if (process.env.SCREENSHOT) await ada.page.screenshot({ path: path.join(import.meta.dirname, '../screenshot.png') })
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

test('what a request changed is shown: tables and rows of the database, files, and lines', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.go('/wp-admin/theme-editor.php?file=style.css&theme=twentytwentyfour')
  const warning = ada.site().getByRole('button', { name: 'I understand' })
  await warning.click()
  await ada.site().locator('.CodeMirror').first().click()
  await ada.page.keyboard.press('Control+Home')
  await ada.page.keyboard.type('/* mended */\n')
  await ada.site().getByRole('button', { name: 'Update File' }).click()
  await ada.site().getByText('File edited successfully').first().waitFor()
  await ada.point('File edited: style.css')
  await ada.page.getByRole('button', { name: /^What changed: “File edited/ }).click()
  const differences = ada.page.locator('#differences')
  const file = differences.getByText('/wp-content/themes/twentytwentyfour/style.css')
  await file.click()
  await differences.locator('.diff .add').first().waitFor()
  assert.match(await differences.locator('.diff').innerText(), /\+ \/\* mended \*\//)
  assert.ok(await differences.evaluate((element) => element.scrollWidth <= element.clientWidth), 'long lines scroll in their own box')
  await ada.screenshot('changes-file')

  await ada.press('Site')
  await ada.at(/^\/$/)
  await ada.site().getByRole('link', { name: 'Things to try' }).click()
  await ada.at(/things-to-try/)
  await ada.site().getByLabel('Comment', { exact: false }).first().fill('One more row.')
  await ada.site().getByRole('button', { name: 'Post Comment' }).click()
  await ada.point('Comment by admin')
  await ada.choose('Timeline')
  await ada.page.getByRole('button', { name: /^What changed: “Comment by admin”/ }).click()
  const row = differences.getByRole('row', { name: /wp_comments / })
  await row.waitFor()
  assert.deepEqual((await row.innerText()).split(/\s+/).slice(2), ['1', '→', '2', '+1'])
  await ada.screenshot('changes')
})

test('the worker is killed while it writes: all that was acknowledged is there, and the site can be put back', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  for (const choice of ['Keep the posts', 'Put the site back as it was']) {
    await ada.press('Kill the worker now')
    const outcome = ada.page.locator('.outcome')
    await outcome.waitFor()
    const { acknowledged, found, integrity } = await outcome.evaluate((element) => element.dataset)
    t.diagnostic(`${acknowledged} acknowledged, ${found} found`)
    assert.ok(Number(acknowledged) >= 20)
    assert.ok(found === acknowledged || Number(found) === Number(acknowledged) + 1, `${found} of ${acknowledged}`)
    assert.equal(integrity, 'ok')
    if (choice === 'Keep the posts') await ada.screenshot('killed')
    await ada.press(choice)
    await ada.settled()
    if (choice === 'Keep the posts') {
      await ada.press('Site')
      await ada.site().getByRole('link', { name: /^Written while waiting for the end, no\. / }).first().waitFor()
    }
  }
  await ada.restored('Written while waiting')
  await ada.screenshot('after-kills')
})

test('somebody can sign out, and in again with the password that is shown', async (t) => {
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.go('/wp-login.php?action=logout')
  await ada.site().getByRole('link', { name: 'log out' }).click()
  await ada.at(/loggedout/)
  await ada.site().getByLabel('Username').fill('admin')
  await ada.site().getByLabel('Password', { exact: true }).fill('password')
  await ada.site().getByRole('button', { name: 'Log In' }).click()
  await ada.at(/\/wp-admin\//)
  await ada.site().getByRole('heading', { name: 'Dashboard' }).waitFor()
})
