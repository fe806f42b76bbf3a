// Snapshots in memory, in Node, as test suites take them: memfs is what they would pick.

import { webcrypto } from 'node:crypto'
import { fromBinarySnapshotSync, toBinarySnapshotSync } from '@jsonjoy.com/fs-snapshot'
import { memfs } from 'memfs'
import * as holdfast from '../../../js/index.js'
import { alternate, time, timeSync } from '../measure.mjs'
import { filesOf, fill } from './tree.mjs'

const MANY = 50 // of ours are timed together: one is too short for the clock

export async function run({ quick, runs }) {
  const [files, bytes] = quick ? [30, 0.6e6] : [3000, 60e6]
  const volume = await holdfast.open('small', { storage: holdfast.memory() })
  fill(volume.fs, files, bytes)
  volume.commit()
  const { fs } = memfs()
  fill(fs, files, bytes)
  const peer = { fs, path: '/' }
  const saved = toBinarySnapshotSync(peer)

  const snapshots = (volume) => () => {
    let ms = 0
    for (let i = 0; i < MANY; i++) {
      volume.fs.writeFileSync('/d0/f0', `${i}`) // or it would be the same state again
      ms += timeSync(() => volume.snapshot())
    }
    return ms / MANY
  }
  const hash = async () => {
    const sums = []
    for (const path of filesOf(fs, '/')) sums.push(await webcrypto.subtle.digest('SHA-256', fs.readFileSync(path)))
    return sums
  }
  const size = `${bytes / 1e6} MB in ${files} files`
  const rows = [
    {
      id: 'snapshot-60mb/memfs', what: `snapshot of ${size}`, unit: 'ms', peerName: 'memfs toBinarySnapshotSync', goal: { ratio: 5000 },
      samples: await alternate(runs, { ours: snapshots(volume), peer: () => timeSync(() => toBinarySnapshotSync(peer)) }),
    },
    {
      id: 'snapshot-60mb/hash', what: `snapshot of ${size}`, unit: 'ms', peerName: 'SHA-256 of every file (WebCrypto)', goal: { ratio: 5000 },
      samples: await alternate(runs, { ours: snapshots(volume), peer: () => time(hash) }),
    },
  ]
  // A volume of its own, without the hundreds of snapshots that were taken above.
  const suite = await holdfast.open('suite', { storage: holdfast.memory() })
  fill(suite.fs, files, bytes)
  suite.commit()
  const before = suite.snapshot()
  const restores = () => {
    let ms = 0
    for (let i = 0; i < MANY; i++) {
      suite.fs.writeFileSync('/d0/f0', `${i}`)
      suite.fs.rmSync('/d0/f1')
      ms += timeSync(() => suite.restore(before))
    }
    return ms / MANY
  }
  rows.push({
    id: 'restore-60mb', what: `restore of ${size}, one file changed and one removed`, unit: 'ms', peerName: 'memfs fromBinarySnapshotSync', goal: { ratio: 5000 },
    samples: await alternate(runs, { ours: restores, peer: () => timeSync(() => fromBinarySnapshotSync(saved, peer)) }),
  })

  await suite.close()
  const large = await holdfast.open('large', { storage: holdfast.memory() })
  fill(large.fs, files, bytes * 10)
  large.commit()
  rows.push({
    id: 'snapshot-600mb', what: `snapshot of ${bytes / 1e5} MB; floor: of ${bytes / 1e6} MB`, unit: 'ms', goal: { floorRatio: 2 },
    samples: await alternate(runs, { ours: snapshots(large), floor: snapshots(volume) }),
  })
  await large.close()
  await volume.close()
  return rows
}
