// The points that can be restored, newest on top. Points that WordPress made on its own account are folded.

import { $, el } from './dom.js'
import { fullMoment, moment } from './words.js'

const SHOWN = 40
const FOLDED = {
  housekeeping: (n) => (n === 1 ? 'A small save by WordPress' : `${n} small saves by WordPress`),
  burst: (n) => (n === 1 ? 'A post written before the kill' : `${n} posts written before the kill`),
}
let limit = SHOWN
const open = new Set() // folds, by their newest point
let known = null // points that were there the last time, so that new ones can appear

/**
 * @param {{ id: string, seq: number, createdAt: number, labelled: boolean, text: string, kind: string }[]} points
 * @param {{ onRestore: (point: object) => void, onChanges: (point: object) => void }} actions
 */
export function showTimeline(points, actions) {
  const list = $('points')
  const focused = document.activeElement?.dataset?.key
  const items = []
  for (const group of grouped(points)) {
    if (items.length >= limit) break
    if (group[0] !== points[0] && group[0].kind in FOLDED && !open.has(group[0].id)) items.push(fold(group, points, actions))
    else items.push(...group.map((point) => item(point, point === points[0], points.at(-1) === point, actions)))
  }
  list.replaceChildren(...items)
  known = new Set(points.map(({ id }) => id))
  const hidden = points.length - points.findIndex(({ id }) => id === items.at(-1)?.dataset.last) - 1
  $('older').hidden = hidden <= 0
  $('older').textContent = `Show ${hidden} older points`
  $('older').onclick = () => {
    limit += SHOWN
    showTimeline(points, actions)
  }
  if (focused) (list.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? list.querySelector('button'))?.focus()
}

/** The newest stands alone: it is where the visitor is. */
function grouped(points) {
  const groups = []
  for (const [i, point] of points.entries()) {
    const last = groups.at(-1)
    if (i > 1 && point.kind in FOLDED && last?.[0].kind === point.kind) last.push(point)
    else groups.push([point])
  }
  return groups
}

function fold(group, points, actions) {
  const [newest] = group
  const show = () => {
    open.add(newest.id)
    showTimeline(points, actions)
  }
  return el('li', { class: newest.kind, 'data-last': group.at(-1).id }, el('button', { type: 'button', class: 'fold', 'aria-expanded': 'false', 'data-key': `fold ${newest.id}`, on: { click: show } }, FOLDED[newest.kind](group.length)))
}

function item(point, isNow, isOldest, { onRestore, onChanges }) {
  const date = new Date(point.createdAt)
  const when = moment(date)
  const classes = [point.kind, point.labelled && 'labelled', known && !known.has(point.id) && 'new'].filter(Boolean).join(' ')
  return el('li', { class: classes, 'aria-current': isNow && 'true', 'data-last': point.id, title: `${point.text}\n${fullMoment(date)}\nCommit ${point.seq}` },
    el('div', { class: 'point' },
      el('div', null,
        el('p', { class: 'what' }, point.text),
        el('p', { class: 'when' }, el('time', { dateTime: date.toISOString() }, when), point.labelled ? ' · snapshot' : '')),
      el('div', { class: 'acts' },
        !isOldest && el('button', { type: 'button', class: 'quiet', 'data-key': `changes ${point.id}`, 'aria-label': `What changed: “${point.text}” of ${when}`, on: { click: () => onChanges(point) } }, 'Changes'),
        isNow ? el('span', { class: 'now' }, 'Now') : el('button', { type: 'button', 'data-key': `restore ${point.id}`, 'data-machine': true, 'aria-label': `Restore “${point.text}” of ${when}`, on: { click: () => onRestore(point) } }, 'Restore'))))
}
