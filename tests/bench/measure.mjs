// Samples and what is said of them. Rows (rows/*.mjs) run in a worker of Chromium or in Node, and give samples; figures are made of them here.

/**
 * What a row measures, side by side. Every side is a function that does one round and answers with its figure; it takes its own time, so that
 * preparing does not count. The sides alternate, each goes first as often as the others, and the rounds before the first that counts are warm-up.
 *
 * @template {Record<string, (round: number) => number | Promise<number>>} T
 * @param {number} runs
 * @param {T} sides ours, peer, floor
 * @param {{ warm?: number }} [options] rounds that do not count
 * @returns {Promise<{ [K in keyof T]: number[] }>}
 */
export async function alternate(runs, sides, { warm = 1 } = {}) {
  const names = Object.keys(sides)
  const samples = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = -warm; round < runs; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round + warm) % names.length]
      const figure = await sides[name](round)
      if (round >= 0) samples[name].push(figure)
    }
  }
  return samples
}

/** Milliseconds that `action` takes. */
export async function time(action) {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/** The same of something that waits for nothing: a promise would cost more than it. */
export function timeSync(action) {
  const start = performance.now()
  action()
  return performance.now() - start
}

export const median = (samples) => {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

/**
 * A row of the table from what was measured. `ratio` is the peer's figure by ours, so more is better; `floorRatio` is ours by the floor's, so less is better.
 * `spread` is the distance from the lowest to the highest of our figures, by their median.
 */
export function figures({ id, what, unit, peerName = null, goal = null, samples }) {
  const ours = median(samples.ours)
  const peer = samples.peer ? median(samples.peer) : null
  const floor = samples.floor ? median(samples.floor) : null
  const row = {
    id, what, ours, peer, peerName, ratio: peer === null ? null : peer / ours, floor, floorRatio: floor === null ? null : ours / floor,
    unit, runs: samples.ours.length, spread: (Math.max(...samples.ours) - Math.min(...samples.ours)) / ours,
  }
  return { ...row, goal, met: goal && Object.entries(goal).every(([name, limit]) => (name === 'ratio' ? row.ratio >= limit : row[name] <= limit)) }
}
