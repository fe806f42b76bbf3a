// The process that crash.test.mjs kills: a volume in a folder of Node's file
// system. It acknowledges a commit by a message to its parent.

import { open, memory } from '../../js/index.js'
import { nodeDirectory } from '../../js/node.js'
import { check, writeUntilKilled } from '../scenario/steps.mjs'

const [folder] = process.argv.slice(2)
const volume = await open('crash', { storage: nodeDirectory(folder) })

/** Resolves when the message is in the pipe: from then on a SIGKILL cannot take it back. */
const tell = (message) => new Promise((resolve, reject) => {
  process.send(message, (error) => (error ? reject(error) : resolve()))
})

process.on('message', async ({ name, seed, from }) => {
  if (name === 'check') await tell({ checked: await check(volume, await open('model', { storage: memory() }), seed) })
  if (name === 'write') await writeUntilKilled(volume, seed, from, (step) => tell({ acknowledged: step }))
})
await tell({ ready: true })
