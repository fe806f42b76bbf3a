// Every insert that PHP has acknowledged survives a SIGKILL of the browser, in
// every journal mode of SQLite.

import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { below, chooseSeed, seeded } from '../scenario/random.mjs'
import { startSite } from './site.mjs'

const modes = [
  { name: 'DELETE' },
  { name: 'TRUNCATE' },
  { name: 'PERSIST' },
  { name: 'WAL' },
  { name: 'WAL', exclusive: true },
]
const rounds = 3

// Row n is a few bytes up to some pages long, and can be told from n.
const body = (n) => `str_repeat(md5((string) ${n}), 1 + ${n} * 37 % 300)`

for (const mode of modes) {
  const title = mode.exclusive ? `${mode.name} with exclusive locking` : mode.name
  test(`PHP, SQLite in ${title}: every acknowledged insert survives SIGKILL, and the database is sound`, async (t) => {
    const seed = chooseSeed(t, 'tests/e2e/php-crash.test.mjs')
    const random = seeded(seed)
    const site = await startSite(t)
    const visitor = await site.visitor()
    let acknowledged = 0

    for (let round = 0; round <= rounds; round++) {
      const browser = await visitor.arrive()
      await browser.evaluate(async () => {
        globalThis.volume = await holdfast.open('guestbook')
        globalThis.php = await startPHP(volume)
      })

      const found = await browser.evaluate(verify, { body: body('$n') })
      assert.equal(found.integrity, 'ok', `round ${round}: PRAGMA integrity_check`)
      assert.deepEqual(found.damaged, [], `round ${round}: rows with wrong content`)
      assert.ok(found.rows === acknowledged || found.rows === acknowledged + 1,
        `round ${round}: ${acknowledged} inserts were acknowledged, ${found.rows} rows are there`)
      t.diagnostic(`round ${round}: acknowledged ${acknowledged}, found ${found.rows}`)
      acknowledged = found.rows
      if (round === rounds) break

      const stopAt = acknowledged + 1 + below(random, 30)
      const wait = random() < 0.5 ? 0 : random() * 10
      const reached = new Promise((resolve, reject) => {
        site.onPost('/acknowledge', ({ n, mode: used }) => {
          if (used !== mode.name.toLowerCase()) reject(new Error(`the journal mode is ${used}, not ${mode.name}`))
          acknowledged = n
          if (n === stopAt) resolve()
          // Killing "right after" means that the answer never gets back.
          return n === stopAt && !wait ? new Promise(() => {}) : true
        })
      })
      browser.begin(insertForever, { mode, from: acknowledged, body: body('$n') })
      await reached
      if (wait) await sleep(wait)
      await browser.sigkill()
    }
  })
}

/** One connection, autocommit, one acknowledgement after each insert. Runs in the worker. */
async function insertForever({ mode, from, body }) {
  php.onMessage((text) => tell('/acknowledge', JSON.parse(text)).then(String))
  await runPHP(php, `
    $db = new PDO('sqlite:/site/app.db', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    ${mode.exclusive ? "$db->exec('PRAGMA locking_mode = EXCLUSIVE');" : ''}
    $used = $db->query('PRAGMA journal_mode = ${mode.name}')->fetchColumn();
    $db->exec('CREATE TABLE IF NOT EXISTS entry (n INTEGER PRIMARY KEY, body TEXT)');
    $insert = $db->prepare('INSERT INTO entry (n, body) VALUES (?, ?)');
    for ($n = ${from} + 1; ; $n++) {
      $insert->execute([$n, ${body}]);
      post_message_to_js(json_encode(['n' => $n, 'mode' => $used]));
    }`)
}

/** Runs in the worker. */
async function verify({ body }) {
  return JSON.parse(await runPHP(php, `
    $db = new PDO('sqlite:/site/app.db', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
    $found = ['integrity' => $db->query('PRAGMA integrity_check')->fetchColumn(), 'rows' => 0, 'damaged' => []];
    if ($db->query("SELECT count(*) FROM sqlite_schema WHERE name = 'entry'")->fetchColumn()) {
      foreach ($db->query('SELECT n, body FROM entry ORDER BY n') as [$n, $body]) {
        if ($n !== ++$found['rows'] || $body !== ${body}) $found['damaged'][] = $n;
      }
    }
    echo json_encode($found);`))
}
