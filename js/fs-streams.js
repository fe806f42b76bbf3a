/** Files as Web streams: `createReadStream` and `createWriteStream` of volume.fs, and the same of its file handles. */

import { fromBytes, toBytes } from './fs-args.js'

const CHUNK = 64 * 1024

/**
 * @typedef {object} ReadOptions
 * @property {string | number} [flags] 'r' by default
 * @property {number} [mode]
 * @property {string | null} [encoding] then the chunks are strings
 * @property {Fd} [fd] an open file, instead of the path
 * @property {number} [start] the first byte
 * @property {number} [end] the last byte, which is read too
 * @property {number} [highWaterMark] most bytes in a chunk, 64 KiB by default
 * @property {boolean} [autoClose] closes the descriptor at the end and after an error; the default
 * @property {AbortSignal} [signal]
 *
 * @typedef {object} WriteOptions
 * @property {string | number} [flags] 'w' by default
 * @property {number} [mode]
 * @property {string | null} [encoding] of chunks that are strings
 * @property {Fd} [fd]
 * @property {number} [start] where to begin to write
 * @property {boolean} [autoClose]
 * @property {boolean} [flush] makes the volume durable before it closes
 * @property {AbortSignal} [signal]
 */

/** @typedef {number | { fd: number, close: () => Promise<void> }} Fd a descriptor, or a file handle */

/** @param {Fd | undefined} fd */
const numberOf = (fd) => (typeof fd === 'object' ? fd.fd : fd)

/** @param {any} fs @param {Fd | undefined} given @param {number} fd */
const closeFile = (fs, given, fd) => (typeof given === 'object' ? void given.close() : fs.closeSync(fd))

/**
 * A file's bytes as a stream. It is opened when the stream starts; errors come from reading it.
 *
 * @param {any} fs
 * @param {import('./fs-args.js').PathLike | null} path
 * @param {ReadOptions | string} [options]
 * @returns {ReadableStream<any>}
 */
export function readStream(fs, path, options = {}) {
  const { flags = 'r', mode, encoding, fd: given, start, end = Infinity, highWaterMark = CHUNK, autoClose = true, signal } =
    typeof options === 'string' ? /** @type {ReadOptions} */ ({ encoding: options }) : (options ?? {})
  const decoder = encoding ? decoderOf(encoding) : null
  /** @type {number | undefined} */
  let fd = numberOf(given)
  let at = start
  let done = 0
  const close = () => {
    if (autoClose && fd !== undefined) closeFile(fs, given, fd)
    fd = undefined
  }
  /** @type {any} */
  let onabort
  return new ReadableStream(
    {
      async start(controller) {
        signal?.throwIfAborted()
        fd ??= fs.openSync(path, flags, mode)
        onabort = () => {
          controller.error(signal?.reason)
          close()
        }
        signal?.addEventListener('abort', onabort, { once: true })
      },
      async pull(controller) {
        try {
          const left = end === Infinity ? highWaterMark : Math.min(highWaterMark, end - (start ?? 0) + 1 - done)
          const chunk = new Uint8Array(Math.max(0, left))
          const n = left > 0 ? fs.readSync(fd, chunk, 0, left, at ?? null) : 0
          if (at !== undefined) at += n
          done += n
          const part = chunk.subarray(0, n)
          if (!decoder) {
            if (n > 0) return controller.enqueue(part)
          } else {
            const text = decoder(part, n === 0)
            if (text !== '') controller.enqueue(text)
            else if (n > 0) return this.pull?.(controller)
            if (n > 0) return
          }
          signal?.removeEventListener('abort', onabort)
          close()
          controller.close()
        } catch (err) {
          signal?.removeEventListener('abort', onabort)
          close()
          throw err
        }
      },
      cancel() {
        signal?.removeEventListener('abort', onabort)
        close()
      },
    },
    { highWaterMark: 0 },
  )
}

/**
 * A stream that writes to a file: strings, or views of bytes.
 *
 * @param {any} fs
 * @param {import('./fs-args.js').PathLike | null} path
 * @param {WriteOptions | string} [options]
 * @returns {WritableStream<any>}
 */
export function writeStream(fs, path, options = {}) {
  const { flags = 'w', mode, encoding, fd: given, start, autoClose = true, flush = false, signal } =
    typeof options === 'string' ? /** @type {WriteOptions} */ ({ encoding: options }) : (options ?? {})
  /** @type {number | undefined} */
  let fd = numberOf(given)
  let at = start
  const close = () => {
    if (autoClose && fd !== undefined) closeFile(fs, given, fd)
    fd = undefined
  }
  return new WritableStream(
    {
      async start(controller) {
        signal?.throwIfAborted()
        fd ??= fs.openSync(path, flags, mode)
        signal?.addEventListener('abort', () => (controller.error(signal.reason), close()), { once: true })
      },
      async write(chunk) {
        try {
          const bytes = toBytes(chunk, encoding)
          const n = fs.writeSync(fd, bytes, 0, bytes.length, at ?? null)
          if (at !== undefined) at += n
        } catch (err) {
          close()
          throw err
        }
      },
      async close() {
        try {
          if (flush) fs.fsyncSync(fd)
        } finally {
          close()
        }
      },
      abort: close,
    },
    { highWaterMark: 1 },
  )
}

/**
 * A file's lines, without their ends. The last one need not end.
 *
 * @param {any} fs
 * @param {number} fd
 * @param {ReadOptions} options
 */
export async function* linesOf(fs, fd, { encoding, ...options } = {}) {
  let rest = ''
  for await (const text of /** @type {any} */ (readStream(fs, null, { ...options, encoding: encoding ?? 'utf8', fd }))) {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/)
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest.replace(/\r$/, '')
}

/**
 * @param {string} encoding
 * @returns {(bytes: Uint8Array, end: boolean) => string}
 */
function decoderOf(encoding) {
  if (/^utf-?8$/i.test(encoding)) {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return (bytes, end) => decoder.decode(bytes, { stream: !end })
  }
  const unit = /^base64/i.test(encoding) ? 3 : /^(ucs-?2|utf-?16le)$/i.test(encoding) ? 2 : 1 // bytes that make whole characters
  let rest = new Uint8Array(0)
  return (bytes, end) => {
    const all = new Uint8Array(rest.length + bytes.length)
    all.set(rest)
    all.set(bytes, rest.length)
    const whole = end ? all.length : all.length - (all.length % unit)
    rest = all.subarray(whole)
    return fromBytes(all.subarray(0, whole), encoding)
  }
}
