// Runs the rows, prints a table, and writes out/results.json. See README.md.
//
//   node bench.mjs [id …]       with HOLDFAST_BENCH=quick: a few rows of tiny sizes, to see that everything still runs

import { mkdir, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { bundle, folders } from '../e2e/bundle.mjs'
import { freshProfile, launch, openWorker } from '../e2e/chromium.mjs'
import { startS3 } from '../e2e/s3server.mjs'
import { serve } from '../e2e/serve.mjs'
import { figures } from './measure.mjs'

const here = import.meta.dirname
const quick = process.env.HOLDFAST_BENCH === 'quick'
const setting = { quick, runs: quick ? 1 : 5 }

/** Where each group of rows runs, what it needs, and the ids in it that do not begin with its name. */
const groups = {
  'fs-ops': {},
  'commit-4k': {},
  'sqlite-autocommit': {},
  'sqlite-bulk': {},
  snapshots: { node: './rows/snapshots.mjs', ids: ['snapshot-60mb', 'snapshot-600mb', 'restore-60mb'] },
  'php-autocommit': {},
  'open-site': { wordPress: true },
  'first-save': { wordPress: true },
  'save-one-post': { wordPress: true, ids: ['diff-one-post'] },
  'wordpress-get': { wordPress: true },
  'publish-first': { wordPress: true, s3: true },
  'publish-one-post': { wordPress: true, s3: true },
  size: { node: './rows/size.mjs' },
  start: {},
  memory: {},
  scale: {},
}

const only = process.argv.slice(2)
const wanted = Object.entries(groups).filter(([name, { wordPress, ids = [] }]) => {
  if (only.length > 0) return only.some((id) => [name, ...ids].includes(id.split('/')[0]))
  return !(quick && wordPress)
})
const unknown = only.filter((id) => !wanted.some(([name, { ids = [] }]) => [name, ...ids].includes(id.split('/')[0])))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(`no such row: ${unknown.join(', ')}. There are: ${Object.entries(groups).flatMap(([name, { ids = [] }]) => (name === 'snapshots' ? ids : [name, ...ids])).join(', ')}`)
  process.exit(2)
}

const closing = []
try {
  const browser = await lazily(startBrowser)
  const rows = []
  for (const [name, group] of wanted) {
    process.stderr.write(`${name} …\n`)
    const found = group.node ? await (await import(group.node)).run(setting) : await (await browser(wanted)).run(name, group)
    for (const row of found.map(figures)) {
      if (only.length > 0 && !only.some((id) => row.id === id || row.id.startsWith(`${id}/`) || id === name)) continue
      rows.push(row)
      console.log(line(row))
    }
  }
  const out = path.join(here, 'out')
  await mkdir(out, { recursive: true })
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, load: os.loadavg(), node: process.version }
  await writeFile(path.join(out, 'results.json'), JSON.stringify({ date: new Date().toISOString(), quick, machine, rows }, null, 1))
  const goals = rows.filter((row) => row.goal)
  console.log(`\n${goals.filter((row) => row.met).length} of ${goals.length} goals met${quick ? ' (of no meaning: tiny sizes)' : ''}. Load ${machine.load.map((l) => l.toFixed(1)).join(' ')} on ${machine.cpus} processors. ${path.relative(process.cwd(), path.join(out, 'results.json'))}`)
} finally {
  for (const close of closing.reverse()) await close()
}
process.exit(0)

/** Calls `start` the first time only. */
function lazily(start) {
  let started
  return (...args) => (started ??= start(...args))
}

/** One Chromium for all rows, with a page and a worker of its own for each group. */
async function startBrowser(wanted) {
  const served = { ...folders, '/bundle/': path.join(here, '../../build/bench'), '/npm/': path.join(here, 'node_modules') }
  if (wanted.some(([, { wordPress }]) => wordPress)) {
    const { buildWordPress } = await import('../../web/wordpress.mjs')
    served['/wordpress/'] = await buildWordPress({ log: (text) => process.stderr.write(`${text}\n`) })
  }
  // web/ has a copy of its own; two of them in one program break things silently.
  const alias = { '@php-wasm/universal': path.join(here, 'node_modules/@php-wasm/universal/index.js') }
  await bundle('worker', { from: here, to: served['/bundle/'], alias })
  // An isolated page has the finer clock.
  const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'same-origin' }
  const web = await serve(served, { headers })
  closing.push(() => web.close())
  const s3 = lazily(async () => {
    const server = await startS3({ pageOrigin: web.origin })
    closing.push(() => server.stop())
    web.onPost('/traffic', () => {
      const requests = server.proxy.take().filter(({ method }) => method !== 'OPTIONS')
      return { requests: requests.length, sent: requests.reduce((sum, { sent }) => sum + sent, 0) }
    })
    return server.config
  })
  const profile = await freshProfile()
  closing.push(() => profile.remove())
  const chromium = await launch(profile.folder)
  closing.push(() => chromium.sigkill())

  return {
    async run(name, group) {
      const { page, worker } = await openWorker(chromium.context, `${web.origin}/pages/worker.html?worker=worker`)
      try {
        return await worker.evaluate(([name, setting]) => runRows(name, setting), [name, { ...setting, s3: group.s3 ? await s3() : null }])
      } finally {
        await page.close()
      }
    },
  }
}

function line({ id, what, ours, peer, peerName, ratio, floorRatio, floor, unit, spread, goal, met }) {
  const number = (x) => (x === null ? '' : x >= 100 ? x.toFixed(0) : x.toPrecision(3))
  const limit = goal && Object.entries(goal).map(([name, x]) => (name === 'ratio' ? `peer/ours ≥ ${number(x)}` : name === 'floorRatio' ? `ours/floor ≤ ${number(x)}` : `≤ ${number(x)} ${unit}`)).join(', ')
  return [
    id.padEnd(30), `${number(ours)} ${unit}`.padStart(15), ratio === null ? ''.padStart(16) : `× ${number(ratio)}`.padStart(16), floor === null ? ''.padStart(12) : `÷ ${number(floorRatio)}`.padStart(12),
    ` ±${(spread * 50).toFixed(0)}%`.padEnd(7), goal ? `${met ? 'met   ' : 'MISSED'} ${limit}` : '',
    `\n${' '.repeat(30)} ${what}${peerName ? `; ${peerName}: ${number(peer)} ${unit}` : ''}${floor === null ? '' : `; floor: ${number(floor)} ${unit}${peerName ? ` (× ${number(peer / floor)})` : ''}`}`,
  ].join(' ')
}
