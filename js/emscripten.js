/**
 * `holdfast/emscripten`: a volume as a filesystem of an Emscripten program (php-wasm, Pyodide, …).
 *
 * The program's system calls end in the methods of its FS object, whose nodes carry the volume's inode numbers here.
 * Reads and writes copy between the two memories directly, with one call into the module each.
 */

import * as abi from './abi.js'
import { HoldfastError } from './errors.js'
import { setAttr } from './files.js'
import { CORE, coreOf } from './internal.js'
import { Nodes } from './emscripten-nodes.js'
import { streamOps } from './emscripten-stream.js'
import { wasiErrno } from './emscripten-errno.js'

export { captureEmscripten, materializeEmscripten } from './capture.js'

/**
 * How a volume is mounted.
 *
 * @typedef {object} FsTypeOptions
 * @property {string} [path] the directory of the volume to mount; its root by default. It must exist.
 * @property {boolean} [commit] whether fsync in the guest commits, as the volume's durability has it (the default), or does nothing
 */

/**
 * Mounts a volume in a running program.
 *
 * @param {any} Module the program's module object, or its FS: `pyodide._module`, what php-wasm's mount handler gets, …
 * @param {import('./volume.js').Volume} volume
 * @param {string} mountpoint made when it does not exist
 * @param {FsTypeOptions} [options]
 * @returns {{ unmount: () => void, root: any }}
 */
export function mountEmscripten(Module, volume, mountpoint, options = {}) {
  const FS = Module.FS ?? Module
  const type = createFsType(FS, volume, { ...options, module: Module })
  FS.mkdirTree(mountpoint)
  const root = FS.mount(type, {}, mountpoint)
  return {
    root,
    unmount() {
      type.detach()
      FS.unmount(mountpoint)
    },
  }
}

/**
 * The filesystem type to hand to `FS.mount`, once. `mountEmscripten` does that for you.
 *
 * @param {any} FS the program's FS object
 * @param {import('./volume.js').Volume} volume
 * @param {FsTypeOptions & { module?: any }} [options]
 * @returns {any} with `detach()`, to be called with FS.unmount
 */
export function createFsType(FS, volume, { path = '/', commit = true, module } = {}) {
  const core = coreOf(volume)
  if (core.dead) throw core.dead
  if (typeof FS?.createNode !== 'function') throw new TypeError('a volume cannot be mounted here: the program has to export FS, and must not be built with WasmFS')
  const nodes = new Nodes(FS, core, path)
  /** @type {any[]} Made once each, as MEMFS does: missing files are looked for all the time. */
  const errors = []

  /** @param {number} rc a negative Linux error number */
  const errorOf = (rc) => (errors[-rc] ??= new FS.ErrnoError(wasiErrno(-rc)))

  /**
   * @param {number} rc a negative Linux error number
   * @returns {never}
   */
  function fail(rc) {
    throw errorOf(rc)
  }

  /** @param {number} rc */
  function check(rc) {
    if (rc < 0) fail(rc)
    return rc
  }

  /** @param {any} node */
  const ino = (node) => (node.epoch === nodes.epoch ? node.ino : fail(-116))

  /** @param {0 | 1} slot @param {string} name */
  const put = (slot, name) => check(core.put(slot, name))

  /**
   * Attributes as the FS object wants them, of what the last call has left in the scratch area.
   */
  function attributes() {
    if (core.u8.length === 0) core.refresh()
    const { f64, u32 } = core
    const size = f64[abi.A_SIZE]
    return {
      dev: core.dev,
      ino: f64[abi.A_INO],
      mode: u32[abi.A_MODE],
      nlink: u32[abi.A_NLINK],
      uid: u32[abi.A_UID],
      gid: u32[abi.A_GID],
      rdev: f64[abi.A_RDEV],
      size,
      atime: new Date(f64[abi.A_ATIME]),
      mtime: new Date(f64[abi.A_MTIME]),
      ctime: new Date(f64[abi.A_CTIME]),
      blksize: 4096,
      blocks: Math.ceil(size / 512),
    }
  }

  /**
   * @param {any} node
   * @param {any} attr what the FS object passes: times are milliseconds or dates
   */
  function change(node, attr) {
    // chmod, which FS.open calls for every file that it makes, gives nothing else but the change time, which the volume sets.
    if (attr.mode !== undefined && attr.mode !== null) return changeMode(node, attr.mode & 0o7777)
    /** @type {import('./files.js').AttrChange} */
    const c = {}
    if (attr.size !== undefined) c.size = attr.size
    if (attr.atime !== undefined && attr.atime !== null) c.atimeMs = Number(attr.atime)
    if (attr.mtime !== undefined && attr.mtime !== null) c.mtimeMs = Number(attr.mtime)
    // Before Emscripten 4, utime passes both times as one. Of truncate, chmod and chown it is the change time, which the volume sets.
    if (attr.timestamp !== undefined && c.size === undefined && !('dontFollow' in attr)) {
      c.atimeMs = c.mtimeMs = Number(attr.timestamp)
    }
    if (check(setAttr(core, ino(node), c)) === 1) check(core.x.ended(sync()))
  }

  /** @param {any} node @param {number} mode */
  function changeMode(node, mode) {
    const names = check(core.x.chmod(ino(node), mode))
    node.mode = (node.mode & abi.S_IFMT) | mode
    core.modeChanged(node.ino, node.mode, nodes)
    if (names > 1) nodes.mode(node.ino, node.mode) // the others have nodes of their own
  }

  const common = {
    /** @param {any} node */
    getattr(node) {
      check(core.x.getattr(ino(node)))
      return attributes()
    },
    setattr: change,
    statfs() {
      check(core.x.statfs())
      if (core.u8.length === 0) core.refresh()
      const at = abi.NUMS >> 3
      const [bsize, blocks, files, free] = core.f64.subarray(at, at + 4)
      // What memory leaves: the storage's quota can only be asked for asynchronously. A file takes a block at least.
      return { bsize, frsize: bsize, blocks, bfree: free, bavail: free, files: files + free, ffree: free, fsid: core.dev, flags: 0, namelen: 255 }
    },
  }

  // The name that was looked for last and is not there, as long as nothing is edited: who makes a file looks twice.
  let missing = ''
  let missingIn = 0
  let missingSince = -1

  const ENOENT = errorOf(-2)

  /** The node of a name that FS has none of; null when there is no such name. @param {any} parent @param {string} name */
  function find(parent, name) {
    const dir = ino(parent)
    if (missing === name && missingIn === dir && missingSince === core.f64[abi.EDITS]) return null
    const n = core.x.lookup(dir, put(0, name))
    if (core.u8.length === 0) core.refresh()
    if (n >= 0) return create(parent, name, core.u32[abi.A_MODE], core.f64[abi.A_RDEV], n)
    if (n !== -2) fail(n)
    missing = name
    missingIn = dir
    missingSince = core.f64[abi.EDITS]
    return null
  }

  const directory = {
    ...common,
    /** @param {any} parent @param {string} name */
    lookup(parent, name) {
      const found = find(parent, name)
      if (found === null) throw ENOENT // from here, where little else is: the less there is to leave, the less a throw takes
      return found
    },
    /** @param {any} parent @param {string} name @param {number} mode @param {number} dev */
    mknod(parent, name, mode, dev) {
      const dir = ino(parent)
      return create(parent, name, mode, dev, check(core.x.mknod(dir, put(0, name), mode, dev || 0)))
    },
    /** @param {any} parent @param {string} name @param {string} target */
    symlink(parent, name, target) {
      const dir = ino(parent)
      const made = check(core.x.symlink(dir, put(0, name), put(1, target)))
      return create(parent, name, abi.S_IFLNK | 0o777, 0, made)
    },
    /** @param {any} node @param {any} newDir @param {string} newName */
    rename(node, newDir, newName) {
      const from = ino(node.parent)
      const to = ino(newDir)
      const oldName = node.name
      check(core.x.rename(from, put(0, oldName), to, put(1, newName)))
      nodes.drop(newDir, newName)
      // FS.rename, which has taken the node out of its table, puts it back under these.
      node.name = newName
      node.parent = newDir
      core.forget(from, oldName, nodes)
      core.forget(to, newName, nodes)
    },
    /** @param {any} parent @param {string} name */
    unlink(parent, name) {
      const dir = ino(parent)
      const final = check(core.x.unlink(dir, put(0, name))) === 1
      core.forget(dir, name, nodes)
      if (!final) return
      const rc = core.x.ended(sync())
      if (rc < 0) {
        nodes.drop(parent, name) // FS.unlink does not get to it
        fail(rc)
      }
    },
    /** @param {any} parent @param {string} name */
    rmdir(parent, name) {
      const dir = ino(parent)
      check(core.x.rmdir(dir, put(0, name)))
      nodes.removed(parent, name)
      core.forget(dir, name, nodes)
    },
    /** @param {any} node */
    readdir(node) {
      const dir = ino(node)
      if (node.listed !== core.f64[abi.EDITS] || node.names === undefined) {
        check(core.x.readdir(dir))
        node.names = namesOf(core.out())
        node.listed = core.f64[abi.EDITS]
      }
      return node.names.slice()
    },
    /** For runtimes that have hard links (FS.link). @param {any} parent @param {string} name @param {string} from a path of the guest @param {number} [flags] */
    link(parent, name, from, flags = 0) {
      const to = ino(parent)
      const { node } = FS.lookupPath(from, { follow: (flags & AT_SYMLINK_FOLLOW) !== 0 })
      if (node.mount !== parent.mount) fail(-18)
      check(core.x.link(ino(node), to, put(0, name)))
    },
  }

  const symlink = {
    ...common,
    /** @param {any} node */
    readlink(node) {
      return core.text(0, check(core.x.readlink(ino(node))))
    },
  }

  const sync = () => (commit ? core.sync() : 0)
  const streams = streamOps({ FS, module, core, nodes, fail, check, ino, attributes, change, sync })

  /**
   * @param {any} parent
   * @param {string} name
   * @param {number} mode
   * @param {number} rdev
   * @param {number} ino
   */
  function create(parent, name, mode, rdev, ino) {
    const node = FS.createNode(parent, name, mode, rdev)
    node.ino = ino
    node.epoch = nodes.epoch
    const type = mode & abi.S_IFMT
    if (type === abi.S_IFDIR) {
      node.node_ops = directory
      node.stream_ops = streams.directory
      nodes.directory(node)
    } else if (type === abi.S_IFLNK) {
      node.node_ops = symlink
      node.stream_ops = {}
    } else {
      node.node_ops = common
      node.stream_ops = FS.isChrdev(mode) ? FS.chrdev_stream_ops : streams.file
    }
    return node
  }

  return {
    /** Tells a mount of the volume from others. */
    [CORE]: core,
    /** @param {any} mount */
    mount(mount) {
      if (nodes.root) throw new TypeError('a filesystem type of Holdfast can be mounted once: make another')
      const found = nodes.find(path)
      if (found <= 0) throw new HoldfastError('ENOENT', `the volume has no directory ${path}`, { errno: 2, path })
      const root = create(null, '/', core.u32[abi.A_MODE], 0, found)
      if ((root.mode & abi.S_IFMT) !== abi.S_IFDIR) throw new HoldfastError('ENOTDIR', `not a directory: ${path}`, { errno: 20, path })
      nodes.attach(root, mount)
      return root
    },
    /**
     * php-wasm calls this for fsync, and needs the callback to be called before it returns.
     *
     * @param {any} _mount
     * @param {boolean} populate
     * @param {(err: any) => void} callback
     */
    syncfs(_mount, populate, callback) {
      const rc = populate ? 0 : sync()
      callback(rc < 0 ? new FS.ErrnoError(wasiErrno(-rc)) : null)
    },
    /** Stops watching the volume; to be called when the mount is gone. */
    detach() {
      nodes.detach()
      streams.detach()
    },
  }
}

const decoder = new TextDecoder()
const latin = new TextDecoder('latin1')
const AT_SYMLINK_FOLLOW = 0x400

/** @param {Uint8Array} bytes a directory as readdir leaves it */
function namesOf(bytes) {
  const names = ['.', '..']
  const text = latin.decode(bytes) // one call for all names; those that are not ASCII are decoded again
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes[at + 1]
    let p = at + 2
    while (p < end && bytes[p] < 128) p++
    names.push(p === end ? text.slice(at + 2, end) : decoder.decode(bytes.subarray(at + 2, end)))
    at = end
  }
  return names
}
