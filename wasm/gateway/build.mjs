// Makes build/gateway/: the Worker's files, as wrangler and the tests take them.

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'

const here = import.meta.dirname
const root = path.resolve(here, '../..')
const out = path.join(root, 'build/gateway')
const go = process.env.GO ?? 'go'

mkdirSync(out, { recursive: true })
execFileSync(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', path.join(out, 'gateway.wasm'), './wasm/gateway'], {
  cwd: root, env: { ...process.env, GOOS: 'js', GOARCH: 'wasm' }, stdio: 'inherit',
})
const goroot = execFileSync(go, ['env', 'GOROOT'], { encoding: 'utf8' }).trim()
copyFileSync(path.join(goroot, 'lib/wasm/wasm_exec.js'), path.join(out, 'wasm_exec.js')) // it belongs to the Go that built the program
copyFileSync(path.join(here, 'worker.mjs'), path.join(out, 'worker.mjs'))
