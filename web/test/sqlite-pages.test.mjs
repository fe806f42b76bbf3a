// The reader of database files, against SQLite itself.

import assert from 'node:assert/strict'
import test from 'node:test'
import { Database, SqliteFormatError, compareDatabases } from '../sqlite-pages.js'
import { sqlite } from './sqlite.mjs'

const open = (bytes) => new Database({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) })
const tables = (database) => Object.fromEntries(database.objects.filter(({ type }) => type === 'table').map(({ name, rows }) => [name, rows]))

/** Where two files differ, page by page: what a volume's diff says. */
function ranges(a, b, size = 4096) {
  const found = []
  for (let at = 0; at < Math.max(a.length, b.length); at += size) {
    const [x, y] = [a.subarray(at, at + size), b.subarray(at, at + size)]
    if (x.length !== y.length || x.some((byte, i) => byte !== y[i])) found.push({ offset: at, length: Math.max(x.length, y.length) })
  }
  return found
}

const SCHEMA = `
  CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
  CREATE INDEX post_title ON post (title);
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
  CREATE VIEW titles AS SELECT title FROM post;
  CREATE TABLE "quite empty" (x);`
const fill = (posts, meta) => `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${posts})
    INSERT INTO post SELECT i, 'Post number ' || i, CASE WHEN i % 50 = 0 THEN hex(zeroblob(20000)) ELSE 'text of ' || i END FROM n;
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${meta})
    INSERT INTO meta SELECT 'name ' || i, hex(zeroblob(40)) FROM n;`

for (const [name, pragma] of [['4 KiB pages', ''], ['512-byte pages', 'PRAGMA page_size = 512;'], ['64 KiB pages', 'PRAGMA page_size = 65536;'], ['auto_vacuum', 'PRAGMA auto_vacuum = FULL;'], ['UTF-16', "PRAGMA encoding = 'UTF-16le';"]]) {
  test(`every page has one owner and every row is counted: ${name}`, async () => {
    const { file, pages } = await sqlite(`${pragma} ${SCHEMA} ${fill(3000, 700)} DELETE FROM post WHERE id % 3 = 0;`)
    const database = open(file)
    assert.deepEqual(tables(database), { sqlite_schema: 5, post: 2000, meta: 700, 'quite empty': 0 })
    // What the tables and indexes have, and what is free, is the whole file: no page was missed.
    const owned = database.objects.reduce((sum, { pages }) => sum + pages, 0)
    let free = 0
    for (let page = 1; page <= database.pageCount; page++) if (database.isFree(page)) free++
    assert.equal(database.pageCount, pages)
    assert.equal(owned + free, pages)
    assert.equal(database.objects.find(({ name }) => name === 'post_title').table, 'post')
  })
}

test('two states are compared by table: pages, rows, and which rows differ', async () => {
  const { file: before } = await sqlite(`${SCHEMA} ${fill(500, 100)}`)
  const { file: after } = await sqlite(`
    INSERT INTO post VALUES (1001, 'New', 'one'), (1002, 'Newer', 'two'), (1003, 'Long', hex(zeroblob(9000)));
    UPDATE post SET body = 'changed' WHERE id IN (7, 50);
    DELETE FROM post WHERE id = 300;
    INSERT INTO "quite empty" VALUES (1);`, before)
  const result = compareDatabases(open(before), open(after), ranges(before, after))
  assert.deepEqual(result.tables.map(({ pages, ...table }) => table).sort((a, b) => (a.name < b.name ? -1 : 1)), [
    { name: 'post', rowsBefore: 500, rowsAfter: 502, added: 3, removed: 1, changed: 2 },
    { name: 'quite empty', rowsBefore: 0, rowsAfter: 1, added: 1, removed: 0, changed: 0 },
  ])
  assert.equal(result.changedPages, ranges(before, after).length)
  assert.equal(result.tables.reduce((sum, { pages }) => sum + pages, result.otherPages), result.changedPages)
})

test('a row whose change lies on an overflow page is found', async () => {
  const { file: before } = await sqlite(`${SCHEMA} INSERT INTO post VALUES (1, 'Long', printf('%.*c', 50000, 'a'));`)
  const { file: after } = await sqlite(`UPDATE post SET body = substr(body, 1, 49999) || 'b' WHERE id = 1;`, before)
  const [post] = compareDatabases(open(before), open(after), ranges(before, after)).tables.filter(({ name }) => name === 'post')
  assert.deepEqual({ added: post.added, removed: post.removed, changed: post.changed }, { added: 0, removed: 0, changed: 1 })
})

test('a table that was made, or a database that was not there, is compared too', async () => {
  const { file: before } = await sqlite(SCHEMA)
  const { file: after } = await sqlite('CREATE TABLE fresh (x); INSERT INTO fresh VALUES (1), (2);', before)
  assert.deepEqual(compareDatabases(open(before), open(after), ranges(before, after)).tables.find(({ name }) => name === 'fresh'),
    { name: 'fresh', pages: 1, rowsBefore: null, rowsAfter: 2, added: 2, removed: 0, changed: 0 })
  const whole = [{ offset: 0, length: after.length }]
  assert.equal(compareDatabases(null, open(after), whole).tables.find(({ name }) => name === 'fresh').added, 2)
  assert.equal(compareDatabases(open(after), null, whole).tables.find(({ name }) => name === 'fresh').removed, 2)
})

test('a damaged file is an error and never an endless loop', async (t) => {
  const { file } = await sqlite(`PRAGMA page_size = 512; ${SCHEMA} ${fill(300, 60)}`)
  assert.throws(() => open(new Uint8Array(0)), SqliteFormatError)
  assert.throws(() => open(new Uint8Array(4096)), SqliteFormatError)
  // A page that is reached twice: the first child of a table's root is made its last one, too.
  const twice = file.slice()
  const root = (open(file).objects.find(({ name }) => name === 'post').root - 1) * 512
  const view = new DataView(twice.buffer, twice.byteOffset)
  assert.equal(twice[root], 5, 'an interior page of a table')
  view.setUint32(root + 8, view.getUint32(root + view.getUint16(root + 12)))
  assert.throws(() => open(twice), /is used twice/)

  const seed = Number(process.env.SEED ?? Date.now() % 1e9)
  t.diagnostic(`SEED=${seed}`)
  let state = seed
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n
  let refused = 0
  for (let round = 0; round < 3000; round++) {
    const damaged = file.slice()
    for (let i = 0; i <= random(4); i++) damaged[random(damaged.length)] = random(256)
    try {
      const database = open(damaged)
      database.rowsOn(Array.from({ length: database.pageCount }, (_, i) => i + 1))
    } catch (error) {
      assert.ok(error instanceof SqliteFormatError, `${error.stack}`)
      refused++
    }
  }
  assert.ok(refused > 100, `${refused} were refused`)
})
