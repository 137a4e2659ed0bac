import { join } from 'node:path'
import { command } from './command.ts'
import { FOLDER, PAUSE_IMAGE, PROGRAMS, REPOSITORY } from './layout.ts'

/** As the chart and the examples name it. */
const OWN_TAG = '0.1.0'

interface Built {
  /** An OCI archive with one image. */
  readonly archive: string
  readonly name: string
}

async function build(name: string, file: string, ...more: string[]): Promise<Built> {
  const script = join(REPOSITORY, 'scripts/build-image.ts')
  const archive = join(FOLDER, file)
  await command(process.execPath, [script, '--name', name, '--output', archive, ...more])
  return { archive, name }
}

/** The project's own image `streamcluster:<tag>`, of the code as it is now. */
export function imageArchive(tag = OWN_TAG): Promise<Built> {
  return build(`docker.io/library/streamcluster:${tag}`, `streamcluster-${tag}.tar`)
}

/** The S3 server that examples/kubernetes/s3-server.yaml names. */
export function s3Archive(): Promise<Built> {
  const program = ['--program', join(PROGRAMS, 'versitygw')]
  return build('docker.io/versity/versitygw:v1.8.0', 'versitygw.tar', ...program)
}

/** The image whose one process holds a pod's namespaces. */
export async function pauseArchive(): Promise<string> {
  const program = ['--program', join(PROGRAMS, 'pause')]
  return (await build(PAUSE_IMAGE, 'pause.tar', ...program)).archive
}
