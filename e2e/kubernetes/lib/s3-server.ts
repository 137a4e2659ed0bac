import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { accepts } from '../../../base/testing/accepts.ts'
import { until } from '../../lib/wait.ts'
import { Daemon } from './daemon.ts'
import { FOLDER, HOST_ADDRESS, PROGRAMS, REPOSITORY } from './layout.ts'

const PORT = 7480
const UNFIT_PORT = 7481
export const BUCKET = 'streams'
export const CREDENTIALS = { accessKeyId: 'e2e-key', secretAccessKey: 'e2e-secret-key' }
/** What s3rver takes, always. */
export const UNFIT_CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
const PROGRAM = join(PROGRAMS, 'versitygw')

/** versitygw on the nodes' network, where pods reach it. It may be ended and started again. */
export class S3Server {
  readonly endpoint = `http://${HOST_ADDRESS}:${PORT}`
  private server: Daemon | null = null

  private constructor() {}

  static async start(): Promise<S3Server> {
    if (!existsSync(PROGRAM)) {
      const build = spawn(join(REPOSITORY, 'scripts/build-s3-servers.sh'), { stdio: 'inherit' })
      await new Promise((resolve) => build.once('exit', resolve))
    }
    mkdirSync(join(FOLDER, 's3', BUCKET), { recursive: true })
    const server = new S3Server()
    await server.goOn()
    return server
  }

  /** Ends it at once, with whatever it was doing. What it has acknowledged is on disk. */
  async breakDown(): Promise<void> {
    await this.server?.kill()
  }

  /** Starts it, with what it had. Resolves when it listens. */
  async goOn(): Promise<void> {
    const server = new Daemon('versitygw', PROGRAM, [
      ...['--quiet', '--keep-alive', '--port', `${HOST_ADDRESS}:${PORT}`],
      ...['--access', CREDENTIALS.accessKeyId, '--secret', CREDENTIALS.secretAccessKey],
      ...['posix', '--data-integrity-etag', join(FOLDER, 's3')],
    ])
    this.server = server
    await until('the S3 server listens', () => {
      server.expectRunning()
      return accepts({ host: HOST_ADDRESS, port: PORT })
    })
  }
}

/** s3rver, which ignores every condition. */
export async function startUnfitStore(): Promise<{ endpoint: string; stop(): Promise<void> }> {
  const program = createRequire(import.meta.url).resolve('s3rver/bin/s3rver.js')
  const server = new Daemon('s3rver', process.execPath, [
    ...[program, '--directory', join(FOLDER, 's3rver'), '--silent', '--configure-bucket', BUCKET],
    ...['--address', HOST_ADDRESS, '--port', String(UNFIT_PORT)],
  ])
  await until('the unfit store listens', () => {
    server.expectRunning()
    return accepts({ host: HOST_ADDRESS, port: UNFIT_PORT })
  })
  return { endpoint: `http://${HOST_ADDRESS}:${UNFIT_PORT}`, stop: () => server.kill() }
}
