// Two volumes that travel while the network fails: what both Node and a page run. The test says when what goes wrong.

import { bytes, seeded } from './random.mjs'
import { tree } from './tree.mjs'

/** Pauses between tries that a test can wait for. */
const patient = { attempts: 5, baseDelay: 1, maxDelay: 10 }
const impatient = { attempts: 1 }

const phases = ['read', 'hash', 'upload', 'head', 'download', 'import', 'done']

/** Collects progress, and what is wrong with it. */
function watch() {
  const wrong = []
  let last = { phase: 'read', bytesDone: 0, bytesTotal: 0, objectsDone: 0, objectsTotal: 0 }
  return {
    wrong,
    onProgress(p) {
      for (const name of ['bytesDone', 'bytesTotal', 'objectsDone', 'objectsTotal']) if (p[name] < last[name]) wrong.push(`${name} fell from ${last[name]} to ${p[name]}`)
      if (phases.indexOf(p.phase) < phases.indexOf(last.phase)) wrong.push(`${p.phase} after ${last.phase}`)
      if (p.bytesDone > p.bytesTotal || p.objectsDone > p.objectsTotal) wrong.push(`more is done than there is: ${JSON.stringify(p)}`)
      last = { ...p }
    },
    /** @param {boolean} ended */
    end(ended) {
      if (ended && (last.phase !== 'done' || last.bytesDone !== last.bytesTotal || last.objectsDone !== last.objectsTotal)) wrong.push(`ended at ${JSON.stringify(last)}`)
      return wrong
    },
  }
}

/**
 * @param {any} holdfast the module
 * @param {(name: string, retry: object) => any} remoteOf a store with nothing in it, the same for the same name; a new object each time
 * @param {number} seed
 */
export async function startTransfer(holdfast, remoteOf, seed) {
  const random = seeded(seed)
  const [author, reader] = await Promise.all(['author', 'reader'].map((name) => holdfast.open(name, { storage: holdfast.memory() })))
  author.fs.mkdirSync('/folder')
  for (let i = 0; i < 20; i++) author.fs.writeFileSync(`/folder/f${i}`, bytes(random, 3000))
  const [before, treeBefore] = [author.snapshot(), await tree(author.fs)]
  author.fs.writeFileSync('/folder/large', bytes(random, 200_000))
  author.fs.writeFileSync('/folder/f7', 'changed')
  const [after, treeAfter] = [author.snapshot(), await tree(author.fs)]
  reader.fs.writeFileSync('/mine', 'of the reader')
  const [own, treeOwn] = [reader.snapshot(), await tree(reader.fs)]
  /** The session of each name: one store object. */
  const sessions = new Map()

  const which = async (fs) => {
    const lines = JSON.stringify(await tree(fs))
    return { [JSON.stringify(treeBefore)]: 'before', [JSON.stringify(treeAfter)]: 'after', [JSON.stringify(treeOwn)]: 'own' }[lines] ?? `another: ${lines.slice(0, 500)}`
  }
  /** @param {(onProgress: (p: any) => void) => Promise<unknown>} call */
  const outcome = async (call) => {
    const { onProgress, end } = watch()
    try {
      await call(onProgress)
      return { code: null, wrong: end(true) }
    } catch (error) {
      return { code: error.code ?? String(error), message: error.message, wrong: end(false) }
    }
  }

  return {
    /** Publishes the first state. */
    async begin({ name }) {
      author.restore(before)
      await author.publish(remoteOf(name, patient), { name })
    },
    /** Publishes the second state. `again` is the same session as the one before it. */
    async publish({ name, retry = true, again = false }) {
      author.restore(after)
      if (!again) sessions.set(name, remoteOf(name, retry === true ? patient : retry || impatient))
      return outcome((onProgress) => author.publish(sessions.get(name), { name, onProgress }))
    },
    /** Pulls into a volume with a state of its own. Says which state it has afterwards. */
    async pull({ name, retry = true }) {
      reader.restore(own)
      const result = await outcome((onProgress) => reader.pull(remoteOf(name, retry === true ? patient : retry || impatient), { name, onProgress }))
      return { ...result, tree: await which(reader.fs) }
    },
    /** Begins a publish or a pull that `stop` of the answer aborts. */
    abortable({ name, action }) {
      const stop = new AbortController()
      const volume = action === 'publish' ? author : reader
      volume.restore(action === 'publish' ? after : own)
      return { stop, done: outcome(() => volume[action](remoteOf(name, patient), { name, signal: stop.signal })), tree: () => which(volume.fs) }
    },
    async close() {
      await Promise.all([author.close(), reader.close()])
    },
  }
}

/**
 * Stores that share a bucket: each has a folder in it. `store` is what s3() returned, which starts a program, once.
 *
 * @param {any} store
 */
export const folders = (store) => (folder, retry) => ({
  retry,
  get: (key, options) => store.get(`${folder}/${key}`, options),
  put: (key, data, options) => store.put(`${folder}/${key}`, data, options),
  list: async (prefix, options) => (await store.list(`${folder}/${prefix}`, options)).map((o) => ({ ...o, key: o.key.slice(folder.length + 1) })),
  delete: (key, options) => store.delete(`${folder}/${key}`, options),
})
