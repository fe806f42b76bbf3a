// WordPress in PHP: on a volume in OPFS, and as Playground keeps it, in MEMFS with a mount that copies files to and from OPFS.

import { createDirectoryHandleMountHandler } from '@php-wasm/web'
import * as holdfast from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { alternate, time, timeSync } from '../measure.mjs'
import { countingWrites, rawDisk } from './disk.mjs'
import { ROOT, copyTree, emptyDirectory, runPhp, startPhp, startWordPress, wordPressVolume } from './guests.mjs'
import { filesOf } from './tree.mjs'

const peerName = '@php-wasm/web directory handle mount'

/**
 * Inserts that each are a transaction, from PHP: ours are on disk, MEMFS's are nowhere. The floor is MEMFS too, with one write and one flush, of as many bytes as
 * ours wrote, at the call that makes a transaction final: the removal of the journal, or the sync of the log.
 */
export async function autocommit({ quick, runs }) {
  const count = quick ? 20 : 1000
  const volume = await holdfast.open('php-autocommit', { history: { keep: 1 } })
  const { php, FS } = await startPhp()
  await php.mount('/volume', holdfastMount(volume))
  FS.mkdirTree('/memory')
  const disk = await rawDisk('php-autocommit-floor')
  let atEnd = { delete: () => {}, wal: () => {} }
  mountMemory(FS, '/floor', () => atEnd.delete(), () => atEnd.wal())
  const rows = []
  let n = 0
  for (const [mode, ratio] of [['delete', 1 / 2], ['wal', 1 / 5]]) {
    let bytes = 0
    const insert = async (folder) => {
      const file = `${folder}/db${n++}`
      const ms = await runPhp(php, `$db = new PDO('sqlite:${file}'); $db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
        $db->exec('PRAGMA journal_mode = ${mode}'); $db->exec('PRAGMA synchronous = full'); $db->exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)');
        $s = $db->prepare('INSERT INTO t (v) VALUES (?)'); $t = hrtime(true);
        for ($i = 0; $i < ${count}; $i++) $s->execute(["row $i"]);
        echo (hrtime(true) - $t) / 1e6;`)
      return Number(ms)
    }
    const samples = await alternate(runs, {
      async ours() {
        let ms
        bytes = (await countingWrites(async () => (ms = await insert('/volume')))).bytes
        return ms
      },
      peer: () => insert('/memory'),
      floor() {
        atEnd = { delete: () => {}, wal: () => {}, [mode]: () => disk.commit(bytes / count) }
        return insert('/floor')
      },
    })
    rows.push({ id: `php-autocommit/${mode}`, what: `${count} autocommit inserts, synchronous=FULL, ${mode.toUpperCase()}; the peer's are not durable`, unit: 'ms', peerName: 'MEMFS', goal: { ratio }, samples })
    const counted = await countingWrites(() => insert('/volume'))
    rows.push({
      id: `php-autocommit/${mode}-flushes`, what: `flushes of ${count} transactions and 5 to make the database; floor: transactions`, unit: 'flushes', goal: { floorRatio: (count + 10) / count },
      samples: { ours: [counted.flushes], floor: [count] },
    })
  }
  disk.close()
  await volume.close()
  return rows
}

/** MEMFS that tells when the journal of a database was removed, and when something is synced. */
function mountMemory(FS, folder, removed, synced) {
  FS.mkdirTree(folder)
  const { MEMFS } = FS.filesystems
  const root = FS.mount({ ...MEMFS, syncfs: (_mount, _populate, done) => (synced(), done(null)) }, {}, folder)
  const { unlink } = root.node_ops
  root.node_ops = { ...root.node_ops, unlink(parent, name) { unlink.call(this, parent, name); if (name.endsWith('-journal')) removed() } }
}

/**
 * The whole tree, written for the first time: to new files on all sides. A larger one is written and removed right before each, so that the system's cache has
 * memory for them that was in use a moment ago: in a virtual machine memory that was not may cost ten times as much to write to.
 */
export async function firstSave({ runs }) {
  const source = await wordPressVolume('first-save-source', { storage: holdfast.memory() })
  const { php, FS } = await startPhp()
  copyTree(source.fs, FS, '/wordpress')
  const files = filesOf(source.fs, '/').map((path) => [path, source.fs.readFileSync(path)])
  const bytes = files.reduce((sum, [, { length }]) => sum + length, 0)
  const root = await navigator.storage.getDirectory()
  const data = new Uint8Array(1 << 20)
  const useMemory = async () => {
    const large = await (await root.getFileHandle('first-save-large', { create: true })).createSyncAccessHandle()
    for (let at = 0; at < 4 * bytes; at += data.length) large.write(data, { at })
    large.close()
    await root.removeEntry('first-save-large')
  }

  const samples = await alternate(runs, {
    async ours(round) {
      const volume = await holdfast.open(`first-save${round}`)
      for (const [path, data] of files) {
        volume.fs.mkdirSync(path.slice(0, path.lastIndexOf('/')) || '/', { recursive: true })
        volume.fs.writeFileSync(path, data)
      }
      await useMemory()
      const ms = timeSync(() => volume.commit())
      await volume.close()
      await (await root.getDirectoryHandle('holdfast')).removeEntry(`first-save${round}`, { recursive: true })
      return ms
    },
    async peer(round) {
      const directory = await emptyDirectory(`first-save-peer${round}`)
      let unmount
      await useMemory()
      const ms = await time(async () => {
        unmount = await php.mount('/wordpress', createDirectoryHandleMountHandler(directory, { initialSync: { direction: 'memfs-to-opfs' } }))
      })
      await unmount()
      await root.removeEntry(`first-save-peer${round}`, { recursive: true })
      return ms
    },
    async floor() {
      const raw = await (await root.getFileHandle('first-save-raw', { create: true })).createSyncAccessHandle()
      await useMemory()
      const ms = timeSync(() => {
        for (let at = 0; at < bytes; at += data.length) raw.write(data.subarray(0, Math.min(data.length, bytes - at)), { at })
        raw.flush()
      })
      raw.close()
      await root.removeEntry('first-save-raw')
      return ms
    },
  })
  await source.close()
  return [{ id: 'first-save', what: `first durable save of ${(bytes / 1e6).toFixed(1)} MB in ${files.length} files`, unit: 'ms', peerName, goal: { ratio: 20, floorRatio: 2 }, samples }]
}

/** From nothing in memory to the first file, and to all files, read. */
export async function openSite({ runs }) {
  const source = await wordPressVolume('open-site')
  const paths = filesOf(source.fs, '/')
  source.commit()
  const directory = await emptyDirectory('open-site-peer')
  {
    const { php, FS } = await startPhp()
    copyTree(source.fs, FS, '/wordpress')
    await (await php.mount('/wordpress', createDirectoryHandleMountHandler(directory, { initialSync: { direction: 'memfs-to-opfs' } })))()
  }
  await source.close()
  const { php, FS } = await startPhp()
  let n = 0
  const ours = (read) => async () => {
    let volume
    const ms = await time(async () => {
      volume = await holdfast.open('open-site')
      for (const path of read) volume.fs.readFileSync(path)
    })
    await volume.close()
    return ms
  }
  const peer = async () => {
    const mountpoint = `/open${n++}` // the mount makes it
    let unmount
    const ms = await time(async () => {
      unmount = await php.mount(mountpoint, createDirectoryHandleMountHandler(directory, { initialSync: { direction: 'opfs-to-memfs' } }))
      FS.readFile(`${mountpoint}/wp-load.php`)
    })
    await unmount()
    return ms
  }
  return [
    { id: 'open-site/first-file', what: 'open to the first file read', unit: 'ms', peerName, goal: { ratio: 50 }, samples: await alternate(runs, { ours: ours(['/wp-load.php']), peer }) },
    { id: 'open-site/whole-tree', what: `open to all ${paths.length} files read`, unit: 'ms', peerName, goal: { ratio: 5 }, samples: await alternate(runs, { ours: ours(paths), peer }) },
  ]
}

/** A post in WordPress: what it takes to make it durable once the request has ended, and to tell what changed. */
export async function onePost({ runs }) {
  const volume = await wordPressVolume('one-post', { durability: 'manual' })
  volume.commit()
  const site = await startWordPress(volume)
  const memory = await startWordPress(volume, { inMemory: true })
  const directory = await emptyDirectory('one-post-peer')
  let mounted
  const unmount = await memory.php.mount(ROOT, createDirectoryHandleMountHandler(directory, { initialSync: { direction: 'memfs-to-opfs' }, onMount: (m) => (mounted = m) }))
  await mounted.flush()

  const bytes = { ours: [], peer: [] }
  let posts = 0
  const samples = await alternate(runs, {
    async ours() {
      await site.insertPost(posts++)
      let result
      const ms = timeSync(() => (result = volume.commit()))
      bytes.ours.push(result.bytesWritten)
      return ms
    },
    async peer() {
      // The mount begins to write while PHP still runs, now and then: its bytes are those of request and flush.
      let ms = 0
      const counted = await countingWrites(async () => {
        await memory.insertPost(posts++)
        ms = await time(() => mounted.flush())
      })
      bytes.peer.push(counted.bytes)
      return ms
    },
  })
  const rows = [
    { id: 'save-one-post', what: 'end of the request of wp_insert_post to durable', unit: 'ms', peerName: `${peerName}: flush of its journal`, goal: { ratio: 5 }, samples },
    { id: 'save-one-post/bytes', what: 'bytes written for it', unit: 'bytes', peerName, goal: { ratio: 10 }, samples: { ours: bytes.ours.slice(-runs), peer: bytes.peer.slice(-runs) } },
  ]

  const { FS } = memory
  const hashes = async () => {
    const sums = new Map()
    for (const path of filesOf(FS, ROOT)) sums.set(path, new Uint8Array(await crypto.subtle.digest('SHA-256', FS.readFile(path))).join())
    return sums
  }
  const known = await hashes()
  const before = volume.snapshot()
  await site.insertPost(posts++)
  await memory.insertPost(posts++)
  rows.push({
    id: 'diff-one-post', what: 'what a wp_insert_post changed', unit: 'ms', peerName: 'SHA-256 of every file (WebCrypto), compared', goal: { ratio: 1000 },
    samples: await alternate(runs, {
      ours() {
        const n = 20
        return timeSync(() => { for (let i = 0; i < n; i++) if (volume.diff(before).length === 0) throw new Error('nothing changed') }) / n
      },
      peer: () => time(async () => {
        const changed = [...(await hashes())].filter(([path, sum]) => known.get(path) !== sum)
        if (changed.length === 0) throw new Error('nothing changed')
      }),
    }),
  })
  await unmount()
  await volume.close({ commit: false })
  return rows
}

export async function get({ quick, runs }) {
  const volume = await wordPressVolume('wordpress-get')
  volume.commit()
  const [site, memory] = [await startWordPress(volume), await startWordPress(volume, { inMemory: true })]
  const n = quick ? 1 : 3
  const side = (site) => async () => (await time(async () => { for (let i = 0; i < n; i++) await site.get('/') })) / n
  const rows = [{
    id: 'wordpress-get', what: 'GET / of WordPress, warm, durable', unit: 'ms', peerName: 'MEMFS', goal: { ratio: 1 / 1.05 },
    samples: await alternate(runs, { ours: side(site), peer: side(memory) }, { warm: 2 }),
  }]
  await volume.close()
  return rows
}
