// Taking the site out and bringing one in.

import * as Comlink from 'comlink'
import { $, el, progressIn } from './dom.js'
import { bytes, count } from './words.js'

/** @param {{ machine: import('./machine.js').Machine, doing: Function, show: (state: object) => void, reload: () => void }} page */
export function wireFiles({ machine, doing, show, reload }) {
  const moving = (what, work) => doing(what, async () => {
    const progress = progressIn($('moving'), what, { figures: (p) => (p ? count(p.objectsDone, 'file') : ''), onCancel: () => machine.call('cancel') })
    try {
      return await work(Comlink.proxy((p) => progress.show(p.bytesTotal ? p : { ...p, bytesDone: p.objectsDone, bytesTotal: p.objectsTotal })))
    } finally {
      progress.end()
    }
  })

  for (const button of document.querySelectorAll('[data-export]')) {
    button.addEventListener('click', () => moving(`Packing a ${button.dataset.export}…`, async (onProgress) => {
      const blob = await machine.call('takeOut', button.dataset.export, onProgress)
      const url = URL.createObjectURL(blob)
      el('a', { href: url, download: `wordpress.${button.dataset.export}` }).click()
      setTimeout(() => URL.revokeObjectURL(url), 60_000) // the browser reads it at its leisure
      return `The site is in wordpress.${button.dataset.export}: ${bytes(blob.size)}.`
    }))
  }

  const brought = (name) => (answer) => {
    show(answer)
    reload()
    return `Imported ${name}: ${count(answer.result.files, 'file')}, ${bytes(answer.result.bytes)}${answer.result.whole ? '' : ', into wp-content'}. What was here is on the timeline.`
  }
  $('choose').addEventListener('click', () => $('archive').click())
  $('archive').addEventListener('change', () => {
    const [archive] = $('archive').files
    $('archive').value = ''
    if (archive) moving(`Importing ${archive.name}…`, async (onProgress) => brought(archive.name)(await machine.call('bringIn', archive, archive.name, onProgress)))
  })
  $('look').addEventListener('click', () => doing('Looking for sites of Playground…', async () => {
    const found = await machine.call('playgroundFolders')
    $('playgrounds').replaceChildren(...found.map(({ path, name }) => el('li', { class: 'row spread' },
      el('span', { class: 'mono' }, path),
      el('button', { type: 'button', 'data-machine': true, 'aria-label': `Import ${path}`, on: { click: () => moving(`Importing ${name}…`, async (onProgress) => brought(name)(await machine.call('bringInFolder', path, onProgress))) } }, 'Import'))))
    return found.length ? `${count(found.length, 'site')} found.` : 'Playground keeps no site in this browser for this origin.'
  }))
}
