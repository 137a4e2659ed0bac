import { setTimeout as pause } from 'node:timers/promises'
import { openStore } from '../../object-store/open.ts'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { type Bucket, folderBucket, type OurBroker, startOurs } from '../lib/our-broker.ts'
import { createTopic } from '../lib/peer.ts'
import { cpuSecondsOf, residentBytesOf } from '../lib/process-usage.ts'
import { RawClient } from '../lib/raw-client.ts'
import { fixed } from '../lib/report.ts'
import { percentile } from '../lib/statistics.ts'

const MEBIBYTE = 1024 * 1024
const PARTITIONS_PER_TOPIC = 100
const FEW_PARTITIONS = 16
const RECORD_BYTES = 1024
/** One producer, one record at a time: the broker is to have little to do. */
const RECORD_EVERY_MS = 20
/** Clients come a few at a time, as when applications start. */
const OPENED_AT_ONCE = 50

interface Sample {
  readonly what: string
  readonly idleCpuShare: number
  readonly residentMebibytes: number
  readonly latenciesMs: readonly number[]
  /** The store on its own, right afterwards: the same pace, objects as small. */
  readonly putsMs: readonly number[]
}

/** Does `work` at the small rate. A late one is no reason for the next to count as late. */
async function paced(
  seconds: number,
  work: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const tookMs: number[] = []
  const endMs = performance.now() + seconds * 1000
  for (let index = 0; performance.now() < endMs; index++) {
    const startMs = performance.now()
    await work(index)
    const spentMs = performance.now() - startMs
    tookMs.push(spentMs)
    await pause(Math.max(1, RECORD_EVERY_MS - spentMs))
  }
  return tookMs
}

let puts = 0

async function putLatencies(bucket: Bucket, seconds: number): Promise<number[]> {
  const store = await openStore(bucket.url)
  const body = [Buffer.alloc(RECORD_BYTES)]
  return paced(seconds, () => store.putIfAbsent(`bench/${puts++}`, body))
}

/** Produces to all partitions in turn at a small rate. */
async function latencies(
  broker: OurBroker,
  topics: readonly { name: string; partitions: number }[],
  seconds: number,
): Promise<number[]> {
  const client = await RawClient.open(broker.bootstrap, [topics[0]?.name ?? ''])
  const value = Buffer.alloc(RECORD_BYTES, 'x')
  const measured = await paced(seconds, async (index) => {
    const topic = topics[index % topics.length]
    if (topic === undefined) return
    const partition = Math.floor(index / topics.length) % topic.partitions
    await client.produce(topic.name, partition, value)
  })
  client.close()
  return measured
}

interface Place {
  readonly broker: OurBroker
  readonly bucket: Bucket
}

async function sample(
  context: BenchContext,
  { broker, bucket }: Place,
  what: string,
  topics: readonly { name: string; partitions: number }[],
): Promise<Sample> {
  const { settleSeconds, idleSeconds, latencySeconds } = context.settings
  await pause(settleSeconds * 1000)
  const [cpu, startMs] = [cpuSecondsOf(broker.pid).total, performance.now()]
  await pause(idleSeconds * 1000)
  const seconds = (performance.now() - startMs) / 1000
  const idleCpuShare = (cpuSecondsOf(broker.pid).total - cpu) / seconds
  const residentMebibytes = residentBytesOf(broker.pid) / MEBIBYTE
  // The first ones meet code that is not compiled yet.
  await latencies(broker, topics, settleSeconds)
  const latenciesMs = await latencies(broker, topics, latencySeconds)
  const putsMs = await putLatencies(bucket, latencySeconds / 2)
  context.say(`${what}: CPU ${fixed(idleCpuShare * 100)} %, ${fixed(residentMebibytes, 0)} MiB`)
  return { what, idleCpuShare, residentMebibytes, latenciesMs, putsMs }
}

async function openAll(
  broker: OurBroker,
  count: number,
  topic: string,
): Promise<{ clients: RawClient[]; seconds: number }> {
  const clients: RawClient[] = []
  const startMs = performance.now()
  while (clients.length < count) {
    const more = Math.min(OPENED_AT_ONCE, count - clients.length)
    const opening = Array.from({ length: more }, () => RawClient.open(broker.bootstrap, [topic]))
    clients.push(...(await Promise.all(opening)))
  }
  return { clients, seconds: (performance.now() - startMs) / 1000 }
}

async function measure(context: BenchContext, place: Place) {
  const { broker } = place
  const { isShort } = context.settings
  const partitions = isShort ? 500 : 10_000
  const connections = isShort ? 100 : 2_000
  const few = [{ name: await createTopic(broker, FEW_PARTITIONS), partitions: FEW_PARTITIONS }]
  const samples = [await sample(context, place, `${FEW_PARTITIONS} partitions`, few)]
  const topics = [...few]
  const startMs = performance.now()
  for (let made = 0; made < partitions; made += PARTITIONS_PER_TOPIC) {
    const name = await createTopic(broker, PARTITIONS_PER_TOPIC)
    topics.push({ name, partitions: PARTITIONS_PER_TOPIC })
  }
  const createSeconds = (performance.now() - startMs) / 1000
  samples.push(await sample(context, place, `and ${partitions} more`, topics))
  const { clients, seconds } = await openAll(broker, connections, topics[1]?.name ?? '')
  samples.push(await sample(context, place, `and ${connections} connections`, topics))
  const stillOpen = clients.filter(({ isOpen }) => isOpen).length
  for (const client of clients) client.close()
  samples.push(await sample(context, place, 'connections closed again', topics))
  return { samples, createSeconds, connectSeconds: seconds, stillOpen, connections, partitions }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const bucket = folderBucket(await context.workspace.newFolder('bucket'))
  const broker = await startOurs(bucket)
  const measured = await measure(context, { broker, bucket }).finally(() => broker.kill())
  const { samples, createSeconds, connectSeconds, stillOpen, connections, partitions } = measured
  return {
    title: `one broker with ${partitions} partitions and ${connections} connections, on a folder`,
    table: [
      ['', 'idle CPU, %', 'resident, MiB', 'produce p50, ms', 'p99, ms', 'PUT p50, ms', 'p99, ms'],
      ...samples.map(({ what, idleCpuShare, residentMebibytes, latenciesMs, putsMs }) => [
        ...[what, fixed(idleCpuShare * 100), fixed(residentMebibytes, 0)],
        ...[0.5, 0.99].map((share) => fixed(percentile(latenciesMs, share))),
        ...[0.5, 0.99].map((share) => fixed(percentile(putsMs, share))),
      ]),
    ],
    notes: [
      `one record of 1 KiB every ${RECORD_EVERY_MS} ms, to all partitions in turn`,
      `${partitions} partitions were created in ${fixed(createSeconds)} s, ` +
        `${connections} clients came in ${fixed(connectSeconds)} s (ApiVersions, Metadata)`,
    ],
    verdicts: [
      {
        goal: `no idle connection is lost: ${stillOpen} of ${connections} are open`,
        reached: stillOpen === connections,
      },
    ],
    data: measured,
  }
}

export const manyFigure: Figure = {
  name: 'many',
  summary: 'one broker with 10,000 partitions and 2,000 idle connections',
  run,
}
