import { readFileSync } from 'node:fs'
import { sleep, systemClock } from '../../base/clock.ts'
import { seededRandom } from '../../base/random.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import { errorName } from '../../broker/protocol/error-codes.ts'
import type { BrokerProcess } from '../../e2e/lib/broker-process.ts'
import { Cluster } from '../../e2e/lib/cluster.ts'
import { freePort } from '../../e2e/lib/ports.ts'
import { TestAuthority } from '../../broker/server/testing/certificates.ts'
import { topicIdOf } from '../../e2e/lib/fetch.ts'
import { ask } from '../../e2e/lib/wire-client.ts'
import { kindsIn, readCorpus } from '../corpus.ts'
import { Conversations, culprits } from './conversations.ts'
import { bombFrame, frameMaker, type Prey } from './frames.ts'
import { Neighbours } from './neighbours.ts'
import { sayAll } from './replay.ts'
import { type Surroundings, visit } from './strangers.ts'

const MEBIBYTE = 1024 * 1024
const STRANGERS = 6
const PARTITIONS = 2
/** Kafka's default, and ours. */
const FRAME_BYTES_MAX = 100 * MEBIBYTE
/** How deep produced batches are looked into: the seed says. */
const VALIDATIONS = ['full', 'uncompressed', 'headers'] as const
/** Caches, backlog, requests and unsent answers at their defaults, and a few bombs that are being unpacked. */
const RSS_BYTES_MAX = 1_280 * MEBIBYTE
/** Far more than it takes: others are served all the while. */
const ANSWER_MS_MAX = 20_000
const QUIET_MS_MAX = 30_000
const LOOK_MS = 100
const STRANGER_SEEDS = 100_003
/** The name of the corpus of whole conversations. */
export const CORPUS = 'connection'
/** What a conversation causes, it causes by then. */
const AFTER_REPLAY_MS = 500

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

function hasFault(broker: BrokerProcess): boolean {
  return !broker.isRunning || faultsLogged(broker).length > 0
}

export interface ConnectionsResult {
  readonly problems: readonly string[]
  /** Frames that strangers sent. */
  readonly frames: number
  /** Conversations of kinds that the corpus does not have, by kind. */
  readonly novel: ReadonlyMap<string, Buffer>
  /** What makes the broker end or log a fault, where that is known: for the corpus. */
  readonly culprits: readonly Buffer[]
}

interface Given {
  readonly seed: number
  readonly seconds: number
}

/** A broker with the topics that strangers meet, and what they need to know of it. */
interface Scene {
  readonly cluster: Cluster
  readonly authority: TestAuthority
  readonly broker: BrokerProcess
  readonly tlsPort: number
  readonly good: { readonly name: string; readonly id: string }
  readonly prey: Prey
  readonly conversations: Conversations
}

async function openScene(seed: number): Promise<Scene> {
  const authority = new TestAuthority()
  const cluster = new Cluster()
  const ports = { kafka: await freePort(), admin: await freePort() }
  const tlsPort = await freePort()
  const { certificateFile, keyFile } = authority.issue('/CN=broker')
  await cluster.startBroker(ports, {
    STREAMCLUSTER_LISTEN: '',
    STREAMCLUSTER_LISTENERS: `plain=127.0.0.1:${ports.kafka},tls=127.0.0.1:${tlsPort}`,
    STREAMCLUSTER_TLS_CERTIFICATE: `tls=${certificateFile}`,
    STREAMCLUSTER_TLS_KEY: `tls=${keyFile}`,
    STREAMCLUSTER_WAL_LINGER_MS_MAX: '20',
    STREAMCLUSTER_RECORD_VALIDATION: validationOf(seed),
  })
  await cluster.createTopic('good', PARTITIONS)
  await cluster.createTopic('prey', PARTITIONS, { 'cleanup.policy': 'compact' })
  await cluster.createTopic('plain-prey', PARTITIONS)
  const good = { name: 'good', id: await topicIdOf(ports.kafka, 'good') }
  // A compacted topic has its records looked into whatever the broker's setting says.
  const topic = seed % 2 === 0 ? 'plain-prey' : 'prey'
  const prey = { topic, topicId: await topicIdOf(ports.kafka, topic) }
  const broker = cluster.running[0] as BrokerProcess
  const conversations = new Conversations(prey.topicId)
  return { cluster, authority, broker, tlsPort, good, prey, conversations }
}

async function closeScene({ cluster, authority }: Scene): Promise<void> {
  await cluster.close()
  authority.close()
}

function validationOf(seed: number): string {
  return VALIDATIONS[seed % VALIDATIONS.length] as string
}

/**
 * A real broker, a producer and a consumer that behave well, and strangers that do not, for a while.
 * Resolves with what went wrong. Who comes in which order and sends what follows from the seed; first
 * of all come the conversations of the corpus.
 */
export async function fuzzConnections(given: Given): Promise<ConnectionsResult> {
  console.log(`connections: records are validated as ${validationOf(given.seed)}`)
  const scene = await openScene(given.seed)
  try {
    const { problems, frames } = await fuzzOn(scene, given)
    const { novel } = scene.conversations
    for (const kind of kindsIn(CORPUS)) novel.delete(kind)
    const found = hasFault(scene.broker) ? await culpritsOf(scene, given.seed) : null
    return { problems, frames, novel, culprits: found ?? [] }
  } finally {
    await closeScene(scene)
  }
}

function culpritsOf({ conversations }: Scene, seed: number): Promise<readonly Buffer[] | null> {
  const said = [...readCorpus(CORPUS), ...conversations.newest()]
  return culprits(said, (some) => isFaulty(seed, some))
}

/** Whether a new broker that hears these ends, or logs a fault. */
async function isFaulty(seed: number, conversations: readonly Buffer[]): Promise<boolean> {
  console.log(`connections: ${conversations.length} conversations are said to a new broker`)
  const scene = await openScene(seed)
  try {
    await sayKept(scene, conversations)
    await sleep(systemClock, AFTER_REPLAY_MS)
    return hasFault(scene.broker)
  } finally {
    await closeScene(scene)
  }
}

async function sayKept({ broker, conversations }: Scene, kept: readonly Buffer[]): Promise<void> {
  await sayAll(
    broker.ports.kafka,
    kept.map((each) => conversations.forThisRun(each)),
  )
}

async function fuzzOn(
  scene: Scene,
  { seed, seconds }: Given,
): Promise<Pick<ConnectionsResult, 'problems' | 'frames'>> {
  const { broker, tlsPort, good, prey, conversations } = scene
  const port = broker.ports.kafka
  let frames = 0
  const surroundings = {
    ...{ port, tlsPort, prey, conversations },
    bomb: bombFrame(prey),
    backlogTopicId: good.id,
    frameBytesMax: FRAME_BYTES_MAX,
    onFrame: () => void frames++,
  }
  const neighbours = new Neighbours(port, good, PARTITIONS)
  neighbours.start()
  const kept = readCorpus(CORPUS)
  await sayKept(scene, kept)
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
    await deleteTopics(port, [good.name, 'prey', 'plain-prey'])
    problems.push(...[await quietProblem(broker)].filter((each) => each !== null))
  } else problems.push(`the broker ended: ${JSON.stringify(broker.exit)}`)
  if (rssBytes > RSS_BYTES_MAX) problems.push(`the broker took ${rssBytes} bytes of memory`)
  if (neighbours.slowestMs > ANSWER_MS_MAX) {
    problems.push(`an acknowledgement took ${neighbours.slowestMs} ms`)
  }
  problems.push(...faultsLogged(broker))
  console.log(
    `connections: ${kept.length} conversations of the corpus, ${visits.reduce((sum, count) => sum + count, 0)} strangers, ${frames} frames of theirs, ` +
      `${neighbours.count} records of others, the slowest took ${Math.round(neighbours.slowestMs)} ms, ` +
      `${Math.round(rssBytes / MEBIBYTE)} MiB of memory at most`,
  )
  return { problems, frames }
}
