// Everything that can be seen of a filesystem, as lines to compare: a
// difference then shows which file and which property.

const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')

/**
 * @param {any} fs an object with node:fs's synchronous names
 * @param {{ times?: boolean, below?: string }} [options] times: false leaves out times, for trees made twice
 * @returns {Promise<string[]>}
 */
export async function tree(fs, { times = true, below = '/' } = {}) {
  const lines = []
  const firstName = new Map() // inode → its first path: names of one file show as hard links

  async function visit(path) {
    const info = fs.lstatSync(path, { bigint: true })
    const about = [
      `mode=${Number(info.mode).toString(8)}`, `nlink=${info.nlink}`, `uid=${info.uid}`, `gid=${info.gid}`,
    ]
    if (times) about.push(`atime=${info.atimeNs}`, `mtime=${info.mtimeNs}`, `ctime=${info.ctimeNs}`, `birthtime=${info.birthtimeNs}`)
    if (info.isSymbolicLink()) {
      about.push(`target=${JSON.stringify(fs.readlinkSync(path))}`)
    } else if (info.isFile()) {
      const data = fs.readFileSync(path)
      about.push(`size=${info.size}`, `sha256=${hex(await crypto.subtle.digest('SHA-256', Uint8Array.from(data)))}`)
      const first = firstName.get(String(info.ino)) ?? path
      firstName.set(String(info.ino), first)
      if (first !== path) about.push(`same-file-as=${JSON.stringify(first)}`)
    }
    lines.push(`${JSON.stringify(path)} ${about.join(' ')}`)
    if (info.isDirectory()) {
      for (const name of [...fs.readdirSync(path)].sort()) await visit(path === '/' ? '/' + name : `${path}/${name}`)
    }
  }
  await visit(below)
  return lines
}
