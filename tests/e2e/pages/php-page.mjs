// The page of php-endpoint.mjs.

import { connect } from 'holdfast/worker'
import { consumeAPI } from '@php-wasm/universal'

async function start() {
  const worker = new Worker('/bundle/php-endpoint.js', { type: 'module' })
  const php = consumeAPI(worker)
  const volume = await connect(worker)
  await php.isReady()
  return { php, volume }
}

globalThis.ready = start()
