/** What a volume's open files do in an Emscripten program: its `stream_ops`. */

const O_APPEND = 0o2000
const MAP_PRIVATE = 2

/**
 * What the operations share with those on nodes (emscripten.js).
 *
 * @typedef {object} Guest
 * @property {any} FS
 * @property {any} module
 * @property {import('./core.js').Core} core
 * @property {import('./emscripten-nodes.js').Nodes} nodes
 * @property {(rc: number) => never} fail throws the FS object's error for a negative Linux number
 * @property {(rc: number) => number} check fails for a negative number
 * @property {(node: any) => number} ino fails for a stale node
 * @property {() => any} attributes those that the last call has left
 * @property {(node: any, attr: any) => void} change
 * @property {() => number} sync 0 or a negative number
 */

/**
 * A stream's file. Streams that dup makes share it.
 *
 * @typedef {object} Handle
 * @property {number} id the module's number
 * @property {number} refs
 * @property {Set<string> | null} maps the places of its shared mappings, as `key` writes them
 * @property {number} held the inode, when the runtime is a user by it
 */

/**
 * Which runtime has which database of SQLite in its hands, by the inode of the -shm that it has mapped or of the -journal that it has open.
 * Locks, by which connections keep out of each other's way, are granted to everybody by Emscripten, and the memory through which they agree
 * in WAL mode is not shared: a second runtime would roll back or overwrite transactions of the first, and neither would notice.
 *
 * @type {WeakMap<import('./core.js').Core, Map<number, any>>}
 */
const users = new WeakMap()

/** @param {number} offset @param {number} length */
const key = (offset, length) => `${offset}+${length}`

/** @param {Guest} guest */
export function streamOps({ FS, module, core, nodes, fail, check, ino, attributes, change, sync }) {
  const held = users.get(core) ?? new Map()
  users.set(core, held)
  const isShm = (/** @type {any} */ stream) => stream.node.name.endsWith('-shm')

  /** @param {any} stream */
  const heldElsewhere = ({ node }) => held.has(node.ino) && held.get(node.ino) !== FS

  /** @param {any} stream */
  function hold({ handle, node }) {
    handle.held = node.ino
    held.set(node.ino, FS)
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

  // Of files and directories: stat, chmod and truncate through what is open work on it even when its name is gone.
  const anyStream = {
    /** @param {any} stream */
    open(stream) {
      const node = stream.node
      const journal = node.name.endsWith('-journal')
      const id = node.epoch !== nodes.epoch ? -116 : journal && heldElsewhere(stream) ? -16 : core.x.handle_open(node.ino)
      if (id < 0) {
        // FS.open has registered the stream already and would leave it open.
        FS.closeStream?.(stream.fd)
        fail(id)
      }
      /** @type {Handle} */
      const handle = { id, refs: 1, maps: null, held: 0 }
      stream.handle = handle
      if (journal) hold(stream)
    },
    /** @param {any} stream */
    dup(stream) {
      stream.handle.refs++
    },
    /** @param {any} stream */
    close(stream) {
      const { handle } = stream
      if (--handle.refs > 0) return
      if (handle.held !== 0 && held.get(handle.held) === FS) held.delete(handle.held)
      core.x.handle_close(handle.id)
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
    /** @param {any} stream */
    fsync(stream) {
      ino(stream.node)
      return check(sync())
    },
  }

  const directory = {
    ...anyStream,
    /** @param {any} stream @param {number} offset @param {number} whence */
    llseek(stream, offset, whence) {
      return positionOf(stream, offset, whence, () => 0)
    },
  }

  const file = {
    ...anyStream,
    /** @param {any} stream @param {any} buffer @param {number} offset @param {number} length @param {number} position */
    read(stream, buffer, offset, length, position) {
      const n = core.read(stream.handle.id, bytesOf(buffer), offset, length, position)
      return n < 0 ? fail(n) : n
    },
    /** @param {any} stream @param {any} buffer @param {number} offset @param {number} length @param {number} position */
    write(stream, buffer, offset, length, position) {
      const { id } = stream.handle
      // On Linux pwrite appends, too. FS.write has moved the stream to the end, but passes on what pwrite says.
      const at = stream.flags & O_APPEND ? check(core.x.handle_size(id)) : position
      const n = core.write(id, bytesOf(buffer), offset, length, at)
      return n < 0 ? fail(n) : n
    },
    /** @param {any} stream @param {number} offset @param {number} whence */
    llseek(stream, offset, whence) {
      return positionOf(stream, offset, whence, () => check(core.x.handle_size(stream.handle.id)))
    },
    /** @param {any} stream @param {number} offset @param {number} length */
    allocate(stream, offset, length) {
      const { id } = stream.handle
      if (check(core.x.handle_size(id)) < offset + length) check(core.x.handle_truncate(id, offset + length))
    },
    /**
     * The guest gets a copy; msync and munmap of a shared mapping write it back.
     *
     * @param {any} stream
     * @param {number} length
     * @param {number} position
     * @param {number} prot
     * @param {number} flags
     */
    mmap(stream, length, position, prot, flags) {
      const { handle } = stream
      if (!(flags & MAP_PRIVATE) && isShm(stream)) {
        if (heldElsewhere(stream)) fail(-16)
        hold(stream)
      }
      const contents = new Uint8Array(length)
      check(core.read(handle.id, contents, 0, length, position))
      const mapping = mapped(contents, prot, flags)
      if (!(flags & MAP_PRIVATE)) (handle.maps ??= new Set()).add(key(position, length))
      return mapping
    },
    /**
     * What the runtime calls for msync and, since it does not say which, for munmap: both end with the bytes durable.
     *
     * @param {any} stream
     * @param {any} buffer the whole mapping
     * @param {number} offset in the file
     * @param {number} length
     * @param {number} flags of the mapping
     */
    msync(stream, buffer, offset, length, flags) {
      if (flags & MAP_PRIVATE) return 0
      const { handle } = stream
      // The runtime finds the file by the number of the descriptor, which may by now be another file's: musl keeps it
      // although the guest may close it. What was not mapped from this file is not written to it.
      if (!handle.maps?.has(key(offset, length))) return 0
      // SQLite's -shm is memory for those who use the database now. A copy of what one of them had would mislead the next.
      if (isShm(stream)) return 0
      const inside = Math.min(length, check(core.x.handle_size(handle.id)) - offset) // a mapping never makes its file longer
      if (inside > 0) check(core.write(handle.id, bytesOf(buffer), 0, inside, offset))
      return check(sync())
    },
  }

  /**
   * Puts bytes into memory of the guest's allocator, aligned and padded as mmap has to.
   *
   * @param {Uint8Array} contents
   * @param {number} prot
   * @param {number} flags
   */
  function mapped(contents, prot, flags) {
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

  return {
    file,
    directory,
    /** The runtime is gone, perhaps with files that it never closed. */
    detach() {
      for (const [ino, user] of held) if (user === FS) held.delete(ino)
    },
  }
}
