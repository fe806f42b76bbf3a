// Example: a PHPWorker (@php-wasm/universal) on a volume. The page gets PHP through PHPWorker's own endpoint, as ever, and the volume
// through Holdfast's, which has a channel of its own.

import { open } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { exposeVolume } from 'holdfast/worker'
import { PHP, PHPRequestHandler, PHPWorker, exposeAPI, loadPHPRuntime } from '@php-wasm/universal'
import { getPHPLoaderModule } from '@php-wasm/web-8-3'

const opening = open('php-site')
exposeVolume(opening)

class Endpoint extends PHPWorker {
  async boot() {
    const volume = await opening
    const handler = new PHPRequestHandler({
      documentRoot: '/site',
      absoluteUrl: location.origin,
      phpFactory: async () => {
        const php = new PHP(await loadPHPRuntime(await getPHPLoaderModule(), {}))
        await php.mount('/site', holdfastMount(volume))
        return php
      },
      maxPhpInstances: 1,
    })
    this.__internal_setRequestHandler(handler)
    await this.setPrimaryPHP(await handler.getPrimaryPhp())
  }
}

const endpoint = new Endpoint()
const [setReady, setFailed] = exposeAPI(endpoint)
endpoint.boot().then(setReady, setFailed)
