// Export and import, in real Chromium.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { openDemo } from './visitor.mjs'

async function download(guest, kind, folder) {
  await guest.choose('Files')
  const [download] = await Promise.all([guest.page.waitForEvent('download'), guest.press(`Download as ${kind}`)])
  const file = path.join(folder, download.suggestedFilename())
  await download.saveAs(file)
  await guest.settled()
  return file
}

test('the site goes out as a zip and a tar, and comes in again in another browser and from a folder of Playground', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-files-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { visitor } = await openDemo(t)
  const ada = await (await visitor()).arrive()
  await ada.ready()
  await ada.go('/wp-admin/options-general.php')
  await ada.site().getByLabel('Site Title').fill('Carried by hand')
  await ada.site().getByRole('button', { name: 'Save Changes' }).click()
  await ada.site().getByText('Settings saved.').waitFor()

  const zip = await download(ada, 'zip', folder)
  const tar = await download(ada, 'tar', folder)
  const listed = execFileSync('tar', ['-tf', tar], { encoding: 'utf8', maxBuffer: 64 << 20 }).split('\n')
  for (const name of ['wp-load.php', 'wp-config.php', 'wp-content/database/.ht.sqlite', 'wp-content/db.php']) assert.ok(listed.includes(name), name)
  assert.ok(!listed.some((name) => name.startsWith('.holdfast')), 'what is not the site’s is not in it')

  const bob = await (await visitor()).arrive()
  await bob.ready()
  const title = () => bob.site().locator('header').first().innerText()
  for (const [file, point] of [[zip, 'Imported wordpress.zip'], [tar, 'Imported wordpress.tar']]) {
    await bob.choose('Files')
    await chooseFile(bob, file)
    await bob.status('Imported wordpress')
    await bob.go('/')
    assert.match(await title(), /Carried by hand/)
    assert.equal((await bob.points())[0], point)
    await bob.restore('WordPress, just installed')
    assert.match(await title(), /Tidepool Notes/)
  }

  // What is no site is refused, and nothing has changed.
  await bob.choose('Files')
  await bob.page.locator('#archive').setInputFiles({ name: 'notes.zip', mimeType: 'application/zip', buffer: Buffer.from('not a zip') })
  assert.match(await bob.problem(), /cannot be brought in/)
  await bob.press('Dismiss this message')

  // Playground keeps a site's files one by one; its SQLite plugin lies outside of them.
  await bob.page.evaluate(async () => {
    const root = await navigator.storage.getDirectory()
    let folder = await root.getDirectoryHandle('sites', { create: true })
    for (const name of ['site-rock-pools', 'wp-content', 'database']) folder = await folder.getDirectoryHandle(name, { create: true })
  })
  const database = await readFile(await unpacked(tar, 'wp-content/database/.ht.sqlite', folder))
  await bob.page.evaluate(async (bytes) => {
    let folder = await navigator.storage.getDirectory()
    for (const name of ['sites', 'site-rock-pools', 'wp-content', 'database']) folder = await folder.getDirectoryHandle(name)
    const writable = await (await folder.getFileHandle('.ht.sqlite', { create: true })).createWritable()
    await writable.write(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)))
    await writable.close()
    let themes = await navigator.storage.getDirectory()
    for (const name of ['sites', 'site-rock-pools', 'wp-content', 'uploads']) themes = await themes.getDirectoryHandle(name, { create: true })
  }, database.toString('base64'))
  await bob.press('Look for sites')
  await bob.page.getByRole('button', { name: 'Import sites/site-rock-pools' }).click()
  await bob.status('Imported site-rock-pools')
  await bob.screenshot('files')
  await bob.go('/wp-admin/options-general.php')
  assert.equal(await bob.site().getByLabel('Site Title').inputValue(), 'Carried by hand')
})

/** The browser reads the file itself; Playwright would send it through the debugging connection. */
async function chooseFile({ page, context }, file) {
  const session = await context.newCDPSession(page)
  const { result } = await session.send('Runtime.evaluate', { expression: "document.getElementById('archive')" })
  await session.send('DOM.setFileInputFiles', { files: [file], objectId: result.objectId })
  await session.detach()
}

async function unpacked(tar, name, folder) {
  execFileSync('tar', ['-xf', tar, '-C', folder, name])
  return path.join(folder, name)
}
