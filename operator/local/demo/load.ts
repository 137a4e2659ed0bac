import { Admin, Consumer, Producer } from '@platformatic/kafka'
import { sleep, systemClock } from '../../../base/clock.ts'
import type { LoadCommand, LoadReport } from './load-messages.ts'
import { SequenceCheck } from './sequence-check.ts'

/**
 * The demo's load: a process with an ordinary Kafka client that writes numbered records to all
 * partitions of a topic and reads them back at the same time. Started with an IPC channel;
 * arguments: bootstrap address, topic.
 */
const PARTITIONS = 12
const VALUE_BYTES = 4096
/** A batch waits for its acknowledgement before the next: the order is then the client's alone. */
const BATCH_RECORDS_MAX = 200
const TICK_MS = 20
const REPORT_MS = 500
const READ_REST_MS_MAX = 30_000
const FETCH_WAIT_MS = 500
const FETCH_BYTES_MAX = 4 * 1024 * 1024
/** A broker that was killed is taken over within seconds; longer than that it may not take. */
const RETRY = { retries: 300, retryDelay: 100, timeout: 10_000, connectTimeout: 2000 }

const [bootstrap = '', topic = ''] = process.argv.slice(2)
const check = new SequenceCheck(PARTITIONS)
const written: number[] = Array<number>(PARTITIONS).fill(0)
let bytesPerSecond = 0
let writing = true
let reading = true
let ackMsMax = 0

function report(message: LoadReport): void {
  process.send?.(message)
}

function clientOptions(name: string) {
  return { clientId: `demo-${name}`, bootstrapBrokers: [bootstrap], ...RETRY }
}

async function createTopic(): Promise<void> {
  const admin = new Admin(clientOptions('admin'))
  await admin.createTopics({ topics: [topic], partitions: PARTITIONS, replicas: 1 })
  await admin.close()
}

/** A client that comes now knows the bootstrap address alone. Throws where nobody answers there. */
async function comeAnew(): Promise<void> {
  const admin = new Admin({ ...clientOptions('newcomer'), retries: 0 })
  const topics = await admin.listTopics()
  await admin.close()
  if (!topics.includes(topic)) throw new Error(`a new client does not find the topic ${topic}`)
}

/** Writes to one partition at its share of the rate. A producer of its own keeps its order simple. */
async function write(partition: number): Promise<void> {
  const producer = new Producer({ ...clientOptions(`producer-${partition}`), idempotent: true })
  let allowance = 0
  let lastMs = systemClock.nowMs()
  while (writing) {
    await sleep(systemClock, TICK_MS)
    const nowMs = systemClock.nowMs()
    allowance += ((nowMs - lastMs) / 1000) * (bytesPerSecond / PARTITIONS / VALUE_BYTES)
    lastMs = nowMs
    const count = Math.min(Math.floor(allowance), BATCH_RECORDS_MAX)
    if (count === 0) continue
    // What could not be sent in time is not made up for: the load would come in waves.
    allowance = Math.min(allowance - count, 1)
    await producer.send({ messages: recordsOf(partition, count) })
    ackMsMax = Math.max(ackMsMax, systemClock.nowMs() - nowMs)
    written[partition] = (written[partition] ?? 0) + count
  }
  await producer.close()
}

function recordsOf(partition: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const value = Buffer.alloc(VALUE_BYTES)
    value.writeDoubleBE((written[partition] ?? 0) + index, 0)
    return { topic, partition, value }
  })
}

/** Reads one partition from its beginning, wherever it is, until told to stop. */
async function read(partition: number): Promise<void> {
  // Without the client's own retries: they would ask the same broker again.
  const options = { ...clientOptions(`consumer-${partition}`), retries: 0, groupId: 'demo' }
  const consumer = new Consumer(options)
  consumer.topics.track(topic)
  let stale = false
  while (reading) {
    try {
      await fetchOnce(consumer, partition, await leaderOf(consumer, partition, stale))
      stale = false
    } catch {
      // The broker ended or handed the partition over: ask who has it now.
      stale = true
      await sleep(systemClock, TICK_MS)
    }
  }
  await consumer.close(true)
}

interface Leader {
  readonly node: number
  readonly topicId: string
}

/** Throws if the cluster does not say. */
async function leaderOf(
  consumer: Consumer,
  partition: number,
  forceUpdate: boolean,
): Promise<Leader> {
  const metadata = await consumer.metadata({ topics: [topic], forceUpdate })
  const described = metadata.topics.get(topic)
  const node = described?.partitions[partition]?.leader
  if (described === undefined || node === undefined) throw new Error('the topic is not known')
  return { node, topicId: described.id }
}

async function fetchOnce(consumer: Consumer, partition: number, from: Leader): Promise<void> {
  const wanted = {
    partition,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset: BigInt(check.nextOffset(partition)),
    partitionMaxBytes: FETCH_BYTES_MAX,
  }
  const response = await consumer.fetch({
    node: from.node,
    topics: [{ topicId: from.topicId, partitions: [wanted] }],
    maxWaitTime: FETCH_WAIT_MS,
    minBytes: 1,
    maxBytes: FETCH_BYTES_MAX,
  })
  for (const { partitions } of response.responses) {
    for (const { records } of partitions) {
      for (const batch of records ?? []) {
        for (const { offsetDelta, value } of batch.records) {
          const offset = Number(batch.firstOffset) + offsetDelta
          check.record(partition, offset, value?.readDoubleBE(0) ?? -1)
        }
      }
    }
  }
}

/** The client wraps what happened several times; the innermost error is the one that tells. */
function wordsOf(error: unknown): string {
  const { message, errors, cause } = error as {
    message?: string
    errors?: unknown[]
    cause?: unknown
  }
  const inner = errors?.at(-1) ?? cause
  const words = message ?? String(error)
  return inner === undefined ? words : `${words} ${wordsOf(inner)}`
}

function acknowledged(): number {
  return written.reduce((sum, count) => sum + count, 0)
}

async function main(): Promise<void> {
  await createTopic()
  const partitions = Array.from({ length: PARTITIONS }, (_, index) => index)
  const writers = Promise.all(partitions.map(write))
  const readers = Promise.all(partitions.map(read))
  const finished = new Promise<void>((resolve) => {
    process.on('message', (command: LoadCommand) => {
      if (command.kind === 'rate') bytesPerSecond = command.bytesPerSecond
      else resolve()
    })
  })
  report({ kind: 'started' })
  const reports = setInterval(() => {
    const findings = check.findings()
    report({ kind: 'progress', acknowledged: acknowledged(), ackMsMax, findings })
    ackMsMax = 0
  }, REPORT_MS)
  await Promise.race([finished, writers])
  writing = false
  await writers
  // The brokers that were there when the others bootstrapped are gone by now.
  await comeAnew()
  const endMs = systemClock.nowMs() + READ_REST_MS_MAX
  while (!check.hasAll(written) && systemClock.nowMs() < endMs) await sleep(systemClock, TICK_MS)
  clearInterval(reports)
  const complete = check.hasAll(written)
  const findings = check.findings()
  report({ kind: 'finished', acknowledged: acknowledged(), findings, complete })
  reading = false
  await Promise.race([readers, sleep(systemClock, 2 * FETCH_WAIT_MS)])
}

// Without the demo there is nobody to report to.
process.on('disconnect', () => process.exit(0))
try {
  await main()
  process.exit(0)
} catch (error) {
  report({ kind: 'fault', message: wordsOf(error) })
  process.exit(1)
}
