/**
 * An advisory lock on a directory, between processes. Node has no flock.
 *
 * Each process that wants the lock makes a file whose name says who it is, `lock.<pid>.<start>.<random>`, and then looks at the
 * others. If one belongs to a living process, it takes its own away again and has not got the lock; those of dead
 * processes it removes. Two processes can never both hold it: the one whose file came second sees the first one's. Since no
 * name is ever used again, removing a dead one's file cannot hit a living one's, which is the trap of a single lock file.
 *
 * Stealing removes the files of the living, too, and a holder asks before and after whatever it does whether its own is still there.
 * That says nothing about a write that was on its way, in a process that was stopped between asking and writing: so whoever steals
 * must also move what the lock protects out of that one's reach (storage-node.js does). Those who steal keep each other
 * out with a lock of the same kind, `steal.…`, which nobody can steal.
 *
 * <start> tells a process from a later one of the same number: its start time and the boot, where /proc has them.
 * Processes that do not see each other (containers, other machines) are not kept apart.
 */

import * as fs from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'

/**
 * @typedef {object} Lock
 * @property {() => void} release
 * @property {() => boolean} held whether nobody has taken it
 */

/**
 * @param {string} dir
 * @param {'lock' | 'steal'} [kind]
 * @returns {Lock | { pid: number }} the lock, or who has it
 */
export function takeLock(dir, kind = 'lock') {
  const lock = announce(dir, kind)
  try {
    const other = others(dir, kind, lock.name).find((o) => o.alive || remove(dir, o.name))
    if (!other) return lock
    lock.release()
    return { pid: other.pid }
  } catch (err) {
    lock.release()
    throw err
  }
}

/**
 * Takes the lock from whoever has it. Only one process at a time may be between the call and `done()`, which it calls when what
 * the lock protects is out of the others' reach.
 *
 * @param {string} dir
 * @returns {Lock & { done: () => void, stole: boolean } | { pid: number }} the lock, or who else is stealing it; stole: somebody living had it
 */
export function stealLock(dir) {
  const only = takeLock(dir, 'steal')
  if ('pid' in only) return only
  let lock
  try {
    lock = announce(dir, 'lock')
    let stole = false
    for (const o of others(dir, 'lock', lock.name)) {
      stole ||= o.alive
      remove(dir, o.name)
    }
    return { ...lock, stole, done: only.release }
  } catch (err) {
    lock?.release()
    only.release()
    throw err
  }
}

/**
 * @param {string} dir
 * @param {string} kind
 */
function announce(dir, kind) {
  const name = `${kind}.${process.pid}.${startOf(process.pid)}.${randomBytes(6).toString('hex')}`
  const path = join(dir, name)
  fs.closeSync(fs.openSync(path, 'wx'))
  return { name, release: () => fs.rmSync(path, { force: true }), held: () => fs.existsSync(path) }
}

/**
 * @param {string} dir
 * @param {string} kind
 * @param {string} mine
 */
function others(dir, kind, mine) {
  return fs.readdirSync(dir).flatMap((name) => {
    const [, k, pid, start] = /^(lock|steal)\.(\d+)\.([0-9a-f]+)\.[0-9a-f]+$/.exec(name) ?? []
    return k !== kind || name === mine ? [] : [{ name, pid: Number(pid), alive: alive(Number(pid), start) }]
  })
}

/**
 * @param {string} dir
 * @param {string} name
 */
function remove(dir, name) {
  fs.rmSync(join(dir, name), { force: true })
  return false
}

/**
 * @param {number} pid
 * @param {string} start
 */
function alive(pid, start) {
  try {
    process.kill(pid, 0)
  } catch (/** @type {any} */ err) {
    if (err.code === 'ESRCH') return false // EPERM: it lives, and is somebody else's
  }
  const now = startOf(pid)
  if (now === DEAD) return false
  return now === '0' || start === '0' || now === start
}

const DEAD = 'dead'

/**
 * A process's start, as hexadecimal digits; "0" where the system does not tell.
 *
 * @param {number} pid
 */
function startOf(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Fields 3 and 22, counted after the command name, which may hold spaces and brackets (proc(5)).
    const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (field[0] === 'Z' || field[0] === 'X') return DEAD // it has ended and only its parent does not know yet
    const ticks = field[19]
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)
    return boot + Number(ticks).toString(16)
  } catch {
    return '0'
  }
}
