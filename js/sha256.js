/** SHA-256 (FIPS 180-4), at once: WebCrypto's comes later. */

// Signed words: that is what engines compute with.
const K = new Int32Array(64)
const START = new Int32Array(8)
// The constants are the first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the square roots of the first 8.
for (let n = 2, found = 0; found < 64; n++) {
  let prime = true
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
  if (!prime) continue
  if (found < 8) START[found] = ((Math.sqrt(n) % 1) * 2 ** 32) | 0
  K[found++] = ((Math.cbrt(n) % 1) * 2 ** 32) | 0
}

/** The hash of what update has been given, piece by piece. */
export class Sha256 {
  #state = START.slice()
  #words = new Int32Array(64)
  #block = new Uint8Array(64)
  #length = 0

  /** @param {Uint8Array} bytes */
  update(bytes) {
    let at = 0
    const held = this.#length % 64
    this.#length += bytes.length
    if (held + bytes.length < 64) {
      this.#block.set(bytes, held)
      return this
    }
    if (held > 0) {
      this.#block.set(bytes.subarray(0, (at = 64 - held)), held)
      this.#compress(this.#block, 0)
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at)
    this.#block.set(bytes.subarray(at))
    return this
  }

  /** In hexadecimal digits. Nothing can be added after it. */
  hex() {
    const bits = this.#length * 8
    const end = new Uint8Array((this.#length % 64 < 56 ? 64 : 128) - (this.#length % 64))
    end[0] = 0x80
    new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(bits))
    this.update(end)
    return [...this.#state].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /**
   * @param {Uint8Array} b
   * @param {number} at
   */
  #compress(b, at) {
    const w = this.#words
    for (let i = 0; i < 16; i++, at += 4) w[i] = (b[at] << 24) | (b[at + 1] << 16) | (b[at + 2] << 8) | b[at + 3]
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]
      const y = w[i - 2]
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0
    }
    const s = this.#state
    let A = s[0]
    let B = s[1]
    let C = s[2]
    let D = s[3]
    let E = s[4]
    let F = s[5]
    let G = s[6]
    let H = s[7]
    for (let i = 0; i < 64; i++) {
      const s1 = ((E >>> 6) | (E << 26)) ^ ((E >>> 11) | (E << 21)) ^ ((E >>> 25) | (E << 7))
      const t1 = (((((H + s1) | 0) + ((E & F) ^ (~E & G))) | 0) + ((K[i] + w[i]) | 0)) | 0
      const s0 = ((A >>> 2) | (A << 30)) ^ ((A >>> 13) | (A << 19)) ^ ((A >>> 22) | (A << 10))
      const t2 = (s0 + ((A & B) ^ (A & C) ^ (B & C))) | 0
      H = G
      G = F
      F = E
      E = (D + t1) | 0
      D = C
      C = B
      B = A
      A = (t1 + t2) | 0
    }
    s[0] = (s[0] + A) | 0
    s[1] = (s[1] + B) | 0
    s[2] = (s[2] + C) | 0
    s[3] = (s[3] + D) | 0
    s[4] = (s[4] + E) | 0
    s[5] = (s[5] + F) | 0
    s[6] = (s[6] + G) | 0
    s[7] = (s[7] + H) | 0
  }
}
