// The page: what is on it, and who does what. Everything that is kept lives in the worker (worker.js).

import { Changes } from './changes.js'
import { $, el } from './dom.js'
import { killTheWorker, showDurability } from './durability.js'
import { wireFiles } from './files.js'
import { Frame } from './frame.js'
import { Machine } from './machine.js'
import { showTimeline } from './timeline.js'
import { Transfers, figures } from './transfers.js'
import { bytes, milliseconds, sentence } from './words.js'

const wanted = new URLSearchParams(location.search)
/** A second copy beside the first has a volume of its own. */
const site = /^[a-z0-9-]{1,40}$/.test(wanted.get('copy') ?? '') ? wanted.get('copy') : 'main'

const machine = new Machine({ site, onState: show, onProblem: showProblem, onDeath: showTrouble })
const frame = new Frame(`/sites/${site}`)
const changes = new Changes({ machine, report: showProblem })
const reload = () => frame.reload()
const transfers = new Transfers({ machine, doing, show, reload })
wireFiles({ machine, doing, show, reload })

let points = []

/** The worker's state, after whatever changed it. */
function show(state) {
  points = state.points
  showTimeline(points, { onRestore: restore, onChanges: showChanges })
  showDurability(state)
  changes.setPoints(points)
  enable(!busy)
  // What WordPress does on its own account does not push away what the visitor was told.
  if (state.lastCommit && points[0].kind === 'change' && !busy) say(`On disk: commit ${state.lastCommit.seq}, ${bytes(state.lastCommit.bytesWritten)} in ${milliseconds(state.lastCommit.ms)}`)
}

function say(text) {
  $('status').textContent = text
}

/** Does one thing at a time: controls are off meanwhile, so nobody waits for two answers at once. */
let busy = true
async function doing(what, work) {
  if (busy) return
  busy = true
  enable(false)
  $('problem').replaceChildren()
  say(what)
  try {
    say((await work()) ?? '')
  } catch (error) {
    say('')
    if (error.code === 'ErrAborted') say('Cancelled. Nothing has changed here.')
    else showProblem(error)
  } finally {
    busy = false
    enable(true)
  }
}

/** Everything that asks the worker to change something. */
const needsMachine = '#panel button:not([role="tab"], .fold, .quiet), #kill'
function enable(on) {
  // aria-disabled and not disabled: a disabled button would drop the keyboard focus that is on it.
  for (const button of document.querySelectorAll(needsMachine)) button.setAttribute('aria-disabled', String(!on))
  $('app').setAttribute('aria-busy', String(!on))
}

// aria-disabled only says that a button is off; this makes it so.
for (const type of ['click', 'submit']) {
  document.addEventListener(type, (event) => {
    const button = type === 'submit' ? event.submitter : event.target.closest?.('button')
    if (button?.getAttribute('aria-disabled') !== 'true') return
    event.preventDefault()
    event.stopImmediatePropagation()
  }, true)
}

/** Errors after which the site is not here any more. */
const taken = ['ErrLocked', 'ErrFenced', 'ErrClosed']
function showProblem(error) {
  if (error.code === 'ErrKilled') return
  if (taken.includes(error.code)) return showTrouble(error)
  const { text, next, small } = sentence(error)
  $('problem').replaceChildren(el('strong', null, text), ' ', next,
    el('button', { type: 'button', 'aria-label': 'Dismiss this message', on: { click: () => $('problem').replaceChildren() } }, '×'),
    ...(small ? [el('small', null, small)] : []))
}

// ---- opening ----

let config
async function open({ ifLocked, quiet = false } = {}) {
  $('trouble').hidden = true
  $('boot').hidden = false
  if (!quiet) $('curtain').hidden = false
  say('Starting WordPress…')
  try {
    await serviceWorker()
    config = await demoConfig()
    const name = (key) => /^[A-Za-z0-9][\w.~-]{0,127}$/.exec(wanted.get(key) ?? '')?.[0]
    const published = name('open')
    const { endpoint, bucket, prefix = '' } = config.s3
    // Everybody may read the bucket, so a first visit needs no key.
    const folder = name('folder') && config.gateway ? `${config.gateway.folder}/${name('folder')}/` : ''
    const from = { store: { endpoint, bucket, prefix: prefix + folder }, ...(published ? { name: published } : config.untouched) }
    if (published) {
      $('publish-name').value = name('folder') ?? published
      if (folder) document.querySelector('[name="mode"][value="gateway"]').checked = true
    }
    transfers.configure(config)
    const state = await machine.open({ from, ifLocked }, showStep)
    busy = false
    show(state)
    if (!quiet) {
      await frame.first()
      showStep({ step: 'done' })
      $('curtain').hidden = true
      say(state.first ? 'WordPress is here. What you change is kept in this browser.' : `Opened at commit ${state.points[0].seq} in ${milliseconds(state.openMs)}.`)
      if (published) await offerPublished(published, state.first)
    }
    return state
  } catch (error) {
    showTrouble(error)
    throw error
  }
}

async function serviceWorker() {
  if (!navigator.serviceWorker) throw Object.assign(new Error('navigator.serviceWorker is missing'), { code: 'ErrServiceWorker' })
  const registration = await navigator.serviceWorker.register('sw.js', { scope: '/sites/', updateViaCache: 'none' }).catch((error) => {
    throw Object.assign(error, { code: 'ErrServiceWorker' })
  })
  if (registration.active) return
  await new Promise((resolve) => {
    const worker = registration.installing ?? registration.waiting
    worker.addEventListener('statechange', () => worker.state === 'activated' && resolve())
  })
}

/** Asked for anew each time: a restarted demo has another S3 server. */
async function demoConfig() {
  const response = await fetch('config.json').catch(() => Response.error())
  if (!response.ok) throw Object.assign(new Error('config.json could not be fetched'), { code: 'ErrUnreachable' })
  return response.json()
}

/** @param {{ step: string, bytesTotal?: number }} progress */
function showStep(progress) {
  const items = [...document.querySelectorAll('#steps li')]
  const now = items.findIndex((item) => item.dataset.step === progress.step)
  for (const [i, item] of items.entries()) {
    const skipped = i < now && item.dataset.step === 'pull' && !item.classList.contains('now') && !item.classList.contains('done')
    item.classList.toggle('passed', skipped || item.classList.contains('passed'))
    item.classList.toggle('done', (now < 0 || i < now) && !skipped)
    item.classList.toggle('now', i === now)
  }
  const bar = $('boot-bar')
  if (progress.bytesTotal) {
    bar.max = progress.bytesTotal
    bar.value = progress.bytesDone
    $('boot-figures').textContent = figures(progress)
  } else {
    bar.removeAttribute('value')
    $('boot-figures').textContent = '\u00a0'
  }
}

/** Instead of the site: what is wrong, and what can be done. */
function showTrouble(error) {
  const { text, next, small } = sentence(error)
  const choices = error.code === 'ErrLocked' || error.code === 'ErrFenced' ? [
    ['Use it here instead', () => open({ ifLocked: 'steal' }).catch(() => {}), 'The other tab is told, and stops.'],
    ['Open a second copy', () => (location.search = new URLSearchParams({ ...Object.fromEntries(wanted), copy: `copy-${Date.now().toString(36)}` })), 'A site of its own, beside the first.'],
    ['Try again', () => open().catch(() => {})],
  ] : [['Try again', () => (points.length ? location.reload() : open().catch(() => {}))]] // a worker that died is best replaced with the page
  $('trouble-title').textContent = text
  $('trouble-text').textContent = next
  $('trouble-detail').textContent = taken.includes(error.code) ? '' : small // there is nothing to find out
  $('trouble-choices').replaceChildren(...choices.map(([text, act, small], i) => el('button', { type: 'button', class: [i === 0 && 'primary', small && 'choice'].filter(Boolean).join(' ') || undefined, on: { click: act } }, small ? el('b', null, text) : text, small && el('span', null, small))))
  $('boot').hidden = true
  $('trouble').hidden = false
  $('curtain').hidden = false
  busy = true
  enable(false)
  say('')
  if ($('dialog').open) $('dialog').close()
  $('trouble-title').focus()
}

/** The link of a published site was followed, and this browser has a site already. */
async function offerPublished(name, isFirst) {
  history.replaceState(null, '', location.pathname)
  if (isFirst) return say(`This is “${name}”, as it was published.`)
  showTab('publish')
  const yes = el('button', { type: 'button', class: 'primary', on: { click: async () => { if (await transfers.fetch()) $('published').hidden = true } } }, 'Fetch it')
  $('published').replaceChildren(el('p', null, `The link leads to the published site “${name}”. Fetching it replaces the site here, which stays on the timeline.`), el('div', { class: 'row' }, yes, el('button', { type: 'button', on: { click: () => ($('published').hidden = true) } }, 'Keep mine')))
  $('published').hidden = false
  yes.focus()
}

// ---- the timeline ----

$('snapshot').addEventListener('submit', (event) => {
  event.preventDefault()
  const label = $('label').value.trim()
  if (!label) return
  doing('Taking the snapshot…', async () => {
    show(await machine.call('snapshot', label))
    event.target.reset()
    return `Snapshot “${label}” taken.`
  })
})

function restore(point) {
  doing('Going back…', async () => {
    const answer = await machine.call('restore', point.id)
    show(answer)
    reload()
    return `Restored in ${milliseconds(answer.ms)}: ${point.text}`
  })
}

function showChanges(point) {
  changes.choose(point)
  showTab('changes')
}

// ---- the worker ----

$('kill').addEventListener('click', () => doing('Writing, and killing the worker…', async () => {
  await killTheWorker({
    machine,
    points: () => points,
    reopen: () => open({ quiet: true, ifLocked: 'wait' }), // the lock of the one that was killed is given back in a moment
    restore: (point) => setTimeout(() => restore(point)), // when this is done
  })
  reload()
}))

// ---- tabs ----

const tabs = [...document.querySelectorAll('[role="tab"]')]
function showTab(name, focus = false) {
  for (const tab of tabs) {
    const on = tab.id === `tab-${name}`
    tab.setAttribute('aria-selected', String(on))
    tab.tabIndex = on ? 0 : -1
    $(tab.getAttribute('aria-controls')).hidden = !on
    if (on && focus) tab.focus()
  }
  if (name === 'changes') changes.show()
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => showTab(tab.id.slice(4)))
  tab.addEventListener('keydown', ({ key }) => {
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[key]
    if (to !== undefined) showTab(tabs[(to + tabs.length) % tabs.length].id.slice(4), true)
  })
}

open().catch((error) => console.error(error))
