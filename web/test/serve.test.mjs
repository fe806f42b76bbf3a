// The demo's server: what it hands out, and that it leaves nothing running.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import test from 'node:test'
import { buildPage } from '../build.mjs'

test('the demo serves the page and its S3 server on 127.0.0.1, and a signal ends both', async (t) => {
  await buildPage()
  const child = spawn(process.execPath, [path.join(import.meta.dirname, '../serve.mjs'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  const url = await new Promise((resolve) => {
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
      if (found) resolve(found[0])
    })
  })

  const page = await fetch(url)
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/)
  assert.equal((await fetch(`${url}/holdfast/dist/core.wasm`, { method: 'HEAD' })).headers.get('content-type'), 'application/wasm')
  for (const outside of ['/../package.json', '/%2e%2e/package.json', '/..%2fserve.mjs', '/nothing', '/%']) {
    assert.ok([400, 404].includes((await fetch(url + outside)).status), outside)
  }
  const { s3 } = await (await fetch(`${url}/config.json`)).json()
  assert.equal(new URL(s3.endpoint).hostname, '127.0.0.1')
  assert.ok((await fetch(s3.endpoint)).status >= 400, 'the S3 server answers, and refuses whoever does not sign')

  child.kill('SIGTERM')
  assert.deepEqual(await ended, { code: 0, signal: null })
  await assert.rejects(fetch(url))
  await assert.rejects(fetch(s3.endpoint))
})
