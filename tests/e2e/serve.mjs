// A static server for test pages. It lives in the test's own process, so its
// port (a part of the OPFS origin) stays the same while Chromium is killed and
// started again.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import http from 'node:http'
import path from 'node:path'

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/**
 * @param {Record<string, string>} folders URL prefix (with slashes at both ends) → folder
 * @param {{ port?: number, headers?: Record<string, string>, types?: Record<string, string> }} [options] headers of every file, and media types by extension
 * @returns {Promise<{ origin: string, onPost(path: string, handler: (body: any) => any): void, close(): Promise<void> }>}
 */
export async function serve(folders, { port = 0, headers = {}, types: otherTypes = {} } = {}) {
  const posts = new Map()

  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    if (request.method === 'POST') {
      const handler = posts.get(pathname)
      if (!handler) return response.writeHead(404).end()
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const answer = await handler(JSON.parse(Buffer.concat(chunks).toString() || 'null'))
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? null))
    }
    for (const [prefix, folder] of Object.entries(folders)) {
      if (!pathname.startsWith(prefix)) continue
      const file = path.join(folder, path.normalize('/' + decodeURIComponent(pathname.slice(prefix.length))))
      const info = await stat(file).catch(() => null)
      if (!info?.isFile()) break
      response.writeHead(200, {
        'content-type': otherTypes[path.extname(file)] ?? types[path.extname(file)] ?? 'application/octet-stream',
        'content-length': info.size,
        'cache-control': 'no-cache',
        ...headers,
      })
      return createReadStream(file).pipe(response)
    }
    response.writeHead(404).end()
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))

  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    onPost: (pathname, handler) => posts.set(pathname, handler),
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
