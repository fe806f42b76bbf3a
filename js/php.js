/** `holdfast/php`: volumes in php-wasm (WordPress Playground). */

import { createFsType } from './emscripten.js'

/**
 * A mount handler: `await php.mount('/wordpress', holdfastMount(volume))`.
 * It may be used again, for another runtime too: all see each other's changes at once. When PHP changes its runtime (Playground does
 * after some hundred requests) it mounts the volume anew.
 *
 * Runtimes that reach the volume through Playground's PROXYFS work too, but their fsync does not get here: what they did is committed at
 * the end of their request, if not before. A volume with durability 'manual' is committed by nobody but `volume.commit()` and 'request.end'.
 *
 * @param {import('./volume.js').Volume} volume
 * @param {object} [options]
 * @param {string} [options.path] the directory of the volume; its root by default. It is made when it does not exist.
 * @param {'fsync' | 'request.end'} [options.commitOn] when to commit: on PHP's and SQLite's fsync (the default), or once after each
 *   request that changed something, before `php.run` resolves
 * @param {(err: any) => void} [options.onError] told of a commit at the end of a request that failed; the next one commits again.
 *   Without it the error becomes an unhandled rejection, because PHP has answered the request by then.
 * @returns {(php: any, FS: any, mountpoint: string) => Promise<() => void>}
 */
export function holdfastMount(volume, { path = '/', commitOn = 'fsync', onError } = {}) {
  if (commitOn !== 'fsync' && commitOn !== 'request.end') throw new TypeError(`commitOn must be 'fsync' or 'request.end', not ${JSON.stringify(commitOn)}`)
  return async (php, FS, mountpoint) => {
    if (path !== '/') volume.fs.mkdirSync(path, { recursive: true })
    const type = createFsType(FS, volume, { path, commit: commitOn === 'fsync' })
    FS.mkdirTree(mountpoint)
    FS.mount(type, {}, mountpoint)
    const end = () => {
      if (volume.closed || !volume.dirty) return
      try {
        volume.commit()
      } catch (err) {
        if (!onError) throw err
        onError(err)
      }
    }
    // Playground tells a runtime of the end of requests in those that use its files.
    /** @type {string[]} */
    const events = []
    if (commitOn === 'request.end') events.push('request.end')
    if (commitOn === 'request.end' || volume.durability === 'fsync') events.push('proxyfs.request.end')
    for (const event of events) php.addEventListener(event, end)
    return () => {
      for (const event of events) php.removeEventListener(event, end)
      type.detach()
      FS.unmount(mountpoint)
    }
  }
}

/**
 * The FS object of a runtime, for `captureEmscripten` and `materializeEmscripten`. Ask anew when PHP may have exchanged its runtime
 * (Playground does between requests).
 *
 * @param {any} php
 * @returns {Promise<any>}
 */
export async function fsOf(php) {
  /** @type {any} */
  let found
  // A mount handler is how php-wasm hands it out.
  const unmount = await php.mount('/tmp/holdfast', async (/** @type {any} */ _php, /** @type {any} */ FS) => {
    found = FS
    return () => {}
  })
  await unmount()
  return found
}
