/** Volumes in a directory, with Node's file system. */

import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { E, HoldfastError, errnoOf, throwIfAborted } from './errors.js'
import { fenced, locked, pause } from './storage.js'
import { stealLock, takeLock } from './lock-node.js'

/**
 * The same store as in a browser, in `<path>/log`: what a commit acknowledged has been fsynced.
 * One process at a time: a second one gets ErrLocked, or waits, or takes the volume over (lock-node.js says how). Whoever it was taken
 * from notices when it next writes, and gets ErrFenced. Taking over from a living process copies the file, where the file
 * system cannot share its blocks, so that a write on its way there cannot reach it.
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
      const lock = await attempt(name, () => {
        makeDirectory(dir)
        return waitForLock(dir, name, ifLocked, signal)
      })
      try {
        return session(await attempt(name, () => openLog(dir)), dir, lock, name)
      } catch (err) {
        lock.release()
        throw err
      }
    },
  }
}

/**
 * @template T
 * @param {string} name
 * @param {() => T | Promise<T>} action
 * @returns {Promise<T>}
 */
async function attempt(name, action) {
  try {
    return await action()
  } catch (/** @type {any} */ err) {
    if (err instanceof HoldfastError || !err.code) throw err
    const errno = errnoOf(err)
    throw new HoldfastError(errno === E.ENOSPC ? 'ErrQuota' : err.code, `volume ${JSON.stringify(name)} cannot be opened: ${err.message}`, {
      path: err.path,
      hint: errno === E.ENOSPC ? 'free some space on the disk, then open it again' : 'can this process write to the directory?',
      errno,
      cause: err,
    })
  }
}

/**
 * @param {string} dir
 * @param {string} name
 * @param {'fail' | 'wait' | 'steal'} ifLocked
 * @param {AbortSignal} [signal]
 */
async function waitForLock(dir, name, ifLocked, signal) {
  for (let tries = 0; ; tries++) {
    const lock = ifLocked === 'steal' ? steal(dir) : takeLock(dir)
    if ('release' in lock) return lock
    // Two processes that start together see each other and both step back: they try again, at different times.
    if (ifLocked !== 'wait' && tries >= 5) throw locked(name, lock.pid === process.pid ? 'in this process' : `in process ${lock.pid}`)
    await pause(ifLocked === 'wait' ? 50 + Math.random() * 100 : 2 + Math.random() * 20, signal)
  }
}

/**
 * Takes the lock, and puts a copy of the log in its place. A process that was stopped in the middle of a write, having seen that it had the lock,
 * then writes to a file that nobody reads. Its commit is not acknowledged, since it asks again before it flushes. What it has acknowledged is in the
 * copy. The write may be half in the copy, as after a crash.
 *
 * @param {string} dir
 */
function steal(dir) {
  const lock = stealLock(dir)
  if ('pid' in lock) return lock
  const log = join(dir, 'log')
  const copy = join(dir, 'log.copy')
  try {
    if (lock.stole && fs.existsSync(log)) {
      fs.copyFileSync(log, copy, fs.constants.COPYFILE_FICLONE)
      const fd = fs.openSync(copy, 'r+')
      try {
        fs.fsyncSync(fd)
      } finally {
        fs.closeSync(fd)
      }
      fs.renameSync(copy, log)
      syncDirectory(dir)
    }
    return lock
  } catch (err) {
    lock.release()
    fs.rmSync(copy, { force: true })
    throw err
  } finally {
    lock.done()
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

/**
 * @param {string} dir
 * @returns {number}
 */
function openLog(dir) {
  const path = join(dir, 'log')
  const open = (/** @type {string} */ flags, /** @type {string} */ unless) => {
    try {
      return fs.openSync(path, flags)
    } catch (/** @type {any} */ err) {
      if (err.code !== unless) throw err
    }
  }
  // Somebody from whom the volume is being taken may make the file, too.
  const there = open('r+', 'ENOENT')
  if (there !== undefined) return there
  const fd = open('wx+', 'EEXIST')
  if (fd === undefined) return openLog(dir)
  try {
    fs.fsyncSync(fd)
    syncDirectory(dir)
    return fd
  } catch (err) {
    fs.closeSync(fd)
    throw err
  }
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
 * @param {string} dir
 * @param {import('./lock-node.js').Lock} lock
 * @param {string} name
 * @returns {import('./storage.js').StorageSession}
 */
function session(fd, dir, lock, name) {
  /** @type {HoldfastError | null} Why the file can be used no more. */
  let gone = null
  const close = (/** @type {HoldfastError} */ why) => {
    if (!gone) fs.closeSync(fd)
    gone ??= why
  }
  const closed = () => new HoldfastError('ErrClosed', 'the file is closed', { errno: 9 })
  /** @type {(err: HoldfastError) => void} */
  let tell
  /** @type {Promise<HoldfastError>} */
  const lost = new Promise((resolve) => (tell = resolve))
  const check = () => {
    if (!gone && !lock.held()) {
      const err = fenced(name, 'another process')
      close(err)
      tell(err)
    }
    if (gone) throw gone
  }
  check() // somebody may have stolen it while the log was opened
  return {
    file: {
      read: (into, at) => {
        if (gone) throw gone
        return fs.readSync(fd, into, 0, into.length, at)
      },
      write: (from, at) => (check(), fs.writeSync(fd, from, 0, from.length, at)),
      truncate: (size) => (check(), fs.ftruncateSync(fd, size)),
      size: () => {
        if (gone) throw gone
        return fs.fstatSync(fd).size
      },
      flush() {
        check() // held still, after the writes: whoever steals it from now on copies them
        fs.fdatasyncSync(fd) // the size too: fdatasync leaves out only what reading back does not need
      },
      close: () => close(closed()),
    },
    async estimate() {
      const { bavail, bsize } = fs.statfsSync(dir)
      const usage = gone ? undefined : fs.fstatSync(fd).size
      return { usage, quota: usage === undefined ? undefined : usage + bavail * bsize }
    },
    release() {
      close(closed())
      lock.release()
    },
    lost,
  }
}
