// Zip and tar, reading and writing: what the demo needs to take a site out and in.
//
// Formats: zip after PKWARE's APPNOTE.TXT 6.3.10 (stored and deflated entries, no encryption, no Zip64 beyond 4 GiB); tar after
// POSIX.1-2001 (ustar and pax headers) and GNU's long names. Every length in an archive is checked against the archive before it is used.

/** One file, folder or symbolic link. Paths are relative, with "/" between names; mtime is in milliseconds since 1970. */
/** @typedef {{ path: string, type: 'file' | 'directory' | 'symlink', mode: number, mtime: number, data?: Uint8Array, target?: string }} Entry */

export class ArchiveError extends Error {
  name = 'ArchiveError'
  code = 'ErrArchive'
}

/** An entry may not unpack to more than this: a hostile archive could fill the memory with a few kilobytes. */
const MAX_ENTRY = 1 << 30
const MAX_ENTRIES = 1_000_000

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Reads a zip, a tar or a tar.gz, whichever it is.
 *
 * @param {Blob} archive
 * @returns {AsyncGenerator<Entry & { progress: number }>} progress: how much of the archive has been read, from 0 to 1
 */
export async function* readArchive(archive) {
  const head = await bytesOf(archive.slice(0, 512))
  if (head[0] === 0x50 && head[1] === 0x4b) yield* readZip(archive)
  else if (head[0] === 0x1f && head[1] === 0x8b) {
    // The compressed size is not the position in the tar, so progress is by what went into the decompressor.
    let read = 0
    const counted = archive.stream().pipeThrough(new TransformStream({
      transform(chunk, out) {
        read += chunk.length
        out.enqueue(chunk)
      },
    }))
    yield* readTar(counted.pipeThrough(new DecompressionStream('gzip')), () => read / archive.size)
  } else if (head.length === 512 && isTarHeader(head)) {
    let position = 0
    yield* readTar(archive.stream(), (n) => (position = n) / archive.size)
  } else throw new ArchiveError('this is neither a zip nor a tar file')
}

// ---- zip ----

async function* readZip(archive) {
  const tail = Math.min(archive.size, 22 + 0xffff)
  const end = view(await bytesOf(archive.slice(archive.size - tail)))
  let at = end.byteLength - 22
  while (at >= 0 && end.getUint32(at, true) !== 0x06054b50) at--
  if (at < 0) throw new ArchiveError('the zip file has no end: it was not transferred whole')
  const count = end.getUint16(at + 10, true)
  const size = end.getUint32(at + 12, true)
  const start = end.getUint32(at + 16, true)
  if (count === 0xffff || start === 0xffffffff || size === 0xffffffff) throw new ArchiveError('the zip file is larger than 4 GiB, or has more than 65,534 entries')
  if (start + size > archive.size) throw new ArchiveError('the directory of the zip file reaches beyond its end')
  const directory = view(await bytesOf(archive.slice(start, start + size)))

  for (let i = 0, p = 0; i < count; i++) {
    if (p + 46 > size || directory.getUint32(p, true) !== 0x02014b50) throw new ArchiveError(`entry ${i} of the zip file is damaged`)
    const flags = directory.getUint16(p + 8, true)
    const method = directory.getUint16(p + 10, true)
    const crc = directory.getUint32(p + 16, true)
    const packed = directory.getUint32(p + 20, true)
    const unpacked = directory.getUint32(p + 24, true)
    const nameLength = directory.getUint16(p + 28, true)
    const next = p + 46 + nameLength + directory.getUint16(p + 30, true) + directory.getUint16(p + 32, true)
    if (next > size) throw new ArchiveError(`entry ${i} of the zip file is damaged`)
    const name = decoder.decode(new Uint8Array(directory.buffer, directory.byteOffset + p + 46, nameLength))
    const unix = directory.getUint8(p + 5) === 3 ? directory.getUint32(p + 38, true) >>> 16 : 0
    const local = directory.getUint32(p + 42, true)
    const mtime = fromDosTime(directory.getUint16(p + 14, true), directory.getUint16(p + 12, true))
    p = next

    if (flags & 1) throw new ArchiveError(`${name} is encrypted`)
    if (unpacked > MAX_ENTRY) throw new ArchiveError(`${name} is larger than 1 GiB`)
    const path = safePath(name)
    const progress = (i + 1) / count
    if (path === '') continue
    if (name.endsWith('/')) {
      yield { path, type: 'directory', mode: unix & 0o7777 || 0o755, mtime, progress }
      continue
    }
    const header = view(await bytesOf(archive.slice(local, local + 30)))
    if (header.byteLength < 30 || header.getUint32(0, true) !== 0x04034b50) throw new ArchiveError(`${name} is not where the zip file says`)
    const from = local + 30 + header.getUint16(26, true) + header.getUint16(28, true)
    if (from + packed > archive.size) throw new ArchiveError(`${name} reaches beyond the end of the zip file`)
    const body = archive.slice(from, from + packed)
    const data = method === 0 ? await bytesOf(body) : method === 8 ? await inflate(body, unpacked, name) : null
    if (!data) throw new ArchiveError(`${name} is compressed in a way that is not known here (method ${method})`)
    if (data.length !== unpacked || crc32(data) !== crc) throw new ArchiveError(`${name} is damaged: its checksum does not match`)
    if ((unix & 0o170000) === 0o120000) yield { path, type: 'symlink', mode: 0o777, mtime, target: decoder.decode(data), progress }
    else yield { path, type: 'file', mode: unix & 0o7777 || 0o644, mtime, data, progress }
  }
}

/** @param {Blob} body @param {number} size of what comes out @param {string} name */
async function inflate(body, size, name) {
  const into = new Uint8Array(size)
  let at = 0
  const reader = body.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return into.subarray(0, at)
      if (at + value.length > size) throw new ArchiveError(`${name} is longer than the zip file says`)
      into.set(value, at)
      at += value.length
    }
  } catch (error) {
    await reader.cancel().catch(() => {})
    throw error instanceof ArchiveError ? error : new ArchiveError(`${name} is damaged: ${error.message}`)
  }
}

/**
 * @param {Iterable<Entry> | AsyncIterable<Entry>} entries
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* writeZip(entries) {
  const directory = []
  let offset = 0
  for await (const entry of entries) {
    const name = encoder.encode(entry.type === 'directory' ? `${entry.path}/` : entry.path)
    const data = entry.type === 'symlink' ? encoder.encode(entry.target) : (entry.data ?? new Uint8Array(0))
    const deflated = entry.type === 'file' && data.length > 64 ? await deflate(data) : null
    const body = deflated && deflated.length < data.length ? deflated : data
    const [date, time] = toDosTime(entry.mtime)
    const kind = entry.type === 'directory' ? 0o040000 : entry.type === 'symlink' ? 0o120000 : 0o100000

    // The fields that local header and directory share, from "version needed" to "extra length".
    const shared = new DataView(new ArrayBuffer(26))
    shared.setUint16(0, 20, true)
    shared.setUint16(2, 0x0800, true) // the name is UTF-8
    shared.setUint16(4, body === data ? 0 : 8, true)
    shared.setUint16(6, time, true)
    shared.setUint16(8, date, true)
    shared.setUint32(10, crc32(data), true)
    shared.setUint32(14, body.length, true)
    shared.setUint32(18, data.length, true)
    shared.setUint16(22, name.length, true)
    const common = new Uint8Array(shared.buffer)

    const head = new Uint8Array(30 + name.length)
    view(head).setUint32(0, 0x04034b50, true)
    head.set(common, 4)
    head.set(name, 30)
    const line = new Uint8Array(46 + name.length)
    const v = view(line)
    v.setUint32(0, 0x02014b50, true)
    v.setUint16(4, 0x031e, true) // made by: Unix, version 3.0
    line.set(common, 6)
    v.setUint32(38, ((kind | (entry.mode & 0o7777)) << 16) >>> 0, true)
    v.setUint32(42, offset, true)
    line.set(name, 46)
    directory.push(line)

    offset += head.length + body.length
    if (offset > 0xfffffffe || directory.length > 0xfffe) throw new ArchiveError('the site is too large for a zip file; take a tar')
    yield head
    yield body
  }
  const size = directory.reduce((sum, line) => sum + line.length, 0)
  yield* directory
  const end = new DataView(new ArrayBuffer(22))
  end.setUint32(0, 0x06054b50, true)
  end.setUint16(8, directory.length, true)
  end.setUint16(10, directory.length, true)
  end.setUint32(12, size, true)
  end.setUint32(16, offset, true)
  yield new Uint8Array(end.buffer)
}

async function deflate(data) {
  return bytesOf(await new Response(new Blob([data]).stream().pipeThrough(new CompressionStream('deflate-raw'))).blob())
}

// ---- tar ----

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {(position: number) => number} progress
 */
async function* readTar(stream, progress) {
  const source = new ByteSource(stream)
  let more = {} // what pax and GNU headers say about the entry after them
  let global = {}
  for (let n = 0; ; n++) {
    if (n > MAX_ENTRIES) throw new ArchiveError('the tar file has too many entries')
    const header = await source.take(512)
    if (header === null || header.every((byte) => byte === 0)) return source.cancel()
    if (!isTarHeader(header)) throw new ArchiveError('the tar file is damaged: a header has a wrong checksum')
    const kind = String.fromCharCode(header[156])
    const size = more.size !== undefined ? Number(more.size) : tarNumber(header, 124, 12)
    if (!(size >= 0 && size <= MAX_ENTRY)) throw new ArchiveError('the tar file has an entry larger than 1 GiB')
    const body = await source.take(size)
    const padding = await source.take((512 - (size % 512)) % 512)
    if (body === null || padding === null) throw new ArchiveError('the tar file ends in the middle of an entry')

    if (kind === 'x') { more = { ...more, ...paxRecords(body) }; continue }
    if (kind === 'g') { global = { ...global, ...paxRecords(body) }; continue }
    if (kind === 'L') { more = { ...more, path: untilZero(body) }; continue }
    if (kind === 'K') { more = { ...more, linkpath: untilZero(body) }; continue }

    const said = { ...global, ...more }
    more = {}
    const prefix = untilZero(header.subarray(345, 500))
    const ustar = decoder.decode(header.subarray(257, 262)) === 'ustar'
    const path = safePath(said.path ?? (ustar && prefix ? `${prefix}/` : '') + untilZero(header.subarray(0, 100)))
    if (path === '') continue
    const entry = {
      path,
      mode: tarNumber(header, 100, 8) & 0o7777,
      mtime: said.mtime !== undefined ? Number(said.mtime) * 1000 : tarNumber(header, 136, 12) * 1000,
      progress: progress(source.position),
    }
    if (!Number.isFinite(entry.mtime)) entry.mtime = 0
    if (kind === '5') yield { ...entry, type: 'directory' }
    else if (kind === '2') yield { ...entry, type: 'symlink', target: said.linkpath ?? untilZero(header.subarray(157, 257)) }
    else if (kind === '0' || kind === '\0' || kind === '7') yield { ...entry, type: 'file', data: body }
    else throw new ArchiveError(`${path} is neither a file nor a folder nor a symbolic link`)
  }
}

/**
 * @param {Iterable<Entry> | AsyncIterable<Entry>} entries
 * @returns {AsyncGenerator<Uint8Array>}
 */
export async function* writeTar(entries) {
  for await (const entry of entries) {
    const name = entry.type === 'directory' ? `${entry.path}/` : entry.path
    const data = entry.type === 'file' ? (entry.data ?? new Uint8Array(0)) : new Uint8Array(0)
    const target = entry.type === 'symlink' ? entry.target : ''
    // pax records when a name does not fit, or for a file's exact time.
    const records = [['mtime', (entry.mtime / 1000).toFixed(3)]]
    if (encoder.encode(name).length > 100) records.push(['path', name])
    if (encoder.encode(target).length > 100) records.push(['linkpath', target])
    const pax = encoder.encode(records.map(([key, value]) => paxRecord(key, value)).join(''))
    yield tarHeader({ name: `PaxHeaders/${name}`, kind: 'x', size: pax.length, mode: 0o644, mtime: entry.mtime, target: '' })
    yield pax
    yield zeros(pax.length)
    yield tarHeader({ name, kind: { file: '0', directory: '5', symlink: '2' }[entry.type], size: data.length, mode: entry.mode, mtime: entry.mtime, target })
    yield data
    yield zeros(data.length)
  }
  yield new Uint8Array(1024)
}

const zeros = (size) => new Uint8Array((512 - (size % 512)) % 512)

function tarHeader({ name, kind, size, mode, mtime, target }) {
  const header = new Uint8Array(512)
  const put = (text, at, length) => header.set(encoder.encode(text).subarray(0, length), at)
  const number = (value, at, length) => put(Math.max(0, Math.trunc(value)).toString(8).padStart(length - 1, '0'), at, length - 1)
  put(name, 0, 100)
  number(mode & 0o7777, 100, 8)
  number(0, 108, 8)
  number(0, 116, 8)
  number(size, 124, 12)
  number(mtime / 1000, 136, 12)
  put(kind, 156, 1)
  put(target, 157, 100)
  put('ustar\u000000', 257, 8)
  put(tarChecksum(header).toString(8).padStart(6, '0') + '\0 ', 148, 8)
  return header
}

function tarChecksum(header) {
  let sum = 0
  for (let i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? 32 : header[i]
  return sum
}

function isTarHeader(header) {
  return tarNumber(header, 148, 8) === tarChecksum(header)
}

/** Octal, or base-256 when the first bit is set (GNU). */
function tarNumber(header, at, length) {
  if (header[at] & 0x80) {
    let n = header[at] & 0x7f
    for (let i = 1; i < length; i++) n = n * 256 + header[at + i]
    return n
  }
  return parseInt(untilZero(header.subarray(at, at + length)).trim() || '0', 8)
}

/** A record is its own length in decimal, a space, key=value and a line feed. */
function paxRecord(key, value) {
  const rest = ` ${key}=${value}\n`
  const bytes = encoder.encode(rest).length
  let length = bytes + String(bytes).length
  while (String(length).length + bytes !== length) length = bytes + String(length).length
  return length + rest
}

function paxRecords(body) {
  const said = {}
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(32, at)
    const length = space < 0 ? NaN : Number(decoder.decode(body.subarray(at, space)))
    if (!(length > space - at + 1 && at + length <= body.length)) throw new ArchiveError('the tar file has a damaged extended header')
    const text = decoder.decode(body.subarray(space + 1, at + length - 1))
    const equals = text.indexOf('=')
    if (equals > 0) said[text.slice(0, equals)] = text.slice(equals + 1)
    at += length
  }
  return said
}

/** Takes exact numbers of bytes from a stream. */
class ByteSource {
  position = 0
  #reader
  #chunk = new Uint8Array(0)
  constructor(stream) {
    this.#reader = stream.getReader()
  }

  /** @returns {Promise<Uint8Array | null>} null: the stream ended before that */
  async take(n) {
    const parts = []
    let missing = n
    while (missing > 0) {
      if (this.#chunk.length === 0) {
        const { value, done } = await this.#reader.read().catch((error) => { throw new ArchiveError(`the file cannot be read: ${error.message}`) })
        if (done) return null
        this.#chunk = value
        continue
      }
      const part = this.#chunk.subarray(0, missing)
      this.#chunk = this.#chunk.subarray(part.length)
      parts.push(part)
      missing -= part.length
    }
    this.position += n
    if (parts.length === 1) return parts[0].slice()
    const whole = new Uint8Array(n)
    let at = 0
    for (const part of parts) { whole.set(part, at); at += part.length }
    return whole
  }

  cancel() {
    return this.#reader.cancel()
  }
}

// ---- both ----

/** Names that would leave the folder are refused; the rest is made plain ("./a//b" is "a/b"). */
function safePath(name) {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..') || name.includes('\0')) throw new ArchiveError(`the archive has an entry that lies outside of it: ${name}`)
  return parts.join('/')
}

function untilZero(bytes) {
  const end = bytes.indexOf(0)
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end))
}

async function bytesOf(blob) {
  return new Uint8Array(await blob.arrayBuffer())
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function fromDosTime(date, time) {
  return new Date((date >> 9) + 1980, ((date >> 5) & 15) - 1, date & 31, time >> 11, (time >> 5) & 63, (time & 31) * 2).getTime()
}

function toDosTime(ms) {
  const d = new Date(ms)
  const year = Math.min(Math.max(d.getFullYear(), 1980), 2107)
  return [((year - 1980) << 9) | ((d.getMonth() + 1) << 5) | d.getDate(), (d.getHours() << 11) | (d.getMinutes() << 5) | (d.getSeconds() >> 1)]
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})

export function crc32(bytes) {
  let crc = -1
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8)
  return ~crc >>> 0
}
