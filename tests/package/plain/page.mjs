import { HoldfastError, requestPersistence, s3 } from '/holdfast/index.js'
import { connect } from '/holdfast/worker.js'

const worker = new Worker(`/worker.mjs${location.search}`, { type: 'module' })
const spied = []
worker.addEventListener('message', ({ data }) => data?.spied && spied.push(data.spied))

Object.assign(globalThis, { HoldfastError, requestPersistence, s3, spied, connecting: connect(worker) })
