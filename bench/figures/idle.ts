import { setTimeout as pause } from 'node:timers/promises'
import { brokerSettings } from '../../broker/settings.ts'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { PARTITIONS, warm, writePayloads } from '../lib/full-load.ts'
import { startKafka } from '../lib/kafka-broker.ts'
import { folderBucket, startOurs, versitygwBucket } from '../lib/our-broker.ts'
import { createTopic, type Peer } from '../lib/peer.ts'
import {
  cpuSecondsOf,
  forgetPeak,
  peakResidentBytesOf,
  residentBytesOf,
} from '../lib/process-usage.ts'
import { fixed } from '../lib/report.ts'

const BATCH_BYTES = 131_072
const MEBIBYTE = 1024 * 1024
const GOAL_MEBIBYTES = 180

interface IdleSample {
  readonly name: string
  /** Started, with one topic, and nothing to do since. */
  readonly freshMebibytes: number
  /** CPU seconds per second of having nothing to do. */
  readonly idleCpuShare: number
  /** The most at any time under full load. */
  readonly peakMebibytes: number
  /** Idle again after full load. */
  readonly afterLoadMebibytes: number
}

async function measure(context: BenchContext, name: string, peer: Peer): Promise<IdleSample> {
  const { settings, workspace, say } = context
  await createTopic(peer, PARTITIONS)
  await pause(settings.idleSeconds * 1000)
  const [cpu, startMs] = [cpuSecondsOf(peer.pid).total, performance.now()]
  await pause(settings.idleSeconds * 1000)
  const seconds = (performance.now() - startMs) / 1000
  const idleCpuShare = (cpuSecondsOf(peer.pid).total - cpu) / seconds
  const freshMebibytes = residentBytesOf(peer.pid) / MEBIBYTE
  const payloadFile = await writePayloads(workspace)
  forgetPeak(peer.pid)
  await warm(context, peer, { batchBytes: BATCH_BYTES, payloadFile })
  const peakMebibytes = peakResidentBytesOf(peer.pid) / MEBIBYTE
  await pause(settings.idleSeconds * 1000)
  const afterLoadMebibytes = residentBytesOf(peer.pid) / MEBIBYTE
  const [fresh, peak, after] = [freshMebibytes, peakMebibytes, afterLoadMebibytes].map((each) => {
    return fixed(each, 0)
  })
  say(`${name}: ${fresh} MiB, under full load up to ${peak} MiB, after it ${after} MiB`)
  return { name, freshMebibytes, idleCpuShare, peakMebibytes, afterLoadMebibytes }
}

/**
 * What is set, by default, for all that grows with load (docs/architecture.md, *Memory*): two of
 * the bounds are no settings, of frames kept for use again and of states handed over.
 */
function budgetMebibytes(): number {
  const { requestBytesMax, unsentBytesMax, node } = brokerSettings({
    STREAMCLUSTER_STORE: 'file:///unused',
  })
  const set = requestBytesMax + unsentBytesMax + node.tailCacheBytes + node.coldCacheBytes
  return set / MEBIBYTE + 64 + 64
}

async function run(context: BenchContext): Promise<FigureResult> {
  const { workspace } = context
  const samples: IdleSample[] = []
  const alone = async (name: string, peer: Peer): Promise<void> => {
    try {
      samples.push(await measure(context, name, peer))
    } finally {
      await peer.stop()
    }
  }
  const bucket = folderBucket(await workspace.newFolder('bucket'))
  await alone('streamcluster, folder', await startOurs(bucket))
  const s3 = await versitygwBucket()
  try {
    await alone('streamcluster, S3', await startOurs(s3))
  } finally {
    await s3.stop()
  }
  await alone('kafka', await startKafka(await workspace.newFolder('kafka')))
  const mine = samples.filter(({ name }) => name !== 'kafka')
  return {
    title: `an idle broker with ${PARTITIONS} partitions`,
    table: [
      ['broker', 'resident, MiB', 'CPU, %', 'peak under full load, MiB', 'afterwards, MiB'],
      ...samples.map((sample) => [
        sample.name,
        fixed(sample.freshMebibytes, 0),
        fixed(sample.idleCpuShare * 100),
        fixed(sample.peakMebibytes, 0),
        fixed(sample.afterLoadMebibytes, 0),
      ]),
    ],
    notes: [
      "Kafka's heap is what its start script asks for: 1 GiB, of which it uses what it needs",
      `the bounds on what grows with load add up to ${budgetMebibytes()} MiB, on top of the idle broker`,
    ],
    verdicts: mine.flatMap(({ name, freshMebibytes, peakMebibytes }) => {
      const budget = freshMebibytes + budgetMebibytes()
      return [
        {
          goal: `${name}: resident ≤ ${GOAL_MEBIBYTES} MiB: ${fixed(freshMebibytes, 0)}`,
          reached: freshMebibytes <= GOAL_MEBIBYTES,
        },
        {
          goal: `${name}: peak ≤ idle + bounds, ${fixed(budget, 0)} MiB: ${fixed(peakMebibytes, 0)}`,
          reached: peakMebibytes <= budget,
        },
      ]
    }),
    data: samples,
  }
}

export const idleFigure: Figure = {
  name: 'idle',
  summary: 'memory and CPU of a broker that has nothing to do',
  run,
}
