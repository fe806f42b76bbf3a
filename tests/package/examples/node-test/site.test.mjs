// Example: node:test. The fixture is written once; each test begins with it, whatever the one before has done.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { memory, open } from 'holdfast'
import { FILES, contentOf, publishPage, writeFixture } from '../fixture.mjs'

let volume
let fixture

before(async () => {
  volume = await open('site', { storage: memory() })
  writeFixture(volume.fs)
  fixture = volume.snapshot({ label: 'fixture' })
})
beforeEach(() => volume.restore(fixture)) // costs the same for three files or three million
after(() => volume.close())

test('a page is published', () => {
  publishPage(volume.fs, 'new.html', 'hello')
  assert.equal(volume.fs.readFileSync('/site/new.html', 'utf8'), 'hello')
  assert.equal(contentOf(volume.fs).length, FILES + 1)
})

test('everything is deleted', () => {
  assert.equal(volume.fs.existsSync('/site/new.html'), false, 'the test before has left nothing')
  volume.fs.rmSync('/site', { recursive: true })
  assert.deepEqual(volume.fs.readdirSync('/'), [])
})

test('and everything is there again', () => {
  const files = contentOf(volume.fs)
  assert.equal(files.length, FILES)
  assert.equal(files.find(([path]) => path === '/site/part29/page99.html')[1], '<h1>Page 2999</h1>'.repeat(300))
  assert.deepEqual(volume.diff(fixture), [])
})
