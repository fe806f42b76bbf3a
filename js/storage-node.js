/** Volumes in a directory, with Node's file system. */

import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HoldfastError, throwIfAborted } from './errors.js'
import { locked, pause } from './storage.js'
import { takeLock } from './lock-node.js'

/**
 * The same store as in a browser, in `<path>/log`: what a commit acknowledged has been fsynced.
 * One process at a time: a second one gets ErrLocked (lock-node.js says how).
 *
 * @param {string | URL} path made when it does not exist
 * @returns {import('./storage.js').Storage}
 */
export function nodeDirectory(path) {
  const dir = resolve(path instanceof URL ? fileURLToPath(path) : path)
  return {
    kind: 'node',
    async open({ name, ifLocked, signal }) {
      throwIfAborted(signal)
      makeDirectory(dir)
      const lock = await waitForLock(dir, name, ifLocked, signal)
      try {
        return session(openLog(dir), lock.release)
      } catch (err) {
        lock.release()
        throw err
      }
    },
  }
}

/**
 * @param {string} dir
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {AbortSignal} [signal]
 */
async function waitForLock(dir, name, ifLocked, signal) {
  for (let attempt = 0; ; attempt++) {
    const lock = takeLock(dir)
    if ('release' in lock) return lock
    if (ifLocked === 'steal') {
      const err = locked(name, `in process ${lock.pid}`)
      err.hint = 'a process cannot take a volume from another: end that one'
      throw err
    }
    // Two processes that start together see each other and both step back: they try again, at different times.
    if (ifLocked === 'fail' && attempt >= 5) throw locked(name, lock.pid === process.pid ? 'in this process' : `in process ${lock.pid}`)
    await pause(ifLocked === 'fail' ? 2 + Math.random() * 20 : 50 + Math.random() * 100, signal)
  }
}

/** @param {string} dir */
function makeDirectory(dir) {
  const first = fs.mkdirSync(dir, { recursive: true })
  if (first === undefined) return
  // A new directory is durable only when each directory that holds a new one is synced.
  for (let d = dir; ; d = resolve(d, '..')) {
    syncDirectory(resolve(d, '..'))
    if (d === first || d === resolve(d, '..')) break
  }
}

/** @param {string} dir */
function openLog(dir) {
  const path = join(dir, 'log')
  try {
    return fs.openSync(path, 'r+')
  } catch (/** @type {any} */ err) {
    if (err.code !== 'ENOENT') throw err
  }
  const fd = fs.openSync(path, 'wx+')
  fs.fsyncSync(fd)
  syncDirectory(dir)
  return fd
}

/** @param {string} dir */
function syncDirectory(dir) {
  if (process.platform === 'win32') return // directories cannot be opened there
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * @param {number} fd
 * @param {() => void} unlock
 * @returns {import('./storage.js').StorageSession}
 */
function session(fd, unlock) {
  let open = true
  const close = () => {
    if (open) fs.closeSync(fd)
    open = false
  }
  const check = () => {
    if (!open) throw new HoldfastError('ErrClosed', 'the file is closed', { errno: 9 })
  }
  return {
    file: {
      read: (into, at) => (check(), fs.readSync(fd, into, 0, into.length, at)),
      write: (from, at) => (check(), fs.writeSync(fd, from, 0, from.length, at)),
      truncate: (size) => (check(), fs.ftruncateSync(fd, size)),
      size: () => (check(), fs.fstatSync(fd).size),
      flush: () => (check(), fs.fdatasyncSync(fd)), // the size too: fdatasync leaves out only what reading back does not need
      close,
    },
    release() {
      close()
      unlock()
    },
    onlost: null,
  }
}
