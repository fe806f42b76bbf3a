/** Random numbers that a seed repeats (mulberry32). @param {number} a */
export function random(a) {
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Text that compresses about as well as prose. @param {number} seed @param {number} length */
export function readable(seed, length) {
  const next = random(seed)
  const words = 'the a post of page and site to in comment is draft for title with menu'.split(' ')
  let text = ''
  while (text.length < length) text += `${words[Math.floor(next() * words.length)]} ${Math.floor(next() * 1e6).toString(36)} `
  return text.slice(0, length)
}
