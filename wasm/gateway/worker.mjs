// What Cloudflare runs: it starts the Go program for each request, and hands the request to it.

import './wasm_exec.js'
import program from './gateway.wasm'

export default {
  async fetch(request, env, ctx) {
    const go = new globalThis.Go()
    const binding = {}
    let ready
    const started = new Promise((resolve) => (ready = resolve))
    const instance = await WebAssembly.instantiate(program, { ...go.importObject, workers: { ready } })
    // The library reads this while the program initialises, which is before run returns: no other request comes in between.
    globalThis.context = { env, ctx, binding }
    const ended = go.run(instance)
    delete globalThis.context
    await Promise.race([started, ended])
    if (!binding.handleRequest) return new Response('{"code":"ErrInternal","message":"the gateway did not start"}', { status: 500 })
    return binding.handleRequest(request)
  },
}
