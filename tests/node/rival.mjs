// A process of rivals.test.mjs.

import { open } from '../../js/index.js'
import { nodeDirectory } from '../../js/node.js'
import { contend } from '../scenario/rivals.mjs'

const [folder, seed, turns] = process.argv.slice(2)
const send = (message) => new Promise((resolve, reject) => process.send(message, (error) => (error ? reject(error) : resolve())))

const seen = await contend((options) => open('contended', { storage: nodeDirectory(folder), ...options }), {
  seed: Number(seed), turns: Number(turns), acknowledge: (line) => send({ line }),
})
await send({ seen })
process.disconnect()
