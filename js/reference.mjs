/**
 * The API reference in README.md, made from the declarations in types/ (npm run types) and the comments in them.
 *
 *   node reference.mjs           writes it
 *   node reference.mjs --check   fails when it is not up to date, or a public name has no comment
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const BEGIN = '<!-- reference: made by reference.mjs, do not edit -->'
const END = '<!-- end of reference -->'
const NAME = '[A-Za-z_$][\\w$]*'

/** @typedef {{ text: string, params: { name: string, optional: boolean, type: string, properties: string[] }[], returns: string }} Doc */
/** @typedef {{ kind: 'function' | 'class' | 'type', name: string, text: string, lines: string[] }} Entry */

/** @type {string[]} */
const missing = []
/** @type {Map<string, string>} */
const read = new Map()

/** @param {string} path */
function contents(path) {
  let text = read.get(path)
  if (text === undefined) read.set(path, (text = readFileSync(join(here, path), 'utf8')))
  return text
}

/** @param {string} module */
const declarations = (module) => contents(`types/${module}.d.ts`)

/** Where the comments on its types are, some of which the compiler leaves out. @param {string} module */
const source = (module) => contents(`${module}.js`)

/**
 * The text between a bracket and its partner.
 *
 * @param {string} s
 * @param {number} at of the opening bracket
 */
function bracketed(s, at) {
  let depth = 0
  for (let i = at; i < s.length; i++) {
    if ('{(['.includes(s[i])) depth++
    else if ('})]'.includes(s[i]) && --depth === 0) return s.slice(at + 1, i)
  }
  throw new Error(`no end: ${s.slice(at, at + 60)}`)
}

/** @param {string} s */
const oneLine = (s) => s.replace(/\s+/g, ' ').trim()

/** A description in one line. An example in it stays in the types. @param {string} s */
const described = (s) => oneLine(s.replace(/:?\s*```[^]*?```/g, '.'))

/** @param {string} type */
const short = (type) => oneLine(type.replace(/import\(['"][^'"]+['"]\)\./g, ''))

/** The text of a comment without its frame. @param {string} comment */
const inside = (comment) => comment.replace(/^\/\*\*|\*\/$/g, '').replace(/^[ \t]*\* ?/gm, '')

/**
 * A comment's description, parameters and result.
 *
 * @param {string} comment
 * @returns {Doc}
 */
function parseDoc(comment) {
  const text = inside(comment)
  const first = text.search(/@(param|returns|template|type|readonly|typedef|module)\b/)
  /** @type {Doc} */
  const doc = { text: described(first < 0 ? text : text.slice(0, first)), params: [], returns: '' }
  const type = /@type \{/.exec(text)
  if (!doc.text && type) {
    const of = bracketed(text, type.index + 6)
    doc.text = oneLine(/^[^@]*/.exec(text.slice(type.index + of.length + 8))?.[0] ?? '')
  }
  for (const m of text.matchAll(/@(param|returns) \{/g)) {
    const open = /** @type {number} */ (m.index) + m[0].length - 1
    const type = bracketed(text, open)
    const rest = text.slice(open + type.length + 2)
    if (m[1] === 'returns') {
      doc.returns = short(type)
      continue
    }
    const [, optional, name] = /** @type {RegExpExecArray} */ (/^\s*(\[?)([\w$.]+)/.exec(rest))
    const [base, property] = name.split('.')
    if (!property) doc.params.push({ name, optional: optional === '[', type: short(type), properties: [] })
    else doc.params.find((p) => p.name === base)?.properties.push(`${property}${optional ? '?' : ''}: ${short(type)}`)
  }
  return doc
}

/**
 * @param {string} name
 * @param {Doc} doc
 */
function signature(name, doc) {
  const params = doc.params.map((p) => `${p.name}${p.optional ? '?' : ''}: ${p.properties.length ? `{ ${p.properties.join(', ')} }` : p.type}`).join(', ')
  return `\`${name}(${params})${doc.returns ? `: ${doc.returns}` : ''}\``
}

/** The comment that ends right before an offset. @param {string} s @param {number} at */
function commentBefore(s, at) {
  const m = /\/\*\*(?:(?!\*\/)[^])*\*\/\s*$/.exec(s.slice(0, at))
  return m ? m[0].trim() : ''
}

/**
 * What a class lets others use: its members with comments.
 *
 * @param {string} file
 * @param {string} name
 * @param {number} at of the declaration
 */
function members(file, name, at) {
  const s = declarations(file)
  const body = bracketed(s, s.indexOf('{', at))
  const lines = []
  /** @type {Set<string>} */
  const seen = new Set()
  for (const m of body.matchAll(new RegExp(`^    (?:(/\\*\\*.*?\\*/) )?(?:readonly |get |static )*(${NAME})(\\??:|[<(])`, 'gm'))) {
    const [, beside, member, mark] = m
    if (member === 'constructor' || seen.has(member)) continue
    seen.add(member)
    const comment = beside ?? commentBefore(body, /** @type {number} */ (m.index))
    const doc = parseDoc(comment)
    // A field's comment may hold its type only: that says enough where the name does.
    const field = mark.endsWith(':') || /^    (readonly |get )/.test(m[0])
    if (!doc.text && !field) missing.push(`${name}.${member}`)
    const what = field ? `\`${member}\`` : signature(member, doc)
    lines.push(`  * ${what}${doc.text ? `: ${doc.text}` : ''}`)
  }
  return lines
}

/**
 * A typedef: its description, and its properties or what it stands for.
 *
 * @param {string} file
 * @param {string} name
 * @returns {{ text: string, lines: string[], described: boolean } | null}
 */
function typedef(file, name) {
  for (const [comment] of source(file).matchAll(/\/\*\*(?:(?!\*\/)[^])*\*\//g)) {
    const text = inside(comment)
    const m = [...text.matchAll(/@typedef \{/g)].map((m) => /** @type {number} */ (m.index)).find((at) => {
      const type = bracketed(text, at + 9)
      return new RegExp(`^\\s+${name}\\b`).test(text.slice(at + 9 + type.length + 2))
    })
    if (m === undefined) continue
    const type = bracketed(text, m + 9)
    const elsewhere = /^import\(['"]\.\/([\w-]+)\.js['"]\)\.(\w+)$/.exec(type)
    if (elsewhere) return typedef(elsewhere[1], elsewhere[2])
    const after = text.slice(m + 9 + type.length + 2).replace(new RegExp(`^\\s+${name}`), '')
    const end = after.search(/@typedef\b/)
    const own = end < 0 ? after : after.slice(0, end)
    // What stands before the tag, after what belongs to another one.
    const paragraphs = text.slice(0, m).split(/\n\s*\n/)
    const before = described(paragraphs.slice(paragraphs.findLastIndex((p) => /@(property|typedef)\b/.test(p)) + 1).join('\n'))
    const beside = oneLine(/^[^@\n]*/.exec(own)?.[0] ?? '')
    const lines = []
    for (const p of own.matchAll(/@property \{/g)) {
      const open = /** @type {number} */ (p.index) + p[0].length - 1
      const of = bracketed(own, open)
      const rest = own.slice(open + of.length + 2).split(/\n\s*\n|\n\s*@/)[0]
      const [, optional, property, about] = /** @type {RegExpExecArray} */ (/^\s*(\[?)([\w$]+)\]?([^]*)$/.exec(rest))
      lines.push(`  * \`${property}${optional ? '?' : ''}: ${short(of)}\`${about.trim() ? `: ${oneLine(about)}` : ''}`)
    }
    const description = [before, beside].filter(Boolean).join(' ')
    const shown = lines.length || type === 'object' || type.includes('typeof ') ? description : `\`${short(type)}\`${description ? `. ${description}` : ''}`
    return { text: shown, lines, described: description !== '' }
  }
  return null
}

/**
 * The public names of a module, in the order of its declarations.
 *
 * @param {string} file
 * @returns {Entry[]}
 */
function entries(file) {
  const s = declarations(file)
  /** @type {Map<string, string>} where imported names are declared */
  const from = new Map()
  for (const [, names, where] of s.matchAll(/^(?:import|export) \{([^}]*)\} from '\.\/([\w-]+)\.js';$/gm)) {
    for (const name of names.split(',').map((n) => n.trim()).filter(Boolean)) from.set(name, where)
  }
  const names = new Set([...s.matchAll(new RegExp(`^export (?:declare )?(?:function|class|const|type) (${NAME})`, 'gm'))].map(([, name]) => name))
  for (const [, list] of s.matchAll(/^export \{([^}]*)\}/gm)) for (const name of list.split(',')) if (name.trim()) names.add(name.trim())
  return [...names].map((name) => entry(from.get(name) ?? file, name))
}

/**
 * @param {string} file
 * @param {string} name
 * @returns {Entry}
 */
function entry(file, name) {
  const s = declarations(file)
  const m = new RegExp(`^export (?:declare )?(function|class|const|type) ${name}\\b`, 'm').exec(s)
  if (!m) throw new Error(`types/${file}.d.ts does not declare ${name}`)
  if (m[1] === 'type') {
    const found = typedef(file, name)
    if (!found?.described) missing.push(name)
    return { kind: 'type', name, text: found?.text ?? '', lines: found?.lines ?? [] }
  }
  const doc = parseDoc(commentBefore(s, m.index))
  if (!doc.text) missing.push(name)
  if (m[1] === 'class') return { kind: 'class', name, text: doc.text, lines: members(file, name, m.index) }
  return { kind: 'function', name: signature(name, doc), text: doc.text, lines: [] }
}

function reference() {
  const { exports } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
  const out = []
  for (const [path, { types }] of /** @type {[string, any][]} */ (Object.entries(exports))) {
    if (!types) continue
    const list = entries(types.replace(/^\.\/types\/|\.d\.ts$/g, ''))
    out.push(`### holdfast${path.slice(1)}`, '')
    for (const kind of ['function', 'class', 'type']) {
      for (const e of list.filter((e) => e.kind === kind)) {
        const title = kind === 'function' ? e.name : `${kind === 'class' ? 'class ' : ''}\`${e.name}\``
        out.push(`* **${title}**${e.text ? `: ${e.text}` : ''}`, ...e.lines)
      }
    }
    out.push('')
  }
  return out.join('\n')
}

const file = join(here, 'README.md')
const readme = readFileSync(file, 'utf8')
const begin = readme.indexOf(BEGIN)
const end = readme.indexOf(END)
if (begin < 0 || end < begin) throw new Error(`README.md has no "${BEGIN}" and "${END}"`)
const made = `${readme.slice(0, begin)}${BEGIN}\n\n${reference()}\n${readme.slice(end)}`
if (missing.length) {
  console.error(`These public names have no comment that describes them: ${missing.join(', ')}`)
  process.exitCode = 1
}
if (!process.argv.includes('--check')) writeFileSync(file, made)
else if (made !== readme) {
  console.error('The reference in js/README.md is not up to date: run "npm run reference" in js/')
  process.exitCode = 1
}
