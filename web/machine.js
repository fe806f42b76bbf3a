// The worker as the page sees it: started, called, killed, started again. Hands the frame's requests, which come from the service
// worker, on to it, and waits with them while it starts.

import * as Comlink from 'comlink'

export class Machine {
  /** @param {{ site: string, onState: (state: object) => void, onProblem: (error: object) => void, onDeath: (error: object) => void }} options */
  constructor({ site, onState, onProblem, onDeath }) {
    this.site = site
    this.url = `${location.origin}/sites/${site}`
    this.#on = { onState, onProblem, onDeath }
    navigator.serviceWorker.addEventListener('message', ({ data, ports }) => {
      if (data?.holdfast === 'request') this.#hand(data, ports[0])
    })
    navigator.serviceWorker.startMessages()
  }

  #on
  #worker
  #remote
  #port // of the requests
  #state = 'starting' // | 'ready' | 'away': the site is not this page's
  #waiting = []
  #asked = new Map() // number of a request → port of who asked
  #count = 0

  /** Starts a worker, if there is none, and opens the site in it. */
  async open(options, onStep) {
    this.#state = 'starting'
    if (!this.#worker) this.#start()
    try {
      const state = await this.call('open', { name: this.site, url: this.url, ...options }, Comlink.proxy(onStep))
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = ({ data }) => {
        if (data.problem) return this.#on.onProblem(data.problem)
        const { port } = this.#asked.get(data.id) ?? {}
        this.#asked.delete(data.id)
        port?.postMessage(data.response, data.response.body ? [data.response.body] : [])
      }
      this.#port = port1
      await this.call('serve', Comlink.transfer(port2, [port2]))
      await this.call('onChange', Comlink.proxy(this.#on.onState), Comlink.proxy((error) => this.#lost(error)))
      this.#state = 'ready'
      for (const [request, port] of this.#waiting.splice(0)) this.#send(request, port)
      return state
    } catch (error) {
      this.#state = 'away'
      for (const [, port] of this.#waiting.splice(0)) port.postMessage({ refused: true })
      throw error
    }
  }

  #start() {
    this.#worker = new Worker('worker.js', { type: 'module' })
    this.#remote = Comlink.wrap(this.#worker)
    this.#worker.addEventListener('error', (event) => this.#on.onDeath({ code: 'ErrInternal', message: event.message || 'the worker of this page could not be started' }))
  }

  /** Calls a function of the worker; its errors have a code and a hint. It rejects when the worker is killed meanwhile. */
  async call(name, ...args) {
    const answer = await Promise.race([this.#remote[name](...args), this.#death.promise])
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error)
    return answer.value
  }

  #death = Promise.withResolvers()

  /** Ends the worker as a crash would: at once, whatever it is doing. */
  kill() {
    this.#worker.terminate()
    this.#worker = undefined
    this.#state = 'starting' // requests wait for the next worker
    this.#death.promise.catch(() => {})
    this.#death.reject(Object.assign(new Error('the worker was killed'), { code: 'ErrKilled' }))
    this.#death = Promise.withResolvers()
    // Whoever waits for an answer asks again: GET only, because nobody knows whether a POST was done.
    for (const { request, port } of this.#asked.values()) {
      if (request.method === 'GET') this.#waiting.push([request, port])
      else port.postMessage(interrupted)
    }
    this.#asked.clear()
  }

  /** Another tab has the site now. What this worker has in memory is of no use any more. */
  #lost(error) {
    this.kill()
    this.#state = 'away'
    for (const [, port] of this.#waiting.splice(0)) port.postMessage({ refused: true })
    this.#on.onProblem(error)
  }

  #hand({ site, request }, port) {
    if (site !== this.site || this.#state === 'away') return port.postMessage({ refused: true })
    port.postMessage({ accepted: true })
    if (this.#state === 'ready') this.#send(request, port)
    else this.#waiting.push([request, port])
  }

  #send(request, port) {
    const id = ++this.#count
    this.#asked.set(id, { request, port })
    this.#port.postMessage({ id, request })
  }
}

const interrupted = {
  status: 503,
  headers: [['content-type', 'text/html; charset=utf-8'], ['cross-origin-embedder-policy', 'require-corp']],
  body: new TextEncoder().encode('<!doctype html><title>Interrupted</title><p>The worker was ended while it answered. Go back, and see whether your change is there.</p>'),
}
