/** The package's own SHA-256 beside Node's. */

import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import test from 'node:test'
import { Sha256 } from '../sha256.js'
import { random } from './random.mjs'

test('the hash is SHA-256, whatever the pieces are', () => {
  const seed = randomInt(2 ** 31)
  const next = random(seed)
  const rnd = (/** @type {number} */ n) => Math.floor(next() * n)
  for (let n = 0; n < 300; n++) {
    const bytes = Uint8Array.from({ length: n < 200 ? n : rnd(10_000) }, () => rnd(256))
    const hash = new Sha256()
    for (let at = 0; at < bytes.length; ) {
      const piece = 1 + rnd(rnd(2) ? 200 : 5000)
      hash.update(bytes.subarray(at, at + piece))
      at += piece
    }
    assert.equal(hash.hex(), createHash('sha256').update(bytes).digest('hex'), `${bytes.length} bytes, seed ${seed}`)
  }
})
