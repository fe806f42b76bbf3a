/**
 * The locks that SQLite's connections hold on the databases of a volume, and the shared memory of their write-ahead logs. All connections
 * are in one worker, so this is a table in memory; its rules are those of SQLite's os_unix.c (https://www.sqlite.org/lockingv3.html,
 * https://www.sqlite.org/walformat.html#locks). It belongs to the volume: connections of several SQLite builds in one worker
 * lock each other out.
 */

import { BUSY, BUSY_RECOVERY, IOERR_VNODE, LOCK_EXCLUSIVE, LOCK_NONE, LOCK_PENDING, LOCK_RESERVED, LOCK_SHARED, NOMEM, OK, SHM_SHARED, SHM_UNLOCK } from './sqlite-codes.js'

/**
 * Memory of one SQLite build. `alloc` answers zeroed memory, or 0.
 *
 * @typedef {{ alloc: (size: number) => number, free: (p: number) => void }} Heap
 */

/** What the connections to one database file share. */
class Database {
  /** @type {Set<Connection>} */ connections = new Set()
  /** @type {Heap | null} */ heap = null
  /** @type {number[]} Addresses of the shared memory's regions. */ regions = []
}

/** One connection's part in a database. */
export class Connection {
  /** Set by a restore: the lock is gone, and no other can be had. */
  stale = false
  level = LOCK_NONE
  /** Locks of the shared memory: bit sets. */
  #shared = 0
  #exclusive = 0
  #mapped = false
  #db
  #left

  /**
   * @param {Database} db
   * @param {() => void} left
   */
  constructor(db, left) {
    this.#db = db
    this.#left = left
    db.connections.add(this)
  }

  leave() {
    this.unmap()
    this.#db.connections.delete(this)
    if (this.#db.connections.size === 0) this.#left()
  }

  /** @param {number} level SHARED, RESERVED or EXCLUSIVE */
  lock(level) {
    if (this.stale) return IOERR_VNODE
    if (this.level >= level) return OK
    const others = this.#others()
    if (level === LOCK_SHARED) {
      if (others >= LOCK_PENDING) return BUSY
    } else {
      if (others >= LOCK_RESERVED) return BUSY
      if (level === LOCK_EXCLUSIVE && others >= LOCK_SHARED) {
        this.level = LOCK_PENDING // no new readers, so that the writer's turn comes
        return BUSY
      }
    }
    this.level = level
    return OK
  }

  /** @param {number} level SHARED or NONE */
  unlock(level) {
    if (this.level > level) this.level = level
    return OK
  }

  /** Whether a connection, this one included, is about to write. */
  reserved() {
    return Math.max(this.level, this.#others()) >= LOCK_RESERVED
  }

  /** The highest lock of the other connections. */
  #others() {
    let max = LOCK_NONE
    for (const c of this.#db.connections) if (c !== this && c.level > max) max = c.level
    return max
  }

  /**
   * The address of a region of the shared memory, or 0 when there is none and it is not to be made. It answers -BUSY_RECOVERY when another build has it: two
   * builds share no memory, and must not use one write-ahead log at a time; and -NOMEM.
   *
   * @param {Heap} heap
   * @param {number} region
   * @param {number} size of each region, in bytes
   * @param {boolean} extend
   */
  map(heap, region, size, extend) {
    if (this.stale) return -IOERR_VNODE
    const db = this.#db
    if (db.heap && db.heap !== heap) return -BUSY_RECOVERY
    db.heap = heap
    this.#mapped = true
    while (extend && db.regions.length <= region) {
      const p = heap.alloc(size)
      if (p === 0) return -NOMEM
      db.regions.push(p)
    }
    return db.regions[region] ?? 0
  }

  /** The last connection takes the memory with it: SQLite builds it anew from the log. */
  unmap() {
    this.#shared = this.#exclusive = 0
    this.#mapped = false
    const db = this.#db
    for (const c of db.connections) if (c.#mapped) return
    for (const p of db.regions) db.heap?.free(p)
    db.regions = []
    db.heap = null
  }

  /**
   * @param {number} first
   * @param {number} count
   * @param {number} flags
   */
  lockSlots(first, count, flags) {
    const mask = ((1 << count) - 1) << first
    if (flags & SHM_UNLOCK) {
      this.#shared &= ~mask
      this.#exclusive &= ~mask
      return OK
    }
    if (this.stale) return IOERR_VNODE
    const shared = (flags & SHM_SHARED) !== 0
    for (const c of this.#db.connections) {
      if (c !== this && (c.#exclusive | (shared ? 0 : c.#shared)) & mask) return BUSY
    }
    if (shared) this.#shared |= mask
    else this.#exclusive |= mask
    return OK
  }
}

export class Locks {
  /** @type {Map<number, Database>} by inode */
  #databases = new Map()

  /**
   * The volume's.
   *
   * @param {import('./core.js').Core} core
   */
  static of(core) {
    return (core.locks ??= new Locks(core))
  }

  /** @param {import('./core.js').Core} core */
  constructor(core) {
    core.watchers.push({
      forget() {},
      mode() {},
      restored: () => {
        // What was shared stays with those that are open, until they close: SQLite still holds addresses of it.
        for (const db of this.#databases.values()) for (const c of db.connections) c.stale = true
        this.#databases.clear()
      },
    })
  }

  /** @param {number} ino */
  connect(ino) {
    let db = this.#databases.get(ino)
    if (!db) this.#databases.set(ino, (db = new Database()))
    const shared = db
    return new Connection(shared, () => {
      if (this.#databases.get(ino) === shared) this.#databases.delete(ino)
    })
  }
}
