// Figures and errors in words. What an error means and what to do next come from its code and its hint; the
// message, which is for developers, follows in small print.

const sentences = {
  ErrLocked: ['This guestbook is open in another tab or window.', 'Only one of them can write at a time. Close the other one, then try again.'],
  ErrUnsupported: ['This browser, or this way of opening the page, does not let it keep files.', 'Open it over https or on 127.0.0.1, in a current browser and not in a private window.'],
  ErrQuota: ['There is no space left for this page.', 'Free some space on the disk, or delete entries, then try again. Nothing that was saved is lost.'],
  ErrCorrupt: ['The stored data is damaged, and was left untouched.', 'Fetch the published guestbook, or clear the data of this site to begin anew.'],
  ErrVersion: ['The stored data was written by a newer version of this page.', 'Reload the page to get that version.'],
  ErrNotVolume: ['What is stored here is not a guestbook of this page.', 'Clear the data of this site to begin anew.'],
  ErrUnreachable: ['The S3 server does not answer.', 'Check that the demo is still running, then try again. Nothing has changed here.'],
  ErrCredentials: ['The S3 server refused the key or its secret.', 'Restart the demo and reload this page. Nothing has changed here.'],
  ErrNoBucket: ['The bucket does not exist on the S3 server.', 'Restart the demo, which makes it, and reload this page.'],
  ErrNotFound: ['There is no published guestbook on the S3 server yet.', 'Publish one first.'],
  ErrClock: ["This computer's clock differs too much from the S3 server's.", 'Set the clock, then try again.'],
  ErrInput: [null, ''],
}

/** @returns {{ text: string, next: string, small: string }} */
export function sentence({ code, message, hint }) {
  const known = sentences[code]
  if (!known) return { text: asSentence(message), next: asSentence(hint ?? 'Reload the page and try again'), small: '' }
  const [text, next] = known
  return { text: text ?? message, next, small: text ? detail(message, hint) : '' }
}

function detail(message, hint) {
  return !hint || message.includes(hint) ? message : `${message}. ${hint}`
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

/** The time alone when it is today's. */
export function moment(date) {
  const sameDay = date.toDateString() === new Date().toDateString()
  return (sameDay ? time : dateAndTime).format(date)
}

export function objects(n) {
  return n === 1 ? '1 object' : `${n} objects`
}
