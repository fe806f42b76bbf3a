// Taking a site out of a volume and bringing one in: as a zip or tar, or from a folder in which WordPress Playground keeps its sites in this browser.

import { HoldfastError } from 'holdfast'
import { writeTar, writeZip } from './archive.js'

/** What the demo adds to a site on its volume; it does not belong to it. */
const OURS = '.holdfast'
/** What makes WordPress run on SQLite. Playground's folders have it not: there it lies outside of the site. */
const SQLITE = ['wp-content/db.php', 'wp-content/mu-plugins/sqlite-database-integration']

/**
 * @param {import('holdfast').Volume} volume
 * @param {'zip' | 'tar'} kind
 * @returns {Promise<Blob>} the present state
 */
export async function exportSite(volume, kind, { signal, onProgress }) {
  // From a snapshot, so that what the site writes meanwhile does not tear it.
  const fs = volume.readSnapshot(volume.snapshot())
  try {
    const paths = walk(fs)
    let done = 0
    const entries = (function* () {
      for (const path of paths) {
        if (signal.aborted) throw new HoldfastError('ErrAborted', 'the export was cancelled')
        yield entryOf(fs, path)
        onProgress({ phase: 'export', objectsDone: ++done, objectsTotal: paths.length, bytesDone: 0, bytesTotal: 0 })
      }
    })()
    const parts = []
    for await (const part of kind === 'tar' ? writeTar(entries) : writeZip(entries)) parts.push(part)
    return new Blob(parts, { type: kind === 'tar' ? 'application/x-tar' : 'application/zip' })
  } finally {
    fs.release()
  }
}

function walk(fs, folder = '') {
  const paths = []
  for (const entry of fs.readdirSync(`/${folder}`, { withFileTypes: true })) {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    if (path === OURS) continue
    paths.push(path)
    if (entry.isDirectory()) paths.push(...walk(fs, path))
  }
  return paths
}

function entryOf(fs, path) {
  const info = fs.lstatSync(`/${path}`)
  const entry = { path, mode: info.mode & 0o7777, mtime: info.mtimeMs }
  if (info.isDirectory()) return { ...entry, type: 'directory' }
  if (info.isSymbolicLink()) return { ...entry, type: 'symlink', target: fs.readlinkSync(`/${path}`) }
  return { ...entry, type: 'file', data: fs.readFileSync(`/${path}`) }
}

/**
 * Replaces the site by another one, or only its wp-content when that is all there is. Nothing is committed here.
 *
 * @param {import('holdfast').Volume} volume
 * @param {AsyncIterable<import('./archive.js').Entry & { progress?: number }>} entries
 * @returns {Promise<{ files: number, bytes: number, whole: boolean }>}
 */
export async function importEntries(volume, entries, { signal, onProgress }) {
  const { fs } = volume
  const incoming = `/${OURS}/incoming`
  fs.rmSync(incoming, { recursive: true, force: true })
  fs.mkdirSync(incoming, { recursive: true })
  let files = 0
  let bytes = 0
  for await (const entry of entries) {
    if (signal.aborted) throw new HoldfastError('ErrAborted', 'the import was cancelled')
    const path = `${incoming}/${entry.path}`
    if (entry.type === 'directory') fs.mkdirSync(path, { recursive: true })
    else {
      fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
      if (entry.type === 'symlink') fs.symlinkSync(entry.target, path)
      else {
        fs.writeFileSync(path, entry.data)
        fs.chmodSync(path, entry.mode | 0o600)
        fs.utimesSync(path, entry.mtime / 1000, entry.mtime / 1000)
        bytes += entry.data.length
      }
      files++
    }
    onProgress({ phase: 'import', bytesDone: Math.round((entry.progress ?? 0) * 1000), bytesTotal: 1000, objectsDone: files, objectsTotal: 0 })
  }

  const folder = siteFolder(fs, incoming)
  if (!folder) throw new HoldfastError('ErrNoSite', 'there is no wp-content in it')
  const whole = fs.existsSync(`${folder}/wp-load.php`) && fs.existsSync(`${folder}/wp-includes`)
  for (const path of SQLITE) {
    if (!fs.existsSync(`${folder}/${path}`) && fs.existsSync(`/${path}`)) {
      fs.mkdirSync(`${folder}/${path}`.replace(/\/[^/]+$/, ''), { recursive: true })
      fs.renameSync(`/${path}`, `${folder}/${path}`)
    }
  }
  if (whole && !fs.existsSync(`${folder}/wp-config.php`)) fs.copyFileSync('/wp-config.php', `${folder}/wp-config.php`)
  for (const name of whole ? fs.readdirSync('/').filter((name) => name !== OURS) : ['wp-content']) fs.rmSync(`/${name}`, { recursive: true, force: true })
  for (const name of whole ? fs.readdirSync(folder) : ['wp-content']) fs.renameSync(`${folder}/${name}`, `/${name}`)
  fs.rmSync(incoming, { recursive: true, force: true })
  return { files, bytes, whole }
}

/** The folder that holds wp-content: the top of what came, or one of the folders just below. */
function siteFolder(fs, top) {
  const folders = [top]
  for (let depth = 0; depth < 3; depth++) {
    const found = folders.find((folder) => fs.existsSync(`${folder}/wp-content`))
    if (found) return found
    const below = folders.flatMap((folder) => fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => `${folder}/${entry.name}`))
    folders.splice(0, folders.length, ...below)
  }
  return null
}

// ---- WordPress Playground's folders in this browser's private file system ----

/** Where Playground keeps sites: /sites/site-NAME, and /wordpress before it had several. */
const PLACES = ['sites', '']

/** @returns {Promise<{ path: string, name: string }[]>} folders that hold a WordPress */
export async function playgroundFolders() {
  const root = await navigator.storage.getDirectory()
  const found = []
  for (const place of PLACES) {
    const parent = place ? await root.getDirectoryHandle(place).catch(() => null) : root
    if (!parent) continue
    for await (const [name, handle] of parent.entries()) {
      if (handle.kind !== 'directory' || name === 'holdfast') continue
      if (await handle.getDirectoryHandle('wp-content').catch(() => null)) found.push({ path: place ? `${place}/${name}` : name, name })
    }
  }
  return found
}

/** @param {string} path a folder in this origin's private file system */
export async function* entriesOf(path) {
  let folder = await navigator.storage.getDirectory()
  for (const name of path.split('/')) folder = await folder.getDirectoryHandle(name)
  const all = []
  await list(folder, '', all)
  for (const [i, { path, handle }] of all.entries()) {
    const progress = (i + 1) / all.length
    if (handle.kind === 'directory') yield { path, type: 'directory', mode: 0o755, mtime: Date.now(), progress }
    else {
      const file = await handle.getFile()
      yield { path, type: 'file', mode: 0o644, mtime: file.lastModified, data: new Uint8Array(await file.arrayBuffer()), progress }
    }
  }
}

async function list(folder, prefix, into) {
  for await (const [name, handle] of folder.entries()) {
    into.push({ path: prefix + name, handle })
    if (handle.kind === 'directory') await list(handle, `${prefix}${name}/`, into)
  }
}
