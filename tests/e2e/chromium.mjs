// A Chromium that a test can kill like a power switch and start again on the
// same profile.

import { execFileSync, spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'

export function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim()
    } catch {}
  }
  throw new Error('no Chromium found: install one (make deps), or set CHROMIUM to its path')
}

/** An empty profile folder; `remove` it after the test. */
export async function freshProfile() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-e2e-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }) }
}

/**
 * Starts Chromium on a profile folder. The process leads a group of its own,
 * so that `sigkill` ends every process of it at once, and nothing else.
 */
export async function launch(profileFolder) {
  const child = spawn(findChromium(), [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-breakpad', '--disable-dev-shm-usage', '--remote-debugging-port=0',
    `--user-data-dir=${profileFolder}`, 'about:blank',
  ], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })

  const endpoint = await devtoolsEndpoint(child)
  const browser = await chromium.connectOverCDP(endpoint)
  const context = browser.contexts()[0]

  /** Ends the whole group without warning; resolves when no process of it runs any more. */
  async function sigkill() {
    signalGroup(child.pid)
    await groupGone(child.pid)
    await browser.close().catch(() => {})
  }

  return { pid: child.pid, browser, context, sigkill, kill: () => signalGroup(child.pid) }
}

/** Opens `url`, which starts one dedicated worker, and gives both. Page errors go to `onError`. */
export async function openWorker(context, url, onError = (text) => console.error(text)) {
  const page = await context.newPage()
  page.on('pageerror', (error) => onError(`page error: ${error.stack ?? error}`))
  page.on('crash', () => onError('the page crashed'))
  page.on('console', (message) => {
    if (message.type() === 'error') onError(`console: ${message.text()}`)
  })
  const workerStarted = page.waitForEvent('worker')
  await page.goto(url)
  const worker = await workerStarted
  // The worker's module has run when its globals are there.
  await worker.evaluate(async () => {
    while (!globalThis.ready) await new Promise((resolve) => setTimeout(resolve, 10))
    await globalThis.ready
  })
  return { page, worker }
}

function signalGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Dead children may wait for their parent as zombies: those hold no files and count as gone. */
async function groupGone(group) {
  for (;;) {
    let alive = false
    for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(pgrp) === group && state !== 'Z' && state !== 'X') alive = true
    }
    if (!alive) return
    await sleep(5)
  }
}

function devtoolsEndpoint(child) {
  return new Promise((resolve, reject) => {
    let log = ''
    const timer = setTimeout(() => fail('did not open its debugging port within 60 s'), 60_000)
    function fail(what) {
      clearTimeout(timer)
      signalGroup(child.pid)
      reject(new Error(`Chromium ${what}:\n${log.slice(-4000)}`))
    }
    child.once('error', (error) => reject(error))
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? code}`))
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text
      const found = /DevTools listening on (ws:\S+)/.exec(log)
      if (!found) return
      clearTimeout(timer)
      child.removeAllListeners('exit')
      child.stderr.removeAllListeners('data').resume()
      resolve(found[1])
    })
  })
}
