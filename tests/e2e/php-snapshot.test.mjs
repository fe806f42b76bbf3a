// A snapshot is one instant, even in the middle of a transaction; restoring it
// takes everybody to that instant.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startSite } from './site.mjs'

const modes = ['DELETE', 'TRUNCATE', 'PERSIST', 'WAL']

for (const mode of modes) {
  for (const spilled of [false, true]) {
    const title = `${mode}${spilled ? ', with pages of it already in the file' : ''}`
    test(`a snapshot taken in an open transaction restores to the state before it (${title})`, async (t) => {
      const site = await startSite(t)
      const visitor = await site.visitor()
      let browser = await visitor.arrive()

      const taken = await browser.evaluate(async ({ mode, spilled }) => {
        globalThis.volume = await holdfast.open('site')
        globalThis.php = await startPHP(volume)
        // A small cache makes SQLite write pages of an unfinished transaction (and journal them first).
        const cache = spilled ? ['PRAGMA cache_size = 2', 'PRAGMA cache_spill = 1'] : []
        const [[[used]]] = await sql(php, [
          `PRAGMA journal_mode = ${mode}`,
          'CREATE TABLE entry (n INTEGER PRIMARY KEY, body TEXT)',
          `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
           INSERT INTO entry SELECT i, hex(zeroblob(500)) FROM n`,
        ])

        php.onMessage(async (name) => {
          if (name !== 'snapshot') return ''
          globalThis.during = volume.snapshot({ label: 'in a transaction' })
          globalThis.files = volume.fs.readdirSync('/').map((file) => [file, volume.fs.statSync('/' + file).size])
          return 'taken'
        })
        const answers = await sql(php, [
          ...cache,
          'BEGIN',
          "UPDATE entry SET body = 'changed'",
          `WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
           INSERT INTO entry SELECT i, hex(zeroblob(500)) FROM n`,
          '@snapshot',
          'DELETE FROM entry WHERE n <= 50',
          'COMMIT',
          "SELECT count(*), sum(body = 'changed') FROM entry",
        ])
        return { used, answers, files, id: during.id }
      }, { mode, spilled })
      assert.equal(taken.used, mode.toLowerCase())
      assert.ok(taken.answers.includes('taken'), 'the snapshot was taken inside the transaction')
      assert.deepEqual(taken.answers.at(-1), [[350, 50]], 'the transaction went on and was committed')
      t.diagnostic(`files at the snapshot: ${JSON.stringify(taken.files)}`)
      if (spilled) {
        const log = taken.files.find(([name]) => name === (mode === 'WAL' ? 'app.db-wal' : 'app.db-journal'))
        assert.ok(log?.[1] > 0, 'the snapshot holds a hot journal, or a WAL with frames that were not committed')
      }

      const state = async () => {
        const [integrity, rows, sums] = await sql(php, [
          'PRAGMA integrity_check',
          'SELECT count(*) FROM entry',
          "SELECT count(*) FROM entry WHERE body = hex(zeroblob(500)) AND n <= 100",
        ])
        return { integrity: integrity[0][0], rows: rows[0][0], untouched: sums[0][0] }
      }
      const before = { integrity: 'ok', rows: 100, untouched: 100 }

      // In the same session, by a fresh request of the same PHP.
      await browser.evaluate(() => volume.commit({ label: 'after the transaction' }))
      await browser.evaluate(() => volume.restore(during))
      assert.deepEqual(await browser.evaluate(state), before)

      // And from the disk, by a browser that has never seen it. It opens at the last commit: whether reading after the
      // restore made one (SQLite may sync when it finds a hot journal) is not promised.
      await browser.sigkill()
      browser = await visitor.arrive()
      const opened = await browser.evaluate(async (id) => {
        globalThis.volume = await holdfast.open('site')
        globalThis.php = await startPHP(volume)
        const [[row]] = await sql(php, ['SELECT count(*) FROM entry'])
        const known = volume.snapshots().find((snapshot) => snapshot.id === id)
        volume.restore(id)
        return { rows: row[0], label: known?.label }
      }, taken.id)
      assert.equal(opened.label, 'in a transaction')
      assert.ok([100, 350].includes(opened.rows), `${opened.rows} rows: neither before nor after the restore`)
      assert.deepEqual(await browser.evaluate(state), before)
      assert.deepEqual(await browser.evaluate(async () => {
        await volume.commit({ label: 'restored' })
        return sql(php, ["INSERT INTO entry (body) VALUES ('goes on')", 'PRAGMA integrity_check'])
      }), [[], [['ok']]])
    })
  }
}

test('restore gives streams that PHP holds open ESTALE, and a fresh request sees the restored tree', async (t) => {
  const site = await startSite(t)
  const visitor = await site.visitor()
  const browser = await visitor.arrive()

  const seen = await browser.evaluate(async () => {
    globalThis.volume = await holdfast.open('site')
    globalThis.php = await startPHP(volume)
    await runPHP(php, `
      mkdir('/site/kept'); file_put_contents('/site/kept/a.txt', 'old'); chmod('/site/kept/a.txt', 0600);
      file_put_contents('/site/gone.txt', 'is in the snapshot'); symlink('kept', '/site/link');`)
    const snapshot = volume.snapshot({ label: 'before' })
    await runPHP(php, `
      file_put_contents('/site/kept/a.txt', 'new and longer'); chmod('/site/kept/a.txt', 0644); unlink('/site/gone.txt');
      unlink('/site/link'); mkdir('/site/link'); file_put_contents('/site/link/extra.txt', 'x'); file_put_contents('/site/extra.txt', 'x');
      stat('/site/extra.txt'); realpath('/site/link/extra.txt');`)

    php.onMessage(async () => {
      volume.restore(snapshot)
      return 'restored'
    })
    const held = JSON.parse(await runPHP(php, `
      $reader = fopen('/site/kept/a.txt', 'r'); $writer = fopen('/site/extra.txt', 'a');
      post_message_to_js('restore');
      $out = [];
      $out['read'] = @fread($reader, 100); $out['readError'] = error_get_last()['message'] ?? ''; error_clear_last();
      $out['written'] = @fwrite($writer, 'lost?'); $out['writeError'] = error_get_last()['message'] ?? ''; error_clear_last();
      $out['closed'] = [fclose($reader), fclose($writer)];
      echo json_encode($out);`))
    const fresh = JSON.parse(await runPHP(php, `
      echo json_encode([
        'a' => file_get_contents('/site/kept/a.txt'), 'mode' => decoct(fileperms('/site/kept/a.txt')),
        'gone' => file_get_contents('/site/gone.txt'), 'isLink' => is_link('/site/link'), 'target' => @readlink('/site/link'),
        'through' => @file_get_contents('/site/link/a.txt'), 'extra' => file_exists('/site/extra.txt'),
        'extraInside' => file_exists('/site/link/extra.txt'), 'list' => scandir('/site'),
      ]);`))

    // The same for somebody who uses the volume's own fs.
    volume.fs.writeFileSync('/held.txt', 'held')
    const later = volume.snapshot({ label: 'later' })
    const fd = volume.fs.openSync('/held.txt', 'r+')
    volume.restore(later)
    const own = [
      (await failure(() => volume.fs.readSync(fd, new Uint8Array(4), 0, 4, 0)))?.code,
      (await failure(() => volume.fs.writeSync(fd, new Uint8Array(4), 0, 4, 0)))?.code,
      volume.fs.readFileSync('/held.txt', 'utf8'),
    ]
    return { held, fresh, own }
  })

  assert.match(seen.held.readError, /stale/i, 'reading a stream opened before the restore')
  assert.match(seen.held.writeError, /stale/i, 'writing a stream opened before the restore')
  assert.deepEqual(seen.fresh, {
    a: 'old', mode: '100600', gone: 'is in the snapshot', isLink: true, target: 'kept', through: 'old',
    extra: false, extraInside: false, list: ['.', '..', 'gone.txt', 'kept', 'link'],
  })
  assert.deepEqual(seen.own, ['ESTALE', 'ESTALE', 'held'])
})
