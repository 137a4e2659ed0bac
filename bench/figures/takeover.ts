import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { readMetrics } from '../lib/metrics.ts'
import type { OurBroker } from '../lib/our-broker.ts'
import { fixed } from '../lib/report.ts'
import { percentile } from '../lib/statistics.ts'
import { PRODUCERS, TwoBrokers } from '../lib/two-brokers.ts'

const GOAL_MS = 3_000
const WRITABLE_MS_MAX = 60_000
const POLL_MS = 250

type Killed = 'another' | 'the controller'

interface TakeoverSample {
  readonly killed: Killed
  readonly partitions: number
  /** From kill -9 to the first acknowledgement of a later record. */
  readonly firstWritableMs: number
  readonly medianWritableMs: number
  readonly allWritableMs: number
  readonly failedRecords: number
}

async function isController(broker: OurBroker): Promise<boolean> {
  return (await readMetrics(broker.admin)).get('streamcluster_controller') === 1
}

async function measure(context: BenchContext, killed: Killed): Promise<TakeoverSample> {
  const two = await TwoBrokers.start(context)
  try {
    const [first, second] = two.brokers
    const [controller, other] = (await isController(first)) ? [first, second] : [second, first]
    const victim = killed === 'the controller' ? controller : other
    await two.mark()
    await victim.kill()
    const endMs = performance.now() + WRITABLE_MS_MAX
    for (;;) {
      const times = await two.times()
      const lost = two.ownedBy(victim.nodeId, times.partitions)
      const writableMs = lost.map((partition) => partition.writableMs)
      if (writableMs.every((ms) => ms >= 0)) {
        return {
          killed,
          partitions: lost.length,
          firstWritableMs: Math.min(...writableMs),
          medianWritableMs: percentile(writableMs, 0.5),
          allWritableMs: Math.max(...writableMs),
          failedRecords: times.failed,
        }
      }
      if (performance.now() > endMs) {
        throw new Error('some partitions were not writable a minute after their owner was killed')
      }
      await pause(POLL_MS)
    }
  } finally {
    await two.stop()
    await context.workspace.settle()
  }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const samples: TakeoverSample[] = []
  for (let i = 0; i < context.settings.tries; i++) {
    for (const killed of ['another', 'the controller'] as const) {
      const sample = await measure(context, killed)
      samples.push(sample)
      context.say(`killed ${killed}: all writable after ${fixed(sample.allWritableMs, 0)} ms`)
    }
  }
  const slowest = Math.max(...samples.map(({ allWritableMs }) => allWritableMs))
  const { movedPartitions, moveMebibytesPerSecond, moveBatchRecords } = context.settings
  return {
    title: `kill -9 of an owner of ${movedPartitions} partitions under load`,
    table: [
      ['killed', 'partitions', 'first writable after, ms', 'half of them', 'all', 'failed records'],
      ...samples.map((sample) => [
        sample.killed,
        String(sample.partitions),
        fixed(sample.firstWritableMs, 0),
        fixed(sample.medianWritableMs, 0),
        fixed(sample.allWritableMs, 0),
        String(sample.failedRecords),
      ]),
    ],
    notes: [
      `${PRODUCERS} producers, ${moveMebibytesPerSecond} MiB/s over two brokers with ` +
        `${movedPartitions} partitions each; batches of ${moveBatchRecords} records of 1 KiB`,
      'writable: a record that was due after the kill was acknowledged to an ordinary producer',
    ],
    verdicts: [
      {
        goal: `all partitions writable ≤ ${GOAL_MS} ms after kill -9: ${fixed(slowest, 0)} ms`,
        reached: slowest <= GOAL_MS,
      },
    ],
    data: samples,
  }
}

export const takeoverFigure: Figure = {
  name: 'takeover',
  summary: 'how long partitions cannot be written to after their owner was killed',
  run,
}
