// Publishing a WordPress to an S3 server, and how it would be done without.

import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import * as holdfast from 'holdfast'
import { alternate, time } from '../measure.mjs'
import { startWordPress, wordPressVolume } from './guests.mjs'
import { filesOf } from './tree.mjs'

/** What went over the line since the last time, without preflights: the proxy in front of the S3 server counts. */
async function traffic() {
  const response = await fetch('/traffic', { method: 'POST', body: 'null' })
  return response.json()
}

const clientOf = ({ endpoint, region, credentials }) => new S3Client({ endpoint, region, credentials, forcePathStyle: true })

export async function first({ runs, s3 }) {
  const volume = await wordPressVolume('publish-first', { storage: holdfast.memory() })
  const bytes = filesOf(volume.fs, '/').reduce((sum, path) => sum + volume.fs.statSync(path).size, 0)
  const body = new Uint8Array(bytes)
  let at = 0
  for (const path of filesOf(volume.fs, '/')) {
    const data = volume.fs.readFileSync(path)
    body.set(data, at)
    at += data.length
  }
  const client = clientOf(s3)
  const samples = await alternate(runs, {
    // Another place each time, where nothing is yet. The S3 module is loaded by the round before those that count.
    ours: (round) => time(() => volume.publish(holdfast.s3({ ...s3, prefix: `first${round}/` }), { name: `first${round}` })),
    peer: (round) => time(() => client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: `whole${round}`, Body: body }))),
  })
  await volume.close()
  return [{ id: 'publish-first', what: `first publish of ${(bytes / 1e6).toFixed(1)} MB`, unit: 'ms', peerName: 'aws-sdk-js v3 PutObject of all bytes as one object', goal: { ratio: 1 / 2 }, samples }]
}

/** A publisher of whole files, named by their hashes, that asks for each whether it is there; and a list of them. */
function wholeBlobs(client, Bucket, prefix) {
  return async (fs) => {
    const list = []
    const save = async (path) => {
      const Body = fs.readFileSync(path)
      const sum = [...new Uint8Array(await crypto.subtle.digest('SHA-256', Body))].map((b) => b.toString(16).padStart(2, '0')).join('')
      list.push([path, sum])
      const Key = `${prefix}/blobs/${sum}`
      const there = await client.send(new HeadObjectCommand({ Bucket, Key })).then(() => true, (error) => {
        if (error.$metadata?.httpStatusCode !== 404) throw error
        return false
      })
      if (!there) await client.send(new PutObjectCommand({ Bucket, Key, Body }))
    }
    const left = filesOf(fs, '/')
    const one = async () => { while (left.length > 0) await save(left.pop()) }
    await Promise.all(Array.from({ length: 6 }, one)) // as many as a browser sends to one host at a time
    await client.send(new PutObjectCommand({ Bucket, Key: `${prefix}/list`, Body: JSON.stringify(list) }))
  }
}

export async function onePost({ runs, s3 }) {
  const volume = await wordPressVolume('publish-one-post', { storage: holdfast.memory() })
  const site = await startWordPress(volume)
  const remote = holdfast.s3({ ...s3, prefix: 'one-post/' })
  const peer = wholeBlobs(clientOf(s3), s3.bucket, 'whole-blobs')
  await volume.publish(remote)
  await peer(volume.fs)
  const counts = { requests: { ours: [], peer: [] }, bytes: { ours: [], peer: [] } }
  let post = 0
  const side = (name, publish) => async () => {
    await site.insertPost(post++)
    await traffic()
    const ms = await time(publish)
    const { requests, sent } = await traffic()
    counts.requests[name].push(requests)
    counts.bytes[name].push(sent)
    return ms
  }
  const samples = await alternate(runs, { ours: side('ours', () => volume.publish(remote)), peer: side('peer', () => peer(volume.fs)) })
  for (const kind of Object.values(counts)) for (const name of Object.keys(kind)) kind[name] = kind[name].slice(-runs)
  await volume.close()
  const peerName = 'whole files by hash, one HEAD each (aws-sdk-js v3)'
  return [
    { id: 'publish-one-post', what: 'publish after one wp_insert_post', unit: 'ms', peerName, samples },
    { id: 'publish-one-post/requests', what: 'requests of it', unit: 'requests', peerName, goal: { ours: 3 }, samples: counts.requests },
    { id: 'publish-one-post/bytes', what: 'bytes sent for it', unit: 'bytes', peerName, goal: { ratio: 20 }, samples: counts.bytes },
  ]
}
