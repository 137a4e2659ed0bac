import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { type MetricValues, readMetrics, risen } from '../lib/metrics.ts'
import { fixed } from '../lib/report.ts'
import { percentile, spreadOf } from '../lib/statistics.ts'
import { PRODUCERS, TwoBrokers } from '../lib/two-brokers.ts'

const GOAL_MS_OVER_PUT = 300
/** After the drained broker has gone, for the last records to be acknowledged. */
const AFTER_MS = 3_000

interface MoveSample {
  readonly partitions: number
  /** From the request to the end of the broker that was emptied. */
  readonly drainMs: number
  /** Per moved partition, the longest that any record waited for its acknowledgement. */
  readonly stallMsMedian: number
  readonly stallMsP99: number
  readonly stallMsMax: number
  readonly waitMsMedianBefore: number
  readonly waitMsP99Before: number
  readonly failedRecords: number
  /** What a PUT of the broker that takes over took meanwhile. */
  readonly putMsMean: number
}

function putMsMean(before: MetricValues, after: MetricValues): number {
  const name = (part: string) => `streamcluster_store_request_seconds_${part}{operation="put"}`
  return (risen(before, after, name('sum')) / risen(before, after, name('count'))) * 1000
}

async function measure(context: BenchContext): Promise<MoveSample> {
  const two = await TwoBrokers.start(context)
  try {
    const [drained, taker] = two.brokers
    const before = await readMetrics(taker.admin)
    await two.mark()
    const startMs = performance.now()
    drained.beginDrain()
    await drained.ended
    const drainMs = performance.now() - startMs
    await pause(AFTER_MS)
    const after = await readMetrics(taker.admin)
    const times = await two.times()
    const moved = two.ownedBy(drained.nodeId, times.partitions)
    if (moved.some(({ writableMs }) => writableMs < 0)) {
      throw new Error('some partitions were not writable again after they had moved')
    }
    const stallsMs = moved.map(({ waitMs }) => waitMs)
    return {
      partitions: moved.length,
      drainMs,
      stallMsMedian: percentile(stallsMs, 0.5),
      stallMsP99: percentile(stallsMs, 0.99),
      stallMsMax: Math.max(...stallsMs),
      waitMsMedianBefore: times.waitMsMedianBefore,
      waitMsP99Before: times.waitMsP99Before,
      failedRecords: times.failed,
      putMsMean: putMsMean(before, after),
    }
  } finally {
    await two.stop()
    await context.workspace.settle()
  }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const samples: MoveSample[] = []
  for (let i = 0; i < context.settings.tries; i++) {
    const sample = await measure(context)
    samples.push(sample)
    context.say(
      `moved ${sample.partitions}: stall p99 ${fixed(sample.stallMsP99, 0)} ms, ` +
        `drained in ${fixed(sample.drainMs, 0)} ms`,
    )
  }
  const p99 = spreadOf(samples.map(({ stallMsP99 }) => stallMsP99)).median
  const putMs = spreadOf(samples.map((sample) => sample.putMsMean)).median
  const { movedPartitions, moveMebibytesPerSecond, moveBatchRecords } = context.settings
  return {
    title: `a broker with ${movedPartitions} partitions is drained under load`,
    table: [
      [
        'try',
        'partitions',
        'stall p50, ms',
        'stall p99',
        'stall max',
        'drained in, ms',
        'a PUT, ms',
        'before: wait p50, ms',
        'wait p99',
        'failed records',
      ],
      ...samples.map((sample, i) => [
        String(i + 1),
        String(sample.partitions),
        fixed(sample.stallMsMedian, 0),
        fixed(sample.stallMsP99, 0),
        fixed(sample.stallMsMax, 0),
        fixed(sample.drainMs, 0),
        fixed(sample.putMsMean),
        fixed(sample.waitMsMedianBefore, 0),
        fixed(sample.waitMsP99Before, 0),
        String(sample.failedRecords),
      ]),
    ],
    notes: [
      `${PRODUCERS} producers, ${moveMebibytesPerSecond} MiB/s over two brokers with ` +
        `${movedPartitions} partitions each; batches of ${moveBatchRecords} records of 1 KiB`,
      'a stall is the longest that a record of a moved partition waited for its acknowledgement',
    ],
    verdicts: [
      {
        goal:
          `stall p99 ≤ ${GOAL_MS_OVER_PUT} ms + one PUT: ` +
          `${fixed(p99, 0)} ms, with a PUT of ${fixed(putMs)} ms`,
        reached: p99 <= GOAL_MS_OVER_PUT + putMs,
      },
    ],
    data: samples,
  }
}

export const moveFigure: Figure = {
  name: 'move',
  summary: 'how long producers wait while all partitions of a broker move to another',
  run,
}
