import assert from 'node:assert/strict'
import test from 'node:test'
import { diffLines } from '../text-diff.js'

/** Makes the text after from the text before and the pieces, as patch does. */
function apply(before, pieces) {
  const lines = before.split('\n').slice(0, -1)
  const out = []
  let at = 0
  for (const piece of pieces) {
    while (at < piece.before - 1) out.push(lines[at++])
    assert.equal(out.length, piece.after - 1, 'the number of the first line after')
    for (const { kind, text } of piece.lines) {
      if (kind !== '+') assert.equal(lines[at++], text)
      if (kind !== '-') out.push(text)
    }
  }
  return [...out, ...lines.slice(at)].map((line) => `${line}\n`).join('')
}

test('a changed line is shown between three lines that are the same', () => {
  const before = 'a b c d e f g h i'.split(' ').join('\n')
  assert.deepEqual(diffLines(before, before.replace('e', 'E')), [
    { before: 2, after: 2, lines: [' b', ' c', ' d', '-e', '+E', ' f', ' g', ' h'].map((s) => ({ kind: s[0], text: s.slice(1) })) },
  ])
  assert.deepEqual(diffLines(before, before), [])
  const apart = (n) => diffLines(['x', ...Array(n).fill('same'), 'y'].join('\n'), ['X', ...Array(n).fill('same'), 'Y'].join('\n'))
  assert.equal(apart(6).length, 1, 'what lies close together is one piece')
  assert.equal(apart(7).length, 2)
  assert.deepEqual(diffLines('', 'new\n'), [{ before: 1, after: 1, lines: [{ kind: '+', text: 'new' }] }])
})

test('the pieces make the new text of the old one, for any texts', (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9)
  t.diagnostic(`SEED=${seed}`)
  let state = seed
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n
  for (let round = 0; round < 400; round++) {
    const line = () => String.fromCharCode(97 + random(5))
    const before = Array.from({ length: random(40) }, line)
    const after = before.flatMap((text) => [[text], [text], [text], [], [line()], [text, line()]][random(6)])
    const [a, b] = [before, after].map((lines) => lines.map((text) => `${text}\n`).join(''))
    assert.equal(apply(a, diffLines(a, b)), b)
  }
})

test('texts that have nothing in common are replaced, and that takes no time', () => {
  const lines = (name) => Array.from({ length: 20_000 }, (_, i) => `${name} ${i}\n`).join('')
  const [piece, ...rest] = diffLines(lines('before'), lines('after'))
  assert.equal(rest.length, 0)
  assert.equal(piece.lines.length, 40_000)
})
