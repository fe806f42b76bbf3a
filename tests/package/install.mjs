// Packs the package and installs it here, from the packed file, as npm does for its users. Needs dist/ (make build).

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'

const here = import.meta.dirname
const js = path.resolve(here, '../../js')
const into = path.resolve(here, '../../build/package')

const npm = (args, cwd) => execFileSync('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd, encoding: 'utf8' })

mkdirSync(into, { recursive: true })
execFileSync('npm', ['run', '--silent', 'types'], { cwd: js, stdio: 'inherit' })
const [{ filename, files }] = JSON.parse(npm(['pack', '--json', '--pack-destination', into], js))
rmSync(path.join(here, 'node_modules/holdfast'), { recursive: true, force: true }) // an earlier one of the same version
npm(['install', '--no-save', '--offline', '--install-links', path.join(into, filename)], here)
console.log(JSON.stringify({ files: files.map((file) => file.path) }))
