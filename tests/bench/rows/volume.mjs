// The volume alone, on OPFS.

import * as holdfast from 'holdfast'
import { alternate, median, time, timeSync } from '../measure.mjs'
import { filesOf, fill } from './tree.mjs'

/** One write and one flush are what a disk takes at least. */
export async function commit({ quick, runs }) {
  const n = quick ? 3 : 100
  const volume = await holdfast.open('commit', { history: { keep: 10 } })
  const page = crypto.getRandomValues(new Uint8Array(4096))
  volume.fs.writeFileSync('/file', new Uint8Array(100 * 4096))
  volume.commit()
  const fd = volume.fs.openSync('/file', 'r+')
  const root = await navigator.storage.getDirectory()
  const raw = await (await root.getFileHandle('raw', { create: true })).createSyncAccessHandle()
  raw.truncate(0)
  let at = 0
  let bytes = 0
  let flushes = 0
  // One of each in turn, and the medians of many: other programs on the machine blur a sum.
  const samples = { ours: [], floor: [] }
  for (let round = -1; round < runs; round++) {
    const times = { ours: [], floor: [] }
    for (let i = 0; i < n; i++) {
      times.ours.push(timeSync(() => {
        volume.fs.writeSync(fd, page, 0, 4096, (i % 100) * 4096)
        const result = volume.commit()
        bytes = result.bytesWritten
        flushes = result.flushes
      }))
      const block = crypto.getRandomValues(new Uint8Array(bytes))
      times.floor.push(timeSync(() => {
        at += raw.write(block, { at })
        raw.flush()
      }))
    }
    if (round >= 0) for (const name of ['ours', 'floor']) samples[name].push(median(times[name]))
  }
  raw.close()
  volume.fs.closeSync(fd)
  await volume.close()
  return [{ id: 'commit-4k', what: `write of 4 KiB and commit: ${bytes} bytes, ${flushes} flush`, unit: 'ms', goal: { floorRatio: 1.25 }, samples }]
}

/** Compiled code is there; a new instance is started, and a volume in memory opened. */
export async function start({ runs }) {
  const module = await WebAssembly.compileStreaming(fetch('/holdfast/dist/core.wasm'))
  const one = (wasm) => async () => {
    const start = performance.now()
    const volume = await holdfast.open('start', { storage: holdfast.memory(), wasm })
    volume.fs.statSync('/')
    const ms = performance.now() - start
    await volume.close()
    return ms
  }
  const samples = await alternate(runs, { ours: one(module) })
  const cold = await alternate(runs, { ours: async () => one(await (await fetch('/holdfast/dist/core.wasm')).arrayBuffer())() })
  return [
    { id: 'start', what: 'core: compiled module to first call', unit: 'ms', goal: { ours: 60 }, samples },
    { id: 'start/compile', what: 'core: bytes to first call', unit: 'ms', samples: cold },
  ]
}

/** Figures of volumes of several sizes, each by that of the smallest. */
export async function scale({ quick, runs }) {
  const MB = 1e6
  const sizes = quick
    ? { bytes: [[10, 0.1 * MB], [10, 1 * MB]], files: [[10, 1e4], [100, 1e5]] }
    : { bytes: [[100, 10 * MB], [100, 100 * MB], [100, 1000 * MB]], files: [[1000, 1e6], [10_000, 1e7], [100_000, 1e8]] }
  const rows = []
  for (const [kind, list] of Object.entries(sizes)) {
    const volumes = []
    for (const [files, bytes] of list) volumes.push(await sized(`scale-${kind}-${files}-${bytes}`, files, bytes))
    // All are there before any is measured, and take turns: what the disk does besides changes from minute to minute.
    for (let round = -1; round < runs; round++) for (let i = 0; i < list.length; i++) await volumes[(i + round + 1) % list.length].measure(round)
    for (const { remove } of volumes) await remove()
    for (let i = 1; i < list.length; i++) {
      for (const what of ['open', 'snapshot', 'commit', 'diff']) {
        const name = kind === 'bytes' ? `${list[i][1] / MB} MB` : `${list[i][0]} files`
        const least = kind === 'bytes' ? `${list[0][1] / MB} MB` : `${list[0][0]} files`
        rows.push({
          id: `scale/${what}-${name.replace(' ', '-')}`, what: `${what} with ${name}; floor: with ${least}`, unit: 'ms', goal: { floorRatio: 2 },
          samples: { ours: volumes[i].samples[what], floor: volumes[0].samples[what] },
        })
      }
    }
  }
  return rows
}

/** A volume of a size, and what measures it. */
async function sized(name, files, bytes) {
  const wasm = await WebAssembly.compileStreaming(fetch('/holdfast/dist/core.wasm'))
  const samples = { open: [], snapshot: [], commit: [], diff: [] }
  const made = await holdfast.open(name)
  fill(made.fs, files, bytes)
  made.commit()
  await made.close()
  const path = '/d0/f0'
  return {
    samples,
    async measure(round) {
      let volume
      const open = await time(async () => {
        volume = await holdfast.open(name, { wasm })
        volume.fs.readFileSync(path)
      })
      const times = { open: [open], snapshot: [], commit: [], diff: [] }
      for (let i = 0; i < 20; i++) {
        let before
        times.snapshot.push(timeSync(() => (before = volume.snapshot())))
        volume.fs.writeFileSync(path, `round ${round}, ${i}`)
        times.commit.push(timeSync(() => volume.commit()))
        times.diff.push(timeSync(() => volume.diff(before)))
      }
      await volume.close()
      if (round >= 0) for (const what in samples) samples[what].push(median(times[what]))
    },
    async remove() {
      const root = await navigator.storage.getDirectory()
      await (await root.getDirectoryHandle('holdfast')).removeEntry(name, { recursive: true })
    },
  }
}

/** Memory of the module, all of it, when a tree was loaded and 50 commits of changes are kept; less that of an empty volume. */
export async function memory({ quick }) {
  const [files, bytes] = quick ? [30, 0.6e6] : [3000, 60e6]
  const empty = await holdfast.open('memory-none')
  const { memory: nothing } = await empty.estimate()
  await empty.close()
  const made = await holdfast.open('memory')
  fill(made.fs, files, bytes)
  made.commit()
  for (let i = 0; i < 50; i++) {
    made.fs.writeFileSync(`/d0/f${i % 30}`, `change ${i}`)
    made.commit()
  }
  await made.close()
  const volume = await holdfast.open('memory', { history: { keep: 50 } })
  for (const path of filesOf(volume.fs, '/')) volume.fs.readFileSync(path)
  const { memory } = await volume.estimate()
  await volume.close()
  return [{
    id: 'memory', what: 'module memory by bytes of content, 50 points kept', unit: 'MB', goal: { floorRatio: 1.3 },
    samples: { ours: [(memory - nothing) / 1e6], floor: [bytes / 1e6] },
  }]
}
