import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Child } from './child.ts'
import { KAFKA_JVM_OPTIONS, kafkaClassPath } from './kafka-tools.ts'
import { deleteTopic, type Peer } from './peer.ts'
import { freePort, whenListening } from './ports.ts'

/** What Kafka's start script gives its broker (bin/kafka-server-start.sh). */
const HEAP_OPTIONS = ['-Xmx1G', '-Xms1G']
const START_MS_MAX = 60_000
const DELETE_MS_MAX = 30_000

/**
 * One broker with defaults. These settings are what it takes to start a single one at all, but for
 * the last: deleted topics would stay for a minute, and the disk is needed before that.
 */
function properties(folder: string, port: number, controllerPort: number): string {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names=CONTROLLER',
    `log.dirs=${join(folder, 'data')}`,
    'num.partitions=16',
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'log.segment.delete.delay.ms=1000',
  ].join('\n')
}

/** A random UUID that does not begin with a dash, which the tool would take for an option. */
function clusterId(): string {
  return `c${randomBytes(16).toString('base64url').slice(1, 21)}A`
}

/** Apache Kafka in KRaft mode, broker and controller in one process, with its data in `folder`. */
export async function startKafka(folder: string): Promise<Peer> {
  const classPath = await kafkaClassPath()
  const [port, controllerPort] = [await freePort(), await freePort()]
  const data = join(folder, 'data')
  await mkdir(data, { recursive: true })
  const settings = join(folder, 'server.properties')
  await writeFile(settings, properties(folder, port, controllerPort))
  const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', settings]
  await new Child('java', ['-cp', classPath, ...format]).success()
  const options = [...HEAP_OPTIONS, ...KAFKA_JVM_OPTIONS, '-cp', classPath]
  const child = new Child('java', [...options, 'kafka.Kafka', settings])
  if (!(await whenListening(port, () => !child.isAlive, START_MS_MAX))) {
    await child.end('SIGKILL')
    throw new Error(`Kafka does not start:\n${child.output}`)
  }
  const bootstrap = `127.0.0.1:${port}`
  return {
    name: 'kafka',
    pid: child.pid,
    bootstrap,
    forget: async (topic) => {
      await deleteTopic({ bootstrap }, topic)
      await whenDeleted(data, topic)
    },
    stop: () => child.end(),
  }
}

/** Deleted topics go a second later, and only then is the disk free of them. */
async function whenDeleted(data: string, topic: string): Promise<void> {
  const endMs = performance.now() + DELETE_MS_MAX
  while (performance.now() < endMs && existsSync(data)) {
    const folders = await readdir(data)
    if (!folders.some((name) => name.startsWith(`${topic}-`) || name.startsWith(`${topic}.`)))
      return
    await pause(200)
  }
}
