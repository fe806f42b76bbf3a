// What an app in TypeScript may write; compiled, never run.

import { HoldfastError, memory, open, opfs, requestPersistence, s3, type Change, type Progress, type S3Config, type Snapshot, type Volume } from 'holdfast'
import { nodeDirectory } from 'holdfast/node'
import { captureEmscripten, materializeEmscripten, mountEmscripten } from 'holdfast/emscripten'
import { exportDirectory, importDirectory } from 'holdfast/migrate'
import { fsOf, holdfastMount } from 'holdfast/php'
import { mountPyodide } from 'holdfast/pyodide'
import { connect, exposeVolume } from 'holdfast/worker'

export async function use(worker: Worker): Promise<number> {
  const volume: Volume = await open('v', { storage: memory(), ifLocked: 'wait', durability: 'manual', history: { keep: 3 }, signal: AbortSignal.timeout(1) })
  volume.fs.writeFileSync('/f', 'x')
  const snapshot: Snapshot = volume.snapshot({ label: 'x' })
  const paths: string[] = volume.diff(snapshot).map((change: Change) => change.path)
  const { seq, bytesWritten }: { seq: number; bytesWritten: number } = volume.commit()
  const bucket: S3Config = { endpoint: 'https://s3.example.com', bucket: 'b', credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b' }) }
  await volume.publish(s3(bucket), { onProgress: (p: Progress) => console.log(p.phase, p.bytesDone) })
  volume.lost.then((err: HoldfastError) => err.code)
  const { quota = 0 } = await volume.estimate()
  exposeVolume(volume, { name: 'v' })
  const remote = await connect(worker)
  const text: string = await remote.fs.readFile('/f', { encoding: 'utf8' })
  const bytes: Uint8Array = await remote.fs.readFile('/f')
  const granted: boolean = await requestPersistence()
  void [opfs(), nodeDirectory('/tmp/v'), mountEmscripten, holdfastMount(volume), granted, text, bytes, paths]
  const captured = captureEmscripten(await fsOf({}), '/site', volume, { filter: (path, type) => type === 'file' && path !== '/x', hash: true, entries: true })
  const hash: string | undefined = captured.entries?.[0].hash
  const gone: string[] = materializeEmscripten({}, '/site', volume, { snapshot: captured.snapshot, root: '/' }).delete
  const directory = await navigator.storage.getDirectory()
  const files: number = (await importDirectory(directory, volume, { replace: true, onProgress: (p) => console.log(p.phase) })).files
  const { skipped }: { skipped: string[] } = await exportDirectory(volume, directory, { symlinks: 'skip' })
  void [hash, gone, files, skipped, mountPyodide({}, volume, '/data')]
  // @ts-expect-error there is no such choice
  await open('v', { ifLocked: 'perhaps' })
  return seq + bytesWritten + quota
}
