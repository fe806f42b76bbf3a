// The page: forms and lists. Everything that is kept lives in the worker (worker.js).

import * as Comlink from 'comlink'
import { showTimeline } from './timeline.js'
import { Transfers } from './transfers.js'
import { milliseconds, moment, bytes, sentence } from './words.js'

const $ = (id) => document.getElementById(id)
const worker = new Worker('worker.js', { type: 'module' })
const remote = Comlink.wrap(worker)

/** Calls a function of the worker; its errors have a code and a hint. */
async function call(name, ...args) {
  const { value, error } = await remote[name](...args)
  if (error) throw Object.assign(new Error(error.message), error)
  return value
}

function say(text) {
  $('status').textContent = text
}

function showProblem(error) {
  const { text, next, small } = sentence(error)
  const box = $('problem')
  box.replaceChildren()
  const strong = document.createElement('strong')
  strong.textContent = text
  const close = document.createElement('button')
  close.type = 'button'
  close.textContent = '×'
  close.setAttribute('aria-label', 'Dismiss this message')
  close.onclick = () => box.replaceChildren()
  box.append(strong, ' ', next, close)
  if (small) {
    const detail = document.createElement('small')
    detail.textContent = small
    box.append(detail)
  }
}

/** Does one thing at a time: controls are off meanwhile, so nobody waits for two answers at once. */
let busy = false
async function doing(what, work) {
  if (busy) return
  busy = true
  setEnabled(false)
  $('problem').replaceChildren()
  say(what)
  try {
    say((await work()) ?? '')
  } catch (error) {
    say('')
    if (error.code === 'ErrAborted') say('Cancelled. Nothing has changed here.')
    else if (error.code === 'ErrLocked' || error.code === 'ErrClosed') showTrouble(error)
    else showProblem(error)
  } finally {
    busy = false
    setEnabled(true)
  }
}

function setEnabled(on) {
  // aria-disabled and not disabled: a disabled button would drop the keyboard focus that is on it.
  for (const button of document.querySelectorAll('#app button:not(#cancel, #copy)')) {
    button.removeAttribute('disabled')
    button.setAttribute('aria-disabled', String(!on))
  }
  $('app').setAttribute('aria-busy', String(!on))
}

/** Shows whichever parts of an answer there are. */
function show({ html, points, lastCommit }) {
  if (html !== undefined) showEntries(html)
  if (points) {
    showTimeline(points, restore)
    showDurability(points, lastCommit)
  }
}

/** The HTML is the guestbook program's, which escapes what visitors typed. */
function showEntries(html) {
  const entries = $('entries')
  const hadFocus = entries.contains(document.activeElement)
  entries.innerHTML = html
  for (const time of entries.querySelectorAll('time')) time.textContent = moment(new Date(time.dateTime))
  if (hadFocus) entries.focus()
}

function showDurability(points, lastCommit) {
  const line = $('durability')
  if (lastCommit) {
    line.textContent = `Last commit: no. ${lastCommit.seq}, ${bytes(lastCommit.bytesWritten)} in ${milliseconds(lastCommit.ms)}, at ${moment(new Date(lastCommit.createdAt))}.`
  } else if (points.length) {
    line.textContent = `Last commit: no. ${points[0].seq}, from ${moment(new Date(points[0].createdAt))}, before this page was opened.`
  }
}

const entryCount = () => Number($('entries').querySelector('.count')?.dataset.count ?? 0)

// ---- opening ----

function showTrouble(error) {
  const { text, next } = sentence(error)
  $('trouble-title').textContent = text
  $('trouble-text').textContent = next
  $('trouble').hidden = false
  $('app').hidden = true
  say('')
  $('trouble-title').focus()
}

async function start() {
  say('Starting PHP…')
  try {
    const answer = await call('open')
    $('trouble').hidden = true
    $('app').hidden = false
    show(answer)
    setEnabled(true)
    say('')
    await offerPublished(answer.points.length <= 1)
  } catch (error) {
    showTrouble(error)
  }
}

$('retry').addEventListener('click', () => {
  $('trouble-text').textContent = 'Trying again…'
  // A volume that was taken over does not come back: only a new worker can open it.
  if (wasOpen()) location.reload()
  else start()
})
const wasOpen = () => $('entries').querySelector('[data-count]') !== null

worker.addEventListener('error', (event) => {
  showTrouble({ code: 'ErrInternal', message: event.message || 'the worker of this page could not be started' })
})

// ---- the guestbook ----

$('sign').addEventListener('submit', (event) => {
  event.preventDefault()
  const form = event.target
  doing('Signing…', async () => {
    show(await call('change', { action: 'sign', ...Object.fromEntries(new FormData(form)) }))
    form.reset()
    $('name').focus()
    return 'Signed, and on disk.'
  })
})

$('entries').addEventListener('submit', (event) => {
  event.preventDefault()
  const form = event.target
  const fields = Object.fromEntries(new FormData(form))
  if (form.method === 'get') doing('Fetching older entries…', async () => show(await call('list', fields)))
  else {
    doing('Deleting…', async () => {
      show(await call('change', fields))
      return 'Deleted. The time line still has it.'
    })
  }
})

for (const button of document.querySelectorAll('[data-action]')) {
  button.addEventListener('click', () => doing('Working…', async () => {
    const before = entryCount()
    show(await call('change', { action: button.dataset.action }))
    const difference = entryCount() - before
    return difference < 0 ? `${(-difference).toLocaleString()} deleted. The time line still has them.` : `${difference.toLocaleString()} added, and on disk.`
  }))
}

// ---- the time line ----

$('snapshot').addEventListener('submit', (event) => {
  event.preventDefault()
  const label = $('label').value.trim()
  if (!label) return
  doing('Taking the snapshot…', async () => {
    show(await call('snapshot', label))
    event.target.reset()
    return `Snapshot “${label}” taken.`
  })
})

function restore(point) {
  doing('Going back…', async () => {
    const answer = await call('restore', point.id)
    show(answer)
    return `Restored “${point.text}” in ${milliseconds(answer.ms)}.`
  })
}

// ---- publishing ----

const transfers = new Transfers({ call, doing, show, remoteConfig })

/** Asked for anew each time: a restarted demo has another S3 server. */
async function remoteConfig() {
  const response = await fetch('config.json').catch(() => Response.error())
  if (!response.ok) throw Object.assign(new Error('config.json could not be fetched'), { code: 'ErrUnreachable' })
  return (await response.json()).s3
}

remoteConfig().then(({ endpoint, bucket }) => ($('endpoint').textContent = `${endpoint}/${bucket}`), () => ($('endpoint').textContent = 'an address that is not known yet'))

/** Somebody followed the link of a published guestbook. */
async function offerPublished(isNew) {
  if (!new URLSearchParams(location.search).has('published')) return
  const done = () => history.replaceState(null, '', location.pathname)
  if (isNew && entryCount() === 0) {
    if (await transfers.fetch()) done()
    return
  }
  $('offer').hidden = false
  $('offer-yes').onclick = async () => {
    $('offer').hidden = true
    if (await transfers.fetch()) done()
  }
  $('offer-no').onclick = () => {
    $('offer').hidden = true
    $('name').focus()
    done()
  }
}

// aria-disabled only says that a button is off; this makes it so.
document.addEventListener('click', (event) => {
  if (event.target.closest?.('button[aria-disabled="true"]')) {
    event.preventDefault()
    event.stopImmediatePropagation()
  }
}, true)

start()
