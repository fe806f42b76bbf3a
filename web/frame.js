// The frame and its address bar.

import { $, el } from './dom.js'

export class Frame {
  #base
  #frame = $('frame')
  #last = '/' // the last page that was there

  /** @param {string} base path of the site, without a slash at its end */
  constructor(base) {
    this.#base = base
    this.#watch()
    $('address-bar').addEventListener('submit', (event) => {
      event.preventDefault()
      this.go($('address').value)
    })
    $('back').onclick = () => history.back() // the frame's history is part of the tab's
    $('reload').onclick = () => this.reload()
    for (const button of document.querySelectorAll('[data-go]')) button.onclick = () => this.go(button.dataset.go)
  }

  /** @param {string} path within the site */
  go(path) {
    this.#loading(true)
    const url = this.#base + (path.startsWith('/') ? path : `/${path}`)
    try {
      this.#frame.contentWindow.location.assign(url)
    } catch {
      this.#frame.src = url // the browser's own page, after an error, is closed to us
    }
  }

  /**
   * A new frame at the same address: the old one may hold unsaved changes of a state that is gone, and would ask. It is seen until the new one has
   * something to show.
   */
  reload() {
    const path = this.#path() ?? this.#last
    const old = this.#frame
    const frame = el('iframe', { id: 'frame', title: old.title, allow: 'clipboard-write', src: this.#base + path })
    old.removeAttribute('id')
    old.inert = true
    old.before(frame) // below it
    frame.addEventListener('load', () => old.remove(), { once: true })
    this.#frame = frame
    this.#loading(true)
    this.#watch()
  }

  /** Shown when the first page is there. */
  first(path = '/') {
    return new Promise((resolve) => {
      this.#frame.addEventListener('load', resolve, { once: true })
      this.#frame.src = this.#base + path
    })
  }

  #watch() {
    const frame = this.#frame
    frame.addEventListener('load', () => {
      if (frame !== this.#frame) return
      this.#loading(false)
      const path = this.#path()
      if (path === null) return
      this.#last = path
      $('address').value = path
      for (const button of document.querySelectorAll('[data-go]')) {
        const here = button.dataset.go === path
        if (here) button.setAttribute('aria-current', 'page')
        else button.removeAttribute('aria-current')
      }
      this.#frame.contentWindow.addEventListener('pagehide', () => this.#loading(true))
    })
  }

  #path() {
    try {
      const { pathname, search, hash } = this.#frame.contentWindow.location
      return pathname.startsWith(`${this.#base}/`) ? pathname.slice(this.#base.length) + search + hash : null
    } catch {
      return null // a page of another origin would not tell
    }
  }

  #loading(on) {
    $('loading').hidden = !on
  }
}
