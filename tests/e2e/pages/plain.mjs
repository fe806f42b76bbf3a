// A worker with the package as it is shipped, and nothing else: quick to start, for tests of volumes alone.

import * as holdfast from '/holdfast/index.js'
import { exposeVolume } from '/holdfast/worker.js'

/** Tells the test something and waits for its answer. */
async function tell(path, body) {
  const response = await fetch(path, { method: 'POST', body: JSON.stringify(body ?? null) })
  return response.json()
}

/** Lets nothing else happen in this worker until the test answers, as a guest's long request would. */
function block(path) {
  const request = new XMLHttpRequest()
  request.open('POST', path, false)
  request.send('null')
}

/** The error that `action` ends with, as plain data; null when it succeeds. */
async function failure(action) {
  try {
    await action()
    return null
  } catch (error) {
    const { name, code, message, path, hint } = error
    return { name, code, message, path, hint, cause: error.cause && (error.cause.name ?? String(error.cause)) }
  }
}

Object.assign(globalThis, { holdfast, exposeVolume, tell, block, failure })
globalThis.ready = Promise.resolve(true)

// ?volume=NAME: opens it at once, says how that went, and counts in it, a commit at a time; with &then=block it does nothing more, and is busy with that.
const parameters = new URL(import.meta.url).searchParams
const name = parameters.get('volume')
if (name) {
  const error = await failure(async () => {
    globalThis.volume = await holdfast.open(name)
  })
  let count = error || !volume.fs.existsSync('/count') ? 0 : Number(volume.fs.readFileSync('/count', 'utf8'))
  postMessage({ error })
  if (parameters.get('then') === 'block') block('/never')
  await tell('/opened', { error, count })
  while (!error) {
    volume.fs.writeFileSync('/count', String(++count))
    volume.commit()
    await tell('/acknowledge', count)
  }
}
