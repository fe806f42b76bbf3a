// PHP, and a WordPress in it.

import { PHP, loadPHPRuntime } from '@php-wasm/universal'
import { getPHPLoaderModule } from '@php-wasm/web-8-3'
import * as holdfast from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import environment from '../../../web/wordpress/environment.php'
import plugin from '../../../web/wordpress/plugin.php'
import { ROOT, startSite } from '../../../web/site.js'
import { publicStore } from '../../../web/stores.js'

export { ROOT }

const startRuntime = async () => loadPHPRuntime(await getPHPLoaderModule(), {})

/** PHP and its FS object. */
export async function startPhp() {
  const php = new PHP(await startRuntime())
  let FS
  await php.mount('/tmp/unused', async (_php, fs) => ((FS = fs), () => {}))
  return { php, FS }
}

/** Runs code; fails on PHP's own errors. Answers with what it printed. */
export async function runPhp(php, code) {
  const { text, errors, exitCode } = await php.run({ code: `<?php error_reporting(E_ALL); ini_set('display_errors', '1'); ${code}` })
  if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${text} ${errors}`)
  return text
}

/**
 * A volume with the WordPress of the demo in it.
 *
 * @param {string} name
 * @param {object} [options] of open
 */
export async function wordPressVolume(name, options) {
  const volume = await holdfast.open(name, options)
  await volume.pull(publicStore({ endpoint: location.origin, bucket: 'wordpress' }), { name: 'wordpress' })
  return volume
}

/** A WordPress on a volume, or with `mount` a copy of the volume's files in MEMFS. */
export async function startWordPress(volume, { inMemory = false } = {}) {
  let FS
  const mount = async (php, fs, mountpoint) => {
    FS = fs
    if (!inMemory) return holdfastMount(volume)(php, fs, mountpoint)
    copyTree(volume.fs, fs, mountpoint)
    return () => {}
  }
  const site = await startSite({ runtime: await startRuntime(), mount, url: 'http://127.0.0.1', php: { environment, plugin } })
  return {
    ...site,
    FS,
    /** Answers with the size of the page. */
    async get(url) {
      const { status, body, errors } = await site.request({ url })
      if (status !== 200) throw new Error(`GET ${url} answered ${status}: ${errors}`)
      return body.length
    },
    insertPost: (n) => runPhp(site.php, `require '${ROOT}/wp-load.php'; $id = wp_insert_post(['post_title' => 'Post ${n}', 'post_status' => 'publish', 'post_content' => str_repeat('The sea kept coming. ', 50)], true);
      if (!is_int($id)) throw new Error('no post was made');`),
  }
}

/** Copies a volume's files into the memory of a guest. */
export function copyTree(fs, FS, mountpoint, folder = '/') {
  FS.mkdirTree(mountpoint)
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const from = folder === '/' ? `/${entry.name}` : `${folder}/${entry.name}`
    const to = `${mountpoint}/${entry.name}`
    if (entry.isDirectory()) copyTree(fs, FS, to, from)
    else if (entry.isFile()) FS.writeFile(to, fs.readFileSync(from))
  }
}

/** A directory of OPFS with nothing in it. */
export async function emptyDirectory(name) {
  const root = await navigator.storage.getDirectory()
  await root.removeEntry(name, { recursive: true }).catch(() => {})
  return root.getDirectoryHandle(name, { create: true })
}
