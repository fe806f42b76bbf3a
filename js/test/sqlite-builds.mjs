/** The builds of SQLite that tests run on a volume in Node. */

import { readFileSync } from 'node:fs'
import sqliteWasm from '@sqlite.org/sqlite-wasm'
import waFactory from '@journeyapps/wa-sqlite/dist/wa-sqlite.mjs'
import waAsyncFactory from '@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs'
import * as WaSQLite from '@journeyapps/wa-sqlite'
import { installVfs, waSqliteVfs } from 'holdfast/sqlite'
import { connectSqliteWasm, connectWaSqlite } from './sqlite-connections.mjs'

/** @typedef {{ vfs: any, open: (path: string, flags?: string) => Promise<import('./sqlite-connections.mjs').Db> }} Build */

/** @type {Record<string, (volume: any, options?: any) => Promise<Build>>} */
export const builds = {
  async 'sqlite-wasm'(volume, options) {
    const sqlite3 = await sqliteWasm()
    sqlite3.config.error = sqlite3.config.warn = () => {} // it prints what it throws
    const vfs = installVfs(sqlite3, volume, options)
    return { vfs, open: (path, flags) => connectSqliteWasm(sqlite3, vfs.name, path, flags) }
  },

  'wa-sqlite': (volume, options) => startWa('wa-sqlite', waFactory, volume, options),
  'wa-sqlite-async': (volume, options) => startWa('wa-sqlite-async', waAsyncFactory, volume, options),
}

/** @param {string} name @param {(options: any) => Promise<any>} factory @param {any} volume @param {any} options */
async function startWa(name, factory, volume, options) {
  const wasmBinary = readFileSync(new URL(import.meta.resolve(`@journeyapps/wa-sqlite/dist/${name}.wasm`)))
  const module = await factory({ wasmBinary })
  const sqlite3 = WaSQLite.Factory(module)
  const vfs = waSqliteVfs(module, volume, options)
  sqlite3.vfs_register(vfs, false)
  return { vfs, open: (/** @type {string} */ path, /** @type {string} */ flags) => connectWaSqlite(sqlite3, module, vfs.name, path, flags) }
}
