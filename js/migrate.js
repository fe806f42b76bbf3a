/**
 * `holdfast/migrate`: plain files under a FileSystemDirectoryHandle, such as a site that WordPress Playground keeps in OPFS
 * (`sites/site-…`) or a folder that the user has picked, into a volume and back. It works in pages and workers.
 */

import { HoldfastError, throwIfAborted } from './errors.js'
import { SnapshotFiles } from './files-snapshot.js'
import { createFs } from './fs.js'
import { coreOf } from './internal.js'
import { equal, join, normal, passes } from './capture-trees.js'

/**
 * What is copied, and how.
 *
 * @typedef {object} MigrateOptions
 * @property {(path: string, type: 'file' | 'directory' | 'symlink') => boolean} [filter] says of paths below the directory ('wp-content/index.php')
 *   whether they take part; leaving out a directory leaves out what is in it
 * @property {boolean} [replace] what the destination has is removed. Without it a destination that is not empty fails the call with ENOTEMPTY
 * @property {AbortSignal} [signal]
 * @property {(p: import('./volume.js').Progress) => void} [onProgress]
 *
 * What was copied.
 *
 * @typedef {object} Migrated
 * @property {number} files
 * @property {number} directories
 * @property {number} bytes
 */

const CHUNK = 4 << 20
const STAGE = '/.holdfast-import'

/** @type {WeakSet<object>} Volumes that something is imported into. */
const importing = new WeakSet()

/** What Playground writes beside a site's files, and those of its flags that say that the files are incomplete. */
const PLAYGROUND = 'wp-runtime.json'
const PENDING = ['initialOpfsSyncPending', 'opfsSiteRemovalPending']

/**
 * Copies a directory into a volume. The files appear all at once, when all of them have been read: until then, and when the call fails, the
 * volume's directory is what it was. Modification times are kept; there are no modes and symlinks to keep. Whoever uses the directory
 * (a Playground that runs the site) must not be running: the files are read one after the other, and a database could be torn.
 * A site that Playground has not finished saving, or has begun to remove, is refused with ErrIncomplete: its wp-runtime.json says so.
 *
 * @param {FileSystemDirectoryHandle} handle
 * @param {import('./volume.js').Volume} volume
 * @param {MigrateOptions & { path?: string, commit?: boolean, label?: string }} [options] path: the volume's directory, '/' by default, made when it
 *   does not exist; commit: make it durable before the call resolves, with that label: true by default. If the storage has no room for it the
 *   call rejects, and the files are in memory, to be committed later or taken back with restore
 * @returns {Promise<Migrated>}
 */
export async function importDirectory(handle, volume, options = {}) {
  const { path = '/', replace = false, commit = true, label = `imported ${handle.name}`, filter, signal, onProgress } = options
  const { fs } = volume
  const target = normal(path)
  checkEmpty()
  if (importing.has(volume)) throw new HoldfastError('EBUSY', 'another import into the volume is going on', { errno: 16, hint: 'wait for it' })
  importing.add(volume)
  try {
    const { files, directories } = await listing(handle, filter, signal)
    await checkComplete(files)
    const progress = counter('import', files.map(({ file }) => file.size), onProgress)
    fs.rmSync(STAGE, { recursive: true, force: true }) // of a page that was closed in the middle
    fs.mkdirSync(STAGE)
    for (const { path } of directories) fs.mkdirSync(`${STAGE}/${path}`)
    for (const { path, file } of files) {
      const fd = fs.openSync(`${STAGE}/${path}`, 'wx')
      try {
        for (let at = 0; at < file.size; at += CHUNK) {
          throwIfAborted(signal)
          const bytes = new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer())
          fs.writeSync(fd, bytes, 0, bytes.length, at)
          progress.bytes(bytes.length)
        }
        fs.futimesSync(fd, file.lastModified / 1000, file.lastModified / 1000)
      } finally {
        if (!volume.closed) fs.closeSync(fd)
      }
      progress.file()
    }
    throwIfAborted(signal)
    // From here on nothing waits, so that nobody sees or commits a part of it.
    checkEmpty()
    if (target === '/') {
      for (const name of fs.readdirSync('/')) if (`/${name}` !== STAGE) fs.rmSync(`/${name}`, { recursive: true })
      for (const name of fs.readdirSync(STAGE)) fs.renameSync(`${STAGE}/${name}`, `/${name}`)
      fs.rmdirSync(STAGE)
    } else {
      fs.rmSync(target, { recursive: true, force: true })
      fs.mkdirSync(target, { recursive: true })
      fs.rmdirSync(target) // only its parents are wanted
      fs.renameSync(STAGE, target)
    }
    if (commit) volume.commit({ label })
    return { files: files.length, directories: directories.length, bytes: progress.total }
  } catch (err) {
    if (!volume.closed) fs.rmSync(STAGE, { recursive: true, force: true })
    throw err
  } finally {
    importing.delete(volume)
  }

  function checkEmpty() {
    if (replace || !fs.existsSync(target)) return
    if (fs.readdirSync(target).some((/** @type {string} */ name) => join(target, name) !== STAGE)) throw notEmpty(`the volume's directory ${target}`)
  }
}

/**
 * Copies a directory of a volume, as it is at the time of the call, to plain files. Files that are there already with the same bytes are not written.
 * Modes and times get lost. It is not atomic, as no such copy is: when the page dies in the middle the directory holds some of both,
 * so keep the volume until the call has resolved. With `replace`, what the filter leaves out of the directory stays there.
 *
 * @param {import('./volume.js').Volume} volume
 * @param {FileSystemDirectoryHandle} handle
 * @param {MigrateOptions & { path?: string, snapshot?: import('./volume.js').Snapshot | string, symlinks?: 'error' | 'follow' | 'skip' }} [options]
 *   path: the volume's directory, '/' by default; snapshot: an earlier state; symlinks, which plain files cannot be: fail with ErrUnsupported before
 *   anything is written (the default), copy what they point to, or leave them out
 * @returns {Promise<Migrated & { skipped: string[], unchanged: number }>} skipped: what was left out: symlinks, devices, pipes, sockets; unchanged:
 *   how many of the files were there already
 */
export async function exportDirectory(volume, handle, options = {}) {
  const { path = '/', snapshot, symlinks = 'error', replace = false, filter, signal, onProgress } = options
  if (!['error', 'follow', 'skip'].includes(symlinks)) throw new TypeError(`symlinks must be 'error', 'follow' or 'skip', not ${JSON.stringify(symlinks)}`)
  const core = coreOf(volume)
  const root = normal(path)
  const { fs, release } = snapshot === undefined ? present(core) : withRelease(volume.readSnapshot(snapshot))
  try {
    /** @type {{ path: string, size: number }[]} */ const files = []
    /** @type {string[]} */ const directories = []
    /** @type {string[]} */ const skipped = []
    const visit = (/** @type {string} */ path, /** @type {string[]} */ above) => {
      const full = join(root, path)
      const own = fs.lstatSync(full)
      const type = own.isSymbolicLink() ? 'symlink' : own.isDirectory() ? 'directory' : own.isFile() ? 'file' : 'other'
      if (path !== '' && type !== 'other' && !passes(filter, path, type)) return
      if (type === 'symlink' && symlinks === 'error') {
        throw new HoldfastError('ErrUnsupported', `${full} is a symlink, which plain files cannot be`, { path: full, hint: "pass symlinks: 'follow' or 'skip'", errno: 95 })
      }
      if (type === 'other' || (type === 'symlink' && symlinks === 'skip')) return void skipped.push(full)
      const stat = type === 'symlink' ? fs.statSync(full) : own
      if (stat.isFile()) return void files.push({ path, size: stat.size })
      if (!stat.isDirectory()) return void skipped.push(full)
      const real = fs.realpathSync(full)
      if (above.includes(real)) throw new HoldfastError('ELOOP', `${full} leads back to ${real}`, { path: full, errno: 40 })
      if (path !== '') directories.push(path)
      for (const name of fs.readdirSync(full)) visit(path === '' ? name : `${path}/${name}`, [...above, real])
    }
    visit('', [])
    if (!replace) for await (const _ of names(handle)) throw notEmpty(`the directory ${handle.name}`)

    const progress = counter('export', files.map(({ size }) => size), onProgress)
    /** @type {Map<string, FileSystemDirectoryHandle>} */
    const made = new Map([['', handle]])
    for (const path of directories) made.set(path, await directoryIn(/** @type {FileSystemDirectoryHandle} */ (made.get(parentOf(path))), nameOf(path)))
    await removeOthers(made, new Set([...directories, ...files.map(({ path }) => path)]), filter)
    let unchanged = 0
    for (const { path, size } of files) {
      throwIfAborted(signal)
      const fd = fs.openSync(join(root, path), 'r')
      try {
        const read = (/** @type {number} */ at) => {
          const bytes = new Uint8Array(Math.min(CHUNK, size - at))
          fs.readSync(fd, bytes, 0, bytes.length, at)
          return bytes
        }
        const to = await fileIn(/** @type {FileSystemDirectoryHandle} */ (made.get(parentOf(path))), nameOf(path))
        if (await holds(to, size, read)) unchanged++
        else await write(to, size, read, signal)
      } finally {
        fs.closeSync(fd)
      }
      progress.bytes(size)
      progress.file()
    }
    return { files: files.length, directories: directories.length, bytes: progress.total, skipped, unchanged }
  } finally {
    if (!core.dead) release()
  }
}

/** @param {{ path: string, file: File }[]} files */
async function checkComplete(files) {
  const found = files.find(({ path }) => path === PLAYGROUND)
  if (!found) return
  let state
  try {
    state = JSON.parse(await found.file.text())
  } catch {
    return // somebody else's file, to be copied as it is
  }
  if (!PENDING.some((flag) => state?.[flag] === true)) return
  throw new HoldfastError('ErrIncomplete', 'WordPress Playground has not finished saving or removing this site', {
    path: PLAYGROUND,
    hint: 'open the site in Playground once, so that it can finish; to import the files as they are, leave wp-runtime.json out with a filter',
  })
}

/** @param {string} what */
const notEmpty = (what) => new HoldfastError('ENOTEMPTY', `${what} is not empty`, { errno: 39, hint: 'pass replace: true to remove what is in it' })

/** @param {string} path */
const parentOf = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')))
/** @param {string} path */
const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1)

/**
 * The present state, frozen: what happens meanwhile is not part of it.
 *
 * @param {import('./core.js').Core} core
 */
function present(core) {
  if (core.dead) throw core.dead
  const id = core.x.reader_open(0)
  if (id < 0) throw core.failure(id)
  const files = new SnapshotFiles(core, id)
  return { fs: createFs(files, core.dev), release: () => files.release() }
}

/** @param {import('./fs.js').VolumeFs & { release: () => void }} fs */
const withRelease = (fs) => ({ fs, release: fs.release })

/**
 * @param {'import' | 'export'} phase
 * @param {number[]} sizes of all files
 * @param {((p: import('./volume.js').Progress) => void) | undefined} onProgress
 */
function counter(phase, sizes, onProgress) {
  const total = sizes.reduce((a, b) => a + b, 0)
  let bytesDone = 0
  let objectsDone = 0
  const tell = () => onProgress?.({ phase, bytesDone, bytesTotal: total, objectsDone, objectsTotal: sizes.length })
  return {
    total,
    /** @param {number} n */
    bytes(n) {
      bytesDone += n
      tell()
    },
    file() {
      objectsDone++
      tell()
    },
  }
}

// The other side. Its calls reject with DOMExceptions, which are passed on as they are.

/**
 * @param {FileSystemDirectoryHandle} dir
 * @returns {AsyncIterable<string>}
 */
const names = (dir) => /** @type {any} */ (dir).keys()

/**
 * Everything below a directory, parents first.
 *
 * @param {FileSystemDirectoryHandle} root
 * @param {MigrateOptions['filter']} filter
 * @param {AbortSignal | undefined} signal
 */
async function listing(root, filter, signal) {
  /** @type {{ path: string, file: File }[]} */ const files = []
  /** @type {{ path: string, handle: FileSystemDirectoryHandle }[]} */ const directories = []
  const queue = [{ path: '', handle: root }]
  for (const { path, handle } of queue) {
    for await (const [name, child] of /** @type {AsyncIterable<[string, any]>} */ (/** @type {any} */ (handle).entries())) {
      throwIfAborted(signal)
      const below = path === '' ? name : `${path}/${name}`
      if (!passes(filter, below, child.kind)) continue
      if (child.kind === 'directory') {
        directories.push({ path: below, handle: child })
        queue.push({ path: below, handle: child })
      } else files.push({ path: below, file: await child.getFile() })
    }
  }
  return { files, directories }
}

/**
 * Removes what is not wanted from directories that are. What the filter leaves out stays.
 *
 * @param {Map<string, FileSystemDirectoryHandle>} made
 * @param {Set<string>} wanted
 * @param {MigrateOptions['filter']} filter
 */
async function removeOthers(made, wanted, filter) {
  /** @param {FileSystemDirectoryHandle} dir @param {string} path @returns {Promise<boolean>} whether nothing is left */
  const prune = async (dir, path) => {
    let empty = true
    /** @type {[string, any][]} */
    const children = []
    for await (const child of /** @type {AsyncIterable<[string, any]>} */ (/** @type {any} */ (dir).entries())) children.push(child)
    for (const [name, child] of children) {
      const below = path === '' ? name : `${path}/${name}`
      if (wanted.has(below)) continue
      const removable = passes(filter, below, child.kind) && (child.kind === 'file' || !filter || (await prune(child, below)))
      if (removable) await dir.removeEntry(name, { recursive: true })
      else empty = false
    }
    return empty
  }
  for (const [path, dir] of made) await prune(dir, path)
}

/**
 * @template T
 * @param {FileSystemDirectoryHandle} dir
 * @param {string} name
 * @param {() => Promise<T>} get
 */
async function instead(dir, name, get) {
  try {
    return await get()
  } catch (/** @type {any} */ err) {
    if (err?.name !== 'TypeMismatchError') throw err
    await dir.removeEntry(name, { recursive: true }) // a file where a directory is to be, or the other way round
    return get()
  }
}

/** @param {FileSystemDirectoryHandle} dir @param {string} name */
const directoryIn = (dir, name) => instead(dir, name, () => dir.getDirectoryHandle(name, { create: true }))
/** @param {FileSystemDirectoryHandle} dir @param {string} name */
const fileIn = (dir, name) => instead(dir, name, () => dir.getFileHandle(name, { create: true }))

/**
 * @param {FileSystemFileHandle} handle
 * @param {number} size
 * @param {(at: number) => Uint8Array<ArrayBuffer>} read
 */
async function holds(handle, size, read) {
  const file = await handle.getFile()
  if (file.size !== size) return false
  for (let at = 0; at < size; at += CHUNK) {
    if (!equal(new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer()), read(at))) return false
  }
  return true
}

/**
 * Through a writable stream the file is replaced when all of it is written; Safari before 26 has only access handles, in workers.
 *
 * @param {FileSystemFileHandle} handle
 * @param {number} size
 * @param {(at: number) => Uint8Array<ArrayBuffer>} read
 * @param {AbortSignal | undefined} signal
 */
async function write(handle, size, read, signal) {
  if (handle.createWritable) {
    const stream = await handle.createWritable()
    try {
      for (let at = 0; at < size; at += CHUNK) {
        throwIfAborted(signal)
        await stream.write(read(at))
      }
    } catch (err) {
      await stream.abort().catch(() => {})
      throw err
    }
    return stream.close()
  }
  const access = await /** @type {any} */ (handle).createSyncAccessHandle()
  try {
    access.truncate(0)
    for (let at = 0; at < size; at += CHUNK) {
      const bytes = read(at)
      if (access.write(bytes, { at }) !== bytes.length) throw new HoldfastError('ErrQuota', 'the browser has no room for the exported files', { errno: 28 })
    }
    access.flush()
  } finally {
    access.close()
  }
}
