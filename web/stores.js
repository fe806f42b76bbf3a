// Object stores besides the package's own.

/**
 * What is published in a bucket that everybody may read: no key, and no S3 module to load. It can only be pulled from.
 *
 * @param {{ endpoint: string, bucket: string, prefix?: string }} place
 */
export function publicStore({ endpoint, bucket, prefix = '' }) {
  const failure = (code, message) => Object.assign(new Error(message), { code })
  return {
    async get(key, { offset, length, signal } = {}) {
      const url = `${endpoint}/${bucket}/${(prefix + key).split('/').map(encodeURIComponent).join('/')}`
      const headers = length === undefined ? {} : { range: `bytes=${offset ?? 0}-${(offset ?? 0) + length - 1}` }
      let response
      try {
        response = await fetch(url, { headers, signal, cache: 'no-store' })
        if (response.ok) return { data: new Uint8Array(await response.arrayBuffer()), etag: response.headers.get('etag') ?? '' }
      } catch (error) {
        throw signal?.aborted ? failure('ErrAborted', 'the call was aborted') : failure('ErrUnreachable', `${endpoint} does not answer: ${error.message}`)
      }
      if (response.status === 404) throw failure('ErrNotFound', `${key} does not exist`)
      if (response.status === 403) throw failure('ErrCredentials', `${endpoint}/${bucket} is not open to everybody`)
      throw failure('ErrUnreachable', `${endpoint} answered ${response.status}`)
    },
    put: () => Promise.reject(failure('ErrCredentials', 'without a key nothing can be published')),
    list: () => Promise.reject(failure('ErrCredentials', 'without a key nothing can be listed')),
    delete: () => Promise.reject(failure('ErrCredentials', 'without a key nothing can be deleted')),
  }
}

/** Counts requests. @param {object} store */
export function counting(store) {
  const counted = { requests: 0 }
  for (const name of ['get', 'put', 'list', 'delete']) {
    counted[name] = (...args) => {
      counted.requests++
      return store[name](...args)
    }
  }
  return counted
}
