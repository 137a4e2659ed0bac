import { readFileSync } from 'node:fs'
import { sleep, systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { errorName } from '../../broker/protocol/error-codes.ts'
import type { BrokerProcess } from '../../e2e/lib/broker-process.ts'
import { Cluster } from '../../e2e/lib/cluster.ts'
import { topicIdOf } from '../../e2e/lib/fetch.ts'
import { ask } from '../../e2e/lib/wire-client.ts'
import { bombFrame, frameMaker } from './frames.ts'
import { Neighbours } from './neighbours.ts'
import { type Surroundings, visit } from './strangers.ts'

const MEBIBYTE = 1024 * 1024
const STRANGERS = 6
const PARTITIONS = 2
const FRAME_BYTES_MAX = 8 * MEBIBYTE
/** Caches, backlog and unsent answers at their defaults, and a few bombs that are being unpacked. */
const RSS_BYTES_MAX = 1_280 * MEBIBYTE
/** Far more than it takes: others are served all the while. */
const ANSWER_MS_MAX = 20_000
const QUIET_MS_MAX = 30_000
const LOOK_MS = 100
const STRANGER_SEEDS = 100_003

/** Resident memory of a process, in bytes (Linux). */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}

async function frameBytes(broker: BrokerProcess): Promise<number> {
  const { text } = await broker.admin('/metrics')
  return Number(/^streamcluster_frame_bytes(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1] ?? Number.NaN)
}

/** Deletes the topics, whose newest records are kept in memory for readers. */
async function deleteTopics(port: number, topicNames: readonly string[]): Promise<void> {
  const { responses } = await ask(port, apis.deleteTopics, 5, { topicNames, timeoutMs: 10_000 })
  for (const { name, errorCode } of responses) {
    if (errorCode !== 0) throw new Error(`${name} is not deleted: ${errorName(errorCode)}`)
  }
}

/** Watches a broker until it is told to end; resolves with the most memory that was seen. */
async function watch(broker: BrokerProcess, isOver: () => boolean): Promise<number> {
  let most = 0
  while (!isOver() && broker.isRunning) {
    most = Math.max(most, residentBytes(broker.pid))
    await sleep(systemClock, LOOK_MS)
  }
  return most
}

/** Strangers come one after the other, each with randomness of its own. */
async function strangers(
  first: number,
  seed: number,
  surroundings: Omit<Surroundings, 'random' | 'frame'>,
  isOver: () => boolean,
): Promise<number> {
  let count = 0
  for (let number = first; !isOver(); number += STRANGERS) {
    const random = seededRandom(seed * STRANGER_SEEDS + number)
    const frame = frameMaker(random, surroundings.prey)
    await visit({ ...surroundings, random, frame })
    count++
  }
  return count
}

/** Once nobody is there any more, all memory of frames is given back. */
async function quietProblem(broker: BrokerProcess): Promise<string | null> {
  const endMs = systemClock.nowMs() + QUIET_MS_MAX
  let bytes = Number.NaN
  while (systemClock.nowMs() < endMs) {
    bytes = await frameBytes(broker)
    if (bytes === 0) return null
    await sleep(systemClock, LOOK_MS)
  }
  return `${bytes} bytes of frames are kept for nobody`
}

function faultsLogged(broker: BrokerProcess): string[] {
  const lines = broker.log.filter(({ level }) => level === 'error')
  const distinct = new Map(lines.map((line) => [line.message, line]))
  return [...distinct.values()].map((line) => `the broker logged ${JSON.stringify(line)}`)
}

/**
 * A real broker, a producer and a consumer that behave well, and strangers that do not, for a while.
 * Resolves with what went wrong. Who comes in which order and sends what follows from the seed.
 */
export async function fuzzConnections(given: { seed: number; seconds: number }): Promise<string[]> {
  const config = { 'socket.request.max.bytes': FRAME_BYTES_MAX }
  const env = {
    STREAMCLUSTER_CONFIG: JSON.stringify(config),
    STREAMCLUSTER_WAL_LINGER_MS_MAX: '20',
    STREAMCLUSTER_RECORD_VALIDATION: 'full',
  }
  const cluster = await Cluster.start(1, { env })
  try {
    return await fuzzOn(cluster, given)
  } finally {
    await cluster.close()
  }
}

async function fuzzOn(
  cluster: Cluster,
  { seed, seconds }: { seed: number; seconds: number },
): Promise<string[]> {
  const broker = cluster.running[0] as BrokerProcess
  const port = broker.ports.kafka
  await cluster.createTopic('good', PARTITIONS)
  await cluster.createTopic('prey', PARTITIONS, { 'cleanup.policy': 'compact' })
  const good = { name: 'good', id: await topicIdOf(port, 'good') }
  const prey = { topic: 'prey', topicId: await topicIdOf(port, 'prey') }
  const surroundings = {
    port,
    prey,
    bomb: bombFrame(prey),
    backlogTopicId: good.id,
    frameBytesMax: FRAME_BYTES_MAX,
  }
  const neighbours = new Neighbours(port, good, PARTITIONS)
  neighbours.start()
  const endMs = systemClock.nowMs() + seconds * 1_000
  const isOver = (): boolean => systemClock.nowMs() > endMs || !broker.isRunning
  const memory = watch(broker, isOver)
  const numbers = Array.from({ length: STRANGERS }, (_, index) => index)
  const visits = await Promise.all(
    numbers.map((first) => strangers(first, seed, surroundings, isOver)),
  )
  const problems: string[] = []
  const rssBytes = await memory
  await neighbours.stop()
  problems.push(...neighbours.problems)
  if (broker.isRunning) {
    await deleteTopics(port, [good.name, prey.topic])
    problems.push(...[await quietProblem(broker)].filter((each) => each !== null))
  } else problems.push(`the broker ended: ${JSON.stringify(broker.exit)}`)
  if (rssBytes > RSS_BYTES_MAX) problems.push(`the broker took ${rssBytes} bytes of memory`)
  if (neighbours.slowestMs > ANSWER_MS_MAX) {
    problems.push(`an acknowledgement took ${neighbours.slowestMs} ms`)
  }
  problems.push(...faultsLogged(broker))
  console.log(
    `connections: ${visits.reduce((sum, count) => sum + count, 0)} strangers, ` +
      `${neighbours.count} records of others, the slowest took ${Math.round(neighbours.slowestMs)} ms, ` +
      `${Math.round(rssBytes / MEBIBYTE)} MiB of memory at most`,
  )
  return problems
}
