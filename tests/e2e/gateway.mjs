// The gateway as Cloudflare runs it: the Worker in workerd, with miniflare around it, which also keeps the objects of an R2 binding.

import { createHmac, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Miniflare } from 'miniflare'
import { root } from './bundle.mjs'

const built = path.join(root, 'build/gateway')

/** A token as any server can make it: a JSON Web Token, HS256. */
export function makeToken(key, { volume, rights, exp = Math.floor(Date.now() / 1000) + 3600 }) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ volume, rights, exp })}`
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
}

/**
 * Starts the gateway, in front of what `s3` (as s3() takes it) names, or of an R2 bucket of its own.
 *
 * @param {import('node:test').TestContext} t
 */
export async function startGateway(t, { s3, origins, prefix = 'sites' }) {
  if (!existsSync(path.join(built, 'gateway.wasm'))) throw new Error('build/gateway is missing: make build')
  const key = randomBytes(32).toString('base64url')
  const variables = { TOKEN_KEYS: key, ALLOWED_ORIGINS: origins, PREFIX: prefix }
  const worker = new Miniflare({
    rootPath: built,
    modulesRoot: built,
    modules: [
      { type: 'ESModule', path: path.join(built, 'worker.mjs') },
      { type: 'ESModule', path: path.join(built, 'wasm_exec.js') },
      { type: 'CompiledWasm', path: path.join(built, 'gateway.wasm') },
    ],
    compatibilityDate: '2026-03-01',
    host: '127.0.0.1',
    port: 0,
    cf: false, // it would be fetched
    ...(s3
      ? { bindings: { ...variables, S3_ENDPOINT: s3.endpoint, S3_REGION: s3.region, S3_BUCKET: s3.bucket, S3_ACCESS_KEY_ID: s3.credentials.accessKeyId, S3_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey } }
      : { bindings: variables, r2Buckets: ['BUCKET'] }),
  })
  t.after(() => worker.dispose())
  const url = (await worker.ready).origin
  return { url, key, worker, token: (claims) => makeToken(key, claims) }
}
