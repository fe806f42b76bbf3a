// What the scenario of kills (scenario/crash.mjs) needs of a process of Node.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/** Starts a program of this folder as a process to be killed; it speaks as process.mjs does. */
export async function startChild(t, program, args, acknowledge) {
  const child = fork(path.join(import.meta.dirname, program), args)
  const gone = Promise.all([once(child, 'exit'), once(child, 'disconnect')])
  t.after(() => child.kill('SIGKILL'))

  /** The first message with this key; fails when the process ends before. */
  const message = (key) => Promise.race([
    new Promise((resolve) => child.on('message', (m) => key in m && resolve(m[key]))),
    gone.then(() => { throw new Error(`the process ended without saying "${key}"; its error is above`) }),
  ])
  await message('ready')
  child.on('message', (m) => m.acknowledged && acknowledge(m.acknowledged))

  return {
    check(seed) {
      child.send({ name: 'check', seed })
      return message('checked')
    },
    write: (seed, from) => child.send({ name: 'write', seed, from }),
    async sigkill() {
      child.kill('SIGKILL')
      await gone // and with it every message that was in the pipe
    },
  }
}
