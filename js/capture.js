/**
 * For guests that keep their files in their own memory (MEMFS): copying a live tree into a volume, and a volume's into a guest.
 * Both happen in one synchronous turn, so that the copy is of one instant.
 */

import { PAGE, S_IFMT } from './abi.js'
import { sha256 } from './dist/hashes/sha2.js'
import { HoldfastError } from './errors.js'
import { hex } from './http.js'
import { setAttr } from './files.js'
import { coreOf } from './internal.js'
import { asRoot, compare, contentOf, equal, guestTree, join, normal, passes, volumeTree } from './capture-trees.js'

/** @typedef {import('./capture-trees.js').EntryType} EntryType */
/** @typedef {import('./capture-trees.js').Node} Node */

/**
 * One name, as it is after the call, under its path in what was written to.
 *
 * @typedef {object} Entry
 * @property {string} path
 * @property {EntryType} type
 * @property {number} mode st_mode: type and permission bits
 * @property {number} mtimeMs
 * @property {number} size of a file, in bytes; 0 of others
 * @property {string} [target] of a symlink
 * @property {string} [hash] of a file: 'sha256:' and hexadecimal digits, when asked for
 *
 * What a call changed in what it wrote to.
 *
 * @typedef {object} Delta
 * @property {Entry[]} create parents before what is in them
 * @property {Entry[]} update files with other bytes, symlinks with another target
 * @property {string[]} delete deepest first. What has become of another type is here and in `create`.
 * @property {Entry[]} metadata the same bytes, but another mode or modification time
 * @property {Entry[]} [unchanged] when asked for
 * @property {Entry[]} [entries] all of the tree, when asked for
 * @property {number} bytesWritten
 *
 * @typedef {object} DeltaOptions
 * @property {(path: string, type: EntryType) => boolean} [filter] says of paths of the guest whether they take part; leaving out a directory
 *   leaves out what is in it
 * @property {boolean} [ignoreUnsupported] passes over devices, pipes and sockets, instead of failing with ErrUnsupported
 * @property {boolean} [unchanged] lists what is the same, too
 * @property {boolean} [entries] lists the whole tree
 * @property {boolean} [hash] adds hashes to what is listed: about 7 ms a megabyte
 */

const CHUNK = 1 << 20

/**
 * Makes a directory of a volume equal to a directory of a guest, writing only what differs, and takes a snapshot. What is in the volume's
 * directory and not in the guest's, or left out by the filter, is removed. Modes and modification times (in ms) are copied, owners and
 * hard links are not: guests have none. When something cannot be copied the call fails before it has changed anything.
 *
 * @param {any} FS the guest's FS object, or its module object
 * @param {string} root the guest's directory
 * @param {import('./volume.js').Volume} volume
 * @param {DeltaOptions & { targetRoot?: string, label?: string, parentId?: string, commit?: boolean }} [options] targetRoot: the volume's
 *   directory, '/' by default, made when it does not exist; label: of the snapshot; parentId: fail with ErrConflict, changing nothing, unless this is
 *   the volume's newest point, of which the new one becomes the child; commit: make it durable before the call returns
 * @returns {Delta & { snapshot: import('./volume.js').Snapshot }}
 */
export function captureEmscripten(FS, root, volume, options = {}) {
  const { targetRoot = '/', label = '', parentId, commit = false, filter, ignoreUnsupported } = options
  FS = FS.FS ?? FS
  const core = coreOf(volume)
  const { fs } = volume
  const target = normal(targetRoot)
  if (parentId !== undefined) {
    const newest = volume.snapshots()[0]
    if (newest?.id !== parentId) {
      throw new HoldfastError('ErrConflict', `the volume's newest point is ${newest?.id ?? 'none'}, not ${parentId}`, {
        hint: 'somebody committed meanwhile: look at volume.diff(parentId) and capture again with the newest id',
        details: { expected: parentId, newest },
      })
    }
  }
  const source = asRoot(FS, () => guestTree(FS, normal(root), { filter, ignoreUnsupported, core })).tree
  if (source.get('')?.type !== 'directory') throw notADirectory(root)
  for (const [path, node] of source) checkLengths(join(normal(root), path), path, node)
  const before = fs.existsSync(target) ? volumeTree(fs, target, { ignoreUnsupported: true }) : new Map()
  if (before.size > 0 && before.get('')?.type !== 'directory') throw notADirectory(target)

  const content = (/** @type {string} */ path, /** @type {Node} */ node) => asRoot(FS, () => contentOf(FS, join(normal(root), path), node.node))
  const delta = compare(before, source, (path, _, node) => sameAsVolume(fs, join(target, path), content(path, node)))
  const needed = delta.create.concat(delta.update).reduce((n, path) => n + Math.ceil((source.get(path)?.size ?? 0) / PAGE), 0)
  if (needed > fs.statfsSync('/').bavail) throw new HoldfastError('ENOSPC', `the volume has no room for ${needed * PAGE} bytes more`, { errno: 28 })

  let bytesWritten = 0
  for (const path of delta.delete) {
    if (before.get(path)?.type === 'directory') fs.rmdirSync(join(target, path))
    else fs.unlinkSync(join(target, path))
  }
  /** @param {string} path @param {Node} node */
  const make = (path, node) => {
    const to = join(target, path)
    if (node.type === 'directory') fs.mkdirSync(to, { recursive: path === '' })
    else if (node.type === 'symlink') fs.symlinkSync(/** @type {string} */ (node.target), to)
    else {
      const bytes = content(path, node)
      fs.writeFileSync(to, bytes, { flag: 'wx' })
      bytesWritten += bytes.length
    }
  }
  for (const path of delta.create) make(path, /** @type {Node} */ (source.get(path)))
  for (const path of delta.update.concat(delta.metadata)) {
    const node = /** @type {Node} */ (source.get(path))
    const old = /** @type {Node} */ (before.get(path))
    const to = join(target, path)
    // A file with several names would change under all of them.
    const apart = node.type === 'symlink' ? node.target !== old.target : node.type === 'file' && (old.nlink ?? 1) > 1
    if (apart) {
      fs.unlinkSync(to)
      make(path, node)
    } else if (node.type === 'file') bytesWritten += rewrite(fs, to, content(path, node))
  }
  // Last, since what happens in a directory changes its time.
  for (const [path, node] of source) setMetadata(volume, join(target, path), node)

  const snapshot = commit ? volume.commit({ label }) : volume.snapshot({ label })
  return { snapshot, ...listed(delta, source, target, options, hasher(core, snapshot.id, target)), bytesWritten }
}

/**
 * Makes a directory of a guest equal to a directory of a snapshot, removing what the snapshot does not have. What the filter leaves out
 * stays as it is, and mountpoints stay; what is mounted on them takes part. Everything is read before anything is changed: a damaged block fails the call, not the guest's files.
 * Files that the guest has open are rewritten in place.
 *
 * @param {any} FS the guest's FS object, or its module object
 * @param {string} targetRoot the guest's directory, made when it does not exist
 * @param {import('./volume.js').Volume} volume
 * @param {DeltaOptions & { snapshot?: import('./volume.js').Snapshot | string, root?: string }} [options] snapshot: the present state of the
 *   volume by default; root: the snapshot's directory, '/' by default
 * @returns {Delta}
 */
export function materializeEmscripten(FS, targetRoot, volume, options = {}) {
  const { snapshot, root = '/', filter, ignoreUnsupported } = options
  FS = FS.FS ?? FS
  const core = coreOf(volume)
  const target = normal(targetRoot)
  const from = normal(root)
  const point = snapshot === undefined ? undefined : volume.readSnapshot(snapshot)
  const fs = point ?? volume.fs
  try {
    const source = volumeTree(fs, from, { ignoreUnsupported, filter: filter && ((path, type) => passes(filter, join(target, path), type)) })
    for (const [path, node] of source) if (node.type === 'other') source.delete(path)
    if (source.get('')?.type !== 'directory') throw notADirectory(from)
    return asRoot(FS, () => {
      const exists = FS.analyzePath(target).exists
      const none = { tree: new Map(), hidden: new Set(), kept: new Set() }
      const { tree: before, hidden, kept } = exists ? guestTree(FS, target, { filter, ignoreUnsupported, core }) : none
      if (exists && before.get('')?.type !== 'directory') throw notADirectory(target)
      const delta = compare(before, source, (path, node) => sameAsVolume(fs, join(from, path), contentOf(FS, join(target, path), node.node)))
      for (const path of delta.create) {
        if (hidden.has(path)) throw new HoldfastError('EEXIST', `${join(target, path)} is in the way, and has to stay`, { errno: 17, path: join(target, path) })
      }
      delta.delete = delta.delete.filter((path) => {
        if (!kept.has(path)) return true
        if (!source.has(path)) return false
        throw new HoldfastError('ENOTEMPTY', `${join(target, path)} has to be replaced, but there is something in it that has to stay`, { errno: 39, path: join(target, path) })
      })
      /** @type {Map<string, Uint8Array>} */
      const contents = new Map()
      for (const path of delta.create.concat(delta.update)) {
        if (source.get(path)?.type !== 'file') continue
        const bytes = fs.readFileSync(join(from, path))
        contents.set(path, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
      }
      const hash = hasher(core, snapshot === undefined ? '' : typeof snapshot === 'string' ? snapshot : snapshot.id, from)
      const result = listed(delta, source, target, options, hash)

      let bytesWritten = 0
      for (const path of delta.delete) {
        if (before.get(path)?.type === 'directory') FS.rmdir(join(target, path))
        else FS.unlink(join(target, path))
      }
      for (const path of delta.create.concat(delta.update)) {
        const node = /** @type {Node} */ (source.get(path))
        const to = join(target, path)
        if (node.type === 'directory') path === '' ? FS.mkdirTree(to) : FS.mkdir(to)
        else if (node.type === 'symlink') {
          if (before.get(path)?.type === 'symlink') FS.unlink(to)
          FS.symlink(node.target, to)
        } else {
          const bytes = /** @type {Uint8Array} */ (contents.get(path))
          FS.writeFile(to, bytes, { canOwn: true })
          bytesWritten += bytes.length
        }
      }
      for (const [path, node] of source) setGuestMetadata(FS, join(target, path), node)
      return { ...result, bytesWritten }
    })
  } finally {
    point?.release()
  }
}

/** @param {string} path */
const notADirectory = (path) => new HoldfastError('ENOTDIR', `not a directory: ${path}`, { errno: 20, path })

const encoder = new TextEncoder()

/**
 * A volume's limits, which a guest's memory does not have.
 *
 * @param {string} full
 * @param {string} path
 * @param {Node} node
 */
function checkLengths(full, path, node) {
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (encoder.encode(name).length > 255) throw new HoldfastError('ENAMETOOLONG', `the name is longer than 255 bytes: ${full}`, { errno: 36, path: full })
  if (node.target !== undefined && encoder.encode(node.target).length > 4095) {
    throw new HoldfastError('ENAMETOOLONG', `the symlink's target is longer than 4095 bytes: ${full}`, { errno: 36, path: full })
  }
}

/**
 * @param {Pick<import('./fs.js').VolumeFs, 'openSync' | 'readSync' | 'closeSync'>} fs
 * @param {string} path a file as long as the bytes
 * @param {Uint8Array} bytes
 */
function sameAsVolume(fs, path, bytes) {
  const fd = fs.openSync(path, 'r')
  const part = new Uint8Array(Math.min(CHUNK, bytes.length))
  try {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const want = bytes.subarray(at, at + CHUNK)
      if (fs.readSync(fd, part, 0, want.length, at) !== want.length || !equal(part.subarray(0, want.length), want)) return false
    }
    return true
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Writes the pages that differ.
 *
 * @param {import('./fs.js').VolumeFs} fs
 * @param {string} path
 * @param {Uint8Array} bytes
 * @returns {number} bytes written
 */
function rewrite(fs, path, bytes) {
  const fd = fs.openSync(path, 'r+')
  const part = new Uint8Array(Math.min(CHUNK, bytes.length))
  let written = 0
  try {
    const { size } = fs.fstatSync(fd)
    if (size > bytes.length) fs.ftruncateSync(fd, bytes.length)
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const want = bytes.subarray(at, at + CHUNK)
      const n = fs.readSync(fd, part, 0, want.length, at)
      for (let p = 0; p < want.length; p += PAGE) {
        const end = Math.min(p + PAGE, want.length)
        if (end <= n && equal(part.subarray(p, end), want.subarray(p, end))) continue
        fs.writeSync(fd, want, p, end - p, at + p)
        written += end - p
      }
    }
    return written
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * @param {import('./volume.js').Volume} volume
 * @param {string} path
 * @param {Node} node
 */
function setMetadata(volume, path, node) {
  const now = volume.fs.lstatSync(path)
  const mode = (now.mode & S_IFMT) | (node.mode & 0o7777)
  /** @type {import('./files.js').AttrChange} */
  const change = {}
  if (now.mode !== mode) change.mode = mode & 0o7777
  if (Math.trunc(now.mtimeMs) !== node.mtimeMs) change.mtimeMs = node.mtimeMs
  if (change.mode === undefined && change.mtimeMs === undefined) return
  const core = coreOf(volume)
  const rc = setAttr(core, now.ino, change)
  if (rc < 0) throw core.failure(rc)
  if (change.mode !== undefined) core.modeChanged(now.ino, mode)
}

/**
 * @param {any} FS
 * @param {string} path
 * @param {Node} want
 */
function setGuestMetadata(FS, path, want) {
  const { node } = FS.lookupPath(path, { follow: false })
  const now = node.node_ops.getattr(node)
  if (now.mode !== want.mode && want.type !== 'symlink') FS.chmod(path, want.mode & 0o7777)
  if (now.mtime.getTime() === want.mtimeMs) return
  // Before Emscripten 4 there is one time for all.
  node.node_ops.setattr(node, { atime: now.atime.getTime(), mtime: want.mtimeMs, timestamp: want.mtimeMs })
}

/**
 * @param {ReturnType<typeof compare>} delta
 * @param {Map<string, Node>} tree what was copied
 * @param {string} target
 * @param {DeltaOptions} options
 * @param {(paths: Iterable<string>) => Map<string, string>} hashes
 * @returns {Omit<Delta, 'bytesWritten'>}
 */
function listed(delta, tree, target, { unchanged = false, entries = false, hash = false }, hashes) {
  const lists = [delta.create, delta.update, delta.metadata, unchanged ? delta.unchanged : [], entries ? [...tree.keys()] : []]
  const known = hash ? hashes(new Set(lists.flat().filter((path) => tree.get(path)?.type === 'file'))) : new Map()
  /** @param {string} path @returns {Entry} */
  const entry = (path) => {
    const { type, mode, mtimeMs, size, target: link } = /** @type {Node} */ (tree.get(path))
    /** @type {Entry} */
    const e = { path: join(target, path), type: /** @type {EntryType} */ (type), mode, mtimeMs, size }
    if (link !== undefined) e.target = link
    if (known.has(path)) e.hash = known.get(path)
    return e
  }
  const [create, update, metadata, same, all] = lists.map((paths) => paths.map(entry))
  const removed = delta.delete.map((path) => join(target, path))
  return { create, update, delete: removed, metadata, ...(unchanged && { unchanged: same }), ...(entries && { entries: all }) }
}

/**
 * @param {import('./core.js').Core} core
 * @param {string} id a point's, or '' for the present state
 * @param {string} root
 * @returns {(paths: Iterable<string>) => Map<string, string>} hashes of files
 */
function hasher(core, id, root) {
  /** @param {number} rc */
  const check = (rc) => {
    if (rc < 0) throw core.failure(rc)
    return rc
  }
  return (paths) => {
    const hashes = new Map()
    const reader = check(core.x.reader_open(core.put(0, id)))
    try {
      for (const path of paths) {
        const file = check(core.x.reader_file(reader, check(core.put(0, join(root, path).slice(1)))))
        try {
          const hash = sha256.create()
          for (let at = 0; check(core.x.file_read(file, at, CHUNK)) > 0; at += CHUNK) hash.update(core.out())
          hashes.set(path, `sha256:${hex(hash.digest())}`)
        } finally {
          core.x.file_close(file)
        }
      }
    } finally {
      core.x.reader_close(reader)
    }
    return hashes
  }
}
