/** `holdfast/pyodide`: volumes in Python in the browser. */

import { mountEmscripten } from './emscripten.js'

/**
 * Mounts a volume in Pyodide, and offers it to Python as a module:
 *
 * ```python
 * import holdfast
 * holdfast.commit(label='imported')     # durable on return
 * point = holdfast.snapshot(label='before')
 * holdfast.restore(point.id)
 * ```
 *
 * `os.fsync` and `mmap.flush` commit, as the volume's durability has it. `os.fdatasync` does nothing in Pyodide, and its SQLite uses nothing
 * else: in the journal modes DELETE (the default) and TRUNCATE each transaction is durable all the same, because the end of its
 * journal commits; in PERSIST, WAL, MEMORY and OFF it is durable from the next commit on, so call `holdfast.commit()` when it has to be.
 *
 * @param {any} pyodide what loadPyodide answered
 * @param {import('./volume.js').Volume} volume
 * @param {string} mountpoint made when it does not exist
 * @param {{ path?: string, module?: string }} [options] path: the directory of the volume, its root by default; module: the name for Python
 * @returns {{ unmount: () => void }}
 */
export function mountPyodide(pyodide, volume, mountpoint, { path = '/', module = 'holdfast' } = {}) {
  const { unmount } = mountEmscripten(pyodide._module ?? pyodide, volume, mountpoint, { path })
  /** Python would go on with a module that it imported from an earlier mount. */
  const forget = () => pyodide.runPython(`import sys\nsys.modules.pop(${JSON.stringify(module)}, None)\nNone`)
  forget()
  pyodide.registerJsModule(module, {
    // Python's keyword arguments arrive as an object: these are the volume's own options.
    commit: (/** @type {{ label?: string }} */ options) => volume.commit(options),
    snapshot: (/** @type {{ label?: string }} */ options) => volume.snapshot(options),
    snapshots: () => volume.snapshots(),
    restore: (/** @type {import('./volume.js').Snapshot | string} */ snapshot) => volume.restore(snapshot),
  })
  return {
    unmount() {
      pyodide.unregisterJsModule(module)
      forget()
      unmount()
    },
  }
}
