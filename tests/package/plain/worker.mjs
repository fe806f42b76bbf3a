import { open } from '/holdfast/index.js'
import { exposeVolume } from '/holdfast/worker.js'

// ?spy: tells the page how the modules are compiled.
if (new URL(import.meta.url).searchParams.has('spy')) {
  for (const name of ['compile', 'compileStreaming']) {
    const call = WebAssembly[name]
    WebAssembly[name] = (...args) => {
      postMessage({ spied: name })
      return call.apply(WebAssembly, args)
    }
  }
}
exposeVolume(open('app'))
