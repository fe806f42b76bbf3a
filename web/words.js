// Figures and errors in words. What an error means and what to do next come from its code and its hint; the message, which is for
// developers, follows in small print.

const sentences = {
  ErrLocked: ['This site is open in another tab.', 'Only one of them can write at a time.'],
  ErrFenced: ['This site was taken over by another tab.', 'It goes on there, with everything that was saved here.'],
  ErrClosed: ['This site was closed here.', 'Reload the page to open it again.'],
  ErrUnsupported: ['This browser, or this way of opening the page, does not let it keep files.', 'Open it over https or on 127.0.0.1, in a current browser and not in a private window.'],
  ErrQuota: ['There is no space left for this page.', 'Free some space on the disk, or delete uploads, then try again. Nothing that was saved is lost.'],
  ErrCorrupt: ['The stored data is damaged, and was left untouched.', 'Open a second copy, or clear the data of this page to begin anew.'],
  ErrVersion: ['The stored data was written by a newer version of this page.', 'Reload the page to get that version.'],
  ErrNotVolume: ['What is stored here is not a site of this page.', 'Clear the data of this page to begin anew.'],
  ErrUnreachable: ['The store does not answer.', 'Check that the demo is still running and that the endpoint is right, then try again. Nothing has changed here.'],
  ErrCredentials: ['The store refused the key or its secret.', 'Check them under “Where to”; reload the page to have the demo’s own again. Nothing has changed here.'],
  ErrNoBucket: ['The bucket does not exist in this store.', 'Check its name under “Where to”. Nothing has changed here.'],
  ErrNotFound: ['There is no published site of that name.', 'Publish it first, or check the name.'],
  ErrClock: ["This computer's clock differs too much from the store's.", 'Set the clock, then try again.'],
  ErrGone: ['This point is no longer kept.', 'Choose one that is on the timeline.'],
  ErrArchive: ['This file cannot be brought in.', 'Choose a whole zip, tar or tar.gz. The site here is as it was.'],
  ErrNoSite: ['There is no WordPress in it.', 'Choose an archive that has a wp-content folder. The site here is as it was.'],
  ErrPhp: ['PHP could not be loaded.', 'Check that the demo is still running, then try again.'],
  ErrServiceWorker: ['This browser does not let the page have a service worker.', 'Open it over https or on 127.0.0.1, and not in a private window.'],
}

/** @returns {{ text: string, next: string, small: string }} */
export function sentence({ code, message, hint }) {
  const known = sentences[code]
  if (!known) return { text: asSentence(message), next: asSentence(hint ?? 'Reload the page and try again'), small: '' }
  return { text: known[0], next: known[1], small: !hint || message.includes(hint) ? message : `${message}. ${hint}` }
}

function asSentence(text) {
  const trimmed = text.trim()
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? '' : '.')
}

export function bytes(n) {
  if (n < 1000) return `${n} B`
  const units = ['kB', 'MB', 'GB']
  let unit = -1
  do n /= 1000; while (++unit < units.length - 1 && n >= 999.5)
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`
}

export function milliseconds(ms) {
  if (ms < 0.01) return 'less than 0.01 ms'
  return `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`
}

const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

/** The time alone when it is today's. */
export function moment(date) {
  const sameDay = date.toDateString() === new Date().toDateString()
  return (sameDay ? time : dateAndTime).format(date)
}

export const fullMoment = (date) => full.format(date)

export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`
}
