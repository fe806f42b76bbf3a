// Making elements, and asking.

export const $ = (id) => document.getElementById(id)

/**
 * @param {string} tag
 * @param {Record<string, any> | null} [props] properties; `class`, `for` and names with a dash are attributes, `on` holds listeners
 * @param {...(Node | string | null | undefined | false)} children
 */
export function el(tag, props, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener)
    else if (name === 'class' || name === 'for' || name === 'role' || name.includes('-')) element.setAttribute(name, value === true ? '' : value)
    else element[name] = value
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** Opens the dialog; what it shows can be changed until `close`. */
export function openDialog(title) {
  const dialog = $('dialog')
  $('dialog-title').textContent = title
  $('dialog-body').replaceChildren()
  $('dialog-choices').replaceChildren()
  dialog.oncancel = null
  if (!dialog.open) dialog.showModal()
  return {
    title: (text) => ($('dialog-title').textContent = text),
    body: (...children) => $('dialog-body').replaceChildren(...children),
    /** @param {{ text: string, small?: string, primary?: boolean, value?: any }[]} choices @returns {Promise<any>} the value of the one chosen; undefined after Escape */
    choose(choices) {
      return new Promise((resolve) => {
        const done = (value) => {
          dialog.close()
          resolve(value)
        }
        dialog.oncancel = () => resolve(undefined)
        $('dialog-choices').replaceChildren(...choices.map(({ text, small, primary, value }) => el('button', { type: 'button', class: [primary && 'primary', small && 'choice'].filter(Boolean).join(' ') || undefined, on: { click: () => done(value) } },
          small ? el('b', null, text) : text, small && el('span', null, small))))
        $('dialog-choices').querySelector('button').focus()
      })
    },
    close: () => dialog.close(),
  }
}

/** A bar with what it is about, figures and a way to stop. @returns {{ show: (p: object | null) => void, end: () => void }} */
export function progressIn(box, text, { figures, onCancel }) {
  const bar = el('progress', { max: 1, 'aria-label': text })
  const words = el('p', { class: 'figures' })
  box.replaceChildren(el('p', null, text), bar, el('div', { class: 'row spread' }, words, el('button', { type: 'button', class: 'quiet', 'data-cancel': true, on: { click: onCancel } }, 'Cancel')))
  box.hidden = false
  const show = (progress) => {
    words.textContent = figures(progress)
    if (!progress?.bytesTotal) return bar.removeAttribute('value') // it moves, and promises nothing
    bar.max = progress.bytesTotal
    bar.value = Math.min(progress.bytesDone, progress.bytesTotal)
  }
  show(null)
  return { show, end: () => { box.hidden = true; box.replaceChildren() } }
}
