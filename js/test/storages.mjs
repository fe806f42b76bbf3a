/** Storages for tests, on an array of bytes. */

/**
 * @param {{ bytes?: Uint8Array }} [from] what an earlier one had
 */
export function arrayStorage(from = {}) {
  const s = {
    kind: 'array',
    bytes: from.bytes ?? new Uint8Array(0),
    writes: 0,
    flushes: 0,
    released: 0,
    /** An error that every write throws from now on. @type {any} */ fail: null,
    /** @type {import('../storage.js').StorageSession | null} */ session: null,
    async open() {
      return (s.session = {
        file: {
          read(/** @type {Uint8Array} */ into, /** @type {number} */ at) {
            const part = s.bytes.subarray(at, at + into.length)
            into.set(part)
            return part.length
          },
          write(/** @type {Uint8Array} */ from, /** @type {number} */ at) {
            if (s.fail) throw s.fail
            s.writes++
            if (at + from.length > s.bytes.length) {
              const longer = new Uint8Array(at + from.length)
              longer.set(s.bytes)
              s.bytes = longer
            }
            s.bytes.set(from, at)
            return from.length
          },
          truncate(/** @type {number} */ n) {
            if (s.fail) throw s.fail
            const b = new Uint8Array(n)
            b.set(s.bytes.subarray(0, n))
            s.bytes = b
          },
          size: () => s.bytes.length,
          flush() {
            s.flushes++
          },
          close() {},
        },
        release() {
          s.released++
        },
      })
    },
  }
  return s
}

export const quota = () => Object.assign(new Error('no room'), { name: 'QuotaExceededError' })
