/** An object store in memory that counts, and fails when told to. */

/** @param {string} code */
const failure = (code) => Object.assign(new Error(code), { code })

export function memoryStore() {
  /** @type {Map<string, { data: Uint8Array, etag: string, modified: number }>} */
  const objects = new Map()
  let tag = 0
  const s = {
    objects,
    /** The service's clock. */ now: Date.now,
    /** @type {[op: string, key: string, bytes: number][]} */ log: [],
    /** Called before each request; may throw or wait. @type {(op: string, key: string, signal?: AbortSignal) => any} */ before: () => {},
    /** @param {string} key @param {any} [o] */
    async get(key, { offset = 0, length, signal } = {}) {
      await s.before('get', key, signal)
      const o = objects.get(key)
      if (!o) throw Object.assign(failure('ErrNotFound'), { date: s.now() })
      const data = o.data.slice(offset, length === undefined ? undefined : offset + length)
      s.log.push(['get', key, data.length])
      return { data, etag: o.etag, date: s.now() }
    },
    /** @param {string} key @param {Uint8Array} data @param {any} [o] */
    async put(key, data, { ifMatch, ifNoneMatch, signal } = {}) {
      await s.before('put', key, signal)
      const old = objects.get(key)
      if ((ifNoneMatch && old) || (ifMatch && old?.etag !== ifMatch)) throw failure('ErrPrecondition')
      s.log.push(['put', key, data.length])
      const etag = `"${++tag}"`
      objects.set(key, { data: data.slice(), etag, modified: s.now() })
      return { etag }
    },
    /** @param {string} prefix @param {any} [o] */
    async list(prefix, { signal } = {}) {
      await s.before('list', prefix, signal)
      return [...objects.keys()].filter((k) => k.startsWith(prefix)).sort().map((key) => ({ key, size: /** @type {any} */ (objects.get(key)).data.length, modified: objects.get(key)?.modified }))
    },
    /** @param {string} key @param {any} [o] */
    async delete(key, { signal } = {}) {
      await s.before('delete', key, signal)
      objects.delete(key)
    },
    /** What was put since the last call. */
    takeLog() {
      return s.log.splice(0).filter(([op]) => op === 'put')
    },
  }
  return s
}

export { failure }
