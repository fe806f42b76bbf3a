// The process that sqlite.test.mjs kills: SQLite on a volume in a folder of
// Node's file system. It acknowledges a transaction by a message to its parent.

import { open } from '../../js/index.js'
import { nodeDirectory } from '../../js/node.js'
import { builds } from '../../js/test/sqlite-builds.mjs'
import { checkRows, insertUntilKilled } from '../scenario/sqlite.mjs'

const [folder, build, mode] = process.argv.slice(2)
const volume = await open('sqlite', { storage: nodeDirectory(folder) })
const sqlite = await builds[build](volume)
const db = await sqlite.open('/app.db')
const other = await sqlite.open('/app.db')

/** Resolves when the message is in the pipe: from then on a SIGKILL cannot take it back. */
const tell = (message) => new Promise((resolve, reject) => {
  process.send(message, (error) => (error ? reject(error) : resolve()))
})

process.on('message', async ({ name, seed, from }) => {
  if (name === 'check') await tell({ checked: await checkRows(db, seed) })
  if (name === 'write') await insertUntilKilled(db, other, JSON.parse(mode), seed, from, (n) => tell({ acknowledged: n }))
})
await tell({ ready: true })
