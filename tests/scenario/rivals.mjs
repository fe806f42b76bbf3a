// Several that want the same volume, and take it from each other: nothing that any of them was told is durable may be missing in the end.

import { below, seeded } from './random.mjs'

/**
 * Opens the volume again and again, in one way or another, and adds a line to its file with each commit. What goes wrong
 * for a good reason (somebody else has it, or has taken it) is passed over; everything else is thrown.
 *
 * @param {(options: object) => Promise<any>} open
 * @param {{ seed: number, turns: number, acknowledge: (line: string) => unknown }} options acknowledge: told of each commit that returned
 */
export async function contend(open, { seed, turns, acknowledge }) {
  const random = seeded(seed)
  const seen = {}
  const count = (what) => (seen[what] = (seen[what] ?? 0) + 1)
  for (let turn = 0; turn < turns; turn++) {
    const ifLocked = ['fail', 'wait', 'steal', 'steal'][below(random, 4)]
    let volume
    try {
      volume = await open({ ifLocked, signal: ifLocked === 'wait' ? AbortSignal.timeout(20 + below(random, 300)) : undefined })
    } catch (error) {
      if (!['ErrLocked', 'ErrAborted'].includes(error.code)) throw error
      count(error.code)
      continue
    }
    try {
      for (let commits = 1 + below(random, 12), n = 0; n < commits; n++) {
        const line = `${seed}.${turn}.${n}`
        volume.fs.appendFileSync('/lines', `${line}\n`)
        volume.fs.writeFileSync('/filler', String(random()).repeat(1 + below(random, 2000)))
        volume.commit()
        await acknowledge(line)
        count('commit')
      }
    } catch (error) {
      if (error.code !== 'ErrFenced') throw error
      count('taken over')
    } finally {
      await volume.close({ commit: false })
    }
  }
  return seen
}

/**
 * What is wrong with a volume after that: nothing, if the list is empty.
 *
 * @param {any} volume
 * @param {string[]} acknowledged
 */
export async function audit(volume, acknowledged) {
  await volume.verify()
  const lines = volume.fs.existsSync('/lines') ? volume.fs.readFileSync('/lines', 'utf8').split('\n').slice(0, -1) : []
  const at = new Map(lines.map((line, i) => [line, i]))
  const problems = []
  if (at.size !== lines.length) problems.push(`${lines.length - at.size} lines are there twice`)
  let last = -1
  for (const line of acknowledged) {
    const i = at.get(line)
    if (i === undefined) problems.push(`${line} was acknowledged and is missing`)
    // Acknowledgements of different tabs may overtake each other on their way here; those of one may not.
    else if (i <= last && lines[last].split('.')[0] === line.split('.')[0]) problems.push(`${line} is out of order`)
    else last = i
  }
  return problems
}
