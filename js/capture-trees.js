/**
 * Trees of files as capture.js compares them: one of a guest's FS object, one of a volume, and what turns one into the other.
 * All of it is synchronous: nothing changes while a tree is looked at.
 */

import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './abi.js'
import { HoldfastError, codeOf } from './errors.js'
import { CORE } from './internal.js'
import { linuxErrno } from './emscripten-errno.js'

/** @typedef {'file' | 'directory' | 'symlink'} EntryType */

/**
 * One name of a tree.
 *
 * @typedef {object} Node
 * @property {EntryType | 'other'} type
 * @property {number} mode st_mode
 * @property {number} mtimeMs whole milliseconds: guests keep no more
 * @property {number} size of a file, in bytes
 * @property {string} [target] of a symlink
 * @property {number} [nlink]
 * @property {number} [ino] in a volume
 * @property {any} [node] the guest's, in a guest
 */

/**
 * By path below the root, '' being the root, parents before children.
 *
 * @typedef {Map<string, Node>} Tree
 */

/** @typedef {(path: string, type: EntryType) => boolean} Filter */

/** @param {string} dir @param {string} below */
export const join = (dir, below) => (below === '' ? dir : dir === '/' ? `/${below}` : `${dir}/${below}`)

/** @param {string} path absolute, without "." and ".." and a slash at its end */
export function normal(path) {
  /** @type {string[]} */
  const parts = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

/** @param {number} mode @returns {Node['type']} */
function typeOf(mode) {
  const type = mode & S_IFMT
  return type === S_IFREG ? 'file' : type === S_IFDIR ? 'directory' : type === S_IFLNK ? 'symlink' : 'other'
}

/**
 * Does something with a guest's FS, as root, and turns its errors into those of this package.
 *
 * @template T
 * @param {any} FS
 * @param {() => T} op
 * @returns {T}
 */
export function asRoot(FS, op) {
  const { ignorePermissions } = FS
  FS.ignorePermissions = true
  try {
    return op()
  } catch (/** @type {any} */ err) {
    if (err?.name !== 'ErrnoError') throw err
    const errno = linuxErrno(err.errno)
    throw new HoldfastError(codeOf(errno), `the guest's filesystem answers ${codeOf(errno)}`, { errno, cause: err })
  } finally {
    FS.ignorePermissions = ignorePermissions
  }
}

/**
 * A guest's tree. What the filter leaves out, and what is no file, directory or symlink when that is ignored, is not in it.
 *
 * @param {any} FS
 * @param {string} root
 * @param {{ filter?: Filter, ignoreUnsupported?: boolean, core?: import('./core.js').Core }} options core: of the volume, a mount of
 *   which cannot be copied to itself
 * @returns {{ tree: Tree, hidden: Set<string>, kept: Set<string> }} hidden: what the tree does not show; kept: directories that have to stay
 *   because of it, or as mountpoints
 */
export function guestTree(FS, root, { filter, ignoreUnsupported, core }) {
  /** @type {Tree} */
  const tree = new Map()
  /** @type {Set<string>} */
  const hidden = new Set()
  /** @type {Set<string>} */
  const kept = new Set()
  /** @param {string} path */
  const keep = (path) => {
    for (; !kept.has(path); path = parentOf(path)) {
      kept.add(path)
      if (path === '') return
    }
  }

  /** @param {string} path */
  const hide = (path) => {
    hidden.add(path)
    keep(parentOf(path))
  }

  /** @param {string} path @param {any} node */
  const visit = (path, node) => {
    const { mode, size, mtime } = node.node_ops.getattr(node)
    const type = typeOf(mode)
    const full = join(root, path)
    if (type === 'other') {
      if (!ignoreUnsupported) throw unsupported(full, 'it is neither a file, a directory nor a symlink')
      return hide(path)
    }
    if (path !== '' && !passes(filter, full, type)) return hide(path)
    if (core && node.mount?.type?.[CORE] === core) throw unsupported(full, 'it is a mount of this very volume')
    /** @type {Node} */
    const entry = { type, mode, mtimeMs: mtime.getTime(), size: type === 'file' ? size : 0, node }
    if (type === 'symlink') entry.target = node.node_ops.readlink(node)
    tree.set(path, entry)
    if (type !== 'directory') return
    for (const name of node.node_ops.readdir(node).sort()) {
      if (name === '.' || name === '..') continue
      const below = path === '' ? name : `${path}/${name}`
      let child = FS.lookupNode(node, name)
      if (child.mounted) {
        keep(below) // a mountpoint cannot be removed
        child = child.mounted.root
      }
      visit(below, child)
    }
  }
  visit('', FS.lookupPath(root, { follow: true }).node)
  return { tree, hidden, kept }
}

/** @param {string} path @param {string} why */
const unsupported = (path, why) =>
  new HoldfastError('ErrUnsupported', `${path} cannot be kept in a volume: ${why}`, {
    path,
    hint: 'leave it out with a filter, or pass ignoreUnsupported: true',
    errno: 95,
  })

/** @param {Filter | undefined} filter @param {string} path @param {EntryType} type */
export function passes(filter, path, type) {
  if (!filter) return true
  const answer = filter(path, type)
  if (typeof answer !== 'boolean') throw new TypeError(`filter must answer true or false at once, not ${answer}, for ${path}`)
  return answer
}

/**
 * A volume's tree, or a snapshot's.
 *
 * @param {Pick<import('./fs.js').VolumeFs, 'lstatSync' | 'readdirSync' | 'readlinkSync'>} fs
 * @param {string} root
 * @param {{ filter?: Filter, ignoreUnsupported?: boolean }} [options] the filter gets paths below the root
 * @returns {Tree}
 */
export function volumeTree(fs, root, { filter, ignoreUnsupported = false } = {}) {
  /** @type {Tree} */
  const tree = new Map()
  /** @param {string} path */
  const visit = (path) => {
    const full = join(root, path)
    const { mode, size, mtimeMs, nlink, ino } = fs.lstatSync(full)
    const type = typeOf(mode)
    if (type === 'other' && !ignoreUnsupported) throw unsupported(full, 'a guest cannot be given it')
    if (path !== '' && type !== 'other' && filter && !filter(path, type)) return
    /** @type {Node} */
    const entry = { type, mode, mtimeMs: Math.trunc(mtimeMs), size: type === 'file' ? size : 0, nlink, ino }
    if (type === 'symlink') entry.target = fs.readlinkSync(full)
    tree.set(path, entry)
    if (type !== 'directory') return
    for (const name of fs.readdirSync(full).sort()) visit(path === '' ? name : `${path}/${name}`)
  }
  visit('')
  return tree
}

/**
 * What turns one tree into another. Parents come before children, in `delete` after them.
 *
 * @param {Tree} from
 * @param {Tree} to
 * @param {(path: string, from: Node, to: Node) => boolean} sameContent of two files of one size
 */
export function compare(from, to, sameContent) {
  /** @type {{ create: string[], update: string[], delete: string[], metadata: string[], unchanged: string[] }} */
  const delta = { create: [], update: [], delete: [], metadata: [], unchanged: [] }
  for (const [path, b] of to) {
    const a = from.get(path)
    if (!a) delta.create.push(path)
    else if (a.type !== b.type) {
      delta.delete.push(path)
      delta.create.push(path)
    } else if (a.target !== b.target || a.size !== b.size || (b.type === 'file' && !sameContent(path, a, b))) delta.update.push(path)
    else if ((a.mode !== b.mode && b.type !== 'symlink') || a.mtimeMs !== b.mtimeMs) delta.metadata.push(path)
    else delta.unchanged.push(path)
  }
  for (const path of from.keys()) if (!to.has(path)) delta.delete.push(path)
  delta.create.sort((a, b) => depth(a) - depth(b) || order(a, b))
  delta.delete.sort((a, b) => depth(b) - depth(a) || order(a, b))
  return delta
}

/** @param {string} path */
const depth = (path) => (path === '' ? 0 : path.split('/').length)
/** @param {string} a @param {string} b */
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
/** @param {string} path */
const parentOf = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/**
 * A guest's file as bytes: a view where the guest's filesystem is MEMFS, which is not to be kept, or a copy.
 *
 * @param {any} FS
 * @param {string} path
 * @param {any} node
 * @returns {Uint8Array}
 */
export function contentOf(FS, path, node) {
  const { contents, usedBytes } = node
  if (contents instanceof Uint8Array && typeof usedBytes === 'number' && contents.length >= usedBytes) return contents.subarray(0, usedBytes)
  return FS.readFile(path, { encoding: 'binary' })
}

/**
 * Whether two arrays of one length hold the same bytes.
 *
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
export function equal(a, b) {
  const { length } = a
  let i = 0
  if (a.byteOffset % 4 === 0 && b.byteOffset % 4 === 0) {
    const words = length >> 2
    const x = new Int32Array(a.buffer, a.byteOffset, words)
    const y = new Int32Array(b.buffer, b.byteOffset, words)
    for (let w = 0; w < words; w++) if (x[w] !== y[w]) return false
    i = words << 2
  }
  for (; i < length; i++) if (a[i] !== b[i]) return false
  return true
}
