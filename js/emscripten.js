/**
 * `holdfast/emscripten`: a volume as a filesystem of an Emscripten program (php-wasm, Pyodide, …).
 *
 * The program's system calls end in the methods of its FS object, whose nodes carry the volume's inode numbers here.
 * Reads and writes copy between the two memories directly, with one call into the module each.
 */

import * as abi from './abi.js'
import { HoldfastError } from './errors.js'
import { setAttr } from './files.js'
import { coreOf } from './internal.js'
import { Nodes } from './emscripten-nodes.js'
import { wasiErrno } from './emscripten-errno.js'

/**
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
  if (typeof FS?.mount !== 'function') throw new TypeError('mountEmscripten needs an Emscripten module object with FS, or its FS')
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
  const nodes = new Nodes(FS, core, path)
  /** @type {any[]} Made once each, as MEMFS does: missing files are looked for all the time. */
  const errors = []

  /**
   * @param {number} rc a negative Linux error number
   * @returns {never}
   */
  function fail(rc) {
    throw (errors[-rc] ??= new FS.ErrnoError(wasiErrno(-rc)))
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
    /** @type {import('./files.js').AttrChange} */
    const c = {}
    if (attr.mode !== undefined && attr.mode !== null) c.mode = attr.mode & 0o7777
    if (attr.size !== undefined) c.size = attr.size
    if (attr.atime !== undefined && attr.atime !== null) c.atimeMs = Number(attr.atime)
    if (attr.mtime !== undefined && attr.mtime !== null) c.mtimeMs = Number(attr.mtime)
    // Before Emscripten 4, utime passes both times as one. Of truncate, chmod and chown it is the change time, which the volume sets.
    if (attr.timestamp !== undefined && c.mode === undefined && c.size === undefined && !('dontFollow' in attr)) {
      c.atimeMs = c.mtimeMs = Number(attr.timestamp)
    }
    const final = check(setAttr(core, ino(node), c)) === 1
    if (c.mode !== undefined) {
      node.mode = (node.mode & abi.S_IFMT) | c.mode
      core.modeChanged(node.ino, node.mode, nodes)
    }
    if (final) check(sync())
  }

  // One array over the guest's memory is kept: HEAP8 is an Int8Array, and copying between arrays of two types is many times slower.
  let heap = new Uint8Array(0)

  /** @param {any} buffer a view of the guest's memory, or an array of its own */
  function bytesOf(buffer) {
    if (buffer instanceof Uint8Array) return buffer
    if (buffer.byteOffset === 0) {
      if (heap.buffer !== buffer.buffer || heap.length === 0) heap = new Uint8Array(buffer.buffer)
      return heap
    }
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  }

  const common = {
    /** @param {any} node */
    getattr(node) {
      check(core.x.getattr(ino(node)))
      return attributes()
    },
    setattr: change,
    statfs() {
      const rc = core.x.statfs()
      check(rc)
      if (core.u8.length === 0) core.refresh()
      const at = abi.NUMS >> 3
      const used = core.f64[at + 1]
      const files = core.f64[at + 2]
      return { bsize: 4096, frsize: 4096, blocks: used * 2 + 1e6, bfree: used + 1e6, bavail: used + 1e6, files: files + 1e6, ffree: 1e6, fsid: core.dev, flags: 0, namelen: 255 }
    },
  }

  const directory = {
    ...common,
    /** @param {any} parent @param {string} name */
    lookup(parent, name) {
      const dir = ino(parent)
      const n = check(core.x.lookup(dir, put(0, name)))
      if (core.u8.length === 0) core.refresh()
      return create(parent, name, core.u32[abi.A_MODE], core.f64[abi.A_RDEV], n)
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
      check(core.x.readdir(ino(node)))
      return namesOf(core.out())
    },
    /** For runtimes that have hard links. @param {any} node @param {any} newDir @param {string} newName */
    link(node, newDir, newName) {
      const to = ino(newDir)
      check(core.x.link(ino(node), to, put(0, newName)))
    },
  }

  const symlink = {
    ...common,
    /** @param {any} node */
    readlink(node) {
      return core.text(0, check(core.x.readlink(ino(node))))
    },
  }

  const file = { ...common, link: directory.link }

  /** Of every kind of stream: stat and chmod through an open file work on it even when its name is gone. */
  const anyStream = {
    /** @param {any} stream */
    fsync(stream) {
      ino(stream.node)
      return check(sync())
    },
  }

  const directoryStream = {
    ...anyStream,
    /** @param {any} stream @param {number} offset @param {number} whence */
    llseek(stream, offset, whence) {
      return positionOf(stream, offset, whence, () => 0)
    },
  }

  const fileStream = {
    ...anyStream,
    /** @param {any} stream */
    open(stream) {
      const node = stream.node
      const id = node.epoch === nodes.epoch ? core.x.handle_open(node.ino) : -116
      if (id < 0) {
        // FS.open has registered the stream already and would leave it open.
        FS.closeStream?.(stream.fd)
        fail(id)
      }
      stream.handle = { id, refs: 1 } // shared by the streams that dup makes
    },
    /** @param {any} stream */
    dup(stream) {
      stream.handle.refs++
    },
    /** @param {any} stream */
    close(stream) {
      if (--stream.handle.refs === 0) core.x.handle_close(stream.handle.id)
    },
    /** @param {any} stream */
    getattr(stream) {
      check(core.x.handle_attr(stream.handle.id))
      return attributes()
    },
    /** @param {any} stream @param {any} attr */
    setattr(stream, attr) {
      check(core.x.handle_attr(stream.handle.id))
      change(stream.node, attr)
    },
    /** @param {any} stream @param {any} buffer @param {number} offset @param {number} length @param {number} position */
    read(stream, buffer, offset, length, position) {
      const n = core.read(stream.handle.id, bytesOf(buffer), offset, length, position)
      return n < 0 ? fail(n) : n
    },
    /** @param {any} stream @param {any} buffer @param {number} offset @param {number} length @param {number} position */
    write(stream, buffer, offset, length, position) {
      const n = core.write(stream.handle.id, bytesOf(buffer), offset, length, position)
      return n < 0 ? fail(n) : n
    },
    /** @param {any} stream @param {number} offset @param {number} whence */
    llseek(stream, offset, whence) {
      return positionOf(stream, offset, whence, () => check(core.x.handle_size(stream.handle.id)))
    },
    /** @param {any} stream @param {number} offset @param {number} length */
    allocate(stream, offset, length) {
      const id = stream.handle.id
      if (check(core.x.handle_size(id)) < offset + length) check(core.x.handle_truncate(id, offset + length))
    },
    /** The guest gets a copy; msync and munmap of a shared mapping write it back. @param {any} stream @param {number} length @param {number} position @param {number} prot @param {number} flags */
    mmap(stream, length, position, prot, flags) {
      const contents = new Uint8Array(length)
      check(core.read(stream.handle.id, contents, 0, length, position))
      return mapped(FS, module, contents, prot, flags, fail)
    },
    /** @param {any} stream @param {any} buffer @param {number} offset in the file @param {number} length @param {number} flags */
    msync(stream, buffer, offset, length, flags) {
      if (flags & 2) return 0 // MAP_PRIVATE
      const id = stream.handle.id
      const inside = Math.min(length, check(core.x.handle_size(id)) - offset) // a mapping never makes its file longer
      if (inside > 0) check(core.write(id, bytesOf(buffer), 0, inside, offset))
      return 0
    },
  }

  /**
   * @param {any} stream
   * @param {number} offset
   * @param {number} whence
   * @param {() => number} size
   */
  function positionOf(stream, offset, whence, size) {
    const position = whence === 1 ? stream.position + offset : whence === 2 ? size() + offset : offset
    return position < 0 ? fail(-22) : position
  }

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
      node.stream_ops = directoryStream
      nodes.directory(node)
    } else if (type === abi.S_IFLNK) {
      node.node_ops = symlink
      node.stream_ops = {}
    } else {
      node.node_ops = file
      node.stream_ops = FS.isChrdev(mode) ? FS.chrdev_stream_ops : fileStream
    }
    return node
  }

  const sync = () => (commit ? core.sync() : 0)

  return {
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
    },
  }
}

const decoder = new TextDecoder()

/** @param {Uint8Array} bytes a directory as readdir leaves it */
function namesOf(bytes) {
  const names = ['.', '..']
  for (let at = 0; at < bytes.length; ) {
    const n = bytes[at + 1]
    names.push(decoder.decode(bytes.subarray(at + 2, at + 2 + n)))
    at += 2 + n
  }
  return names
}

/**
 * Puts bytes into memory of the guest's allocator, aligned and padded as mmap has to.
 *
 * @param {any} FS
 * @param {any} module
 * @param {Uint8Array} contents
 * @param {number} prot
 * @param {number} flags
 * @param {(rc: number) => never} fail
 */
function mapped(FS, module, contents, prot, flags, fail) {
  const memfs = FS.filesystems?.MEMFS
  if (memfs) {
    // MEMFS does just that, by a function that programs do not export, with the contents of a node.
    const node = { mode: 0o100644, contents, usedBytes: contents.length }
    return memfs.stream_ops.mmap({ node }, contents.length, 0, prot, flags)
  }
  const size = Math.ceil(contents.length / 65536) * 65536
  const ptr = module?._emscripten_builtin_memalign?.(65536, size)
  if (!ptr) return fail(-12)
  module.HEAPU8.fill(0, ptr, ptr + size)
  module.HEAPU8.set(contents, ptr)
  return { ptr, allocated: true }
}
