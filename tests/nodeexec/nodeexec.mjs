// Runs a GOOS=js test binary under Node, with the same import module
// "holdfast" that browserexec offers, here over files in a fresh folder:
//
//   GOOS=js GOARCH=wasm go test -exec "node $PWD/tests/nodeexec/nodeexec.mjs" ./opfs

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { holdfastImports, poolSize } from '../browserexec/handles.mjs'

const require = createRequire(import.meta.url)
const goroot = execFileSync('go', ['env', 'GOROOT'], { encoding: 'utf8' }).trim()

globalThis.require = require
globalThis.fs = fs
globalThis.path = path
require(path.join(goroot, 'lib', 'wasm', 'wasm_exec.js'))

/** A file of Node's with the methods of a FileSystemSyncAccessHandle. */
class NodeHandle {
  constructor(name) {
    this.fd = fs.openSync(name, fs.constants.O_RDWR | fs.constants.O_CREAT)
  }
  read(view, { at }) { return fs.readSync(this.fd, view, 0, view.length, at) }
  write(view, { at }) { return fs.writeSync(this.fd, view, 0, view.length, at) }
  truncate(size) { fs.ftruncateSync(this.fd, size) }
  getSize() { return fs.fstatSync(this.fd).size }
  flush() { fs.fsyncSync(this.fd) }
}

// The Go runtime refuses more than 8 KiB of arguments and environment.
const passed = /^(HOLDFAST_|RAPID_|(GODEBUG|GOGC|GOMEMLIMIT|GOTRACEBACK|TZ|CI)$)/

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nodeexec-'))
process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))

const go = new globalThis.Go()
go.argv = process.argv.slice(2)
go.env = Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name)))
go.env.TMPDIR = os.tmpdir()
go.exit = process.exit

let instance
go.importObject.holdfast = holdfastImports(
  () => instance.exports.mem.buffer,
  Array.from({ length: poolSize }, (_, i) => new NodeHandle(path.join(folder, `test-${i}`))),
)
;({ instance } = await WebAssembly.instantiate(fs.readFileSync(process.argv[2]), go.importObject))
process.on('exit', (code) => {
  // Node ends when nothing can wake the program any more: a deadlock in Go's
  // eyes. Pretend an event came, so that Go reports it with its stacks.
  if (code === 0 && !go.exited) {
    go._pendingEvent = { id: 0 }
    go._resume()
  }
})
await go.run(instance)
