// Publishing and fetching, with progress, a way to stop, and a choice when somebody else published.

import * as Comlink from 'comlink'
import { $, el, openDialog, progressIn } from './dom.js'
import { bytes, count, moment } from './words.js'

export class Transfers {
  #page
  #config

  /** @param {{ machine: import('./machine.js').Machine, doing: Function, show: (state: object) => void, reload: () => void }} page */
  constructor(page) {
    this.#page = page
    $('publish-form').addEventListener('submit', (event) => {
      event.preventDefault()
      this.publish()
    })
    $('fetch').addEventListener('click', () => this.fetch())
    $('place').addEventListener('invalid', () => ($('place').open = true), true) // what is wrong can be seen
  }

  /** Fills in the demo's own server. @param {{ s3: object, gateway: object | null, untouched: { name: string, snapshot: string } }} config */
  configure(config) {
    this.#config = config
    const { s3, gateway } = config
    $('modes').hidden = !gateway
    const fields = { endpoint: s3.endpoint, region: s3.region, bucket: s3.bucket, prefix: s3.prefix ?? '', accessKeyId: s3.credentials.accessKeyId, secretAccessKey: s3.credentials.secretAccessKey }
    for (const [id, value] of Object.entries(fields)) $(id).value = value
    const words = () => {
      $('s3-fields').hidden = this.#viaGateway()
      $('s3-fields').disabled = this.#viaGateway()
      $('gateway-words').hidden = !this.#viaGateway()
      $('place-words').textContent = this.#viaGateway() ? gateway.url : this.#own() ? 'the S3 server of this demo' : `${$('endpoint').value}/${$('bucket').value}`
    }
    $('publish-form').oninput = words
    words()
  }

  #viaGateway() {
    return this.#config.gateway !== null && new FormData($('publish-form')).get('mode') === 'gateway'
  }

  /** Whether it goes to the demo's own bucket, which everybody may read. */
  #own() {
    const { s3 } = this.#config
    return this.#viaGateway() || ($('endpoint').value === s3.endpoint && $('bucket').value === s3.bucket && $('prefix').value === (s3.prefix ?? ''))
  }

  #remote() {
    const { name, endpoint, region, bucket, prefix, accessKeyId, secretAccessKey } = Object.fromEntries(new FormData($('publish-form')))
    if (this.#viaGateway()) return { gateway: this.#config.gateway.url, name }
    return { endpoint: endpoint.replace(/\/+$/, ''), region: region || 'us-east-1', bucket, prefix, credentials: { accessKeyId, secretAccessKey } }
  }

  async publish({ overwrite = false, onConflict = 'fail' } = {}) {
    if (!$('publish-form').reportValidity()) return
    const name = $('publish-name').value
    const conflict = await this.#transfer('Publishing…', async (onProgress) => {
      const answer = await this.#page.machine.call('publish', this.#remote(), { name, overwrite, onConflict }, onProgress)
      this.#page.show(answer)
      this.#published(name, answer.result)
      if (answer.result.name !== name) return `Published beside the other, as “${answer.result.name}”.`
      return answer.result.unchanged ? 'Already published: nothing had changed.' : 'Published.'
    })
    if (!conflict) return
    // Another place, or a demo that was restarted, has nothing of that name, or the untouched site again: nobody would miss it.
    const theirs = conflict.details?.theirs?.id
    if (!theirs || /^0+$/.test(theirs) || theirs === this.#config.untouched.snapshot) return this.publish({ overwrite: true })
    await this.#resolve(conflict)
  }

  /** Whether it worked. */
  async fetch() {
    let done = false
    await this.#transfer('Fetching the published site…', async (onProgress) => {
      const answer = await this.#page.machine.call('pull', this.#remote(), { name: $('publish-name').value }, onProgress)
      this.#page.show(answer)
      this.#page.reload()
      done = true
      return `Fetched what was published at ${moment(new Date(answer.result.createdAt))}, every byte checked.`
    })
    return done
  }

  /** Two published from the same beginning: neither is lost, and somebody has to say which one counts. */
  async #resolve({ details }) {
    const when = details?.theirs?.createdAt ? ` at ${moment(new Date(details.theirs.createdAt))}` : ''
    const dialog = openDialog('Somebody else published in the meantime')
    dialog.body(el('p', null, `Another tab or browser published this site${when}, and this one has not seen that. Nothing was overwritten. Which one shall be the published site?`))
    const choice = await dialog.choose([
      { text: 'Take theirs', small: 'Fetches it into this tab. What you have stays on the timeline.', value: 'theirs' },
      { text: 'Publish mine instead', small: 'Theirs is replaced for everybody who follows the link.', value: 'mine' },
      { text: 'Publish mine beside it', small: 'Under a name of its own, with a link of its own.', value: 'beside' },
      { text: 'Decide later', small: 'Both stay as they are.', value: 'later' },
    ])
    if (choice === 'theirs') await this.fetch()
    else if (choice === 'mine') await this.publish({ overwrite: true })
    else if (choice === 'beside') await this.publish({ onConflict: 'branch' })
  }

  /** Resolves with the error of a conflict. */
  async #transfer(what, work) {
    let conflict
    await this.#page.doing(what, async () => {
      $('published').hidden = true
      const progress = progressIn($('transfer'), what, { figures, onCancel: () => this.#page.machine.call('cancel') })
      try {
        return await work(Comlink.proxy(progress.show))
      } catch (error) {
        if (error.code !== 'ErrConflict') throw error
        conflict = error
        return 'Not published: somebody else was faster.'
      } finally {
        progress.end()
      }
    })
    return conflict
  }

  #published(asked, { name, unchanged, bytesSent, requests, siteBytes, createdAt }) {
    const link = new URL(location.origin + location.pathname)
    link.searchParams.set('open', name)
    if (this.#viaGateway()) link.searchParams.set('folder', asked) // the gateway gives each site one
    const percent = Math.min(100, (bytesSent / siteBytes) * 100)
    const share = el('i', null)
    share.style.width = `${percent}%`
    const input = el('input', { id: 'link', class: 'mono', readOnly: true, value: link.href })
    const copy = el('button', { type: 'button', on: { click: () => copyText(input, copy) } }, 'Copy')
    $('published').replaceChildren(
      el('p', { class: 'big', id: 'sent' }, unchanged ? 'Nothing had to be sent' : `${bytes(bytesSent)} in ${count(requests, 'request')}`),
      el('div', { class: 'share', role: 'img', 'aria-label': `${bytes(bytesSent)} of ${bytes(siteBytes)}` }, share),
      el('p', { class: 'small' }, unchanged
        ? `What is published is what you have here: ${bytes(siteBytes)}.`
        : `The whole site has ${bytes(siteBytes)}; what was sent is ${percent < 0.1 ? 'less than 0.1' : percent.toFixed(1)} % of that. Published at ${moment(new Date(createdAt))}.`),
      ...(this.#own() ? [
        el('label', { for: 'link' }, 'Open it in a fresh browser; there is no key in this link'),
        el('div', { class: 'row' }, input, copy),
      ] : [el('p', { class: 'small' }, 'There is no link to a store of your own: others need a key for it, or the right to read the bucket.')]))
    $('published').hidden = false
  }
}

export function figures(progress) {
  if (!progress?.bytesTotal) return progress?.phase === 'hash' || progress?.phase === 'read' ? 'Finding what is new…' : 'Asking the store…'
  const all = progress.objectsTotal ? `, ${progress.objectsDone} of ${count(progress.objectsTotal, 'object')}` : ''
  return `${bytes(progress.bytesDone)} of ${bytes(progress.bytesTotal)}${all}`
}

async function copyText(input, button) {
  input.select()
  try {
    await navigator.clipboard.writeText(input.value)
    button.textContent = 'Copied'
  } catch {
    button.textContent = 'Press Ctrl+C' // the text is selected; some browsers let nobody but the visitor copy
  }
}
