/** `holdfast/php`: volumes in php-wasm (WordPress Playground). */

import { createFsType } from './emscripten.js'

/**
 * A mount handler: `await php.mount('/wordpress', holdfastMount(volume))`.
 * It may be used again, for another runtime too: all see each other's changes at once.
 *
 * @param {import('./volume.js').Volume} volume
 * @param {object} [options]
 * @param {string} [options.path] the directory of the volume; its root by default. It is made when it does not exist.
 * @param {'fsync' | 'request.end'} [options.commitOn] when to commit: on PHP's and SQLite's fsync (the default), or once after each
 *   request. With 'request.end' a failed commit is thrown at whoever dispatched the event.
 * @returns {(php: any, FS: any, mountpoint: string) => Promise<() => void>}
 */
export function holdfastMount(volume, { path = '/', commitOn = 'fsync' } = {}) {
  if (commitOn !== 'fsync' && commitOn !== 'request.end') throw new TypeError(`commitOn must be 'fsync' or 'request.end', not ${JSON.stringify(commitOn)}`)
  return async (php, FS, mountpoint) => {
    if (path !== '/') volume.fs.mkdirSync(path, { recursive: true })
    const type = createFsType(FS, volume, { path, commit: commitOn === 'fsync' })
    FS.mkdirTree(mountpoint)
    FS.mount(type, {}, mountpoint)
    const end = () => {
      if (!volume.closed && volume.dirty) volume.commit()
    }
    if (commitOn === 'request.end') php.addEventListener('request.end', end)
    return () => {
      if (commitOn === 'request.end') php.removeEventListener('request.end', end)
      type.detach()
      FS.unmount(mountpoint)
    }
  }
}
