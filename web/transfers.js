// Publishing and fetching, with progress and a way to stop.

import * as Comlink from 'comlink'
import { bytes, moment, objects } from './words.js'

const $ = (id) => document.getElementById(id)

export class Transfers {
  #page

  /** @param {{ call: Function, doing: Function, show: Function, remoteConfig: () => Promise<object> }} page */
  constructor(page) {
    this.#page = page
    $('publish').addEventListener('click', () => this.publish())
    $('fetch').addEventListener('click', () => this.fetch())
    $('conflict-fetch').addEventListener('click', () => this.fetch())
    $('conflict-overwrite').addEventListener('click', () => this.publish({ overwrite: true }))
    $('cancel').addEventListener('click', () => page.call('cancel'))
    $('copy').addEventListener('click', copyLink)
  }

  publish(options = {}) {
    return this.#transfer('Publishing…', async (config, onProgress) => {
      const answer = await this.#page.call('publish', config, options, onProgress)
      this.#page.show(answer)
      showPublished(answer.result)
      return answer.result.unchanged ? 'Already published: nothing had changed.' : 'Published.'
    })
  }

  /** Whether it worked. */
  async fetch() {
    let done = false
    await this.#transfer('Fetching the published guestbook…', async (config, onProgress) => {
      const answer = await this.#page.call('pull', config, onProgress)
      this.#page.show(answer)
      done = true
      return `Fetched what was published at ${moment(new Date(answer.result.createdAt))}, every byte checked.`
    })
    return done
  }

  #transfer(what, work) {
    return this.#page.doing(what, async () => {
      $('published').hidden = true
      $('conflict').hidden = true
      $('transfer-label').textContent = what
      showProgress(null)
      $('transfer').hidden = false
      try {
        return await work(await this.#page.remoteConfig(), Comlink.proxy(showProgress))
      } catch (error) {
        if (error.code !== 'ErrConflict') throw error
        showConflict(error)
      } finally {
        $('transfer').hidden = true
      }
    })
  }
}

function showProgress(progress) {
  const bar = $('bar')
  if (!progress?.bytesTotal) {
    bar.removeAttribute('value') // it moves, and promises nothing
    $('transfer-figures').textContent = progress?.phase === 'hash' ? 'Finding what is new…' : 'Asking the server…'
    return
  }
  bar.max = progress.bytesTotal
  bar.value = Math.min(progress.bytesDone, progress.bytesTotal)
  $('transfer-figures').textContent =
    `${bytes(progress.bytesDone)} of ${bytes(progress.bytesTotal)}, ${progress.objectsDone} of ${objects(progress.objectsTotal)}`
}

function showPublished({ unchanged, bytesSent, objectsSent, createdAt }) {
  $('published-text').textContent = unchanged
    ? 'What is published is what you see here.'
    : `Sent ${bytes(bytesSent)} in ${objects(objectsSent)} at ${moment(new Date(createdAt))}.`
  $('link').value = new URL('?published', location.origin + location.pathname).href
  $('copy').textContent = 'Copy'
  $('published').hidden = false
}

function showConflict({ details }) {
  const when = details?.theirs?.createdAt ? ` at ${moment(new Date(details.theirs.createdAt))}` : ''
  $('conflict-text').textContent =
    `Someone else published${when}, and this browser has not seen that. Nothing was overwritten. Which one shall be the published guestbook?`
  $('conflict').hidden = false
  $('conflict-fetch').focus()
}

async function copyLink() {
  $('link').select()
  try {
    await navigator.clipboard.writeText($('link').value)
    $('copy').textContent = 'Copied'
  } catch {
    $('copy').textContent = 'Press Ctrl+C' // the text is selected; some browsers let nobody but the visitor copy
  }
}
