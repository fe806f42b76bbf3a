// An app's page, written as its author would: nothing in it is for a particular bundler.

import { HoldfastError, requestPersistence, s3 } from 'holdfast'
import { connect } from 'holdfast/worker'

const worker = new Worker(new URL('./worker.mjs', import.meta.url), { type: 'module' })

Object.assign(globalThis, { HoldfastError, requestPersistence, s3, connecting: connect(worker) })
