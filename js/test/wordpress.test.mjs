/** The recipe of GUESTS.md: WordPress, booted by Playground's own code, on a volume. */

import test, { after } from 'node:test'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { proxyFileSystem } from '@php-wasm/universal'
import { bootWordPressAndRequestHandler } from '@wp-playground/wordpress'
import { memory, open } from 'holdfast'
import { captureEmscripten, materializeEmscripten } from 'holdfast/emscripten'
import { nodeDirectory } from 'holdfast/node'
import { fsOf, holdfastMount } from 'holdfast/php'
import { sqlitePluginZip, wordPressZip } from './npm-files.mjs'
import { memoryStore } from './object-store.mjs'
import { nextRuntime } from './php.mjs'
import { readable } from './random.mjs'

/** @type {any[]} Runtimes that are not ended keep Node from ending. */
const started = []
after(() => started.forEach((php) => php.exit()))

/** @param {import('../index.js').Volume} volume */
async function boot(volume) {
  const installed = volume.fs.existsSync('/wp-load.php')
  /** @type {any} */ let primary
  return bootWordPressAndRequestHandler({
    createPhpRuntime: () => nextRuntime('8.3'),
    phpVersion: '8.3',
    siteUrl: 'http://127.0.0.1',
    onPHPInstanceCreated: async (php, { isPrimary }) => {
      started.push(php)
      if (isPrimary) primary = php
      else await proxyFileSystem(primary, php, ['/tmp', '/internal/shared', '/internal/symlinks'])
      await php.mount('/wordpress', holdfastMount(volume))
    },
    wordPressZip: installed ? undefined : wordPressZip(),
    sqliteIntegrationPluginZip: sqlitePluginZip(),
    wordpressInstallMode: 'install-from-existing-files-if-needed',
  })
}

test("a WordPress in PHP's own memory is captured, page by page, and materialized in another PHP", { timeout: 600_000 }, async (t) => {
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  const inMemory = async () => {
    /** @type {any} */ let primary
    const options = {
      createPhpRuntime: () => nextRuntime('8.3'),
      phpVersion: '8.3',
      siteUrl: 'http://127.0.0.1',
      maxPhpInstances: 1,
      onPHPInstanceCreated: async (/** @type {any} */ php) => {
        primary = php
        started.push(php)
        if (volume.fs.existsSync('/wp-load.php')) materializeEmscripten(await fsOf(php), '/wordpress', volume)
      },
      sqliteIntegrationPluginZip: sqlitePluginZip(),
      wordPressZip: volume.fs.existsSync('/wp-load.php') ? undefined : wordPressZip(),
      wordpressInstallMode: /** @type {const} */ ('install-from-existing-files-if-needed'),
    }
    const site = await bootWordPressAndRequestHandler(options)
    return { site, FS: await fsOf(primary) }
  }
  const one = await inMemory()
  const first = captureEmscripten(one.FS, '/wordpress', volume)
  assert.ok(first.create.length > 1000 && first.bytesWritten > 10e6)
  const post = await inWordPress(one.site, `echo wp_insert_post(['post_title' => 'Kelp holds fast', 'post_status' => 'publish']);`)
  const second = captureEmscripten(one.FS, '/wordpress', volume)
  assert.deepEqual(second.update.map((e) => e.path.replace(/.*\//, '')), ['.ht.sqlite'])
  assert.ok(second.bytesWritten > 0 && second.bytesWritten < second.update[0].size / 2, `${second.bytesWritten} of ${second.update[0].size} bytes`)
  const two = await inMemory()
  assert.match((await two.site.request({ url: `/?p=${post}` })).text, /Kelp holds fast/)
  materializeEmscripten(two.FS, '/wordpress', volume, { snapshot: first.snapshot })
  assert.equal((await two.site.request({ url: `/?p=${post}` })).httpStatusCode, 404)
  for (const { site } of [one, two]) await site[Symbol.asyncDispose]()
})

/** @param {any} handler @param {string} code */
async function inWordPress(handler, code) {
  const php = await handler.getPrimaryPhp()
  const { text, errors, exitCode } = await php.run({ code: `<?php require '/wordpress/wp-load.php'; ${code}` })
  assert.equal(exitCode, 0, errors)
  return text
}

test('WordPress is installed on a volume, serves requests in several runtimes, and is there after a crash and after a restore', { timeout: 600_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
  t.after(() => rm(folder, { recursive: true }))
  let volume = await open('site', { storage: nodeDirectory(folder) })
  let site = await boot(volume)
  const front = await site.request({ url: '/' })
  assert.equal(front.httpStatusCode, 200)
  assert.match(front.text, /My WordPress/)
  assert.ok(volume.fs.readdirSync('/', { recursive: true }).length > 1000)

  const before = volume.snapshot({ label: 'before' })
  const post = await inWordPress(site, `echo wp_insert_post(['post_title' => 'Kelp holds fast', 'post_status' => 'publish']);`)
  assert.match(post, /^\d+$/)
  // Requests at the same time go to runtimes that reach the volume through PROXYFS.
  const pages = await Promise.all([1, 2, 3].map(() => site.request({ url: `/?p=${post}` })))
  for (const page of pages) assert.match(page.text, /Kelp holds fast/)
  assert.equal(volume.dirty, false, 'what a request changed is durable')

  // The volume is given up as a crash would: what counts is what was acknowledged.
  await volume.close({ commit: false })
  await site[Symbol.asyncDispose]()
  volume = await open('site', { storage: nodeDirectory(folder) })
  site = await boot(volume)
  assert.match((await site.request({ url: `/?p=${post}` })).text, /Kelp holds fast/)
  const changed = volume.diff(before).map((/** @type {any} */ c) => c.path)
  assert.ok(changed.some((/** @type {string} */ path) => /\.ht\.sqlite/.test(path)), changed.join())

  volume.restore(before)
  assert.equal((await site.request({ url: `/?p=${post}` })).httpStatusCode, 404)
  assert.equal(await inWordPress(site, `global $wpdb; echo $wpdb->get_var("SELECT count(*) FROM $wpdb->posts WHERE post_title = 'Kelp holds fast'");`), '0')
  await site[Symbol.asyncDispose]()
  await volume.close()
})

/** The sum of the sizes of what changed since a point, in pages, each compressed on its own. @param {import('../index.js').Volume} volume @param {any} before */
function compressedPages(volume, before) {
  let sum = 0
  for (const { path, type, ranges } of volume.diff(before)) {
    if (type !== 'file') continue
    const content = volume.fs.readFileSync(path)
    const pages = new Set(ranges.flatMap(({ offset, length }) => {
      const first = Math.floor(offset / 4096)
      return Array.from({ length: Math.ceil((offset + length) / 4096) - first }, (_, i) => first + i)
    }))
    for (const page of pages) sum += deflateRawSync(content.subarray(page * 4096, page * 4096 + 4096)).length
  }
  return sum
}

test('publishing one post takes at most three requests, and 1.5 times the compressed pages that it changed and 4 KiB', { timeout: 600_000 }, async (t) => {
  const volume = await open('v', { storage: memory() })
  t.after(() => volume.close())
  const site = await boot(volume)
  const store = memoryStore()
  await volume.publish(store, { name: 'v' })
  let [replaced, merges, least] = [0, 0, Infinity]
  for (let n = 0; n < 20; n++) {
    const before = volume.snapshot()
    const content = n % 3 === 0 ? 'The sea kept coming. '.repeat(50) : readable(n, (n * 977) % 9000)
    assert.match(await inWordPress(site, `echo wp_insert_post(['post_title' => 'Post ${n}', 'post_status' => 'publish', 'post_content' => base64_decode('${Buffer.from(content).toString('base64')}')]);`), /^\d+$/)
    const pages = compressedPages(volume, before)
    store.log.length = 0
    const { bytesSent, packsReplaced } = await volume.publish(store, { name: 'v' })
    const most = 1.5 * pages + 4096
    t.diagnostic(`post ${n}, ${content.length} bytes: ${pages} bytes of compressed pages, ${bytesSent} bytes sent of at most ${most}, ${packsReplaced} packs replaced`)
    assert.ok(store.log.length <= 3, JSON.stringify(store.log))
    assert.equal(store.log.reduce((sum, [, , bytes]) => sum + bytes, 0), bytesSent)
    replaced += packsReplaced
    // At the earliest every 15th publish merges all small packs, which sends again what they hold that is still used: s3publish/LAYOUT.md.
    if (packsReplaced >= 15) merges++
    else {
      assert.ok(bytesSent <= most)
      least = Math.min(least, most - bytesSent)
    }
  }
  t.diagnostic(`${replaced} packs replaced, ${merges} times all small ones; otherwise at least ${least} bytes to spare`)
  assert.ok(merges <= 1 && replaced > 0)
  const copy = await open('copy', { storage: memory() })
  t.after(() => copy.close())
  await copy.pull(store, { name: 'v' })
  const database = '/wp-content/database/.ht.sqlite'
  assert.equal(Buffer.compare(copy.fs.readFileSync(database), volume.fs.readFileSync(database)), 0)
  await site[Symbol.asyncDispose]()
})
