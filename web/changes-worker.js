// What differs between two points of a volume, for people: runs in the worker, beside the volume.

import { DATABASE_FOLDER, DATABASES } from './site.js'
import { Database } from './sqlite-pages.js'
import { diffLines } from './text-diff.js'

const MAX_TEXT = 1 << 20
const MAX_LINES = 2000 // of a difference that is shown

/** Without what the demo itself writes. */
export function describeChanges(volume, a, b) {
  return volume.diff(a, b).filter(({ path }) => path !== '/.holdfast' && !path.startsWith('/.holdfast/'))
}

/** The database of a point, read page by page; null when it has none. */
export function databaseFile(volume, id) {
  const fs = volume.readSnapshot(id)
  const path = DATABASES.map((name) => `${DATABASE_FOLDER}/${name}`).find((path) => fs.existsSync(path))
  if (!path) {
    fs.release()
    return null
  }
  const fd = fs.openSync(path, 'r')
  return {
    path,
    open: () => new Database({
      size: fs.fstatSync(fd).size,
      read(offset, length) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, fs.readSync(fd, bytes, 0, length, offset))
      },
    }),
    release() {
      fs.closeSync(fd)
      fs.release()
    },
  }
}

/**
 * The difference of one file, when it is text.
 *
 * @returns {{ kind: 'text', pieces: ReturnType<typeof diffLines>, cut: boolean } | { kind: 'binary' | 'large' }}
 */
export function fileDifference(volume, a, b, { path, from = path }) {
  const [before, after] = [textOf(volume, a, from), textOf(volume, b, path)]
  if (before === 'large' || after === 'large') return { kind: 'large' }
  if (before === 'binary' || after === 'binary') return { kind: 'binary' }
  let left = MAX_LINES
  const pieces = diffLines(before.text, after.text)
  const shown = []
  for (const piece of pieces) {
    if (left <= 0) break
    shown.push({ ...piece, lines: piece.lines.slice(0, left) })
    left -= piece.lines.length
  }
  return { kind: 'text', pieces: shown, cut: left < 0 }
}

function textOf(volume, id, path) {
  const fs = volume.readSnapshot(id)
  try {
    const info = fs.lstatSync(path, { throwIfNoEntry: false })
    if (!info) return { text: '' }
    if (info.isSymbolicLink()) return { text: `→ ${fs.readlinkSync(path)}\n` }
    if (!info.isFile()) return { text: '' }
    if (info.size > MAX_TEXT) return 'large'
    const bytes = fs.readFileSync(path)
    if (bytes.includes(0)) return 'binary'
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (error) {
    if (error instanceof TypeError) return 'binary' // not UTF-8
    throw error
  } finally {
    fs.release()
  }
}
