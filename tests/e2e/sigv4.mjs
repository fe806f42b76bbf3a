// AWS Signature Version 4 for the few requests that a test makes itself
// (create a bucket, set its CORS rules). Headers only, path-style.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

import { createHash, createHmac } from 'node:crypto'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, data) => createHmac('sha256', key).update(data).digest()

export async function signedFetch(url, { method = 'GET', body = '', region, accessKeyId, secretAccessKey, headers: extra = {} }) {
  const { host, pathname, searchParams } = new URL(url)
  const time = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const headers = { ...extra, 'x-amz-content-sha256': sha256(body), 'x-amz-date': time }

  const signed = Object.entries({ ...headers, host }).map(([name, value]) => [name.toLowerCase(), value]).sort()
  const names = signed.map(([name]) => name).join(';')
  const query = [...searchParams].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).sort().join('&')
  const canonical = [
    method, pathname, query, ...signed.map(([name, value]) => `${name}:${value}`), '', names, headers['x-amz-content-sha256'],
  ].join('\n')

  const key = [time.slice(0, 8), region, 's3', 'aws4_request'].reduce(hmac, 'AWS4' + secretAccessKey)
  const signature = createHmac('sha256', key).update(['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).digest('hex')
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  return fetch(url, { method, headers, body: body || undefined })
}
