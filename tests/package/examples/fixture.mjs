// A tree of 3,000 files, as a test suite may need it before each test.

export const FILES = 3000

/** @param {typeof import('node:fs')} fs */
export function writeFixture(fs) {
  for (let i = 0; i < FILES; i++) {
    if (i % 100 === 0) fs.mkdirSync(`/site/part${i / 100}`, { recursive: true })
    fs.writeFileSync(`/site/part${Math.floor(i / 100)}/page${i % 100}.html`, `<h1>Page ${i}</h1>`.repeat(1 + (i % 300)))
  }
}

/** Every path with its content. */
export function contentOf(fs, dir = '/site') {
  const entries = fs.readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = `${dir}/${e.name}`
    return e.isDirectory() ? contentOf(fs, path) : [[path, fs.readFileSync(path, 'utf8')]]
  })
  return entries
}

/** What an application does to a site in the tests: `fs` is given, so that it can be Node's own as well. */
export function publishPage(fs, name, text) {
  fs.writeFileSync(`/site/${name}.tmp`, text)
  fs.renameSync(`/site/${name}.tmp`, `/site/${name}`)
}
