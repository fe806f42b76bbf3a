/** `holdfast/node`: the storage for Node. */

export { nodeDirectory } from './storage-node.js'
