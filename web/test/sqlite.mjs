// SQLite for tests: the one in PHP, which the demo has anyway, on a database in memory.

import { PHP } from '@php-wasm/universal'
import { phpForNode } from '../wordpress.mjs'

let php

/**
 * Runs SQL on a database file, or on a new one.
 *
 * @param {string} sql
 * @param {Uint8Array} [file]
 * @returns {Promise<{ file: Uint8Array, pages: number }>}
 */
export async function sqlite(sql, file) {
  php ??= new PHP(await phpForNode())
  if (php.fileExists('/test.sqlite')) php.unlink('/test.sqlite')
  if (file) php.writeFile('/test.sqlite', file)
  php.writeFile('/test.sql', sql)
  const { text, errors, exitCode } = await php.run({ code: `<?php
    $db = new PDO('sqlite:/test.sqlite', options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $db->exec(file_get_contents('/test.sql'));
    echo json_encode(['pages' => (int) $db->query('PRAGMA page_count')->fetchColumn()]);` })
  if (exitCode !== 0) throw new Error(`SQLite: ${text} ${errors}`)
  return { file: php.readFileAsBuffer('/test.sqlite').slice(), ...JSON.parse(text) }
}
