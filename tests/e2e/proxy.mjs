// A reverse proxy that forwards bytes unchanged and keeps a record of every
// request. The Host header is forwarded as it came: it is part of what an S3
// signature covers.
//
// One header it adds: versitygw 1.8.0 leaves Access-Control-Allow-Origin out
// when it refuses a GET for its signature or its key (with PUT it sends it), so
// that a page cannot tell the refusal from a dead line. S3 itself sends it with
// every answer to an origin that the bucket's rules allow.

import http from 'node:http'

/**
 * @typedef {{ method: string, path: string, sent: number, received: number, status: number }} Exchange
 *   sent and received are body bytes, seen from the client
 */

/** @returns {Promise<{ origin: string, log: Exchange[], take(): Exchange[], close(): Promise<void> }>} */
export async function recordingProxy(target, { allowOrigin } = {}) {
  const { hostname, port } = new URL(target)
  /** @type {Exchange[]} */
  const log = []

  const server = http.createServer((request, response) => {
    const exchange = { method: request.method, path: request.url, sent: 0, received: 0, status: 0 }
    log.push(exchange)
    const forward = http.request({
      hostname, port, method: request.method, path: request.url, setHost: false,
      headers: request.rawHeaders, // an array keeps case, order and repeats
    })
    forward.on('response', (answer) => {
      exchange.status = answer.statusCode
      answer.on('data', (chunk) => (exchange.received += chunk.length))
      const headers = [...answer.rawHeaders]
      if (allowOrigin && request.headers.origin === allowOrigin && !answer.headers['access-control-allow-origin']) {
        headers.push('Access-Control-Allow-Origin', allowOrigin, 'Access-Control-Expose-Headers', 'ETag, Date')
      }
      response.writeHead(answer.statusCode, answer.statusMessage, headers)
      answer.pipe(response)
    })
    forward.on('error', () => response.destroy())
    request.on('data', (chunk) => (exchange.sent += chunk.length))
    request.pipe(forward)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))

  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    log,
    /** The exchanges since the last call. */
    take: () => log.splice(0),
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
