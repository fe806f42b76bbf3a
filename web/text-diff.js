// The difference between two texts, line by line: Myers, "An O(ND) Difference Algorithm and Its Variations", 1986.

/** More differences than this are not told apart: what lies between the equal beginning and the equal end counts as replaced. */
const MAX_EDITS = 1500

/** @typedef {{ kind: ' ' | '-' | '+', text: string }} Line */

/**
 * @param {string} before
 * @param {string} after
 * @param {{ context?: number }} [options] how many equal lines are shown around a difference
 * @returns {{ before: number, after: number, lines: Line[] }[]} pieces; before and after are the numbers of their first lines, from 1
 */
export function diffLines(before, after, { context = 3 } = {}) {
  const a = splitLines(before)
  const b = splitLines(after)
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const middle = edits(a.slice(start, a.length - end), b.slice(start, b.length - end))
  const lines = [...a.slice(0, start).map(equal), ...middle, ...a.slice(a.length - end).map(equal)]
  return pieces(lines, context)
}

const equal = (text) => ({ kind: ' ', text })

function splitLines(text) {
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function edits(a, b) {
  const replaced = () => [...a.map((text) => ({ kind: '-', text })), ...b.map((text) => ({ kind: '+', text }))]
  if (a.length === 0 || b.length === 0) return replaced()
  const max = Math.min(a.length + b.length, MAX_EDITS)
  const reach = new Int32Array(2 * max + 3) // furthest x on each diagonal
  const trace = []
  for (let d = 0; d <= max; d++) {
    trace.push(reach.slice(max - d, max + d + 3)) // of diagonals -d-1 … d+1
    for (let k = -d; k <= d; k += 2) {
      const at = max + 1 + k
      let x = k === -d || (k !== d && reach[at - 1] < reach[at + 1]) ? reach[at + 1] : reach[at - 1] + 1
      let y = x - k
      while (x < a.length && y < b.length && a[x] === b[y]) { x++; y++ }
      reach[at] = x
      if (x >= a.length && y >= b.length) return backtrack(a, b, trace, d)
    }
  }
  return replaced()
}

function backtrack(a, b, trace, edits) {
  const lines = []
  let x = a.length
  let y = b.length
  for (let d = edits; d > 0; d--) {
    const at = (k) => trace[d][k + d + 1]
    const k = x - y
    const from = k === -d || (k !== d && at(k - 1) < at(k + 1)) ? k + 1 : k - 1
    const fromX = at(from)
    const fromY = fromX - from
    while (x > fromX && y > fromY) { lines.push(equal(a[--x])); y-- }
    if (x === fromX) lines.push({ kind: '+', text: b[--y] })
    else lines.push({ kind: '-', text: a[--x] })
  }
  while (x > 0) { lines.push(equal(a[--x])); y-- }
  return lines.reverse()
}

function pieces(lines, context) {
  const found = []
  let piece = null
  let before = 1
  let after = 1
  let quiet = 0 // equal lines since the last difference
  const held = [] // the last equal lines before a difference
  for (const line of lines) {
    if (line.kind !== ' ') {
      if (!piece) {
        piece = { before: before - held.length, after: after - held.length, lines: [...held] }
        found.push(piece)
      } else piece.lines.push(...held)
      held.length = 0
      quiet = 0
      piece.lines.push(line)
    } else {
      quiet++
      if (piece && quiet > 2 * context) {
        piece.lines.push(...held.slice(0, context))
        held.splice(0, context)
        piece = null
      }
      held.push(line)
      if (!piece && held.length > context) held.shift()
    }
    if (line.kind !== '+') before++
    if (line.kind !== '-') after++
  }
  if (piece) piece.lines.push(...held.slice(0, context))
  return found
}
