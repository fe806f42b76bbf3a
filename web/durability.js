// What is on the disk, and the button that proves it.

import * as Comlink from 'comlink'
import { $, el, openDialog } from './dom.js'
import { bytes, count, milliseconds, moment } from './words.js'

/** @param {{ points: object[], lastCommit: object | null, totals: object, store: object | null }} state */
export function showDurability({ points, lastCommit, totals, store }) {
  const put = (id, text, title) => {
    $(id).textContent = text
    $(id).title = title ?? text
  }
  const commit = lastCommit ?? points[0]
  put('n-commit', `No. ${commit.seq}, ${moment(new Date(commit.createdAt))}`)
  put('n-written', lastCommit ? `${bytes(lastCommit.bytesWritten)} in ${milliseconds(lastCommit.ms)}` : 'Nothing yet', 'Bytes of the last commit, and how long it took until they were flushed')
  put('n-totals', `${count(totals.commits, 'commit')}, ${count(totals.flushes, 'flush', 'flushes')}`, `${bytes(totals.bytesWritten)} written since this page was opened`)
  put('n-store', `${bytes(store.bytes)}, ${store.history === null ? count(points.length, 'point') : bytes(store.history)}`,
    `Size of the file in the Origin Private File System; what ${count(points.length, 'point')} of the timeline need of it besides the present site`)
}

/**
 * Ends the worker while it writes, starts another one, and says what is there.
 *
 * @param {{ machine: import('./machine.js').Machine, reopen: () => Promise<object>, restore: (point: object) => void, points: () => object[] }} page
 */
export async function killTheWorker({ machine, reopen, restore, points }) {
  const before = points()[0]
  const mark = `<!-- burst ${crypto.randomUUID()} -->`
  const dialog = openDialog('Writing, until the end')
  const number = el('p', { class: 'big' }, 'No post acknowledged yet')
  const bar = el('progress', { 'aria-label': 'Writing posts' })
  dialog.body(el('p', null, 'WordPress writes one post after the other. Each is a transaction of SQLite and a commit of the volume, and is acknowledged when it is on disk.'), number, bar)
  $('dialog').oncancel = (event) => event.preventDefault() // it ends by itself

  let acknowledged = 0
  const enough = 20 + Math.floor(Math.random() * 20)
  const reached = Promise.withResolvers()
  const writing = machine.call('writePosts', mark, Comlink.proxy((n) => {
    acknowledged = n
    number.textContent = `${count(n, 'post')} acknowledged`
    if (n >= enough) reached.resolve()
  }))
  await Promise.race([reached.promise, writing])
  // Any moment will do: no event tells that one post ends and the next begins.
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 40))
  machine.kill()
  await writing.catch((error) => { if (error.code !== 'ErrKilled') throw error })

  dialog.title('Killed')
  dialog.body(el('p', null, `The worker was ended after it had acknowledged ${count(acknowledged, 'post')}, in the middle of the next one. Another one is starting…`), el('progress', { 'aria-label': 'Starting again' }))
  const start = performance.now()
  await reopen()
  const { posts, integrity, point } = await machine.call('survey', mark)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)

  const whole = posts >= acknowledged && integrity === 'ok'
  dialog.title(whole ? 'Everything acknowledged is here' : 'Something is missing')
  const fact = (value, text) => el('div', null, el('p', { class: 'big' }, value), el('p', { class: 'small' }, text))
  dialog.body(
    el('div', { class: 'outcome', 'data-acknowledged': acknowledged, 'data-found': posts, 'data-integrity': integrity },
      fact(count(acknowledged, 'post'), 'acknowledged before the end'),
      fact(count(posts, 'post'), posts > acknowledged ? 'found: one more was on disk, but the worker had no time to say so' : 'found, each of them whole'),
      fact(integrity === 'ok' ? 'Database sound' : 'Database damaged', `SQLite's integrity_check: ${integrity}`),
      fact(`${seconds} s`, `until all of it ran again, at commit ${point}: worker, volume, PHP, WordPress`)),
    whole ? el('p', null, 'The post that was being written is not there in part. There was nothing to repair.') : el('p', null, 'Please report this: it must not happen. The timeline has what was there before.'))
  const choice = await dialog.choose([
    { text: 'Keep the posts', primary: true },
    { text: 'Put the site back as it was', value: 'back' },
  ])
  if (choice === 'back') restore(before)
}
