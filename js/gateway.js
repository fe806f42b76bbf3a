/**
 * Publishing through a gateway, which holds the S3 secret: the browser has a token for one volume, and no S3 module is loaded.
 * s3publish/gate/GATEWAY.md has the protocol.
 */

import { HoldfastError } from './errors.js'
import { RECIPE } from './internal.js'
import { MAX_TEXT, content, dateOf, failureOf, hex, page, textOf, unreachable } from './http.js'

/**
 * Where a gateway is, and what it lets in.
 *
 * @typedef {object} GatewayConfig
 * @property {string} url of the gateway
 * @property {string | (() => string | Promise<string>)} token for one volume; a function is called for the first request, and whenever the gateway refuses
 *   the token that it gave before
 * @property {import('./volume.js').RetryOptions} [retry]
 */

/**
 * Where a volume is published to through a gateway: it takes the place of s3(). Keep what it returns, as that of s3().
 *
 * @param {GatewayConfig} config
 * @returns {import('./volume.js').ObjectStore}
 */
export function gateway({ url, token, retry }) {
  for (const [name, value] of Object.entries({ url, token })) {
    if (!value) throw new HoldfastError('ErrInvalid', `gateway: ${name} is missing`, { errno: 22 })
  }
  if (!/^https?:\/\/[^?#]+$/.test(url)) throw new HoldfastError('ErrInvalid', 'gateway: url: an address such as https://gateway.example.org is needed', { errno: 22 })
  const client = new Client(url, token)
  return {
    retry,
    get: (key, options) => client.get(key, options),
    put: (key, data, options) => client.put(key, data, options),
    list: (prefix, options) => client.list(prefix, options),
    delete: (key, options) => client.delete(key, options),
    .../** @type {object} */ ({ [RECIPE]: ['gateway', { url, token, retry }] }),
  }
}

/**
 * What the gateway answers to a question: a request that S3 accepts, or that it serves objects itself.
 *
 * @typedef {{ direct?: boolean, method: string, url: string, headers: Record<string, string>, seconds: number, folder: string }} Permission
 */

/** How many signed requests are kept for the next read of the same object. */
const KEPT = 4096

class Client {
  #url
  #token
  /** @type {Promise<string> | null} */
  #current = null
  #direct = false
  /** @type {Map<string, Permission & { until: number }>} reads that are signed already, by key */
  #signed = new Map()

  /**
   * @param {string} url
   * @param {GatewayConfig['token']} token
   */
  constructor(url, token) {
    this.#url = url
    this.#token = token
  }

  /**
   * @param {string} key
   * @param {{ offset?: number, length?: number, signal?: AbortSignal }} [options]
   */
  async get(key, { offset = 0, length, signal } = {}) {
    /** @type {Record<string, string>} */
    const headers = {}
    if (length !== undefined) headers.Range = `bytes=${offset}-${offset + length - 1}`
    else if (offset > 0) headers.Range = `bytes=${offset}-`
    const response = await this.#do({ op: 'get', key }, headers, undefined, signal)
    const range = response.headers.get('content-range')
    if (offset > 0 && (response.status !== 206 || (range && !range.startsWith(`bytes ${offset}-`)))) {
      throw new HoldfastError('ErrUnsupported', 'the service ignores ranges', { path: key })
    }
    const data = await content(response, length, key, signal)
    return { data, etag: response.headers.get('etag') ?? '', date: dateOf(response) }
  }

  /**
   * @param {string} key
   * @param {Uint8Array} data
   * @param {{ ifMatch?: string, ifNoneMatch?: boolean, sha256?: string, signal?: AbortSignal }} [options]
   */
  async put(key, data, { ifMatch, ifNoneMatch, sha256, signal } = {}) {
    sha256 ??= hex(new Uint8Array(await crypto.subtle.digest('SHA-256', /** @type {BufferSource} */ (data))))
    const response = await this.#do({ op: 'put', key, size: data.byteLength, sha256, ifMatch, ifNoneMatch }, {}, /** @type {BufferSource} */ (data), signal)
    return { etag: response.headers.get('etag') ?? '' }
  }

  /**
   * @param {string} prefix
   * @param {{ signal?: AbortSignal }} [options]
   */
  async list(prefix, { signal } = {}) {
    /** @type {import('./http.js').Listed[]} */
    const all = []
    for (let after; ; after = all.at(-1)?.key) {
      const response = await this.#do({ op: 'list', key: prefix, after }, {}, undefined, signal)
      const { objects, more } = await page(response, prefix, signal)
      all.push(...objects)
      if (!more || objects.length === 0) return all.sort((a, b) => (a.key < b.key ? -1 : 1))
    }
  }

  /**
   * @param {string} key
   * @param {{ signal?: AbortSignal }} [options]
   */
  async delete(key, { signal } = {}) {
    try {
      await this.#do({ op: 'delete', key }, {}, undefined, signal)
    } catch (err) {
      if (/** @type {any} */ (err).code !== 'ErrNotFound') throw err
    }
  }

  /**
   * One operation, on S3 with a signed request, or on the gateway itself.
   *
   * @param {{ op: string, key: string, size?: number, sha256?: string, ifMatch?: string, ifNoneMatch?: boolean, after?: string }} question
   * @param {Record<string, string>} headers
   * @param {BodyInit | undefined} body
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<Response & { folder?: string }>} one that says OK
   */
  async #do(question, headers, body, signal) {
    if (!this.#direct) {
      const kept = this.#permission(question)
      const permission = kept ?? (await this.#ask(question, signal))
      if (!permission.direct) {
        const send = (/** @type {Permission} */ p) => this.#send(p.url, { method: p.method, headers: { ...p.headers, ...headers }, body, signal }, question)
        let response = await send(permission)
        if (kept && response.status === 403) {
          // The signature may be too old, if this computer slept meanwhile.
          this.#signed.delete(question.key)
          response = await send(await this.#ask(question, signal))
        }
        if (!response.ok) throw await failureOf(response, question.key)
        return Object.assign(response, { folder: permission.folder })
      }
      this.#direct = true
    }
    const { op, key, after, sha256, ifMatch, ifNoneMatch } = question
    const query = new URLSearchParams(op === 'list' ? { list: key } : { key })
    if (after) query.set('after', after)
    if (sha256) headers['X-Content-SHA256'] = sha256
    if (ifMatch) headers['If-Match'] = ifMatch
    if (ifNoneMatch) headers['If-None-Match'] = '*'
    const method = /** @type {Record<string, string>} */ ({ put: 'PUT', delete: 'DELETE' })[op] ?? 'GET'
    return this.#gateway(`${this.#url}?${query}`, { method, headers, body, signal }, question)
  }

  /** @param {{ op: string, key: string }} question */
  #permission({ op, key }) {
    const kept = op === 'get' ? this.#signed.get(key) : undefined
    return kept && kept.until > performance.now() ? kept : undefined
  }

  /**
   * @param {{ op: string, key: string }} question
   * @param {AbortSignal} [signal]
   * @returns {Promise<Permission>}
   */
  async #ask(question, signal) {
    const start = performance.now()
    const response = await this.#gateway(this.#url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(question), signal }, question)
    const text = await textOf(response, MAX_TEXT, question.key, signal)
    let permission
    try {
      permission = JSON.parse(text)
    } catch {}
    if (!permission?.direct && (typeof permission?.url !== 'string' || typeof permission.method !== 'string')) {
      throw new HoldfastError('ErrUnsupported', 'what is at this address is not a gateway', { path: question.key })
    }
    if (question.op === 'get' && !permission.direct) {
      if (this.#signed.size >= KEPT) this.#signed.clear()
      this.#signed.set(question.key, { ...permission, until: start + 1000 * permission.seconds })
    }
    return permission
  }

  /**
   * A request to the gateway, with the token, and with a new one if it was refused.
   *
   * @param {string} url
   * @param {RequestInit & { headers: Record<string, string> }} init
   * @param {{ key: string }} question
   */
  async #gateway(url, init, { key }) {
    for (let tries = 1; ; tries++) {
      const mine = (this.#current ??= this.#newToken())
      let token
      try {
        token = await mine
      } catch (err) {
        if (this.#current === mine) this.#current = null
        // The text of that error is the caller's and may hold anything: it goes nowhere.
        throw new HoldfastError('ErrCredentials', 'the function that gives tokens failed', { path: key })
      }
      const response = await this.#send(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }, { key })
      if (response.ok) return response
      if (response.status !== 401) throw await failureOf(response, key)
      if (this.#current === mine) this.#current = null
      if (typeof this.#token !== 'function' || tries > 1) throw await failureOf(response, key)
      await response.body?.cancel()
    }
  }

  async #newToken() {
    const token = typeof this.#token === 'function' ? await this.#token() : this.#token
    if (typeof token !== 'string' || !/^[\w.~+/=-]+$/.test(token)) throw new Error('not a token')
    return token
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   * @param {{ key: string }} question
   */
  async #send(url, init, { key }) {
    try {
      // A head from a cache would be an old one.
      return await fetch(url, { ...init, cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' })
    } catch (err) {
      throw unreachable(err, key, url, init.signal ?? undefined)
    }
  }
}
