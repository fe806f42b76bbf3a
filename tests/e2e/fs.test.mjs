// volume.fs where there is no Buffer: bytes, encodings, streams and change
// events in a worker of Chromium, on OPFS.

import assert from 'node:assert/strict'
import test from 'node:test'
import { startSite } from './site.mjs'

test('volume.fs in a browser: encodings, streams to and from responses, file handles, change events', async (t) => {
  const site = await startSite(t)
  const visitor = await site.visitor()
  const browser = await visitor.arrive()
  const seen = await browser.evaluate(async () => {
    const volume = await holdfast.open('fs')
    const { fs } = volume
    const out = { buffer: typeof Buffer }
    fs.writeFileSync('/f', 'grüße')
    const bytes = fs.readFileSync('/f')
    out.bytes = [bytes.constructor.name, ...bytes]
    out.texts = ['utf8', 'hex', 'base64', 'latin1'].map((encoding) => fs.readFileSync('/f', encoding))
    for (const [encoding, text] of [['hex', '6869'], ['base64', 'aGk='], ['latin1', 'hé']]) fs.appendFileSync('/g', text, encoding)
    out.appended = [...fs.readFileSync('/g')]

    const big = new Uint8Array(500_000).map((_, i) => i * 7)
    await new Response(big).body.pipeTo(fs.createWriteStream('/big', { flush: true }))
    const back = new Uint8Array(await new Response(fs.createReadStream('/big')).arrayBuffer())
    out.same = back.length === big.length && back.every((b, i) => b === big[i])
    const zipped = await new Response(fs.createReadStream('/big').pipeThrough(new CompressionStream('gzip'))).blob()
    out.smaller = zipped.size < big.length / 10
    out.blob = (await fs.openAsBlob('/big', { type: 'x/y' })).type

    const handle = await fs.promises.open('/lines', 'w+')
    await handle.write('one\ntwo')
    const { bytesRead, buffer } = await handle.read({ position: 0 })
    out.read = new TextDecoder().decode(buffer.subarray(0, bytesRead))
    out.lines = []
    for await (const line of handle.readLines({ start: 0 })) out.lines.push(line)

    const event = new Promise((resolve) => fs.watch('/', (type, name) => resolve([type, name])))
    await new Promise((resolve, reject) => fs.mkdir('/new', (error) => (error ? reject(error) : resolve())))
    out.event = await event
    out.error = await new Promise((resolve) => fs.readFile('/none', (error) => resolve({ ...error, message: error.message })))
    await volume.close()

    const again = await holdfast.open('fs')
    out.there = again.fs.readdirSync('/')
    await again.close()
    return out
  })
  assert.deepEqual(seen, {
    buffer: 'undefined',
    bytes: ['Uint8Array', 103, 114, 195, 188, 195, 159, 101],
    texts: ['grüße', '6772c3bcc39f65', 'Z3LDvMOfZQ==', 'grÃ¼Ã\u009fe'],
    appended: [104, 105, 104, 105, 104, 233],
    same: true,
    smaller: true,
    blob: 'x/y',
    read: 'one\ntwo',
    lines: ['one', 'two'],
    event: ['rename', 'new'],
    error: { errno: -2, code: 'ENOENT', syscall: 'open', path: '/none', message: "ENOENT: no such file or directory, open '/none'" },
    there: ['big', 'f', 'g', 'lines', 'new'],
  })
})
