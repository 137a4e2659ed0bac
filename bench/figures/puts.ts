import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { runFullLoad, warm, writePayloads } from '../lib/full-load.ts'
import { type MetricValues, readMetrics, risen } from '../lib/metrics.ts'
import { type Bucket, folderBucket, startOurs, versitygwBucket } from '../lib/our-broker.ts'
import { fixed, spreadText } from '../lib/report.ts'
import { spreadOf } from '../lib/statistics.ts'

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

function sampleOf(
  bucket: Bucket['kind'],
  batchBytes: number,
  run: { mebibytes: number; mebibytesPerSecond: number },
  [before, after]: readonly [MetricValues, MetricValues],
): PutsSample {
  const objects = risen(before, after, 'streamcluster_wal_objects_total')
  const bytes = risen(before, after, 'streamcluster_wal_bytes_total')
  return {
    bucket,
    batchBytes,
    putsPerGibibyte: (risen(before, after, PUTS) * 1024) / run.mebibytes,
    logObjectMebibytes: bytes / objects / 1024 ** 2,
    mebibytesPerSecond: run.mebibytesPerSecond,
  }
}

async function measure(context: BenchContext, bucket: Bucket): Promise<PutsSample[]> {
  const { settings, workspace, say } = context
  const payloadFile = await writePayloads(workspace)
  const ours = await startOurs(bucket)
  const samples: PutsSample[] = []
  try {
    for (const batchBytes of BATCH_SIZES) {
      const load = { batchBytes, payloadFile, mebibytes: settings.runMebibytes }
      await warm(context, ours, load)
      for (let i = 0; i < settings.tries; i++) {
        const before = await readMetrics(ours.admin)
        const run = await runFullLoad(context, ours, load)
        const after = await readMetrics(ours.admin)
        const sample = sampleOf(bucket.kind, batchBytes, run, [before, after])
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
  const samples: PutsSample[] = []
  samples.push(
    ...(await measure(context, folderBucket(await context.workspace.newFolder('bucket')))),
  )
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
    title: 'PUTs per GiB at full load: log objects, checkpoints and metadata',
    table: [
      ['store, batch.size', 'PUTs per GiB', 'log object, MiB', 'MiB/s'],
      ...[...groups].map(([name, list]) => [
        name,
        spreadText(putsOf(list)),
        fixed(spreadOf(list.map((sample) => sample.logObjectMebibytes)).median, 2),
        fixed(spreadOf(list.map((sample) => sample.mebibytesPerSecond)).median),
      ]),
    ],
    notes: ['a log object is cut at 8 MiB, or after 250 ms; a slower machine fills smaller ones'],
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
