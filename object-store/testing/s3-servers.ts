import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { accepts } from '../../base/testing/accepts.ts'

/**
 * Real S3 servers for tests, on 127.0.0.1 with a free port and a temporary folder. Whoever starts
 * one stops it. The first start builds the server if need be, which takes minutes: give the hook
 * that starts one {@link BUILD_MS_MAX}.
 */
export interface S3Server {
  readonly endpoint: string
  readonly bucket: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** What a child process needs to use the server with the bucket's plain `s3://` URL. */
  readonly env: Readonly<Record<string, string>>
  /** A store URL with the endpoint, for {@link openStore}; the credentials are in `env`. */
  readonly url: string
  /** The folder where the server keeps everything. */
  readonly folder: string
  stop(): Promise<void>
}

export const BUILD_MS_MAX = 15 * 60_000
const START_MS_MAX = 20_000
const START_TRIES_MAX = 3
const BUCKET = 'test-bucket'
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

type Spawned = Promise<{ child: ChildProcess; port: number; output: () => string }>
type ServerCredentials = S3Server['credentials']

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

function stopped(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

async function end(child: ChildProcess): Promise<void> {
  if (stopped(child)) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** Starts `program` and waits until it listens. Tries again when somebody took its port. */
async function start(
  program: string,
  argumentsFor: (port: number) => string[],
  env: Record<string, string> = {},
): Spawned {
  let said = ''
  for (let tries = 0; tries < START_TRIES_MAX; tries++) {
    const port = await freePort()
    const child = spawn(program, argumentsFor(port), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    // A server must not outlive a test run that was interrupted.
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    const keep = (text: unknown): void => {
      said = `${said}${text}`.slice(-10_000)
    }
    child.once('error', (error) => keep(error.message))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const endMs = Date.now() + START_MS_MAX
    while (Date.now() < endMs && !stopped(child) && child.pid !== undefined) {
      if (await accepts({ host: '127.0.0.1', port })) return { child, port, output: () => said }
      await pause(20)
    }
    await end(child)
  }
  throw new Error(`${program} does not start: ${said}`)
}

/** The path of a server's binary, which is built if it is not there. */
async function binary(name: string): Promise<string> {
  const path = join(ROOT, '.cache/bin', name)
  if (existsSync(path)) return path
  const build = spawn(join(ROOT, 'scripts/build-s3-servers.sh'), { stdio: 'inherit' })
  const code = await new Promise((resolve) => build.once('exit', resolve))
  if (code !== 0) throw new Error(`${name} cannot be built: scripts/build-s3-servers.sh needs Go`)
  return path
}

async function newFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `streamcluster-${name}-`))
}

function describeServer(
  child: ChildProcess,
  port: number,
  folder: string,
  credentials: ServerCredentials,
): S3Server {
  const endpoint = `http://127.0.0.1:${port}`
  return {
    endpoint,
    bucket: BUCKET,
    credentials,
    env: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: endpoint,
    },
    url: `s3://${BUCKET}?endpoint=${endpoint}&region=us-east-1`,
    folder,
    async stop() {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** versitygw: the fastest, exact in conditional writes; keeps objects as files, unsynced. */
export async function startVersitygw(): Promise<S3Server> {
  const program = await binary('versitygw')
  const folder = await newFolder('versitygw')
  await mkdir(join(folder, BUCKET))
  const credentials = { accessKeyId: 'test', secretAccessKey: 'testtest' }
  const { child, port } = await start(program, (free) => [
    '--quiet',
    '--keep-alive',
    ...['--port', `127.0.0.1:${free}`],
    ...['--access', credentials.accessKeyId, '--secret', credentials.secretAccessKey],
    ...['posix', '--data-integrity-etag', folder],
  ])
  return describeServer(child, port, folder, credentials)
}

/** MinIO: exact in conditional writes, and syncs every object. */
export async function startMinio(): Promise<S3Server> {
  const program = await binary('minio')
  const folder = await newFolder('minio')
  const credentials = { accessKeyId: 'test', secretAccessKey: 'testtest' }
  const { child, port, output } = await start(
    program,
    (free) => ['server', '--address', `127.0.0.1:${free}`, '--quiet', folder],
    {
      MINIO_ROOT_USER: credentials.accessKeyId,
      MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      MINIO_BROWSER: 'off',
    },
  )
  const server = describeServer(child, port, folder, credentials)
  try {
    await createBucket(server)
  } catch (error) {
    await server.stop()
    throw new Error(`MinIO makes no bucket: ${output()}`, { cause: error })
  }
  return server
}

/** It listens before it is ready, so this tries for a while. */
async function createBucket(server: S3Server): Promise<void> {
  const { S3Client, CreateBucketCommand } = await import('@aws-sdk/client-s3')
  const { endpoint, credentials } = server
  const client = new S3Client({
    ...{ endpoint, credentials, region: 'us-east-1', forcePathStyle: true, maxAttempts: 20 },
  })
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  } finally {
    client.destroy()
  }
}

/** s3rver: ignores every condition, hence unfit for a cluster. */
export async function startS3rver(): Promise<S3Server> {
  const folder = await newFolder('s3rver')
  const program = createRequire(import.meta.url).resolve('s3rver/bin/s3rver.js')
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const { child, port } = await start(process.execPath, (free) => [
    ...[program, '--directory', folder, '--address', '127.0.0.1', '--port', String(free)],
    ...['--silent', '--configure-bucket', BUCKET],
  ])
  return describeServer(child, port, folder, credentials)
}
