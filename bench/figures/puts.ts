import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { PARTITIONS } from '../lib/full-load.ts'
import { JavaLoad } from '../lib/java-load.ts'
import { type MetricValues, readMetrics, risen } from '../lib/metrics.ts'
import {
  type Bucket,
  folderBucket,
  type OurBroker,
  startOurs,
  versitygwBucket,
} from '../lib/our-broker.ts'
import { createTopic } from '../lib/peer.ts'
import { RECORD_BYTES } from '../lib/producer-performance.ts'
import { fixed, spreadText } from '../lib/report.ts'
import { spreadOf } from '../lib/statistics.ts'

const MEBIBYTE = 1024 * 1024
const PRODUCERS = 16
const BATCH_SIZES = [131_072, 16_384]
const GOAL_PUTS_PER_GIBIBYTE = 160
const PUTS = 'streamcluster_store_request_seconds_count{operation="put"}'

interface PutsSample {
  readonly bucket: Bucket['kind']
  readonly batchBytes: number
  /** Of everything: log objects, checkpoints, metadata. */
  readonly putsPerGibibyte: number
  readonly logObjectMebibytes: number
  readonly mebibytesPerSecond: number
}

/** Lets many producers write `runMebibytes` as fast as they can; resolves with the seconds taken. */
async function load(context: BenchContext, ours: OurBroker, batchBytes: number): Promise<number> {
  const topic = await createTopic(ours, PARTITIONS)
  const records = (context.settings.runMebibytes * MEBIBYTE) / RECORD_BYTES
  const startMs = performance.now()
  const args = [ours.bootstrap, topic, PRODUCERS, batchBytes, records, RECORD_BYTES]
  const producers = await JavaLoad.start('ManyProducers', args)
  await producers.child.success()
  if (!producers.child.output.split('\n').includes(String(records))) {
    throw new Error(`records were lost:\n${producers.child.output}`)
  }
  const seconds = (performance.now() - startMs) / 1000
  await ours.forget(topic)
  await context.workspace.settle()
  return seconds
}

function sampleOf(
  load: { bucket: Bucket['kind']; batchBytes: number; mebibytes: number; seconds: number },
  before: MetricValues,
  after: MetricValues,
): PutsSample {
  const { bucket, batchBytes, mebibytes, seconds } = load
  const objects = risen(before, after, 'streamcluster_wal_objects_total')
  const bytes = risen(before, after, 'streamcluster_wal_bytes_total')
  return {
    bucket,
    batchBytes,
    putsPerGibibyte: (risen(before, after, PUTS) * 1024) / mebibytes,
    logObjectMebibytes: bytes / objects / MEBIBYTE,
    mebibytesPerSecond: mebibytes / seconds,
  }
}

async function measure(context: BenchContext, bucket: Bucket): Promise<PutsSample[]> {
  const { settings, say } = context
  const ours = await startOurs(bucket)
  const samples: PutsSample[] = []
  try {
    for (const batchBytes of BATCH_SIZES) {
      await load(context, ours, batchBytes)
      for (let i = 0; i < settings.tries; i++) {
        const before = await readMetrics(ours.admin)
        const seconds = await load(context, ours, batchBytes)
        const after = await readMetrics(ours.admin)
        const run = { bucket: bucket.kind, batchBytes, mebibytes: settings.runMebibytes, seconds }
        const sample = sampleOf(run, before, after)
        samples.push(sample)
        say(`${bucket.kind}, ${batchBytes}: ${fixed(sample.putsPerGibibyte)} PUTs per GiB`)
      }
    }
  } finally {
    await ours.stop()
  }
  return samples
}

async function run(context: BenchContext): Promise<FigureResult> {
  const folder = folderBucket(await context.workspace.newFolder('bucket'))
  const samples = await measure(context, folder)
  const s3 = await versitygwBucket()
  try {
    samples.push(...(await measure(context, s3)))
  } finally {
    await s3.stop()
  }
  const groups = new Map<string, PutsSample[]>()
  for (const sample of samples) {
    const name = `${sample.bucket}, ${sample.batchBytes}`
    groups.set(name, [...(groups.get(name) ?? []), sample])
  }
  const putsOf = (list: readonly PutsSample[]) => spreadOf(list.map((s) => s.putsPerGibibyte))
  return {
    title: `PUTs per GiB at full load from ${PRODUCERS} producers, everything counted`,
    table: [
      ['store, batch.size', 'PUTs per GiB', 'log object, MiB', 'MiB/s'],
      ...[...groups].map(([name, list]) => [
        name,
        spreadText(putsOf(list)),
        fixed(spreadOf(list.map((sample) => sample.logObjectMebibytes)).median, 2),
        fixed(spreadOf(list.map((sample) => sample.mebibytesPerSecond)).median),
      ]),
    ],
    notes: [
      'a log object is cut at 8 MiB, after 250 ms, or when everybody waits for an answer',
      'MiB/s: with the start of the load generator, for the scale only',
    ],
    verdicts: [...groups].map(([name, list]) => ({
      goal: `${name}: PUTs per GiB ≤ ${GOAL_PUTS_PER_GIBIBYTE}: ${fixed(putsOf(list).median)}`,
      reached: putsOf(list).median <= GOAL_PUTS_PER_GIBIBYTE,
    })),
    data: samples,
  }
}

export const putsFigure: Figure = {
  name: 'puts',
  summary: 'requests to the store per GiB at full load',
  run,
}
