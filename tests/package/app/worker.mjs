// Its worker.

import { open } from 'holdfast'
import { holdfastMount } from 'holdfast/php'
import { exposeVolume } from 'holdfast/worker'

exposeVolume(open('app'))
globalThis.holdfastMount = holdfastMount
