/**
 * The guest's cached nodes of one mount.
 *
 * Emscripten keeps every name it has looked up in one hash table and never asks again. That stays right while the guest
 * alone changes names, so whoever else does (another runtime, volume.fs, restore) tells this object through the
 * core's watchers, and it takes the nodes out of the table; the next look-up asks the volume.
 */

import * as abi from './abi.js'

/** A Watcher of core.js. */
export class Nodes {
  /** Of the volume, when the nodes were looked up. A node of another epoch is stale. */
  epoch
  /** The mount's root node. @type {any} */
  root = null
  #FS
  #core
  #path
  /** @type {any} */
  #mount = null
  /** @type {Map<number, any>} The node of each directory, by inode number: directories have one name. */
  #dirs = new Map()

  /**
   * @param {any} FS
   * @param {import('./core.js').Core} core
   * @param {string} path the directory of the volume that is mounted
   */
  constructor(FS, core, path) {
    this.#FS = FS
    this.#core = core
    this.#path = path
    this.epoch = core.x.epoch()
  }

  /**
   * @param {any} root
   * @param {any} mount
   */
  attach(root, mount) {
    this.root = root
    this.#mount = mount
    this.#core.watchers.push(this)
  }

  detach() {
    const { watchers } = this.#core
    const at = watchers.indexOf(this)
    if (at >= 0) watchers.splice(at, 1)
  }

  /**
   * The inode number of a path of the volume, with its attributes left in the scratch area; 0 or negative when there is none.
   *
   * @param {string} path
   */
  find(path) {
    const ino = this.#core.x.resolve(1, this.#core.put(0, path), 1, 0)
    if (this.#core.u8.length === 0) this.#core.refresh()
    return ino
  }

  /** @param {any} node a directory that was just looked up or made */
  directory(node) {
    this.#dirs.set(node.ino, node)
  }

  /**
   * A directory was removed by this guest.
   *
   * @param {any} parent
   * @param {string} name
   */
  removed(parent, name) {
    const node = this.#cached(parent, name)
    if (node) this.#dirs.delete(node.ino)
  }

  /**
   * The cached node of a name.
   *
   * @param {any} parent
   * @param {string} name
   */
  #cached(parent, name) {
    const FS = this.#FS
    for (let node = FS.nameTable[FS.hashName(parent.id, name)]; node; node = node.name_next) {
      if (node.parent.id === parent.id && node.name === name) return node
    }
    return null
  }

  /**
   * Takes a name out of the table, and if it was a directory what is below it.
   *
   * @param {any} parent
   * @param {string} name
   */
  drop(parent, name) {
    const node = this.#cached(parent, name)
    if (!node || node.mounted) return
    this.#FS.hashRemoveNode(node)
    if (!this.#FS.isDir(node.mode)) return
    this.#dirs.delete(node.ino)
    this.#sweep((n) => isBelow(n, node))
  }

  /** @param {(node: any) => boolean} which nodes of this mount to take out of the table */
  #sweep(which) {
    const table = this.#FS.nameTable
    for (let i = 0; i < table.length; i++) {
      for (let node = table[i]; node; ) {
        const next = node.name_next
        if (node.mount === this.#mount && node !== this.root && which(node)) {
          this.#FS.hashRemoveNode(node)
          if (this.#dirs.get(node.ino) === node) this.#dirs.delete(node.ino)
        }
        node = next
      }
    }
  }

  // What others do to the volume (core.js's Watcher)

  /**
   * @param {number} dir
   * @param {string} name
   */
  forget(dir, name) {
    const parent = this.#dirs.get(dir)
    if (parent) this.drop(parent, name)
  }

  /**
   * @param {number} ino
   * @param {number} mode
   */
  mode(ino, mode) {
    if (this.root.ino === ino) this.root.mode = mode
    for (const first of this.#FS.nameTable) {
      for (let node = first; node; node = node.name_next) {
        if (node.ino === ino && node.mount === this.#mount) node.mode = mode
      }
    }
  }

  /**
   * After a restore nothing that is cached can be trusted, and what is open is stale. Only the nodes on the way to what is
   * mounted inside this mount stay, if the restored tree has those directories.
   */
  restored() {
    /** @type {Set<any>} */
    const keep = new Set()
    for (const first of this.#FS.nameTable) {
      for (let node = first; node; node = node.name_next) {
        if (!node.mounted || node.mount !== this.#mount) continue
        for (let n = node; n !== this.root; n = n.parent) keep.add(n)
      }
    }
    this.epoch = this.#core.x.epoch()
    this.#dirs.clear()
    this.#renew(this.root, this.#path)
    for (const node of [...keep].sort((a, b) => depth(a) - depth(b))) {
      if (!this.#renew(node, below(this.#path, node))) keep.delete(node)
    }
    this.#sweep((n) => !keep.has(n))
  }

  /**
   * Gives a directory's node the inode that its path has now.
   *
   * @param {any} node
   * @param {string} path
   */
  #renew(node, path) {
    const ino = this.find(path)
    const mode = this.#core.u32[abi.A_MODE]
    if (ino <= 0 || (mode & abi.S_IFMT) !== abi.S_IFDIR) {
      node.epoch = -1 // stale until a restore brings it back
      return false
    }
    node.ino = ino
    node.mode = mode
    node.epoch = this.epoch
    this.#dirs.set(ino, node)
    return true
  }
}

/** @param {any} node */
function depth(node) {
  let d = 0
  for (let n = node; n !== n.parent; n = n.parent) d++
  return d
}

/**
 * @param {any} node
 * @param {any} dir
 */
function isBelow(node, dir) {
  for (let n = node; n !== n.parent; n = n.parent) if (n.parent === dir) return true
  return false
}

/**
 * @param {string} path
 * @param {any} node
 */
function below(path, node) {
  const names = []
  for (let n = node; n !== n.parent; n = n.parent) names.unshift(n.name)
  return [path.replace(/\/+$/, ''), ...names].join('/') || '/'
}
