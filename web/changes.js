// What differs between two points: files, lines, and tables of the database.

import { $, el } from './dom.js'
import { bytes, count, moment } from './words.js'

const SHOWN = 200
const WORDS = { create: 'Created', update: 'Changed', delete: 'Deleted', rename: 'Renamed', metadata: 'Mode or time' }

export class Changes {
  #machine
  #report
  #points = []
  #asked = 0
  #chosen = false // by the visitor; until then the newest point is compared with the one before

  /** @param {{ machine: import('./machine.js').Machine, report: (error: object) => void }} page */
  constructor({ machine, report }) {
    this.#machine = machine
    this.#report = report
    for (const id of ['from', 'to']) {
      $(id).addEventListener('change', () => {
        this.#chosen = true
        this.show()
      })
    }
  }

  /** Keeps what is chosen as long as it is there. */
  setPoints(points) {
    const had = { from: $('from').value, to: $('to').value }
    this.#points = points
    for (const id of ['from', 'to']) {
      $(id).replaceChildren(...points.map((point, i) => el('option', { value: point.id }, `${i === 0 ? 'Now · ' : ''}${moment(new Date(point.createdAt))} · ${point.text}`)))
    }
    const has = (id) => points.some((point) => point.id === id)
    $('to').value = this.#chosen && has(had.to) ? had.to : points[0].id
    $('from').value = this.#chosen && has(had.from) ? had.from : (points[1] ?? points[0]).id
    if (!$('view-changes').hidden) this.show()
  }

  /** What a point changed: compared with the one before it. */
  choose(point) {
    const i = this.#points.findIndex(({ id }) => id === point.id)
    this.#chosen = true
    $('to').value = point.id
    $('from').value = (this.#points[i + 1] ?? point).id
  }

  async show() {
    const asked = ++this.#asked
    const box = $('differences')
    const [from, to] = [$('from').value, $('to').value]
    if (!from || !to) return
    box.setAttribute('aria-busy', 'true')
    if (!box.hasChildNodes()) box.append(el('p', { class: 'sum' }, 'Comparing…'))
    try {
      const { files, database } = await this.#machine.call('changes', from, to)
      if (asked !== this.#asked) return
      const shown = files.filter(({ path }) => path !== database?.path)
      box.replaceChildren(
        el('p', { class: 'sum' }, summary(files, database)),
        ...(database ? [el('h2', null, 'Database'), tables(database)] : []),
        ...(shown.length ? [el('h2', null, 'Files'), el('div', null, ...shown.slice(0, SHOWN).map((file) => this.#file(file, from, to)))] : []),
        ...(shown.length > SHOWN ? [el('p', { class: 'small' }, `And ${count(shown.length - SHOWN, 'file')} more.`)] : []))
    } catch (error) {
      if (asked === this.#asked) this.#report(error)
    } finally {
      if (asked === this.#asked) box.removeAttribute('aria-busy')
    }
  }

  #file(file, from, to) {
    const head = [
      el('span', { class: `verdict ${file.change}` }, WORDS[file.change]),
      el('span', { class: 'path mono' }, file.change === 'rename' ? `${file.from} → ${file.path}` : file.path, file.type === 'directory' ? '/' : ''),
      el('span', { class: 'size' }, file.type === 'file' && file.change !== 'delete' ? bytes(file.size) : ''),
    ]
    if (file.type !== 'file' || file.change === 'metadata') return el('div', { class: 'file' }, el('div', { class: 'head' }, ...head))
    const body = el('div', null)
    const details = el('details', { class: 'file' }, el('summary', null, ...head), body)
    details.addEventListener('toggle', async () => {
      if (!details.open || body.childNodes.length) return
      body.textContent = 'Comparing…'
      try {
        body.replaceChildren(difference(await this.#machine.call('fileDifference', from, to, file)))
      } catch (error) {
        body.replaceChildren()
        details.open = false
        this.#report(error)
      }
    })
    return details
  }
}

function summary(files, database) {
  if (files.length === 0) return 'Nothing: the two points have the same files, to the byte.'
  const counts = Object.entries(WORDS).map(([change, word]) => [files.filter((file) => file.change === change).length, word.toLowerCase()]).filter(([n]) => n > 0)
  const pages = database ? `; ${count(database.changedPages, 'page')} of the database (${bytes(database.changedPages * database.pageSize)})` : ''
  return `${count(files.length, 'difference')}: ${counts.map(([n, word]) => `${n.toLocaleString()} ${word}`).join(', ')}${pages}.`
}

function tables({ tables, otherPages, path, pageSize }) {
  const rows = ({ rowsBefore, rowsAfter }) => (rowsBefore === rowsAfter ? number(rowsAfter) : `${number(rowsBefore)} → ${number(rowsAfter)}`)
  const edits = ({ added, removed, changed }) => [added && `+${added}`, removed && `−${removed}`, changed && `${changed} changed`].filter(Boolean).join(' ') || (added === null ? '–' : 'moved')
  return el('table', { class: 'tables' },
    el('caption', null, `${path}, in pages of ${pageSize.toLocaleString()} bytes`),
    el('thead', null, el('tr', null, ...['Table', 'Pages', 'Rows', 'Edits'].map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', null,
      ...tables.map((table) => el('tr', null, el('th', { scope: 'row' }, table.name), el('td', null, String(table.pages)), el('td', null, rows(table)), el('td', null, edits(table)))),
      otherPages > 0 && el('tr', null, el('th', { scope: 'row' }, 'header and free pages'), el('td', null, String(otherPages)), el('td', null), el('td', null))))
}

const number = (n) => (n === null ? '0' : n.toLocaleString())

function difference({ kind, pieces, cut }) {
  if (kind === 'binary') return el('p', { class: 'small' }, 'This is not text, so there are no lines to show.')
  if (kind === 'large') return el('p', { class: 'small' }, 'This file is larger than 1 MB, so its lines are not compared.')
  if (pieces.length === 0) return el('p', { class: 'small' }, 'No line differs.')
  const lines = pieces.flatMap((piece) => [
    el('div', { class: 'gap' }, `line ${piece.after}`),
    ...piece.lines.map((line) => el('div', { class: line.kind === '+' ? 'add' : line.kind === '-' ? 'del' : undefined }, `${line.kind} ${line.text.slice(0, 2000)}`)),
  ])
  if (cut) lines.push(el('div', { class: 'gap' }, '… and more'))
  return el('div', { class: 'diff', tabIndex: 0, role: 'group', 'aria-label': 'Lines that differ' }, ...lines)
}
