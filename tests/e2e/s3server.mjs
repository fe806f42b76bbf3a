// A real S3 server (versitygw over a temporary folder): it checks signatures,
// answers preflights, and honours If-Match and If-None-Match.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordingProxy } from './proxy.mjs'
import { signedFetch } from './sigv4.mjs'

const program = path.resolve(import.meta.dirname, '../../build/versitygw')
const region = 'us-east-1'
const credentials = { accessKeyId: 'holdfast-test', secretAccessKey: 'holdfast-test-secret' }

/**
 * Starts the server with one bucket that pages of `pageOrigin` may use, behind a recording proxy.
 * `config` is what s3() takes; `stop` takes the server and the proxy down.
 */
export async function startS3({ pageOrigin, bucket = 'site', keepTexts = false }) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-s3-'))
  const buckets = path.join(folder, 'buckets')
  const versions = path.join(folder, 'versions')
  await Promise.all([mkdir(buckets), mkdir(versions)])

  const port = await freePort()
  const child = spawn(program, [
    '--port', `127.0.0.1:${port}`, '--region', region, '--quiet', '--keep-alive',
    '--cors-allow-origin', pageOrigin, 'posix', '--versioning-dir', versions, buckets,
  ], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text))
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  const proxy = await recordingProxy(`http://127.0.0.1:${port}`, { allowOrigin: pageOrigin, keepTexts })

  async function stop() {
    await proxy.close()
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }

  /** A signed request of the test's own, past the proxy. */
  const request = (resource, options) =>
    signedFetch(`http://127.0.0.1:${port}${resource}`, { region, ...credentials, ...options })

  try {
    await listening(port, () => child.exitCode !== null)
    await expectOK(await request(`/${bucket}`, { method: 'PUT' }))
    const rules = corsRules(pageOrigin)
    const md5 = createHash('md5').update(rules).digest('base64')
    await expectOK(await request(`/${bucket}?cors`, { method: 'PUT', body: rules, headers: { 'content-md5': md5 } }))
  } catch (error) {
    await stop()
    throw new Error(`the S3 server did not start: ${error.message}\n${log}`, { cause: error })
  }
  return { config: { endpoint: proxy.origin, region, bucket, credentials }, proxy, request, stop }
}

function corsRules(origin) {
  const exposed = ['ETag', 'Date', 'Content-Range', 'x-amz-version-id',
    'x-amz-checksum-crc32', 'x-amz-checksum-crc32c', 'x-amz-checksum-sha256', 'x-amz-checksum-crc64nvme']
  return `<CORSConfiguration><CORSRule><AllowedOrigin>${origin}</AllowedOrigin>` +
    ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].map((method) => `<AllowedMethod>${method}</AllowedMethod>`).join('') +
    '<AllowedHeader>*</AllowedHeader>' +
    exposed.map((name) => `<ExposeHeader>${name}</ExposeHeader>`).join('') +
    '</CORSRule></CORSConfiguration>'
}

async function expectOK(response) {
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`)
}

async function listening(port, ended) {
  for (let tries = 0; tries < 1000; tries++) {
    if (ended()) throw new Error('it ended at once')
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (open) return
    await sleep(20)
  }
  throw new Error('it does not listen')
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
