// Example: Jest. The fixture is written once; each test begins with it, whatever the one before has done.
// Holdfast is an ES module: run Jest with NODE_OPTIONS=--experimental-vm-modules and `transform: {}`.

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { memory, open } from 'holdfast'
import { FILES, contentOf, publishPage, writeFixture } from '../fixture.mjs'

let volume
let fixture

beforeAll(async () => {
  volume = await open('site', { storage: memory() })
  writeFixture(volume.fs)
  fixture = volume.snapshot({ label: 'fixture' })
})
beforeEach(() => volume.restore(fixture)) // costs the same for three files or three million
afterAll(() => volume.close())

test('a page is published', () => {
  publishPage(volume.fs, 'new.html', 'hello')
  expect(volume.fs.readFileSync('/site/new.html', 'utf8')).toBe('hello')
  expect(contentOf(volume.fs)).toHaveLength(FILES + 1)
})

test('everything is deleted', () => {
  expect(volume.fs.existsSync('/site/new.html')).toBe(false) // the test before has left nothing
  volume.fs.rmSync('/site', { recursive: true })
  expect(volume.fs.readdirSync('/')).toEqual([])
})

test('and everything is there again', () => {
  const files = contentOf(volume.fs)
  expect(files).toHaveLength(FILES)
  expect(files.find(([path]) => path === '/site/part29/page99.html')[1]).toBe('<h1>Page 2999</h1>'.repeat(300))
  expect(volume.diff(fixture)).toEqual([])
})
