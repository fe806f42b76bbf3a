// What a browser has published is restored on a server by the command, and SQLite opens its database there; and the way back.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { root } from './bundle.mjs'
import { startS3 } from './s3server.mjs'
import { startSite } from './site.mjs'

const execute = promisify(execFile)

test('a site that was published from Chromium is restored on a server, with its database, and published back', async (t) => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-command-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const site = await startSite(t)
  const s3 = await startS3({ pageOrigin: site.origin })
  t.after(() => s3.stop())
  const { endpoint, region, bucket, credentials } = s3.config
  const env = {
    ...process.env, AWS_ENDPOINT_URL: endpoint, AWS_REGION: region, HOLDFAST_BUCKET: bucket,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  }
  const holdfast = async (...args) => (await execute('go', ['run', './s3publish/cmd/holdfast', ...args], { cwd: root, env })).stdout.trim()
  const sqlite = async (file, ...sql) => (await execute('go', ['run', './sqlitecheck', file, ...sql], { cwd: path.join(root, 'tests') })).stdout.trim().split('\n').map((line) => JSON.parse(line))

  const browser = await (await site.visitor()).arrive()
  const published = await browser.evaluate(async (config) => {
    globalThis.volume = await holdfast.open('site')
    globalThis.php = await startPHP(volume)
    volume.fs.mkdirSync('/content/database', { recursive: true })
    const file = '/site/content/database/.ht.sqlite'
    await sql(php, ['PRAGMA journal_mode=WAL', 'CREATE TABLE entry (n INTEGER PRIMARY KEY, body TEXT)',
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO entry SELECT i, hex(randomblob(50)) FROM n'], { file })
    volume.fs.writeFileSync('/index.php', '<?php echo "hello";')
    globalThis.remote = holdfast.s3(config)
    return (await volume.publish(remote, { label: 'from the browser' })).id
  }, s3.config)

  const target = path.join(folder, 'site')
  assert.equal(await holdfast('pull', 'site', target), published)
  const database = path.join(target, 'content/database/.ht.sqlite')
  assert.deepEqual(await sqlite(database, 'PRAGMA integrity_check', 'SELECT count(*) FROM entry'), [[['ok']], [['1000']]])
  assert.match(await holdfast('list'), /from the browser/)
  assert.match(await holdfast('verify'), / 0 damages$/)

  // The server changes it, and the browser pulls that.
  await sqlite(database, 'DELETE FROM entry WHERE n > 10')
  await writeFile(path.join(target, 'note.txt'), 'from the server')
  const answer = await holdfast('publish', '-parent', published, '-label', 'from the server', 'site', target)
  const seen = await browser.evaluate(async () => {
    const { id } = await volume.pull(remote)
    const rows = await sql(php, ['PRAGMA integrity_check', 'SELECT count(*) FROM entry'], { file: '/site/content/database/.ht.sqlite' })
    return { id, rows, note: volume.fs.readFileSync('/note.txt', 'utf8') }
  })
  assert.deepEqual(seen, { id: answer, rows: [[['ok']], [[10]]], note: 'from the server' })

  const { stdout } = await execute('bash', ['-c', 'go run ./s3publish/cmd/holdfast export site | tar -t'], { cwd: root, env })
  assert.match(stdout, /^content\/database\/\.ht\.sqlite$/m)
})
