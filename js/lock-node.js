/**
 * An advisory lock on a directory, between processes. Node has no flock.
 *
 * Each process that wants the lock makes a file whose name says who it is, `lock.<pid>.<start>.<random>`, and then looks at the
 * others. If one belongs to a living process, it takes its own away again and has not got the lock; those of dead
 * processes it removes. Two processes can never both hold it: the one whose file came second sees the first one's. Since no
 * name is ever used again, removing a dead one's file cannot hit a living one's, which is the trap of a single lock file.
 *
 * <start> tells a process from a later one of the same number: its start time and the boot, where /proc has them.
 * Processes that do not see each other (containers, other machines) are not kept apart.
 */

import * as fs from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'

/**
 * @param {string} dir
 * @returns {{ release: () => void } | { pid: number }} the lock, or who has it
 */
export function takeLock(dir) {
  const mine = `lock.${process.pid}.${startOf(process.pid)}.${randomBytes(6).toString('hex')}`
  const path = join(dir, mine)
  fs.closeSync(fs.openSync(path, 'wx'))
  const release = () => fs.rmSync(path, { force: true })
  try {
    for (const other of fs.readdirSync(dir)) {
      const m = /^lock\.(\d+)\.([0-9a-f]+)\.[0-9a-f]+$/.exec(other)
      if (!m || other === mine) continue
      const pid = Number(m[1])
      if (alive(pid, m[2])) {
        release()
        return { pid }
      }
      fs.rmSync(join(dir, other), { force: true })
    }
    return { release }
  } catch (err) {
    release()
    throw err
  }
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
