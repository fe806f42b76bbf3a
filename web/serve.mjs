// Serves dist/ on 127.0.0.1, with an S3 server of its own beside it that ends with it. What is published lasts as long as this runs.
//
//   node serve.mjs [port]

import { createReadStream } from 'node:fs'
import { readFile, readdir, stat } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'
import { startS3 } from '../tests/e2e/s3server.mjs'
import { dist } from './build.mjs'
import { storeFolder, template } from './wordpress.mjs'

const BUCKET = 'sites'
/** The name under which the page publishes when nothing else is said. It begins as the untouched site, so that the first publish sends only changes. */
const NAME = 'my-site'
const signals = ['SIGINT', 'SIGTERM']
const FOLDER = 'sites' // of what is published through the gateway

const types = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
}

/** @returns {Promise<{ url: string, s3: Awaited<ReturnType<typeof startS3>>, gateway: { url: string } | null, close(): Promise<void> }>} */
export async function startDemo({ port = 0 } = {}) {
  let s3
  let gateway = null
  let untouched
  const closing = []
  const server = http.createServer((request, response) => {
    answer(request, response, { s3, gateway, untouched }).catch((error) => {
      console.error(error)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${server.address().port}`

  async function close() {
    await Promise.all(closing.map((close) => close()))
    await s3?.stop()
    await new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
  try {
    s3 = await startS3({ pageOrigin: url, bucket: BUCKET })
    await openToReaders(s3)
    untouched = await upload(s3)
    gateway = await withGateway(s3, url, closing)
  } catch (error) {
    await close()
    throw error
  }
  return { url, s3, gateway, close }
}

/** Everybody may read what is published, so that the link to it needs no key. */
async function openToReaders(s3) {
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${BUCKET}/*`] }],
  })
  const response = await s3.request(`/${BUCKET}?policy`, { method: 'PUT', body: policy })
  if (!response.ok) throw new Error(`the bucket could not be opened to readers: ${response.status} ${await response.text()}`)
}

/** The gateway, which the demo can do without. */
async function withGateway(s3, origin, closing) {
  const listening = signals.map((signal) => process.listeners(signal))
  try {
    const { startGateway } = await import('../tests/e2e/gateway.mjs')
    return await startGateway({ after: (close) => closing.push(close) }, { s3: s3.config, origins: origin, prefix: FOLDER })
  } catch (error) {
    console.error(`The gateway could not be started, so the page publishes straight to the S3 server. (${error.message})`)
    return null
  } finally {
    // What runs the gateway would end this process at a signal, before the S3 server has ended.
    for (const [i, signal] of signals.entries()) {
      for (const listener of process.listeners(signal)) if (!listening[i].includes(listener)) process.off(signal, listener)
    }
  }
}

/** The site that a first visit pulls. @returns {Promise<{ name: string, snapshot: string }>} */
async function upload(s3) {
  for (const entry of await readdir(storeFolder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const key = path.relative(storeFolder, file).split(path.sep).join('/')
    const response = await s3.request(`/${BUCKET}/${key}`, { method: 'PUT', body: await readFile(file) })
    if (!response.ok) throw new Error(`${key} could not be stored: ${response.status} ${await response.text()}`)
  }
  const { head, snapshot } = await template()
  const response = await s3.request(`/${BUCKET}/heads/${NAME}`, { method: 'PUT', body: head })
  if (!response.ok) throw new Error(`the head could not be stored: ${response.status} ${await response.text()}`)
  return { name: NAME, snapshot }
}

async function answer(request, response, { s3, gateway, untouched }) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost')
  const headers = { ...pageHeaders, 'cache-control': 'no-cache' }
  if (request.method !== 'GET' && request.method !== 'HEAD') return response.writeHead(405, headers).end()
  if (pathname === '/config.json') {
    // The demo's own credentials, for its own server, to pages of this origin only.
    const ready = s3 && untouched
    headers['content-type'] = types['.json']
    return response.writeHead(ready ? 200 : 503, headers).end(JSON.stringify(ready && { s3: s3.config, untouched, gateway: gateway && { url: gateway.url, folder: FOLDER } }))
  }
  if (pathname === '/token') {
    // Who may publish what is the business of a site's own server. This one lets everybody publish everything.
    const volume = searchParams.get('volume') ?? ''
    if (!gateway || !/^[A-Za-z0-9][\w.-]{0,59}$/.test(volume)) return response.writeHead(404, headers).end()
    headers['content-type'] = types['.txt']
    return response.writeHead(200, { ...headers, 'cache-control': 'no-store' }).end(gateway.token({ volume, rights: 'write' }))
  }
  const file = path.join(dist, path.normalize('/' + decoded(pathname === '/' ? '/index.html' : pathname)))
  const info = await stat(file).catch(() => null)
  if (!info?.isFile()) return response.writeHead(404, headers).end('There is no such page here.')
  const etag = `"${info.size.toString(16)}-${info.mtimeMs.toString(16)}"`
  if (request.headers['if-none-match'] === etag) return response.writeHead(304, { ...headers, etag }).end()
  response.writeHead(200, {
    ...headers, etag, 'content-length': info.size, 'content-type': types[path.extname(file)] ?? 'application/octet-stream',
  })
  if (request.method === 'HEAD') return response.end()
  createReadStream(file).on('error', () => response.destroy()).pipe(response)
}

/** Nonsense names no file. */
function decoded(pathname) {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return pathname
  }
}

/**
 * Nothing is loaded from another origin; requests go to whatever store the visitor names. The two Cross-Origin headers give the page's clock
 * microseconds, so that a restore can be timed.
 */
const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'", "img-src 'self'", "worker-src 'self'", "frame-src 'self'",
    "connect-src 'self' https: http://127.0.0.1:* http://localhost:*", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

if (process.argv[1] === import.meta.filename) {
  const port = Number(process.argv[2] ?? process.env.PORT ?? 8080)
  const demo = await startDemo({ port }).catch((error) => {
    console.error(error.code === 'EADDRINUSE' ? `Port ${port} is in use: choose another one with PORT=… make demo` : error.message)
    process.exit(1)
  })
  console.log(`WordPress with a time machine is at ${demo.url}\nIts S3 server is at ${demo.s3.config.endpoint}. Ctrl+C ends both.`)
  for (const signal of signals) {
    process.once(signal, async () => {
      await demo.close()
      process.exit(0)
    })
  }
}
