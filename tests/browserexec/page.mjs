// The page only starts the worker and reports what the worker cannot report
// itself: a script that does not load, or an exception outside the program.
const worker = new Worker('/worker.mjs', { type: 'module' })
worker.onerror = (event) => {
  fetch('/fail', { method: 'POST', body: `${event.message} (${event.filename}:${event.lineno})` })
}
