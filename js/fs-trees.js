/** What volume.fs does with whole trees and paths of several steps, as Node does it: mkdir and rm that are recursive, cp, realpath. */

import { E, errnoError } from './errors.js'
import { invalid } from './fs-args.js'
import { S_IFDIR, S_IFLNK, S_IFMT } from './abi.js'

/** @param {string} dir @param {string} name */
export const join = (dir, name) => (dir.endsWith('/') ? dir + name : `${dir}/${name}`)

/** @typedef {import('./fs.js').Backend} Backend */

const MAX_LINKS = 40

/**
 * The names of a path without "." and "..".
 *
 * @param {string} path
 */
export function normal(path) {
  /** @type {string[]} */
  const names = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

/**
 * Node's errors depend on the order.
 *
 * @param {Backend} files
 * @param {string} path
 * @param {number} mode
 * @returns {string | undefined} the first directory made
 */
export function makeAll(files, path, mode) {
  /** @type {string | undefined} */
  let first
  const todo = [path]
  while (todo.length > 0) {
    const next = /** @type {string} */ (todo.pop())
    try {
      files.mkdir(next, mode)
      first ??= next
    } catch (/** @type {any} */ err) {
      const dir = next.slice(0, next.replace(/\/+$/, '').lastIndexOf('/')) || (next.startsWith('/') ? '/' : '')
      if (err.code === 'ENOENT' && dir !== next && dir !== '') todo.push(next, dir)
      else if (err.code !== 'EEXIST') throw errnoError(-err.errno, 'mkdir', path, undefined, err.cause)
      else if ((statFor(files, next, 'mkdir', path).mode & S_IFMT) !== S_IFDIR) throw errnoError(todo.length > 0 ? E.ENOTDIR : E.EEXIST, 'mkdir', path)
    }
  }
  return first
}

/**
 * The attributes of a path, or an error as if another call on another path had failed.
 *
 * @param {Backend} files
 * @param {string} path
 * @param {string} syscall
 * @param {string} about
 * @param {boolean} [follow]
 */
function statFor(files, path, syscall, about, follow = true) {
  try {
    return files.stat(path, follow, 'stat')
  } catch (/** @type {any} */ err) {
    throw errnoError(-err.errno, syscall, about, undefined, err.cause)
  }
}

/** @param {Backend} files @param {string} dir */
export function removeAll(files, dir) {
  // A path that leads through a link, or by "..", may go while what is below it is removed.
  const unlessGone = (/** @type {() => void} */ op) => {
    try {
      op()
    } catch (/** @type {any} */ err) {
      if (err.code !== 'ENOENT') throw err
    }
  }
  unlessGone(() => {
    for (const { name, type } of files.readdir(dir, 'rm')) {
      if (type === S_IFDIR) removeAll(files, join(dir, name))
      else unlessGone(() => files.unlink(join(dir, name)))
    }
    files.rmdir(dir)
  })
}

/**
 * As Node's own: ".." is taken as text, before links are looked at, and errors name the directory that they are about.
 *
 * @param {Backend} files
 * @param {string} path
 */
export function realpath(files, path) {
  let at = '/'
  const seen = new Set() // links that led somewhere; Node does not ask again, also where another name of the link leads elsewhere
  for (let rest = normal(path); rest.length > 0; ) {
    const next = join(at, /** @type {string} */ (rest.shift()))
    const { mode, ino } = files.stat(next, false, 'lstat')
    if ((mode & S_IFMT) !== S_IFLNK) {
      at = next
      continue
    }
    if (!seen.has(ino)) files.stat(next, true, 'stat') // a link that leads nowhere, or round in a circle
    seen.add(ino)
    const target = files.readlink(next)
    rest = normal([target.startsWith('/') ? '' : at, target, ...rest].join('/'))
    at = '/'
  }
  return at
}

/**
 * As realpath(3): ".." is the directory above what a link led to, and errors name the whole path.
 *
 * @param {Backend} files
 * @param {string} path
 */
export function nativeRealpath(files, path) {
  /** @type {string[]} */
  let at = []
  let links = 0
  const missing = () => errnoError(E.ENOENT, 'realpath', path)
  if (path === '') throw missing()
  for (let rest = path.split('/'); rest.length > 0; ) {
    const name = rest.shift()
    if (name === '' || name === '.') continue
    if (name === '..') {
      at.pop()
      continue
    }
    const next = `/${[...at, name].join('/')}`
    const { mode } = statFor(files, next, 'realpath', path, false)
    if ((mode & S_IFMT) === S_IFLNK) {
      if (++links > MAX_LINKS) throw errnoError(E.ELOOP, 'realpath', path)
      const target = files.readlink(next)
      if (target.startsWith('/')) at = []
      rest = [...target.split('/'), ...rest]
    } else {
      if (rest.length > 0 && (mode & S_IFMT) !== S_IFDIR) throw errnoError(E.ENOTDIR, 'realpath', path)
      at.push(/** @type {string} */ (name))
    }
  }
  return `/${at.join('/')}`
}

/**
 * @typedef {object} CopyOptions
 * @property {boolean} [recursive] needed for directories
 * @property {boolean} [force] replaces files that are there; the default
 * @property {boolean} [errorOnExist] with force false: an existing file is an error instead of being left
 * @property {boolean} [dereference] copies what links lead to
 * @property {boolean} [preserveTimestamps]
 * @property {boolean} [verbatimSymlinks] leaves targets as they are, instead of making relative ones absolute
 * @property {number} [mode] of copyFile
 * @property {(source: string, dest: string) => boolean} [filter] what it does not want is left out, with all below it
 */

/**
 * @param {any} fs
 * @param {string} source
 * @param {string} dest
 * @param {CopyOptions} o
 */
export function copyAll(fs, source, dest, o) {
  if (o.dereference && o.verbatimSymlinks) throw invalid('ERR_INCOMPATIBLE_OPTION_PAIR', 'Option "dereference" cannot be used in combination with option "verbatimSymlinks"')
  if (o.filter && !o.filter(source, dest)) return
  const stat = o.dereference ? fs.statSync : fs.lstatSync
  const a = stat(source)
  const b = stat(dest, { throwIfNoEntry: false })
  if (b && a.ino === b.ino) throw copyError('EINVAL', 'src and dest cannot be the same', dest)
  if (b && a.isDirectory() && !b.isDirectory()) throw copyError('DIR_TO_NON_DIR', `cannot overwrite non-directory ${dest} with directory ${source}`, dest, E.EISDIR)
  if (b && !a.isDirectory() && b.isDirectory()) throw copyError('NON_DIR_TO_DIR', `cannot overwrite directory ${dest} with non-directory ${source}`, dest, E.ENOTDIR)
  const from = normal(source).join('/')
  if (a.isDirectory() && `${normal(dest).join('/')}/`.startsWith(from === '' ? '' : `${from}/`)) {
    throw copyError('EINVAL', `cannot copy ${source} to a subdirectory of self ${dest}`, dest)
  }
  if (a.isDirectory() && !o.recursive) {
    throw Object.assign(copyError('EISDIR', `Recursive option not enabled, cannot copy a directory: ${source}`, source, E.EISDIR), { code: 'ERR_FS_EISDIR' })
  }
  const above = normal(dest).slice(0, -1).join('/')
  if (above !== '') fs.mkdirSync(`/${above}`, { recursive: true })
  if (a.isDirectory()) {
    if (!b) fs.mkdirSync(dest, a.mode & 0o7777)
    for (const name of fs.readdirSync(source)) copyAll(fs, join(source, name), join(dest, name), o)
    if (!b) fs.chmodSync(dest, a.mode & 0o7777)
    return
  }
  if (b) {
    if (o.force === false) {
      if (o.errorOnExist) throw copyError('EEXIST', `${dest} already exists`, dest, E.EEXIST)
      if (!a.isSymbolicLink()) return
    }
    fs.unlinkSync(dest)
  }
  if (a.isSymbolicLink()) {
    const target = fs.readlinkSync(source)
    const dir = source.slice(0, source.lastIndexOf('/') + 1) || '/'
    fs.symlinkSync(o.verbatimSymlinks || target.startsWith('/') ? target : `/${normal(join(dir, target)).join('/')}`, dest)
    return
  }
  fs.copyFileSync(source, dest, o.mode ?? 0)
  if (o.preserveTimestamps) fs.utimesSync(dest, a.atime, a.mtime)
}

/**
 * @param {string} code
 * @param {string} message
 * @param {string} path
 * @param {number} [errno]
 */
function copyError(code, message, path, errno = E.EINVAL) {
  return Object.assign(new Error(`${message}: ${path}`), { name: 'SystemError', code: `ERR_FS_CP_${code}`, errno, syscall: 'cp', path })
}
