/** Programs that were written for node:fs, on a volume's files: isomorphic-git and unionfs. */

import assert from 'node:assert/strict'
import * as nodeFs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import git from 'isomorphic-git'
import { Union } from 'unionfs'
import { open, memory } from 'holdfast'

const author = { name: 'Ada', email: 'ada@example.org', timestamp: 1_700_000_000, timezoneOffset: 0 }

/** A repository with two branches and a merge. @param {any} fs @param {string} dir */
async function work(fs, dir) {
  const write = (/** @type {string} */ name, /** @type {string} */ content) =>
    new Promise((resolve, reject) => (fs.promises ? fs.promises.writeFile(`${dir}/${name}`, content).then(resolve, reject) : fs.writeFile(`${dir}/${name}`, content, (/** @type {any} */ err) => (err ? reject(err) : resolve(0)))))
  await git.init({ fs, dir, defaultBranch: 'main' })
  await write('README.md', '# Hello\n')
  await git.add({ fs, dir, filepath: 'README.md' })
  const first = await git.commit({ fs, dir, message: 'first', author })
  await git.branch({ fs, dir, ref: 'topic', checkout: true })
  await write('topic.txt', 'topic\n')
  await git.add({ fs, dir, filepath: 'topic.txt' })
  await git.commit({ fs, dir, message: 'on the topic', author })
  await git.checkout({ fs, dir, ref: 'main' })
  await write('README.md', '# Hello, world\n')
  assert.equal(await git.status({ fs, dir, filepath: 'README.md' }), '*modified')
  await git.add({ fs, dir, filepath: 'README.md' })
  await git.commit({ fs, dir, message: 'second', author })
  await git.merge({ fs, dir, ours: 'main', theirs: 'topic', author, committer: author })
  await git.checkout({ fs, dir, ref: 'main', force: true })
  await git.tag({ fs, dir, ref: 'v1' })
  await git.packObjects({ fs, dir, oids: [first], write: true })
  const log = await git.log({ fs, dir })
  return { log: log.map((c) => `${c.oid} ${c.commit.message}`), files: await git.listFiles({ fs, dir }), status: await git.statusMatrix({ fs, dir }) }
}

test('isomorphic-git works on a volume as on disk, through promises and through callbacks', async (t) => {
  const folder = nodeFs.mkdtempSync(join(tmpdir(), 'holdfast-git-'))
  t.after(() => nodeFs.rmSync(folder, { recursive: true, force: true }))
  const volume = await open('git', { storage: memory() })
  t.after(() => volume.close())
  volume.fs.mkdirSync('/repo')
  volume.fs.mkdirSync('/calls')
  const onDisk = await work(nodeFs, folder)
  assert.ok(onDisk.log.length >= 4)
  assert.deepEqual(await work(volume.fs, '/repo'), onDisk, 'the same objects, by their hashes')
  const { promises: _, ...callbacks } = volume.fs
  assert.deepEqual(await work(callbacks, '/calls'), onDisk)
  assert.equal(volume.fs.readFileSync('/repo/README.md', 'utf8'), '# Hello, world\n')
  assert.equal(volume.fs.existsSync('/repo/topic.txt'), true)

  const before = volume.snapshot()
  await volume.fs.promises.rm('/repo/.git', { recursive: true })
  volume.restore(before)
  assert.equal((await git.log({ fs: volume.fs, dir: '/repo' })).length, onDisk.log.length)
})

test('unionfs puts a volume in front of the disk, as test code does with memfs', async (t) => {
  const folder = nodeFs.mkdtempSync(join(tmpdir(), 'holdfast-union-'))
  t.after(() => nodeFs.rmSync(folder, { recursive: true, force: true }))
  nodeFs.writeFileSync(join(folder, 'real'), 'on disk')
  nodeFs.writeFileSync(join(folder, 'both'), 'on disk')
  const volume = await open('union', { storage: memory() })
  t.after(() => volume.close())
  volume.fs.mkdirSync(folder, { recursive: true })
  volume.fs.writeFileSync(join(folder, 'both'), 'in the volume')
  const union = new Union()
  union.use(nodeFs).use(/** @type {any} */ (volume.fs))
  assert.equal(union.readFileSync(join(folder, 'both'), 'utf8'), 'in the volume')
  assert.equal(union.readFileSync(join(folder, 'real'), 'utf8'), 'on disk')
  assert.deepEqual(union.readdirSync(folder), ['both', 'real'])
  assert.equal(await union.promises.readFile(join(folder, 'both'), 'utf8'), 'in the volume')
  assert.equal(await new Promise((resolve) => union.readFile(join(folder, 'real'), 'utf8', (/** @type {any} */ _err, /** @type {any} */ text) => resolve(text))), 'on disk')
  union.writeFileSync(join(folder, 'new'), 'x')
  assert.equal(nodeFs.existsSync(join(folder, 'new')), false, 'writes go to the one in front')
  assert.equal(volume.fs.readFileSync(join(folder, 'new'), 'utf8'), 'x')
})
