// What goes to the disk, and what that takes at least.

/** Counts what is written to OPFS from now on, whoever writes it, until `stop` is called. */
export function countWrites() {
  const counted = { bytes: 0, writes: 0, flushes: 0, stop: () => undo.forEach((restore) => restore()) }
  const undo = []
  const wrap = (prototype, name, note) => {
    const original = prototype[name]
    undo.push(() => (prototype[name] = original))
    prototype[name] = function (...args) {
      note(args)
      return original.apply(this, args)
    }
  }
  const write = ([data]) => {
    counted.writes++
    counted.bytes += data.byteLength ?? data.size ?? data.length
  }
  wrap(FileSystemSyncAccessHandle.prototype, 'write', write)
  wrap(FileSystemSyncAccessHandle.prototype, 'flush', () => counted.flushes++)
  wrap(FileSystemWritableFileStream.prototype, 'write', write)
  return counted
}

/** Counts it while `action` runs. */
export async function countingWrites(action) {
  const counted = countWrites()
  try {
    await action()
  } finally {
    counted.stop()
  }
  return counted
}

const FILE = 16 << 20
const SECTOR = 512

/**
 * A file as that of a volume that has been in use: long enough already, and written all over.
 *
 * `commit(bytes)` is one write, behind the one before, and one flush.
 */
export async function rawDisk(name) {
  const root = await navigator.storage.getDirectory()
  const raw = await (await root.getFileHandle(name, { create: true })).createSyncAccessHandle()
  const block = crypto.getRandomValues(new Uint8Array(65536))
  raw.truncate(0)
  for (let at = 0; at < FILE; at += block.length) raw.write(block, { at })
  raw.flush()
  let data = block
  let at = 0
  return {
    commit(bytes) {
      const length = Math.ceil(bytes / SECTOR) * SECTOR
      if (data.length < length) {
        data = new Uint8Array(length)
        for (let i = 0; i < length; i += block.length) data.set(block.subarray(0, Math.min(block.length, length - i)), i)
      }
      if (at + length > FILE) at = 0
      raw.write(data.subarray(0, length), { at })
      raw.flush()
      at += length
    },
    close: () => raw.close(),
  }
}
