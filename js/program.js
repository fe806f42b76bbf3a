/** A running Go program: starting it, and noticing that it has died. */

import { createGo } from './dist/go.js'
import { HoldfastError } from './errors.js'

/**
 * @typedef {object} Program
 * @property {any} exports
 * @property {any} scope the program's global object
 * @property {() => void} stop forgets the program: its timers would call it for ever otherwise
 */

/**
 * Starts a program and returns when it waits for the first time.
 *
 * @param {WebAssembly.Module} module
 * @param {string} what in messages
 * @param {Record<string, Record<string, Function>>} imports
 * @param {(err: HoldfastError) => void} died called when the program ends, which only a panic does
 * @param {string} [hint] what to do then
 * @returns {Promise<Program>}
 */
export async function startProgram(module, what, imports, died, hint = 'call it again; please report the trace in `details`') {
  const { go, scope, output } = createGo()
  /** @type {HoldfastError | null} */
  let dead = null
  let stopped = false
  const stop = () => {
    stopped = true
    for (const timer of go._scheduledTimeouts.values()) clearTimeout(timer)
    go._scheduledTimeouts.clear()
  }
  go.exit = (/** @type {number} */ code) => {
    const lines = output.join('').trim().split('\n')
    dead = new HoldfastError('ErrInternal', `${what} stopped: ${lines[0] || `exit code ${code}`}`, {
      hint,
      details: lines.join('\n'),
    })
    stop()
    died(dead)
    throw dead // through the program to whoever called it: an export would return garbage otherwise
  }
  const resume = go._resume
  go._resume = () => {
    // Called by timers and callbacks, where nobody could catch it; `died` tells those who wait.
    if (stopped) return stop()
    try {
      resume.call(go)
    } catch (err) {
      if (err !== dead) throw err
    }
  }
  Object.assign(go.importObject, imports)
  const instance = await WebAssembly.instantiate(module, go.importObject)
  go.run(instance)
  return { exports: instance.exports, scope, stop }
}
