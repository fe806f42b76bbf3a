// Reads a SQLite database file page by page, without SQLite: which page belongs to which table, and how many rows a table has. So two
// snapshots of a database can be compared by the pages that differ between them.
//
// Source of the format: https://www.sqlite.org/fileformat2.html (the section is named where it is used). A database in the middle of a
// transaction (with a -journal or -wal beside it) is read as the file is. Damage throws SqliteFormatError; no number in the file is
// trusted before it was checked.

export class SqliteFormatError extends Error {
  name = 'SqliteFormatError'
}

const TABLE_INTERIOR = 5
const TABLE_LEAF = 13
const INDEX_INTERIOR = 2
const INDEX_LEAF = 10
const MAX_DEPTH = 20 // SQLite's own limit on a b-tree's depth
const LOCK_BYTE = 1 << 30

/**
 * A table or an index. `table` is the table it belongs to, which is itself for a table; `rows` is null for an index.
 *
 * @typedef {{ name: string, type: 'table' | 'index', table: string, root: number, pages: number, rows: number | null }} DatabaseObject
 */

/** A database file. Pages are numbered from 1. */
export class Database {
  /** @readonly @type {number} bytes */ pageSize
  /** @readonly @type {number} */ pageCount
  /** @readonly @type {DatabaseObject[]} */ objects
  #read
  #usable
  #decoder
  #owner // page → index of the object + 1; 0 for a page of none
  #overflowOf = new Map() // page of an overflow chain → the leaf page where it begins

  /** @param {{ size: number, read: (offset: number, length: number) => Uint8Array }} file */
  constructor({ size, read }) {
    // 1.3 The Database Header
    if (size < 512) throw new SqliteFormatError('the file is too short for a database')
    const header = view(read(0, 100))
    if (header.byteLength < 100 || text(header, 0, 15) !== 'SQLite format 3' || header.getUint8(15) !== 0) throw new SqliteFormatError('the file is not a SQLite database')
    const saidSize = header.getUint16(16)
    this.pageSize = saidSize === 1 ? 65536 : saidSize
    if (this.pageSize < 512 || (this.pageSize & (this.pageSize - 1)) !== 0) throw new SqliteFormatError(`${this.pageSize} is not a page size`)
    this.#usable = this.pageSize - header.getUint8(20)
    if (this.#usable < 480) throw new SqliteFormatError('too little of each page is usable')
    // 1.3.7: the count in the header holds only if the version numbers agree.
    const whole = Math.floor(size / this.pageSize)
    const saidCount = header.getUint32(28)
    this.pageCount = saidCount > 0 && saidCount <= whole && header.getUint32(24) === header.getUint32(92) ? saidCount : whole
    this.#decoder = new TextDecoder({ 2: 'utf-16le', 3: 'utf-16be' }[header.getUint32(56)] ?? 'utf-8')
    this.#read = read
    this.#owner = new Uint32Array(this.pageCount + 1)

    const schema = { name: 'sqlite_schema', type: 'table', table: 'sqlite_schema', root: 1, pages: 0, rows: 0 }
    this.objects = [schema]
    this.#walk(schema, 1, (cells) => {
      for (const cell of cells) {
        const [type, name, table, root] = this.#record(this.#payload(cell), 4)
        if ((type !== 'table' && type !== 'index') || !root) continue // views and triggers have no pages; virtual tables neither
        this.objects.push({ name, type, table, root, pages: 0, rows: type === 'table' ? 0 : null })
      }
    })
    for (const [i, object] of this.objects.entries()) if (i > 0) this.#walk(object, i + 1)
    this.#freelist(header.getUint32(32))
    if (header.getUint32(52) !== 0) this.#pointerMaps()
  }

  /** What a page is part of; null for one that no table or index has. @param {number} page @returns {DatabaseObject | null} */
  ownerOf(page) {
    return this.objects[this.#owner[page] - 1] ?? null
  }

  /** Whether a page waits to be used again, or only helps to manage the file. @param {number} page */
  isFree(page) {
    return page >= 1 && page <= this.pageCount && this.#owner[page] === FREE
  }

  /**
   * The rows whose content lies on some pages: rowid → payload. Only tables with rowids have such.
   *
   * @param {Iterable<number>} pages
   * @returns {Map<number, Map<number | bigint, Uint8Array>>} by the index of the table in `objects`
   */
  rowsOn(pages) {
    const leaves = new Set()
    for (const page of pages) leaves.add(this.#overflowOf.get(page) ?? page)
    const rows = new Map()
    for (const page of leaves) {
      const owner = this.#owner[page] - 1
      if (this.objects[owner]?.type !== 'table') continue
      const node = this.#node(page)
      if (node.kind !== TABLE_LEAF) continue
      if (!rows.has(owner)) rows.set(owner, new Map())
      for (const cell of node.cells) rows.get(owner).set(cell.rowid, this.#payload(cell))
    }
    return rows
  }

  #page(number) {
    if (!(number >= 1 && number <= this.pageCount)) throw new SqliteFormatError(`page ${number} lies outside of the database`)
    const bytes = this.#read((number - 1) * this.pageSize, this.pageSize)
    if (bytes.length !== this.pageSize) throw new SqliteFormatError(`page ${number} cannot be read`)
    return bytes
  }

  #claim(page, owner) {
    if (!(page >= 1 && page <= this.pageCount)) throw new SqliteFormatError(`page ${page} lies outside of the database`)
    if (this.#owner[page] !== 0) throw new SqliteFormatError(`page ${page} is used twice`)
    this.#owner[page] = owner
  }

  /** Visits every page of a b-tree. Each page may be visited once, so a cycle is an error and not an endless loop. */
  #walk(object, owner, onLeaf, page = object.root, depth = 0) {
    if (depth > MAX_DEPTH) throw new SqliteFormatError(`the tree of ${object.name} is too deep`)
    this.#claim(page, owner)
    object.pages++
    const { kind, cells, right } = this.#node(page)
    const interior = kind === TABLE_INTERIOR || kind === INDEX_INTERIOR
    for (const cell of cells) {
      if (interior) this.#walk(object, owner, onLeaf, cell.child, depth + 1)
      for (const overflow of this.#overflow(cell)) {
        this.#claim(overflow, owner)
        this.#overflowOf.set(overflow, page)
        object.pages++
      }
    }
    if (interior) this.#walk(object, owner, onLeaf, right, depth + 1)
    // A table without rowids is kept as an index, whose interior cells are rows too.
    if (object.rows !== null && kind !== TABLE_INTERIOR) object.rows += cells.length
    if (kind === TABLE_LEAF) onLeaf?.(cells)
  }

  /** 1.6 B-tree Pages */
  #node(number) {
    const bytes = this.#page(number)
    const at = number === 1 ? 100 : 0
    const page = view(bytes)
    const kind = page.getUint8(at)
    if (![TABLE_INTERIOR, TABLE_LEAF, INDEX_INTERIOR, INDEX_LEAF].includes(kind)) throw new SqliteFormatError(`page ${number} is not part of a tree`)
    const interior = kind === TABLE_INTERIOR || kind === INDEX_INTERIOR
    const count = page.getUint16(at + 3)
    const pointers = at + (interior ? 12 : 8)
    if (pointers + 2 * count > this.#usable) throw new SqliteFormatError(`page ${number} has too many cells`)
    const cells = []
    for (let i = 0; i < count; i++) cells.push(this.#cell(bytes, page.getUint16(pointers + 2 * i), kind, number))
    return { kind, cells, right: interior ? page.getUint32(at + 8) : 0 }
  }

  #cell(bytes, start, kind, number) {
    const usable = this.#usable
    let at = start
    const need = (n) => {
      if (at + n > usable) throw new SqliteFormatError(`a cell of page ${number} reaches beyond the page`)
    }
    const varint = () => {
      need(1)
      const [value, length] = readVarint(bytes, at, usable)
      at += length
      return value
    }
    const cell = { child: 0, rowid: 0, size: 0, local: bytes.subarray(0, 0), next: 0 }
    if (kind === TABLE_INTERIOR || kind === INDEX_INTERIOR) {
      need(4)
      cell.child = view(bytes).getUint32(at)
      at += 4
    }
    if (kind === TABLE_INTERIOR) {
      cell.rowid = varint()
      return cell
    }
    const size = Number(varint())
    if (kind === TABLE_LEAF) cell.rowid = varint()
    if (size > this.pageCount * this.pageSize) throw new SqliteFormatError(`a row on page ${number} is longer than the database`)
    // 1.6: how much of the payload lies on the page itself.
    const most = kind === TABLE_LEAF ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23
    const least = Math.floor(((usable - 12) * 32) / 255) - 23
    const wanted = least + ((size - least) % (usable - 4))
    const local = size <= most ? size : wanted <= most ? wanted : least
    need(local + (local < size ? 4 : 0))
    cell.size = size
    cell.local = bytes.subarray(at, at + local)
    if (local < size) cell.next = view(bytes).getUint32(at + local)
    return cell
  }

  /** 1.7 Cell Payload Overflow Pages: the numbers of the pages of a cell's chain. */
  *#overflow({ size, local, next }) {
    let missing = size - local.length
    for (let page = next; missing > 0; ) {
      if (page === 0) throw new SqliteFormatError('an overflow chain ends too early')
      yield page
      missing -= this.#usable - 4
      if (missing > 0) page = view(this.#page(page)).getUint32(0)
    }
  }

  #payload(cell) {
    if (cell.next === 0) return cell.local
    const whole = new Uint8Array(cell.size)
    whole.set(cell.local)
    let at = cell.local.length
    for (const page of this.#overflow(cell)) {
      const part = this.#page(page).subarray(4, Math.min(this.#usable, 4 + cell.size - at))
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  /** 2.1 Record Format: the first `count` columns; numbers as they are, text decoded, everything else null. */
  #record(bytes, count) {
    const [headerSize, first] = readVarint(bytes, 0, bytes.length)
    if (headerSize > bytes.length) throw new SqliteFormatError('a record is damaged')
    const values = []
    let at = first
    let body = Number(headerSize)
    while (values.length < count && at < headerSize) {
      const [serial, length] = readVarint(bytes, at, Number(headerSize))
      at += length
      const type = Number(serial)
      const size = type >= 12 ? (type - 12) >> 1 : [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][type]
      if (body + size > bytes.length) throw new SqliteFormatError('a record is damaged')
      const content = bytes.subarray(body, body + size)
      if (type >= 13 && type % 2 === 1) values.push(this.#decoder.decode(content))
      else if (type >= 1 && type <= 5) values.push(content.reduce((n, byte) => n * 256 + byte, 0))
      else values.push(type === 9 ? 1 : type === 8 ? 0 : null)
      body += size
    }
    return values
  }

  /** 1.5 The Freelist */
  #freelist(first) {
    for (let trunk = first; trunk !== 0; ) {
      this.#claim(trunk, FREE)
      const page = view(this.#page(trunk))
      const count = page.getUint32(4)
      if (8 + 4 * count > this.#usable) throw new SqliteFormatError(`page ${trunk} lists too many free pages`)
      for (let i = 0; i < count; i++) this.#claim(page.getUint32(8 + 4 * i), FREE)
      trunk = page.getUint32(0)
    }
  }

  /** 1.8 Pointer Map or Ptrmap Pages */
  #pointerMaps() {
    const every = Math.floor(this.#usable / 5) + 1
    for (let page = 2; page <= this.pageCount; page += every) {
      const at = page === Math.floor(LOCK_BYTE / this.pageSize) + 1 ? page + 1 : page
      if (at <= this.pageCount && this.#owner[at] === 0) this.#owner[at] = FREE
    }
  }
}

const FREE = 0xffffffff

/**
 * What changed between two states of a database file, by table. `pages` counts the table's changed pages and those of its indexes;
 * of the rows that lie on them, `added`, `removed` and `changed` count those that differ (null for a table without rowids).
 *
 * @param {Database | null} before null: there was none
 * @param {Database | null} after
 * @param {{ offset: number, length: number }[]} ranges where the files differ, in bytes
 * @returns {{ pageSize: number, changedPages: number, otherPages: number, tables: { name: string, pages: number, rowsBefore: number | null, rowsAfter: number | null, added: number | null, removed: number | null, changed: number | null }[] }}
 *   otherPages: pages that no table has, such as free ones, and the first one when only its counters changed
 */
export function compareDatabases(before, after, ranges) {
  const pageSize = (after ?? before).pageSize
  const changed = new Set()
  const last = Math.max(before?.pageCount ?? 0, after?.pageCount ?? 0)
  for (const { offset, length } of ranges) {
    const to = Math.min(Math.ceil((offset + length) / pageSize), last)
    for (let page = Math.floor(offset / pageSize) + 1; page <= to; page++) changed.add(page)
  }

  const tables = new Map()
  let otherPages = 0
  const entry = (name) => {
    if (!tables.has(name)) tables.set(name, { name, pages: 0, rowsBefore: rowsOf(before, name), rowsAfter: rowsOf(after, name), added: null, removed: null, changed: null })
    return tables.get(name)
  }
  for (const page of changed) {
    const owner = after?.ownerOf(page) ?? before?.ownerOf(page)
    if (owner) entry(owner.table).pages++
    else otherPages++
  }
  // A page that was given up, or handed to another table, may have the same bytes: its rows have moved all the same.
  const moved = new Set(changed)
  for (let page = 1; page <= last; page++) {
    const [was, is] = [before?.ownerOf(page), after?.ownerOf(page)]
    if (was && was.name !== is?.name) moved.add(page)
    if (was && moved.has(page)) entry(was.table)
  }

  const rowsBefore = byName(before, moved)
  const rowsAfter = byName(after, moved)
  for (const table of tables.values()) {
    const a = rowsBefore.get(table.name) ?? new Map()
    const b = rowsAfter.get(table.name) ?? new Map()
    if (a.size === 0 && b.size === 0) continue
    table.added = table.removed = table.changed = 0
    for (const [rowid, payload] of b) {
      if (!a.has(rowid)) table.added++
      else if (!same(a.get(rowid), payload)) table.changed++
    }
    for (const rowid of a.keys()) if (!b.has(rowid)) table.removed++
  }
  // Page 1 holds counters of the file besides the schema, and so changes with every transaction.
  const schema = tables.get('sqlite_schema')
  if (schema && schema.added + schema.removed + schema.changed === 0) {
    otherPages += schema.pages
    tables.delete('sqlite_schema')
  }
  return { pageSize, changedPages: changed.size, otherPages, tables: [...tables.values()].sort((a, b) => b.pages - a.pages || (a.name < b.name ? -1 : 1)) }
}

function rowsOf(database, name) {
  return database?.objects.find((object) => object.type === 'table' && object.name === name)?.rows ?? null
}

function byName(database, pages) {
  if (!database) return new Map()
  return new Map([...database.rowsOn(pages)].map(([index, rows]) => [database.objects[index].name, rows]))
}

function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Section 1.6, "varint": up to 9 bytes, big-endian, 7 bits in each but the ninth. A bigint where a number would not be exact. */
function readVarint(bytes, at, end) {
  let value = 0n
  for (let i = 0; i < 9; i++) {
    if (at + i >= end) throw new SqliteFormatError('a number reaches beyond its place')
    const byte = bytes[at + i]
    if (i === 8) value = (value << 8n) | BigInt(byte)
    else value = (value << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80 || i === 8) {
      const signed = BigInt.asIntN(64, value)
      return [signed >= Number.MIN_SAFE_INTEGER && signed <= Number.MAX_SAFE_INTEGER ? Number(signed) : signed, i + 1]
    }
  }
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function text(page, at, length) {
  return String.fromCharCode(...Array.from({ length }, (_, i) => page.getUint8(at + i)))
}
