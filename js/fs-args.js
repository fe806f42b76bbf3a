/** Arguments as node:fs takes them, and bytes to and from strings. */

import { O } from './files.js'

const encoder = new TextEncoder()

/** @typedef {string | URL | Uint8Array} PathLike */
/** @typedef {string | { encoding?: string | null, flag?: string | number, mode?: number | string, flush?: boolean } | null} FileOptions */

/**
 * @param {string} code
 * @param {string} message
 */
export function invalid(code, message) {
  return Object.assign(new TypeError(message), { code })
}

/**
 * @param {string} what the argument, and what it must be
 * @param {any} received
 */
export function invalidType(what, received) {
  let got
  if (received === null || received === undefined) got = String(received)
  else if (typeof received === 'function') got = `function ${received.name}`
  else if (typeof received === 'object') got = received.constructor?.name ? `an instance of ${received.constructor.name}` : 'an object'
  else {
    const text = typeof received === 'string' ? `'${received}'` : typeof received === 'bigint' ? `${received}n` : String(received)
    got = `type ${typeof received} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`
  }
  return invalid('ERR_INVALID_ARG_TYPE', `The ${what}. Received ${got}`)
}

/**
 * @param {string} name
 * @param {string} must
 * @param {unknown} received
 */
function outOfRange(name, must, received) {
  return Object.assign(new RangeError(`The value of "${name}" is out of range. It must be ${must}. Received ${received}`), { code: 'ERR_OUT_OF_RANGE' })
}

/**
 * The part of a view that a read or a write is about.
 *
 * @param {ArrayBufferView} view
 * @param {number | null | undefined} offset
 * @param {number | null | undefined} length
 */
export function toPart(view, offset, length) {
  if (!ArrayBuffer.isView(view)) throw invalidType('"buffer" argument must be an instance of Buffer, TypedArray, or DataView', view)
  const bytes = toBytes(view)
  const at = toCount('offset', offset ?? 0)
  const n = toCount('length', length ?? Math.max(0, bytes.length - at))
  if (n > 0 && at > bytes.length) throw outOfRange('offset', `>= 0 && <= ${bytes.length}`, at)
  if (n > bytes.length - at) throw outOfRange('length', `<= ${bytes.length - at}`, n)
  return bytes.subarray(at, at + n)
}

/**
 * @param {string} name
 * @param {unknown} n
 */
function toCount(name, n) {
  if (typeof n !== 'number') throw invalidType(`"${name}" argument must be of type number`, n)
  if (!Number.isInteger(n)) throw outOfRange(name, 'an integer', n)
  if (n < 0) throw outOfRange(name, '>= 0', n)
  return n
}

/**
 * @param {PathLike} path
 * @param {string} [name]
 */
export function toPath(path, name = 'path') {
  let p
  if (typeof path === 'string') p = path
  else if (path instanceof Uint8Array) p = new TextDecoder().decode(path)
  else if (path instanceof URL && path.protocol === 'file:') p = decodeURIComponent(path.pathname)
  else throw invalidType(`"${name}" argument must be of type string or an instance of Buffer or URL`, path)
  if (p.includes('\0')) throw invalid('ERR_INVALID_ARG_VALUE', `The argument '${name}' must be a string, Uint8Array, or URL without null bytes.`)
  return p
}

/**
 * @param {number} fd
 */
export function toFd(fd) {
  if (typeof fd !== 'number' || !Number.isInteger(fd)) throw invalidType('"fd" argument must be of type number', fd)
  return fd
}

/** @type {Record<string, number>} */
const FLAGS = {
  r: O.O_RDONLY,
  rs: O.O_RDONLY | O.O_SYNC,
  'r+': O.O_RDWR,
  'rs+': O.O_RDWR | O.O_SYNC,
  w: O.O_WRONLY | O.O_CREAT | O.O_TRUNC,
  wx: O.O_WRONLY | O.O_CREAT | O.O_TRUNC | O.O_EXCL,
  'w+': O.O_RDWR | O.O_CREAT | O.O_TRUNC,
  'wx+': O.O_RDWR | O.O_CREAT | O.O_TRUNC | O.O_EXCL,
  a: O.O_WRONLY | O.O_CREAT | O.O_APPEND,
  ax: O.O_WRONLY | O.O_CREAT | O.O_APPEND | O.O_EXCL,
  as: O.O_WRONLY | O.O_CREAT | O.O_APPEND | O.O_SYNC,
  'a+': O.O_RDWR | O.O_CREAT | O.O_APPEND,
  'ax+': O.O_RDWR | O.O_CREAT | O.O_APPEND | O.O_EXCL,
  'as+': O.O_RDWR | O.O_CREAT | O.O_APPEND | O.O_SYNC,
}

/** @param {string | number} flags */
export function toFlags(flags) {
  if (typeof flags === 'number') return flags
  const f = FLAGS[flags] ?? FLAGS[flags.replace(/^x([wa])/, '$1x').replace(/^s([ra])/, '$1s')]
  if (f === undefined) throw invalid('ERR_INVALID_ARG_VALUE', `The argument 'flags' is invalid. Received '${flags}'`)
  return f
}

/**
 * @param {number | string | undefined} mode
 * @param {number} otherwise
 */
export function toMode(mode, otherwise) {
  if (mode === undefined || mode === null) return otherwise
  const m = typeof mode === 'string' ? parseInt(mode, 8) : mode
  if (!Number.isInteger(m) || m < 0) throw invalid('ERR_INVALID_ARG_VALUE', `The argument 'mode' must be a 32-bit unsigned integer or an octal string.`)
  return m
}

/**
 * Milliseconds since 1970 of a time as utimes takes it: seconds, a date, or a numeric string.
 *
 * @param {number | string | Date} time
 */
export function toMillis(time) {
  if (time instanceof Date) return time.getTime()
  const t = Number(time)
  if (Number.isNaN(t)) throw invalidType('"time" argument must be of type number, string or Date', time)
  // Seconds with a fraction: rounded to microseconds, which is what a double still tells apart.
  return Number.isInteger(t) ? t * 1000 : Math.round(t * 1e6) / 1e3
}

/**
 * @template {object} T
 * @param {T | string | null | undefined} options
 * @returns {T & { encoding?: string | null }}
 */
export function toOptions(options) {
  return /** @type {any} */ (typeof options === 'string' ? { encoding: options } : (options ?? {}))
}

/**
 * @param {string | ArrayBufferView | ArrayBuffer} data
 * @param {string | null} [encoding]
 * @returns {Uint8Array}
 */
export function toBytes(data, encoding) {
  if (typeof data === 'string') {
    if (!encoding || /^utf-?8$/i.test(encoding)) return encoder.encode(data)
    if (typeof Buffer !== 'undefined') return Buffer.from(data, /** @type {BufferEncoding} */ (encoding))
    return fromText(data, encoding.toLowerCase())
  }
  if (data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  throw invalidType('"data" argument must be of type string or an instance of Buffer, TypedArray, or DataView', data)
}

/**
 * Bytes as the caller wants them: a string in an encoding, or a Buffer where there is one.
 *
 * @param {Uint8Array} bytes
 * @param {string | null} [encoding]
 * @returns {any}
 */
export function fromBytes(bytes, encoding) {
  const plain = !encoding || encoding === 'buffer'
  if (typeof Buffer !== 'undefined') {
    const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return plain ? b : b.toString(/** @type {BufferEncoding} */ (encoding))
  }
  return plain ? bytes : toText(bytes, /** @type {string} */ (encoding).toLowerCase())
}

/** A Buffer where there are some. @param {Uint8Array} bytes */
export const toBuffer = (bytes) => fromBytes(bytes)

/** @param {Uint8Array} b */
const binary = (b) => {
  let s = ''
  for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192))
  return s
}

/**
 * @param {string} encoding
 * @returns {never}
 */
function unknown(encoding) {
  throw invalid('ERR_INVALID_ARG_VALUE', `The argument 'encoding' is invalid encoding. Received '${encoding}'`)
}

/**
 * @param {Uint8Array} bytes
 * @param {string} encoding
 */
function toText(bytes, encoding) {
  switch (encoding) {
    case 'utf8':
    case 'utf-8':
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    case 'latin1':
    case 'binary':
      return binary(bytes)
    case 'ascii':
      return binary(bytes.map((b) => b & 127))
    case 'hex':
      return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
    case 'base64':
      return btoa(binary(bytes))
  }
  return unknown(encoding)
}

/**
 * @param {string} text
 * @param {string} encoding
 */
function fromText(text, encoding) {
  switch (encoding) {
    case 'latin1':
    case 'binary':
    case 'ascii':
      return Uint8Array.from(text, (c) => c.charCodeAt(0))
    case 'hex':
      return Uint8Array.from(text.match(/../g) ?? [], (h) => parseInt(h, 16))
    case 'base64':
      return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
  }
  return unknown(encoding)
}
