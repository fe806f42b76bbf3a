// The worker of the end-to-end tests: it puts what a test needs on its global
// object, and the test says the rest (worker.evaluate).

import * as holdfast from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { installVfs, waSqliteVfs } from 'holdfast/sqlite'
import { PHP, loadPHPRuntime } from '@php-wasm/universal'
import { getPHPLoaderModule } from '@php-wasm/web-8-3'
import { connectSqliteWasm, connectWaSqlite } from '../../../js/test/sqlite-connections.mjs'
import { checkRows, insertUntilKilled } from '../../scenario/sqlite.mjs'
import { check, writeUntilKilled } from '../../scenario/steps.mjs'
import { folders, startTransfer } from '../../scenario/transfer.mjs'
import { tree } from '../../scenario/tree.mjs'

/** PHP with the volume mounted at /site. */
async function startPHP(volume) {
  const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule(), {}))
  await php.mount('/site', holdfastMount(volume))
  return php
}

/** One request: what the PHP code printed. Every call is a fresh request in the same PHP. */
async function runPHP(php, code) {
  const response = await php.run({ code: `<?php error_reporting(E_ALL); ini_set('display_errors', 'stderr'); ${code}` })
  if (response.errors) console.warn(response.errors)
  if (response.exitCode !== 0) throw new Error(`PHP ended with ${response.exitCode}: ${response.text}${response.errors}`)
  return response.text
}

/**
 * Runs SQL in one request on one connection; answers with the rows of each statement.
 * A statement `@name` calls this worker's function `onPHP[name]` instead, and waits for it.
 */
async function sql(php, statements, { file = '/site/app.db' } = {}) {
  return JSON.parse(await runPHP(php, `
    $db = new PDO('sqlite:${file}', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $out = [];
    foreach (json_decode(base64_decode('${btoa(JSON.stringify(statements))}')) as $statement) {
      if ($statement[0] === '@') { $out[] = post_message_to_js(substr($statement, 1)); continue; }
      $result = $db->query($statement);
      $out[] = $result->fetchAll(PDO::FETCH_NUM);
      $result = null;
    }
    echo json_encode($out);`))
}

// These are served as their packages ship them: they look for their binaries beside themselves.

const startSQLite = {
  async 'sqlite-wasm'(volume) {
    const { default: init } = await import('/npm/@sqlite.org/sqlite-wasm/dist/index.mjs')
    const sqlite3 = await init()
    const { name } = installVfs(sqlite3, volume)
    return { sqlite3, open: (path) => connectSqliteWasm(sqlite3, name, path) }
  },
  async 'wa-sqlite'(volume) {
    const { default: factory } = await import('/npm/@journeyapps/wa-sqlite/dist/wa-sqlite.mjs')
    const { Factory } = await import('/npm/@journeyapps/wa-sqlite/src/sqlite-api.js')
    const module = await factory()
    const sqlite3 = Factory(module)
    const vfs = waSqliteVfs(module, volume)
    sqlite3.vfs_register(vfs, false)
    return { sqlite3, open: (path) => connectWaSqlite(sqlite3, module, vfs.name, path) }
  },
}

/** Tells the test something and waits for its answer. */
async function tell(path, body) {
  const response = await fetch(path, { method: 'POST', body: JSON.stringify(body) })
  return response.json()
}

/** The error that `action` ends with, as plain data; null when it succeeds. */
async function failure(action) {
  try {
    await action()
    return null
  } catch (error) {
    const { name, code, message, path, hint } = error
    return { name, code, message, path, hint, cause: error.cause && String(error.cause) }
  }
}

Object.assign(globalThis, {
  holdfast, startPHP, runPHP, startSQLite, insertUntilKilled, checkRows, sql, tell, failure, tree, check, writeUntilKilled, folders, startTransfer,
})
globalThis.ready = Promise.resolve(true)
