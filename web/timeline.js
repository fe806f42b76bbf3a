// The list of points that can be restored, newest on top.

import { moment } from './words.js'

const SHOWN = 8
let all = false

/** @param {{ id: string, seq: number, createdAt: number, labelled: boolean, text: string }[]} points */
export function showTimeline(points, onRestore) {
  const list = document.getElementById('points')
  const more = document.getElementById('all-points')
  const focused = document.activeElement?.dataset?.point
  const shown = all ? points : points.slice(0, SHOWN)
  list.replaceChildren(...shown.map((point, i) => item(point, i === 0, onRestore)))
  more.hidden = points.length <= SHOWN
  more.textContent = all ? 'Show fewer' : `Show all ${points.length} points`
  more.onclick = () => {
    all = !all
    showTimeline(points, onRestore)
  }
  if (focused) (list.querySelector(`[data-point="${focused}"]`) ?? list.querySelector('button'))?.focus()
}

function item(point, isNow, onRestore) {
  const li = document.createElement('li')
  li.className = point.labelled ? 'point labelled' : 'point'
  const text = document.createElement('p')
  text.className = 'what'
  text.textContent = point.text
  const when = document.createElement('p')
  when.className = 'when'
  const time = document.createElement('time')
  const date = new Date(point.createdAt)
  time.dateTime = date.toISOString()
  time.textContent = moment(date)
  when.append(time, point.labelled ? ' · snapshot' : '')
  const words = document.createElement('div')
  words.append(text, when)
  li.append(words)
  if (isNow) {
    const now = document.createElement('span')
    now.className = 'now'
    now.textContent = 'now'
    li.append(now)
    li.setAttribute('aria-current', 'true')
  } else {
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = 'Restore'
    button.dataset.point = point.id
    button.setAttribute('aria-label', `Restore “${point.text}” of ${time.textContent}`)
    button.onclick = () => onRestore(point)
    li.append(button)
  }
  return li
}
