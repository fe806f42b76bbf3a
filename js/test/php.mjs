/** php-wasm for tests. */

import { PHP } from '@php-wasm/universal'
import { loadNodeRuntime } from '@php-wasm/node'

let processId = 0
/** @type {PHP[]} */
const started = []

/** Ends the runtimes: they keep Node from ending. */
export function stopPhp() {
  for (const php of started) {
    try {
      php.exit()
    } catch {}
  }
}

/** @param {import('@php-wasm/universal').SupportedPHPVersion} [version] */
export const nextRuntime = (version = '8.3') => loadNodeRuntime(version, { emscriptenOptions: { processId: ++processId } })

/** @param {import('@php-wasm/universal').SupportedPHPVersion} [version] */
export async function startPhp(version) {
  const php = new PHP(await nextRuntime(version))
  started.push(php)
  return {
    php,
    /** Runs code and returns what it printed; fails on PHP's own errors. @param {string} code */
    async run(code) {
      const { text, errors, exitCode } = await php.run({ code: `<?php error_reporting(E_ALL); ini_set('display_errors', '1'); ${code}` })
      if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${text} ${errors}`)
      return text
    },
  }
}
