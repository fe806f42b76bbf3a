// What has to arrive before anything runs: bytes as a server sends them, compressed as well as brotli can.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { root } from '../../e2e/bundle.mjs'

export async function run({ quick }) {
  const rows = []
  for (const [name, goal] of [['core', { ours: 700 }], ['remote', null], ['s3', null]]) {
    const bytes = await readFile(path.join(root, `js/dist/${name}.wasm`))
    const { length } = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: quick ? 1 : 11, [constants.BROTLI_PARAM_LGWIN]: 24 } })
    rows.push({ id: `size/${name}`, what: `${name}.wasm (${(bytes.length / 1e3).toFixed(0)} kB), brotli ${quick ? 1 : 11}`, unit: 'kB', goal: quick ? null : goal, samples: { ours: [length / 1e3] } })
  }
  return rows
}
