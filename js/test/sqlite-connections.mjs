/** Connections of both builds of SQLite behind one small interface, for tests in Node and in browsers. */

/**
 * @typedef {object} Db
 * @property {(sql: string) => Promise<any[][]>} run all statements (no `;` in a string); the rows of all. Rejects with an error that has
 *   the extended result code as `code`
 * @property {() => Promise<void>} close
 */

/** @param {any} sqlite3 @param {string} vfs @param {string} path @param {string} [flags] 'r', 'w', 'wc' @returns {Promise<Db>} */
export async function connectSqliteWasm(sqlite3, vfs, path, flags = 'wc') {
  const db = await failing(() => new sqlite3.oo1.DB(path, flags.replace('wc', 'c'), vfs), (err) => err.resultCode)
  return {
    // Its exec answers the rows of one statement.
    run: (sql) => failing(() => sql.split(';').flatMap((one) => (one.trim() ? db.exec({ sql: one, rowMode: 'array', returnValue: 'resultRows' }) : [])), (err) => err.resultCode),
    async close() {
      db.close()
    },
  }
}

/** @param {any} sqlite3 @param {any} module @param {string} vfs @param {string} path @param {string} [flags] @returns {Promise<Db>} */
export async function connectWaSqlite(sqlite3, module, vfs, path, flags = 'wc') {
  const mode = (flags.includes('w') ? 2 : 1) | (flags.includes('c') ? 4 : 0)
  const db = await failing(() => sqlite3.open_v2(path, mode, vfs), (err) => err.code)
  return {
    run: (sql) =>
      failing(async () => {
        /** @type {any[][]} */ const rows = []
        await sqlite3.exec(db, sql, (/** @type {any[]} */ row) => void rows.push([...row]))
        return rows
      }, () => module._sqlite3_extended_errcode(db)),
    async close() {
      await sqlite3.close(db)
    },
  }
}

/**
 * @template T
 * @param {() => T | Promise<T>} op
 * @param {(err: any) => number} codeOf
 * @returns {Promise<T>}
 */
async function failing(op, codeOf) {
  try {
    return await op()
  } catch (/** @type {any} */ err) {
    throw Object.assign(new Error(err.message, { cause: err }), { code: codeOf(err) })
  }
}
