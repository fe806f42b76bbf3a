// Repeatable randomness: every test that draws prints its seed, and the
// environment variable HOLDFAST_SEED brings the same run back.

/** A generator of numbers in [0, 1) (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = state
    x = Math.imul(x ^ (x >>> 15), x | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A whole number in [0, n). */
export const below = (random, n) => Math.floor(random() * n)

export function bytes(random, length) {
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = random() * 256
  return out
}

/** The seed of this run; tells the test's reader how to see the run again. */
export function chooseSeed(t, file) {
  const seed = Number(process.env.HOLDFAST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`to see this run again: HOLDFAST_SEED=${seed} node --test ${file}`)
  return seed
}
