/** How the adapters of this package reach a volume's inside. A registered symbol, so that two copies of a bundled package agree. */

export const CORE = Symbol.for('holdfast.core')

/**
 * @param {any} volume
 * @returns {import('./core.js').Core}
 */
export function coreOf(volume) {
  const core = volume?.[CORE]
  if (!core) throw new TypeError('not an open Holdfast volume')
  return core
}

/**
 * Where what `s3()` and `gateway()` return says how to make it again in another context: `[kind, config]`. A store has a state and
 * functions, and cannot be sent to a worker; what it was made of can.
 */
export const RECIPE = Symbol.for('holdfast.recipe')
