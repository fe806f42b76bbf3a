/** What answers of S3 and of a gateway mean, and reading no more of them than was asked for. */

import { HoldfastError } from './errors.js'

/** Error codes of S3, as s3publish/s3store has them. @type {Record<string, string>} */
const CODES = {
  NoSuchKey: 'ErrNotFound', NoSuchBucket: 'ErrNoBucket', PreconditionFailed: 'ErrPrecondition', InvalidRange: 'ErrRange',
  RequestTimeTooSkewed: 'ErrClock', RequestExpired: 'ErrClock', NotImplemented: 'ErrUnsupported',
  ConditionalRequestConflict: 'ErrUnreachable', OperationAborted: 'ErrUnreachable', SlowDown: 'ErrUnreachable', RequestTimeout: 'ErrUnreachable',
  InternalError: 'ErrUnreachable', BadDigest: 'ErrUnreachable', IncompleteBody: 'ErrUnreachable',
  XAmzContentSHA256Mismatch: 'ErrUnreachable', XAmzContentChecksumMismatch: 'ErrUnreachable',
}

/** @param {number} status */
function codeOfStatus(status) {
  if (status === 401 || status === 403) return 'ErrCredentials'
  if (status === 412) return 'ErrPrecondition'
  if (status === 416) return 'ErrRange'
  if ([408, 409, 425, 429].includes(status) || (status >= 500 && status !== 501)) return 'ErrUnreachable'
  return 'ErrUnsupported' // 404 without S3's code, 501, and what nobody expects
}

/** Texts are cut there: they are for people. */
export const MAX_TEXT = 64 << 10
const MAX_LIST = 16 << 20
/** Packs, the largest objects, end there (LAYOUT.md). */
const MAX_OBJECT = 64 << 20

/**
 * The error of an answer that does not say OK: the gateway's JSON, S3's XML, or something else's page.
 *
 * @param {Response} response
 * @param {string} key
 */
export async function failureOf(response, key) {
  let text = ''
  try {
    text = new TextDecoder().decode(await read(response, MAX_TEXT))
  } catch (err) {
    // Without its text, a 404 could mean anything.
    if (err !== tooLong) return unreachable(err, key, response.url)
  }
  let code = codeOfStatus(response.status)
  let said = ''
  let hint
  if (response.headers.get('content-type')?.startsWith('application/json')) {
    try {
      const error = JSON.parse(text)
      if (/^Err[A-Za-z]+$/.test(error.code)) code = error.code
      said = String(error.message ?? '')
      if (typeof error.hint === 'string' && error.hint) hint = error.hint
    } catch {}
  } else {
    const s3 = element(text, 'Code')
    code = CODES[s3] ?? code
    said = [s3, element(text, 'Message')].filter(Boolean).join(': ')
  }
  const err = new HoldfastError(code, `HTTP ${response.status}${said && `: ${said.slice(0, 300)}`}`, { path: key, hint })
  return Object.assign(err, { retryAfter: retryAfter(response), date: dateOf(response) })
}

/**
 * The server's clock in milliseconds since 1970; undefined where CORS rules hide it.
 *
 * @param {Response} response
 */
export function dateOf(response) {
  return Date.parse(response.headers.get('date') ?? '') || undefined
}

/**
 * How long the server asks us to wait, in milliseconds (RFC 9110, section 10.2.3).
 *
 * @param {Response} response
 */
function retryAfter(response) {
  const value = response.headers.get('retry-after')
  if (value === null) return undefined
  const pause = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now()
  return pause >= 0 ? pause : undefined
}

/**
 * The error of a request without an answer.
 *
 * @param {any} err what fetch rejected with
 * @param {string} key
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
export function unreachable(err, key, url, signal) {
  if (signal?.aborted) return new HoldfastError('ErrAborted', 'aborted', { path: key, cause: signal.reason })
  // Node says "fetch failed" and puts the reason into cause.
  const why = [err?.message, err?.cause?.message].filter(Boolean).join(': ')
  return new HoldfastError('ErrUnreachable', `${why || 'no answer'} (${url && new URL(url).host})`, {
    path: key,
    hint: 'The server is down, the address is wrong, or it does not allow this page: its CORS rules must allow the page\'s origin, GET, PUT and DELETE, all request headers, and expose ETag, Date and Retry-After.',
  })
}

/**
 * The content of an object.
 *
 * @param {Response} response
 * @param {number | undefined} length as it was asked for; what is longer is refused
 * @param {string} key
 * @param {AbortSignal} [signal]
 */
export async function content(response, length, key, signal) {
  try {
    return await read(response, length ?? MAX_OBJECT)
  } catch (err) {
    if (err === tooLong) throw new HoldfastError('ErrUnsupported', 'the service sent more than was asked for', { path: key })
    throw unreachable(err, key, response.url, signal)
  }
}

/**
 * The text of an answer.
 *
 * @param {Response} response
 * @param {number} limit in bytes; what is longer is refused
 * @param {string} key
 * @param {AbortSignal} [signal]
 */
export async function textOf(response, limit, key, signal) {
  return new TextDecoder().decode(await content(response, limit, key, signal))
}

/**
 * @typedef {{ key: string, size: number, modified: number }} Listed an object: bytes, and milliseconds since 1970
 */

/**
 * One page of a list: the gateway's JSON, or the XML of S3's ListObjectsV2.
 *
 * @param {Response & { folder?: string }} response folder is what the gateway put before our keys
 * @param {string} prefix
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ objects: Listed[], more: boolean }>}
 */
export async function page(response, prefix, signal) {
  const text = await textOf(response, MAX_LIST, prefix, signal)
  const { folder = '' } = response
  try {
    if (response.headers.get('content-type')?.startsWith('application/json')) return JSON.parse(text)
    if (!text.includes('<ListBucketResult')) throw new SyntaxError('not a list')
    const objects = []
    for (const [, item] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = element(item, 'Key')
      if (!key.startsWith(folder + prefix)) continue
      objects.push({ key: key.slice(folder.length), size: Number(element(item, 'Size')), modified: Date.parse(element(item, 'LastModified')) })
    }
    return { objects, more: element(text, 'IsTruncated') === 'true' }
  } catch {
    throw new HoldfastError('ErrUnsupported', 'the answer is no list', { path: prefix })
  }
}

/**
 * The text of the first element with this name. S3's answers have neither attributes nor CDATA in these; a worker has no XML parser.
 *
 * @param {string} xml
 * @param {string} name
 */
function element(xml, name) {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
  return found.replace(/&(?:amp|lt|gt|quot|apos|#(\d+)|#x([0-9a-fA-F]+));/g, (entity, decimal, hexadecimal) =>
    decimal || hexadecimal ? String.fromCodePoint(parseInt(decimal ?? hexadecimal, decimal ? 10 : 16)) : /** @type {Record<string, string>} */ ({
      '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'",
    })[entity])
}

const tooLong = new Error('longer than asked for')

/**
 * Reads a body, and holds no more than `limit` bytes of it.
 *
 * @param {Response} response
 * @param {number} limit
 * @returns {Promise<Uint8Array>}
 */
async function read(response, limit) {
  const announced = response.headers.get('content-length')
  // With a content coding it is the length of what was coded.
  if (announced !== null && !response.headers.has('content-encoding')) {
    if (Number(announced) <= limit) return new Uint8Array(await response.arrayBuffer())
    await response.body?.cancel()
    throw tooLong
  }
  const pieces = []
  let total = 0
  if (response.body) {
    const reader = response.body.getReader()
    for (let r = await reader.read(); !r.done; r = await reader.read()) {
      total += r.value.length
      if (total > limit) {
        await reader.cancel()
        throw tooLong
      }
      pieces.push(r.value)
    }
  }
  const whole = new Uint8Array(total)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
