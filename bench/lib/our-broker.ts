import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startVersitygw } from '../../object-store/testing/s3-servers.ts'
import { Child } from './child.ts'
import { deleteTopic, type Peer } from './peer.ts'

const PROGRAM = fileURLToPath(new URL('../../broker/main.ts', import.meta.url))
const START_MS_MAX = 60_000
const NAME = 'streamcluster'

/** Where brokers keep everything. */
export interface Bucket {
  /** How figures name it. */
  readonly kind: 'folder' | 'versitygw'
  readonly url: string
  /** The folder on this machine that holds the objects, by their keys. */
  readonly folder: string
  /** What a broker must have in its environment to get at it. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export function folderBucket(folder: string): Bucket {
  const url = pathToFileURL(folder).href
  return { kind: 'folder', url, folder, env: {}, stop: async () => {} }
}

/** An S3 server of this machine; it keeps its objects in a folder below the system's temporary one. */
export async function versitygwBucket(): Promise<Bucket> {
  const server = await startVersitygw()
  const folder = join(server.folder, server.bucket)
  const { url, env } = server
  return { kind: 'versitygw', url, folder, env, stop: () => server.stop() }
}

export interface OurBroker extends Peer {
  readonly nodeId: number
  /** http://host:port of the port for health and metrics. */
  readonly admin: string
  /** Ends it as a power cut would. */
  kill(): Promise<void>
  /** Asks it to give everything away and end; resolves at once. */
  beginDrain(): void
  /** Resolves once it has ended. */
  readonly ended: Promise<unknown>
}

interface ReadyLine {
  readonly event: 'ready'
  readonly nodeId: number
  readonly kafka: string
  readonly admin: string
}

function parseReady(line: string): ReadyLine | null {
  return line.startsWith('{"event":"ready"') ? (JSON.parse(line) as ReadyLine) : null
}

/** One of our brokers on `bucket`, with the defaults. `nodeOptions` go to Node itself. */
export async function startOurs(
  bucket: Bucket,
  nodeOptions: readonly string[] = [],
): Promise<OurBroker> {
  let onReady: (ready: ReadyLine) => void = () => {}
  const whenReady = new Promise<ReadyLine>((resolve) => {
    onReady = resolve
  })
  const child = new Child(process.execPath, [...nodeOptions, PROGRAM], {
    env: {
      ...bucket.env,
      STREAMCLUSTER_STORE: bucket.url,
      STREAMCLUSTER_LISTEN: '127.0.0.1:0',
      STREAMCLUSTER_ADMIN_LISTEN: '127.0.0.1:0',
      STREAMCLUSTER_CONFIG: JSON.stringify({ 'num.partitions': 16 }),
      STREAMCLUSTER_LOG_LEVEL: 'warn',
    },
    onLine: (line) => {
      const ready = parseReady(line)
      if (ready !== null) onReady(ready)
    },
  })
  const timer = setTimeout(() => child.signal('SIGKILL'), START_MS_MAX)
  const ready = await Promise.race([whenReady, child.exited.then(() => null)])
  clearTimeout(timer)
  if (ready === null) throw new Error(`our broker does not start:\n${child.output}`)
  const bootstrap = ready.kafka
  return {
    name: NAME,
    pid: child.pid,
    nodeId: ready.nodeId,
    bootstrap,
    admin: `http://${ready.admin}`,
    forget: async (topic) => {
      await deleteTopic({ bootstrap }, topic)
      await removeLogObjects(bucket)
    },
    stop: () => child.end(),
    kill: () => child.end('SIGKILL'),
    beginDrain: () => child.signal('SIGTERM'),
    ended: child.exited,
  }
}

/**
 * Deletes all log objects behind the broker's back. Nobody reads those of a deleted topic again,
 * and the broker never looks at its own old ones; a taker would, so this is for single brokers.
 */
async function removeLogObjects(bucket: Bucket): Promise<void> {
  const wal = join(bucket.folder, 'wal')
  for (const entry of await readdir(wal, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) await rm(join(entry.parentPath, entry.name))
  }
}
