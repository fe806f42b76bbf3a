// Zip and tar, against PHP's ZipArchive and the system's tar.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdtempSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { PHP } from '@php-wasm/universal'
import { ArchiveError, readArchive, writeTar, writeZip } from '../archive.js'
import { phpForNode } from '../wordpress.mjs'

const LONG = `${'a-long-folder-name/'.repeat(12)}ünï – 文件.txt`
const MTIME = Date.UTC(2026, 1, 3, 4, 5, 6)
const text = (string) => new TextEncoder().encode(string)
const entries = () => [
  { path: 'wp-content', type: 'directory', mode: 0o755, mtime: MTIME },
  { path: 'wp-content/empty', type: 'file', mode: 0o644, mtime: MTIME, data: new Uint8Array(0) },
  { path: 'wp-content/run.php', type: 'file', mode: 0o755, mtime: MTIME, data: text('<?php echo 1;\n'.repeat(5000)) },
  { path: 'wp-content/noise', type: 'file', mode: 0o600, mtime: MTIME, data: Uint8Array.from({ length: 70_001 }, (_, i) => (i * i * 31 + (i >> 3)) & 255) },
  { path: LONG, type: 'file', mode: 0o644, mtime: MTIME, data: text('long name') },
  { path: 'link', type: 'symlink', mode: 0o777, mtime: MTIME, target: 'wp-content/run.php' },
]

const blobOf = async (parts) => { const all = []; for await (const part of parts) all.push(part); return new Blob(all) }
const read = async (blob) => { const all = []; for await (const { progress, ...entry } of readArchive(blob)) { assert.ok(progress > 0 && progress <= 1); all.push(entry) } return all }
function folder(t) {
  const made = mkdtempSync(path.join(os.tmpdir(), 'holdfast-archive-'))
  t.after(() => rmSync(made, { recursive: true, force: true }))
  return made
}

for (const [name, write] of [['zip', writeZip], ['tar', writeTar]]) {
  test(`${name}: what is written is read again, to the bit and the second`, async () => {
    const seconds = (list) => list.map((entry) => ({ ...entry, mtime: Math.floor(entry.mtime / 2000) })) // a zip counts in twos
    assert.deepEqual(seconds(await read(await blobOf(write(entries())))), seconds(entries()))
  })
}

test('tar: the system can unpack it', async (t) => {
  const into = folder(t)
  execFileSync('tar', ['-xf', '-', '-C', into], { input: Buffer.from(await (await blobOf(writeTar(entries()))).arrayBuffer()) })
  for (const entry of entries()) {
    const file = path.join(into, entry.path)
    const info = lstatSync(file)
    if (entry.type === 'file') assert.deepEqual(new Uint8Array(readFileSync(file)), entry.data, entry.path)
    if (entry.type === 'symlink') assert.equal(readlinkSync(file), entry.target)
    else assert.equal(info.mode & 0o777, entry.mode, entry.path)
  }
})

for (const format of ['gnu', 'pax', 'ustar']) {
  test(`tar: what the system packs is read (${format}, gzip)`, async (t) => {
    const from = folder(t)
    const name = format === 'ustar' ? `${'folder/'.repeat(20)}file.txt` : LONG
    mkdirSync(path.dirname(path.join(from, name)), { recursive: true })
    writeFileSync(path.join(from, name), 'content')
    chmodSync(path.join(from, name), 0o640)
    utimesSync(path.join(from, name), MTIME / 1000, MTIME / 1000)
    symlinkSync('somewhere/else', path.join(from, 'link'))
    const packed = execFileSync('tar', ['-C', from, `--format=${format}`, '-czf', '-', '.'])
    const list = await read(new Blob([packed]))
    const file = list.find(({ path }) => path === name)
    assert.deepEqual(file, { path: name, type: 'file', mode: 0o640, mtime: MTIME, data: text('content') })
    assert.equal(list.find(({ path }) => path === 'link').target, 'somewhere/else')
  })
}

test('zip: PHP reads it, and what PHP writes is read', async () => {
  const php = new PHP(await phpForNode())
  php.writeFile('/ours.zip', new Uint8Array(await (await blobOf(writeZip(entries()))).arrayBuffer()))
  const { text: said } = await php.run({ code: `<?php
    $zip = new ZipArchive;
    if ($zip->open('/ours.zip', ZipArchive::CHECKCONS) !== true) exit('not opened');
    for ($i = 0; $i < $zip->count(); $i++) {
      $found[$zip->getNameIndex($i)] = md5($zip->getFromIndex($i));
    }
    echo json_encode($found);
    $theirs = new ZipArchive;
    $theirs->open('/theirs.zip', ZipArchive::CREATE);
    $theirs->addFromString('wp-content/a.txt', str_repeat('deflated ', 1000));
    $theirs->addFromString('stored', 'x');
    $theirs->setCompressionName('stored', ZipArchive::CM_STORE);
    $theirs->addEmptyDir('folder');
    $theirs->close();` })
  const found = JSON.parse(said)
  assert.deepEqual(Object.keys(found), entries().map((entry) => entry.path + (entry.type === 'directory' ? '/' : '')))
  const theirs = await read(new Blob([php.readFileAsBuffer('/theirs.zip')]))
  assert.deepEqual(theirs.map(({ path, type }) => [path, type]), [['wp-content/a.txt', 'file'], ['stored', 'file'], ['folder', 'directory']])
  assert.equal(new TextDecoder().decode(theirs[0].data), 'deflated '.repeat(1000))
})

test('an archive that is cut, damaged or hostile is refused', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9)
  t.diagnostic(`SEED=${seed}`)
  let state = seed
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n
  await assert.rejects(read(new Blob(['hello'])), ArchiveError)
  const stored = [{ path: 'stored', type: 'file', mode: 0o644, mtime: MTIME, data: text('short') }]
  const flipped = new Uint8Array(await (await blobOf(writeZip(stored))).arrayBuffer())
  flipped[30 + 'stored'.length] ^= 1
  await assert.rejects(read(new Blob([flipped])), /checksum/)
  for (const write of [writeZip, writeTar]) {
    const whole = new Uint8Array(await (await blobOf(write(entries()))).arrayBuffer())
    await assert.rejects(read(new Blob([whole.subarray(0, whole.length >> 1)])), ArchiveError, 'half of it')
    for (let round = 0; round < 300; round++) {
      const damaged = whole.slice()
      damaged[random(damaged.length)] ^= 1 << random(8)
      await read(new Blob([damaged])).catch((error) => assert.ok(error instanceof ArchiveError, error.stack))
    }
    const outside = [{ path: '../outside', type: 'file', mode: 0o644, mtime: MTIME, data: text('x') }]
    await assert.rejects(read(await blobOf(write(outside))), /outside/)
  }
})
