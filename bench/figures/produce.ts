import type { BenchContext, Figure, FigureResult, Verdict } from '../lib/figure.ts'
import {
  type FullLoadSample,
  PARTITIONS,
  runFullLoad,
  warm,
  writePayloads,
} from '../lib/full-load.ts'
import { startKafka } from '../lib/kafka-broker.ts'
import { type Bucket, folderBucket, startOurs, versitygwBucket } from '../lib/our-broker.ts'
import type { Peer } from '../lib/peer.ts'
import { fixed, spreadText } from '../lib/report.ts'
import { alternation, pairRatios, type Spread, spreadOf } from '../lib/statistics.ts'

/** One comparison: a kind of bucket, a batch size, and the ratio that is wanted. */
interface Case {
  readonly bucket: Bucket['kind']
  readonly batchBytes: number
  readonly goalRatio: number
}

const CASES: readonly Case[] = [
  { bucket: 'folder', batchBytes: 131_072, goalRatio: 1.4 },
  { bucket: 'folder', batchBytes: 16_384, goalRatio: 1 },
  { bucket: 'versitygw', batchBytes: 131_072, goalRatio: 1 },
]

interface CaseResult extends Case {
  readonly ours: readonly FullLoadSample[]
  readonly kafkas: readonly FullLoadSample[]
  readonly ratio: Spread
}

function perCpuSecond(samples: readonly FullLoadSample[]): number[] {
  return samples.map(({ mebibytesPerCpuSecond }) => mebibytesPerCpuSecond)
}

async function compare(
  context: BenchContext,
  wanted: Case,
  peers: { ours: Peer; kafka: Peer; payloadFile: string },
): Promise<CaseResult> {
  const { settings, say } = context
  const { ours, kafka, payloadFile } = peers
  const load = { batchBytes: wanted.batchBytes, payloadFile }
  await warm(context, ours, load)
  await warm(context, kafka, load)
  const samples: FullLoadSample[] = []
  for (const peer of alternation(ours, kafka, settings.rounds)) {
    const mebibytes = settings.runMebibytes
    const sample = await runFullLoad(context, peer, { ...load, mebibytes })
    samples.push(sample)
    say(
      `${wanted.bucket}, batch.size ${wanted.batchBytes}, ${peer.name}: ` +
        `${fixed(sample.mebibytesPerCpuSecond)} MiB per CPU second ` +
        `(${fixed(sample.mebibytesPerSecond)} MiB/s)`,
    )
  }
  const of = (name: string) => samples.filter(({ broker }) => broker === name)
  const [mine, theirs] = [of(ours.name), of(kafka.name)]
  const ratio = pairRatios(perCpuSecond(mine), perCpuSecond(theirs))
  return { ...wanted, ours: mine, kafkas: theirs, ratio }
}

/** What there was no more of. Told from the samples, since no broker knows it. */
function saturated(samples: readonly FullLoadSample[]): string {
  const machine = spreadOf(samples.map(({ machineShare }) => machineShare)).median
  const loop = spreadOf(samples.map(({ mainThreadShare }) => mainThreadShare)).median
  const shares = `CPUs ${fixed(machine * 100, 0)} % busy, first thread ${fixed(loop * 100, 0)} %`
  if (loop > 0.9) return `the event loop (${shares})`
  return machine > 0.9 ? `all CPUs, producers included (${shares})` : `the disk (${shares})`
}

function rowsOf(result: CaseResult): string[][] {
  const name = `${result.bucket}, ${result.batchBytes}`
  const row = (broker: string, samples: readonly FullLoadSample[], ratio: string): string[] => [
    name,
    broker,
    spreadText(spreadOf(perCpuSecond(samples))),
    fixed(spreadOf(samples.map(({ mebibytesPerSecond }) => mebibytesPerSecond)).median),
    `${fixed(spreadOf(samples.map((sample) => sample.cpuUserSeconds)).median, 2)} + ` +
      fixed(spreadOf(samples.map((sample) => sample.cpuSystemSeconds)).median, 2),
    saturated(samples),
    ratio,
  ]
  return [
    row('streamcluster', result.ours, spreadText(result.ratio, 2)),
    row('kafka', result.kafkas, '1'),
  ]
}

function verdictOf({ bucket, batchBytes, goalRatio, ratio }: CaseResult): Verdict {
  const goal = `${bucket}, batch.size ${batchBytes}: ≥ ${goalRatio} × Kafka's MiB per CPU second`
  return { goal: `${goal}: ${fixed(ratio.median, 2)}`, reached: ratio.median >= goalRatio }
}

async function runOn(
  context: BenchContext,
  bucket: Bucket,
  cases: readonly Case[],
): Promise<CaseResult[]> {
  const payloadFile = await writePayloads(context.workspace)
  const ours = await startOurs(bucket)
  const kafka = await startKafka(await context.workspace.newFolder('kafka'))
  const results: CaseResult[] = []
  try {
    for (const wanted of cases) {
      results.push(await compare(context, wanted, { ours, kafka, payloadFile }))
    }
  } finally {
    await Promise.all([ours.stop(), kafka.stop()])
  }
  return results
}

async function run(context: BenchContext): Promise<FigureResult> {
  const results: CaseResult[] = []
  for (const kind of ['folder', 'versitygw'] as const) {
    const cases = CASES.filter(({ bucket }) => bucket === kind)
    const bucket =
      kind === 'folder'
        ? folderBucket(await context.workspace.newFolder('bucket'))
        : await versitygwBucket()
    try {
      results.push(...(await runOn(context, bucket, cases)))
    } finally {
      await bucket.stop()
    }
  }
  const head = [
    'store, batch.size',
    'broker',
    'MiB per CPU second',
    'MiB/s',
    'CPU user + system, s',
  ]
  return {
    title: `full load, 1 KiB records, ${PARTITIONS} partitions, acks=all, linger 5 ms`,
    table: [[...head, 'what was used up', 'ratio'], ...results.flatMap(rowsOf)],
    notes: [
      'median (min–max); the ratio is taken pair by pair',
      'ours syncs every object before it acknowledges; Kafka leaves its data to the page cache',
    ],
    verdicts: results.map(verdictOf),
    data: results,
  }
}

export const produceFigure: Figure = {
  name: 'produce',
  summary: "produce at full load, in MiB per second of the broker's CPU time",
  run,
}
