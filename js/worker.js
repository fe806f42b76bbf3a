/**
 * `holdfast/worker`: a volume that lives in a dedicated worker, used from the page. Over Comlink, beside whatever else the worker
 * exposes: each connection has a MessageChannel of its own.
 *
 * @module holdfast/worker
 */

export { exposeVolume } from './worker-host.js'
export { connect, RemoteFiles, RemoteVolume } from './worker-remote.js'
