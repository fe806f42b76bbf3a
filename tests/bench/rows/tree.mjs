/** Makes `files` files of `bytes` bytes in all, in folders of 100, through the names of node:fs. Their content does not compress, and no two pages of it are the same. */
export function fill(fs, files, bytes) {
  const content = new Uint8Array(Math.round(bytes / files))
  let x = 1
  for (let i = 0; i < content.length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    content[i] = x >>> 24
  }
  const numbers = new Uint32Array(content.buffer, 0, content.length >> 2)
  for (let i = 0; i < files; i++) {
    if (i % 100 === 0) fs.mkdirSync(`/d${i / 100}`)
    for (let page = 0; page < numbers.length; page += 1024) numbers[page] = i
    fs.writeFileSync(`/d${Math.floor(i / 100)}/f${i}`, content)
  }
}

/** Paths of all files below a folder of FS or of a volume's fs. */
export function filesOf(fs, folder) {
  const found = []
  const isDirectory = fs.isDir ? (path) => fs.isDir(fs.stat(path).mode) : (path) => fs.statSync(path).isDirectory()
  for (const name of fs.isDir ? fs.readdir(folder) : fs.readdirSync(folder)) {
    if (name === '.' || name === '..') continue
    const path = folder === '/' ? `/${name}` : `${folder}/${name}`
    if (isDirectory(path)) found.push(...filesOf(fs, path))
    else found.push(path)
  }
  return found
}
