// Runs the Go program inside a dedicated worker: output and exit code go to
// browserexec by synchronous requests, the package's folder can be read, and
// the pool of OPFS files is there as the import module "holdfast".

import { holdfastImports, poolSize } from '/handles.mjs'

function send(path, body) {
  const request = new XMLHttpRequest()
  request.open('POST', path, false)
  request.send(body)
}

function errno(code) {
  return Object.assign(new Error(code), { code })
}

// ---- the files of the package's folder, read-only ----

const folderName = '/package' // what os.Getwd answers

function load(path) {
  const relative = path.replace(/^\/package(\/|$)/, '').replace(/^\.\//, '')
  if (relative.startsWith('/')) throw errno('ENOENT')
  const request = new XMLHttpRequest()
  request.open('GET', '/folder/' + relative.split('/').map(encodeURIComponent).join('/'), false)
  request.overrideMimeType('text/plain; charset=x-user-defined') // bytes survive as code units
  request.send()
  if (request.status === 404) throw errno('ENOENT')
  if (request.status !== 200) throw errno('EIO')
  const isFolder = request.getResponseHeader('X-Kind') === 'folder'
  const bytes = Uint8Array.from(request.responseText, (c) => c.charCodeAt(0) & 0xff)
  return {
    isFolder,
    bytes,
    names: isFolder ? JSON.parse(new TextDecoder().decode(bytes)) : [],
    mtimeMs: Number(request.getResponseHeader('X-Mtime')),
  }
}

function stat({ isFolder, bytes, mtimeMs }) {
  return {
    dev: 1, ino: 0, mode: isFolder ? 0o40555 : 0o100444, nlink: 1, uid: 0, gid: 0, rdev: 0,
    size: isFolder ? 0 : bytes.length, blksize: 4096, blocks: Math.ceil(bytes.length / 512),
    atimeMs: mtimeMs, mtimeMs, ctimeMs: mtimeMs, isDirectory: () => isFolder,
  }
}

const constants = { O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_TRUNC: 512, O_APPEND: 1024, O_EXCL: 128, O_DIRECTORY: 65536 }
const opened = new Map()
let nextFd = 3

const operations = {
  open(path, flags) {
    if (flags & (constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT)) throw errno('EROFS')
    opened.set(nextFd, { ...load(path), position: 0 })
    return nextFd++
  },
  close(fd) {
    if (!opened.delete(fd)) throw errno('EBADF')
  },
  fstat: (fd) => stat(opened.get(fd) ?? { isFolder: false, bytes: new Uint8Array(), mtimeMs: 0 }),
  stat: (path) => stat(load(path)),
  lstat: (path) => stat(load(path)),
  readdir: (path) => load(path).names,
  read(fd, buffer, offset, length, position) {
    const file = opened.get(fd)
    if (!file) throw errno('EBADF')
    const start = position ?? file.position
    const part = file.bytes.subarray(start, start + length)
    buffer.set(part, offset)
    if (position === null) file.position += part.length
    return part.length
  },
  fsync() {},
}

function writeSync(fd, buffer) {
  send(fd === 2 ? '/stderr' : '/stdout', buffer.slice())
  return buffer.length
}

globalThis.fs = {
  constants,
  writeSync,
  write(fd, buffer, offset, length, position, callback) {
    callback(null, writeSync(fd, buffer.subarray(offset, offset + length)))
  },
}
for (const name of ['chmod', 'chown', 'fchmod', 'fchown', 'ftruncate', 'lchown', 'link', 'mkdir', 'readlink',
  'rename', 'rmdir', 'symlink', 'truncate', 'unlink', 'utimes', ...Object.keys(operations)]) {
  globalThis.fs[name] = (...args) => {
    const callback = args.pop()
    try {
      if (!operations[name]) throw errno('ENOSYS')
      callback(null, operations[name](...args))
    } catch (error) {
      callback(error.code ? error : errno('EIO'))
    }
  }
}

globalThis.process = {
  getuid: () => -1, getgid: () => -1, geteuid: () => -1, getegid: () => -1,
  getgroups() { throw errno('ENOSYS') },
  umask() { throw errno('ENOSYS') },
  pid: -1, ppid: -1,
  cwd: () => folderName,
  chdir() { throw errno('ENOSYS') },
}
globalThis.path = { resolve: (...parts) => parts.join('/') }

// ---- the pool ----

async function openPool() {
  const root = await navigator.storage.getDirectory()
  const handles = []
  for (let i = 0; i < poolSize; i++) {
    const file = await root.getFileHandle(`test-${i}`, { create: true })
    handles.push(await file.createSyncAccessHandle())
  }
  return handles
}

// ---- the program ----

async function main() {
  // wasm_exec.js is a classic script; a module worker has no importScripts.
  const script = await (await fetch('/wasm_exec.js')).text()
  new Function(script)()
  const { argv, env } = await (await fetch('/config.json')).json()

  const go = new globalThis.Go()
  go.argv = argv
  go.env = Object.fromEntries(env.map((kv) => [kv.slice(0, kv.indexOf('=')), kv.slice(kv.indexOf('=') + 1)]))
  go.exit = (code) => send(`/exit?code=${code}`)

  let instance
  go.importObject.holdfast = holdfastImports(() => instance.exports.mem.buffer, await openPool())
  ;({ instance } = await WebAssembly.instantiateStreaming(fetch('/test.wasm'), go.importObject))
  await go.run(instance)
}

main().catch((error) => send('/fail', error?.stack ?? String(error)))
