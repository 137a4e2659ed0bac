import { openStore } from '../../object-store/open.ts'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { PARTITIONS, warm, writePayloads } from '../lib/full-load.ts'
import { startKafka } from '../lib/kafka-broker.ts'
import { readMetrics, risen } from '../lib/metrics.ts'
import { type Bucket, folderBucket, type OurBroker, startOurs } from '../lib/our-broker.ts'
import { createTopic, type Peer } from '../lib/peer.ts'
import { type ProducerReport, RECORD_BYTES, startProducer } from '../lib/producer-performance.ts'
import { fixed, spreadText } from '../lib/report.ts'
import { alternation, percentile, spreadOf } from '../lib/statistics.ts'

const BATCH_BYTES = 16_384
const RECORDS_PER_SECOND = (1024 * 1024) / RECORD_BYTES
const GOAL_MS_OVER_PUT = 15
const HEADER_LIKE = 0x53

interface LatencySample extends ProducerReport {
  readonly broker: string
}

/** The store on its own: what a PUT takes of the size and at the rate that the broker makes them. */
interface PutSample {
  readonly objectBytes: number
  readonly putsPerSecond: number
  readonly msMedian: number
  readonly msP99: number
}

interface ObjectsWritten {
  readonly objectBytes: number
  readonly putsPerSecond: number
}

async function measure(
  context: BenchContext,
  peer: Peer,
  payloadFile: string,
): Promise<LatencySample> {
  const topic = await createTopic(peer, PARTITIONS)
  const { latencySeconds, settleSeconds } = context.settings
  const { child, finished } = await startProducer(
    peer,
    {
      topic,
      records: RECORDS_PER_SECOND * (latencySeconds + settleSeconds),
      recordsPerSecond: RECORDS_PER_SECOND,
      batchBytes: BATCH_BYTES,
      payloadFile,
    },
    { warmRecords: RECORDS_PER_SECOND * settleSeconds },
  )
  try {
    return { broker: peer.name, ...(await finished) }
  } finally {
    await child.end('SIGKILL')
    await peer.forget(topic)
    await context.workspace.settle()
  }
}

/** Runs `work` and says what log objects the broker wrote meanwhile. */
async function watchObjects<T>(
  broker: OurBroker,
  work: () => Promise<T>,
): Promise<{ result: T; objects: ObjectsWritten }> {
  const [before, startMs] = [await readMetrics(broker.admin), performance.now()]
  const result = await work()
  const after = await readMetrics(broker.admin)
  const seconds = (performance.now() - startMs) / 1000
  const count = risen(before, after, 'streamcluster_wal_objects_total')
  const bytes = risen(before, after, 'streamcluster_wal_bytes_total')
  return {
    result,
    objects: { objectBytes: Math.round(bytes / count), putsPerSecond: count / seconds },
  }
}

/** Creates objects in `bucket` at a steady rate, beside no other load, and times them. */
async function measurePuts(
  context: BenchContext,
  bucket: Bucket,
  objects: ObjectsWritten,
): Promise<PutSample> {
  const store = await openStore(bucket.url)
  const body = [Buffer.alloc(objects.objectBytes, HEADER_LIKE)]
  const durationsMs: number[] = []
  const startMs = performance.now()
  const endMs = startMs + context.settings.latencySeconds * 1000
  const keys: string[] = []
  const running: Promise<void>[] = []
  const put = async (key: string): Promise<void> => {
    const putMs = performance.now()
    await store.putIfAbsent(key, body)
    durationsMs.push(performance.now() - putMs)
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now()
      const due = ((nowMs - startMs) / 1000) * objects.putsPerSecond
      while (keys.length < due) {
        const key = `bench/${startMs}-${keys.length}`
        keys.push(key)
        running.push(put(key))
      }
      if (nowMs < endMs) return
      clearInterval(timer)
      resolve()
    }, 1)
  })
  await Promise.all(running)
  await store.delete(keys)
  await store.close()
  await context.workspace.settle()
  return {
    ...objects,
    msMedian: percentile(durationsMs, 0.5),
    msP99: percentile(durationsMs, 0.99),
  }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const { workspace, settings, say } = context
  const payloadFile = await writePayloads(workspace)
  const bucket = folderBucket(await workspace.newFolder('bucket'))
  const ours = await startOurs(bucket)
  const kafka = await startKafka(await workspace.newFolder('kafka'))
  const samples: LatencySample[] = []
  const puts: PutSample[] = []
  try {
    for (const peer of [ours, kafka]) {
      await warm(context, peer, { batchBytes: BATCH_BYTES, payloadFile })
    }
    for (const peer of alternation<Peer>(ours, kafka, settings.rounds)) {
      const work = () => measure(context, peer, payloadFile)
      const { result, objects } = await watchObjects(ours, work)
      samples.push(result)
      say(`${peer.name}: p50 ${result.latencyMsMedian} ms, p99 ${result.latencyMsP99} ms`)
      if (peer === kafka) continue
      const put = await measurePuts(context, bucket, objects)
      puts.push(put)
      say(`a PUT on its own: p50 ${fixed(put.msMedian)} ms, p99 ${fixed(put.msP99)} ms`)
    }
  } finally {
    await Promise.all([ours.stop(), kafka.stop()])
  }
  return resultOf(samples, puts)
}

function resultOf(samples: readonly LatencySample[], puts: readonly PutSample[]): FigureResult {
  const row = (name: string): string[] => {
    const list = samples.filter(({ broker }) => broker === name)
    return [
      name,
      spreadText(spreadOf(list.map((sample) => sample.latencyMsMedian)), 0),
      spreadText(spreadOf(list.map((sample) => sample.latencyMsP95)), 0),
      spreadText(spreadOf(list.map((sample) => sample.latencyMsP99)), 0),
      spreadText(spreadOf(list.map((sample) => sample.latencyMsP999)), 0),
    ]
  }
  const putP99 = spreadOf(puts.map(({ msP99 }) => msP99))
  const putMedian = spreadOf(puts.map(({ msMedian }) => msMedian))
  const bytes = spreadOf(puts.map(({ objectBytes }) => objectBytes)).median
  const rate = spreadOf(puts.map(({ putsPerSecond }) => putsPerSecond)).median
  const ours = samples.filter(({ broker }) => broker === 'streamcluster')
  // Each run beside the PUTs that were measured right after it.
  const over = spreadOf(ours.map(({ latencyMsP99 }, i) => latencyMsP99 - (puts[i]?.msP99 ?? 0)))
  return {
    title: 'produce latency at 1 MiB/s, 1 KiB records, acks=all, linger 5 ms, in ms',
    table: [
      ['', 'p50', 'p95', 'p99', 'p99.9'],
      row('streamcluster'),
      row('kafka'),
      ['the store’s PUT', spreadText(putMedian), '', spreadText(putP99), ''],
    ],
    notes: [
      `PUTs alone, of the size and at the rate of the broker's: ${fixed(bytes / 1024)} KiB, ` +
        `${fixed(rate)} per second`,
      "Kafka acknowledges what lies in the page cache; ours what the store's PUT made durable",
    ],
    verdicts: [
      {
        goal:
          `p99 ≤ the store's PUT p99 + ${GOAL_MS_OVER_PUT} ms: ` + `PUT + ${spreadText(over)} ms`,
        reached: over.median <= GOAL_MS_OVER_PUT,
      },
    ],
    data: { samples, puts },
  }
}

export const latencyFigure: Figure = {
  name: 'latency',
  summary: 'latency of produce at 1 MiB/s, and of the store itself',
  run,
}
