// The packed package, installed here as its users install it (install.mjs).

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test, { before } from 'node:test'
import { promisify } from 'node:util'
import * as esbuild from 'esbuild'
import * as vite from 'vite'
import { freshProfile, launch } from '../e2e/chromium.mjs'
import { serve } from '../e2e/serve.mjs'

const here = import.meta.dirname
const installed = path.join(here, 'node_modules/holdfast')
const run = promisify(execFile)
let files

before(() => {
  files = JSON.parse(execFileSync(process.execPath, [path.join(here, 'install.mjs')], { encoding: 'utf8' })).files
})

async function folder(t) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-package-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A browser, and a way to open pages in it that collects what goes wrong. */
async function browser(t) {
  const profile = await freshProfile()
  t.after(() => profile.remove())
  const { context, sigkill } = await launch(profile.folder)
  t.after(() => sigkill())
  return {
    async visit(url) {
      const page = await context.newPage()
      const errors = []
      page.on('pageerror', (error) => errors.push(String(error)))
      page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
      await page.goto(url)
      return { page, errors }
    },
  }
}

/** Uses the app at `url`: a volume that outlives the page, the S3 module, and errors of the class that the page imports. */
async function useApp(t, url) {
  const { visit } = await browser(t)
  const first = await visit(url)
  const seen = await first.page.evaluate(async () => {
    const volume = await connecting
    await volume.fs.writeFile('/f', 'kept')
    await volume.commit()
    const store = s3({ endpoint: 'http://127.0.0.1:9', bucket: 'b', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, retry: { attempts: 1 } })
    const error = await volume.publish(store).catch((error) => error)
    return { code: error.code, ours: error instanceof HoldfastError, message: error.message }
  }).catch((error) => assert.fail(`${error.message}\n${first.errors.join('\n')}`))
  assert.deepEqual([seen.code, seen.ours], ['ErrUnreachable', true], `the S3 module was loaded, and found no server: ${seen.message}`)
  await first.page.close()
  const second = await visit(url)
  assert.equal(await second.page.evaluate(async () => (await connecting).fs.readFile('/f', { encoding: 'utf8' })), 'kept')
  assert.deepEqual(second.errors, [])
}

test('it holds what its exports map names, with types, and no tests or tools', async () => {
  const { exports } = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8'))
  for (const [name, entry] of Object.entries(exports)) {
    for (const file of [entry.types, entry.default]) if (file) assert.ok(files.includes(file.replace('./', '')), `${name}: ${file}`)
  }
  for (const file of ['dist/core.wasm', 'dist/remote.wasm', 'dist/s3.wasm', 'dist/go.js', 'dist/comlink.LICENSE', 'dist/hashes/LICENSE', 'README.md', 'LICENSE']) assert.ok(files.includes(file), file)
  assert.deepEqual(files.filter((file) => !/^([a-z0-9-]+\.js|dist\/([a-z0-9]+|hashes\/[a-z0-9_]+)\.(js|d\.ts|wasm|LICENSE)|dist\/hashes\/LICENSE|types\/[a-z0-9-]+\.d\.ts|[A-Z]+\.md|LICENSE|package\.json)$/.test(file)), [])
  for (const file of files.filter((file) => file.endsWith('.js'))) {
    const text = await readFile(path.join(installed, file), 'utf8')
    for (const [, name] of text.matchAll(/^(?:import|export)[^'"\n]* from ['"]([^'"]+)['"]/gm)) {
      assert.ok(/^\.\/[a-z0-9_/.-]+$|^node:/.test(name), `${file} imports ${name}: a browser cannot find that`)
    }
  }
})

test('its types are what an app in TypeScript needs, with either kind of resolution, and without the types of Node', async () => {
  for (const options of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
    const [module, resolution] = options
    await run(process.execPath, [path.join(here, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2024', '--lib', 'es2024,dom,esnext.disposable',
      '--module', module, '--moduleResolution', resolution, '--types', '', '--skipLibCheck', 'false', path.join(here, 'app/types.mts')], { cwd: here })
      .catch(({ stdout }) => assert.fail(`${module}: ${stdout}`))
  }
})

test('Node: every entry point can be imported, and a volume kept in a directory', async (t) => {
  const dir = await folder(t)
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', `
    import { readFileSync } from 'node:fs'
    const { exports } = JSON.parse(readFileSync(${JSON.stringify(path.join(installed, 'package.json'))}))
    for (const name of Object.keys(exports)) if (!/\\*|json/.test(name)) await import('holdfast' + name.slice(1))
    const { open } = await import('holdfast')
    const { nodeDirectory } = await import('holdfast/node')
    for (const turn of [1, 2]) {
      const volume = await open('v', { storage: nodeDirectory(${JSON.stringify(path.join(dir, 'v'))}) })
      if (turn === 1) volume.fs.writeFileSync('/f', 'kept')
      else console.log(volume.fs.readFileSync('/f', 'utf8'))
      await volume.close()
    }`], { cwd: here })
  assert.equal(stdout, 'kept\n')
})

test('Vite builds an app with it, without any configuration', async (t) => {
  const outDir = await folder(t)
  await vite.build({ root: path.join(here, 'app'), configFile: false, logLevel: 'error', build: { outDir, emptyOutDir: true } })
  const web = await serve({ '/': outDir })
  t.after(() => web.close())
  await useApp(t, `${web.origin}/index.html`)
})

test("Vite's development server serves an app with it, left out of dependency optimisation", async (t) => {
  const cacheDir = await folder(t)
  const server = await vite.createServer({
    root: path.join(here, 'app'), configFile: false, logLevel: 'error', cacheDir, server: { host: '127.0.0.1', port: 0, hmr: false, fs: { allow: [here] } },
    optimizeDeps: { exclude: ['holdfast'] },
  })
  t.after(() => server.close())
  await server.listen()
  await useApp(t, `http://127.0.0.1:${server.httpServer.address().port}/index.html`)
})

test('esbuild builds an app with it, once the modules are copied beside the bundle', async (t) => {
  const outdir = await folder(t)
  await esbuild.build({
    entryPoints: [path.join(here, 'app/page.mjs'), path.join(here, 'app/worker.mjs')],
    outdir, bundle: true, format: 'esm', splitting: true, target: 'es2022', outExtension: { '.js': '.mjs' }, logLevel: 'error',
  })
  await cp(path.join(installed, 'dist'), path.join(outdir, 'dist'), { recursive: true, filter: (file) => !/\.(js|ts)$/.test(file) })
  await cp(path.join(here, 'app/index.html'), path.join(outdir, 'index.html'))
  const web = await serve({ '/': outdir })
  t.after(() => web.close())
  await useApp(t, `${web.origin}/index.html`)
})

test('esbuild can also name the modules itself, and the app hand over their addresses', async (t) => {
  const outdir = await folder(t)
  await esbuild.build({
    stdin: {
      resolveDir: here,
      contents: `
        import core from 'holdfast/dist/core.wasm'
        import remote from 'holdfast/dist/remote.wasm'
        import { listSnapshots, open } from 'holdfast'
        import { exposeVolume } from 'holdfast/worker'
        const empty = { get: async () => {}, put: async () => {}, list: async () => [], delete: async () => {} }
        exposeVolume(open('app', { wasm: core }).then(async (volume) => {
          volume.fs.writeFileSync('/listed', String((await listSnapshots(empty, { wasm: remote })).length))
          return volume
        }))`,
    },
    outfile: path.join(outdir, 'worker.mjs'), bundle: true, format: 'esm', target: 'es2022', loader: { '.wasm': 'file' }, publicPath: '/', logLevel: 'error',
  })
  const web = await serve({ '/holdfast/': installed, '/': outdir })
  t.after(() => web.close())
  await mkdir(path.join(outdir, 'x'))
  await cp(path.join(here, 'plain'), outdir, { recursive: true, filter: (file) => !file.endsWith('worker.mjs') })
  const { visit } = await browser(t)
  const { page, errors } = await visit(`${web.origin}/index.html`)
  assert.equal(await page.evaluate(async () => (await connecting).name), 'app')
  assert.equal(await page.evaluate(async () => (await connecting).fs.readFile('/listed', { encoding: 'utf8' })), '0')
  assert.deepEqual(errors, [])
})

/** The app without a bundler: modules by address. `plain` has the pages, `options` how they are served. */
async function plain(t, options) {
  const web = await serve({ '/holdfast/': installed, '/': path.join(here, 'plain') }, options)
  t.after(() => web.close())
  return `${web.origin}/index.html`
}

test('without a bundler: a module script and a module worker import it by address', async (t) => {
  await useApp(t, await plain(t))
})

test('the modules are compiled while they arrive, and whole where the server sends another media type', async (t) => {
  for (const [types, expected] of [[{}, ['compileStreaming']], [{ '.wasm': 'application/octet-stream' }, ['compile']]]) {
    const { visit } = await browser(t)
    const { page } = await visit(`${await plain(t, { types })}?spy`)
    assert.deepEqual(await page.evaluate(async () => {
      await connecting
      return spied
    }), expected)
  }
})

const policy = (scripts) => ({ 'content-security-policy': `default-src 'none'; script-src ${scripts}; worker-src 'self'; connect-src 'self' http://127.0.0.1:9; img-src data:` })

test("under a Content-Security-Policy it needs script-src 'self' 'wasm-unsafe-eval', worker-src 'self', connect-src 'self' and the stores", async (t) => {
  await useApp(t, await plain(t, { headers: policy("'self' 'wasm-unsafe-eval'") }))
})

test("without 'wasm-unsafe-eval' the error says what to add", async (t) => {
  const { visit } = await browser(t)
  const { page } = await visit(await plain(t, { headers: policy("'self'") }))
  const error = await page.evaluate(() => connecting.catch(({ name, code, hint }) => ({ name, code, hint })))
  assert.deepEqual([error.name, error.code], ['HoldfastError', 'ErrModule'])
  assert.match(error.hint, /'wasm-unsafe-eval' to script-src/)
})

test('a module that is not where it should be is an error that says so', async (t) => {
  const outdir = await folder(t)
  await cp(installed, outdir, { recursive: true, filter: (file) => !file.endsWith('.wasm') })
  const web = await serve({ '/holdfast/': outdir, '/': path.join(here, 'plain') })
  t.after(() => web.close())
  const { visit } = await browser(t)
  const { page } = await visit(`${web.origin}/index.html`)
  const error = await page.evaluate(() => connecting.catch(({ code, message, hint }) => ({ code, message, hint })))
  assert.equal(error.code, 'ErrModule')
  assert.match(error.message, /dist\/core\.wasm: the server answered 404/)
  assert.match(error.hint, /pass its address as `wasm`/)
})

/** Runs a test runner; fails with its output. */
const runner = (args, env = {}) => run(process.execPath, args, { cwd: here, env: { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: '1', ...env } })
  .then(({ stdout, stderr }) => stdout + stderr, ({ stdout, stderr }) => assert.fail(stdout + stderr))

test('the example suite runs under node:test', async () => {
  assert.match(await runner(['--test', '--test-reporter=tap', 'examples/node-test/site.test.mjs']), /^# pass 3$/m)
})

test('the example suite runs under Vitest', async () => {
  assert.match(await runner(['node_modules/vitest/vitest.mjs', 'run', '--root', 'examples/vitest']), /Tests\s+3 passed/)
})

test('the example suite runs under Jest', async () => {
  assert.match(await runner(['node_modules/jest/bin/jest.js', '--config', 'examples/jest/jest.config.mjs'], { NODE_OPTIONS: '--experimental-vm-modules' }), /Tests:\s+3 passed/)
})
