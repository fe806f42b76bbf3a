// A reverse proxy that forwards bytes unchanged, keeps a record of every request, and fails when it is told to. The Host header
// is forwarded as it came: it is part of what an S3 signature covers.
//
// One header it adds: versitygw 1.8.0 leaves Access-Control-Allow-Origin out when it refuses a GET for its signature or its
// key (with PUT it sends it), so that a page cannot tell the refusal from a dead line. S3 itself sends it with every answer to an
// origin that the bucket's rules allow.

import http from 'node:http'

/**
 * @typedef {{ method: string, path: string, sent: number, received: number, status: number, fault?: string, texts?: string[] }} Exchange
 *   sent and received are body bytes, seen from the client; texts are the request's and the answer's heads and bodies
 *
 * What goes wrong with a request:
 *   drop               the line is cut before the request reaches the server
 *   cut-request        half of the request's body reaches the server, then the line is cut
 *   drop-answer        the server does what it was asked, and the line is cut before its answer
 *   cut-answer         the line is cut in the middle of the answer
 *   duplicate          the request reaches the server twice; the second answer is passed on
 *   delay              the answer comes late
 *   hang               there is never an answer; the server does what it was asked
 *   503, 429, 500      the proxy answers so, as an overloaded server would; `retryAfter` in seconds
 *   500-after          the server does what it was asked, and the proxy says 500
 * @typedef {{ kind: string, retryAfter?: number, ms?: number }} Fault
 */

export const FAULTS = ['drop', 'cut-request', 'drop-answer', 'cut-answer', 'duplicate', 'delay', '503', '429', '500-after']

/**
 * `proxy.fault` is asked about each request, with the number of those before it since the last `take`; preflights are not counted, theirs is -1.
 *
 * @param {string} target
 * @param {{ allowOrigin?: string, keepTexts?: boolean }} [options] keepTexts: record all bytes
 */
export async function recordingProxy(target, { allowOrigin, keepTexts = false } = {}) {
  const { hostname, port } = new URL(target)
  /** @type {Exchange[]} */
  let log = []
  let count = 0
  /** @type {Set<http.ServerResponse>} */
  const hanging = new Set()

  /** @param {http.IncomingMessage} request @param {Buffer} body @param {number} [send] bytes of the body after which the line is cut */
  const ask = (request, body, send = body.length) => new Promise((resolve, reject) => {
    const forward = http.request({
      hostname, port, method: request.method, path: request.url, setHost: false, agent: false,
      headers: request.rawHeaders, // an array keeps case, order and repeats
    })
    forward.on('response', async (answer) => {
      const chunks = []
      try {
        for await (const chunk of answer) chunks.push(chunk)
        resolve({ answer, content: Buffer.concat(chunks) })
      } catch (err) {
        reject(err)
      }
    })
    forward.on('error', reject)
    if (send === body.length) return forward.end(body)
    forward.flushHeaders()
    forward.write(body.subarray(0, send), () => setTimeout(() => forward.destroy(new Error('cut')), 5))
  })

  const corsHeaders = (request) => (allowOrigin && request.headers.origin === allowOrigin
    ? ['Access-Control-Allow-Origin', allowOrigin, 'Access-Control-Expose-Headers', 'ETag, Date, Retry-After'] : [])

  const server = http.createServer(async (request, response) => {
    /** @type {Exchange} */
    const exchange = { method: request.method, path: request.url, sent: 0, received: 0, status: 0 }
    log.push(exchange)
    response.shouldKeepAlive = proxy.keepAlive
    /** @type {Fault | undefined} */
    const fault = (await proxy.fault?.(exchange, request.method === 'OPTIONS' ? -1 : count++)) ?? undefined
    if (fault) exchange.fault = fault.kind
    try {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const body = Buffer.concat(chunks)
      exchange.sent = body.length
      if (keepTexts) exchange.texts = [`${request.method} ${request.url} ${request.rawHeaders.join('\n')}`, body.toString('latin1')]
      if (fault && /^\d+$/.test(fault.kind)) {
        exchange.status = Number(fault.kind)
        const headers = ['Content-Type', 'text/plain', ...corsHeaders(request)]
        if (fault.retryAfter !== undefined) headers.push('Retry-After', String(fault.retryAfter))
        return response.writeHead(exchange.status, headers).end('the proxy says so')
      }
      if (fault?.kind === 'drop') return response.destroy()
      if (fault?.kind === 'cut-request') {
        await ask(request, body, body.length >> 1).catch(() => {})
        return response.destroy()
      }
      if (fault?.kind === 'duplicate') await ask(request, body)
      const { answer, content } = await ask(request, body)
      exchange.status = answer.statusCode
      if (keepTexts) exchange.texts.push(answer.rawHeaders.join('\n'), content.toString('latin1'))
      if (fault?.kind === 'drop-answer') return response.destroy()
      if (fault?.kind === 'hang') return void hanging.add(response)
      if (fault?.kind === '500-after') return response.writeHead(500, corsHeaders(request)).end('the proxy says so')
      if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms ?? 100))
      const headers = [...answer.rawHeaders, ...(answer.headers['access-control-allow-origin'] ? [] : corsHeaders(request))]
      response.writeHead(answer.statusCode, answer.statusMessage, headers)
      if (fault?.kind === 'cut-answer') {
        response.flushHeaders()
        return response.write(content.subarray(0, content.length >> 1), () => setTimeout(() => response.destroy(), 5))
      }
      exchange.received = content.length
      response.end(request.method === 'HEAD' ? undefined : content)
    } catch {
      response.destroy()
    }
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))

  const proxy = {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** False: each request comes over a line of its own. */
    keepAlive: true,
    /** @type {((exchange: Exchange, index: number) => Fault | null | undefined | Promise<Fault | null>) | null} */
    fault: null,
    get log() {
      return log
    },
    /** The exchanges since the last call. */
    take() {
      count = 0
      return log.splice(0)
    },
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
  return proxy
}
