import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { PARTITIONS, warm, writePayloads } from '../lib/full-load.ts'
import { JavaLoad } from '../lib/java-load.ts'
import { startKafka } from '../lib/kafka-broker.ts'
import { folderBucket, startOurs } from '../lib/our-broker.ts'
import { createTopic, type Peer } from '../lib/peer.ts'
import { cpuSecondsOf } from '../lib/process-usage.ts'
import { RECORD_BYTES, startProducer } from '../lib/producer-performance.ts'
import { fixed, spreadText } from '../lib/report.ts'
import { alternation, pairRatios, spreadOf } from '../lib/statistics.ts'

const BATCH_BYTES = 131_072
const MEBIBYTE = 1024 * 1024
/** Below what either broker can take, so that readers never fall behind the tail. */
const PRODUCED_MEBIBYTES_PER_SECOND = 20
const READERS = 5
/** Starting the readers, and all pauses: the producer must outlast both windows. */
const SPARE_SECONDS = 30

interface FetchSample {
  readonly broker: string
  readonly fetchedMebibytesPerSecond: number
  /** CPU seconds per second, without and with the readers. */
  readonly cpuShareAlone: number
  readonly cpuShareWithReaders: number
  /** Of everything, what came in and what went out. */
  readonly inAndOutPerCpuSecond: number
}

/** CPU seconds per second that `pid` uses for a while. */
async function cpuShareOver(pid: number, seconds: number): Promise<number> {
  const [before, startMs] = [cpuSecondsOf(pid).total, performance.now()]
  await pause(seconds * 1000)
  return (cpuSecondsOf(pid).total - before) / ((performance.now() - startMs) / 1000)
}

/** One window with a steady producer alone, and one with readers of the tail beside it. */
async function measure(
  context: BenchContext,
  peer: Peer,
  payloadFile: string,
): Promise<FetchSample> {
  const { fetchSeconds, settleSeconds } = context.settings
  const topic = await createTopic(peer, PARTITIONS)
  const recordsPerSecond = (PRODUCED_MEBIBYTES_PER_SECOND * MEBIBYTE) / RECORD_BYTES
  const records = recordsPerSecond * (2 * fetchSeconds + SPARE_SECONDS)
  const load = { topic, records, recordsPerSecond, batchBytes: BATCH_BYTES, payloadFile }
  const producer = await startProducer(peer, load)
  // Nobody waits for its end, which is ours to bring about.
  producer.finished.catch(() => {})
  let readers: JavaLoad | null = null
  try {
    await pause(2 * settleSeconds * 1000)
    const cpuShareAlone = await cpuShareOver(peer.pid, fetchSeconds)
    readers = await JavaLoad.start('TailReaders', [peer.bootstrap, topic, READERS])
    await readers.answer()
    await pause(settleSeconds * 1000)
    const [startBytes, startMs] = [Number(await readers.ask('count')), performance.now()]
    const cpuShareWithReaders = await cpuShareOver(peer.pid, fetchSeconds)
    const bytes = Number(await readers.ask('count')) - startBytes
    if (!producer.child.isAlive) throw new Error('the producer ended before the readers')
    const rate = bytes / MEBIBYTE / ((performance.now() - startMs) / 1000)
    return {
      broker: peer.name,
      fetchedMebibytesPerSecond: rate,
      cpuShareAlone,
      cpuShareWithReaders,
      inAndOutPerCpuSecond: (rate + PRODUCED_MEBIBYTES_PER_SECOND) / cpuShareWithReaders,
    }
  } finally {
    await Promise.all([producer.child.end('SIGKILL'), readers?.child.end('SIGKILL')])
    await peer.forget(topic)
    await context.workspace.settle()
  }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const { workspace, settings, say } = context
  const payloadFile = await writePayloads(workspace)
  const ours = await startOurs(folderBucket(await workspace.newFolder('bucket')))
  const kafka = await startKafka(await workspace.newFolder('kafka'))
  const samples: FetchSample[] = []
  try {
    for (const peer of [ours, kafka]) {
      await warm(context, peer, { batchBytes: BATCH_BYTES, payloadFile })
      if (!settings.isShort) await measure(context, peer, payloadFile)
    }
    for (const peer of alternation<Peer>(ours, kafka, settings.rounds)) {
      const sample = await measure(context, peer, payloadFile)
      samples.push(sample)
      say(
        `${peer.name}: ${fixed(sample.inAndOutPerCpuSecond)} MiB in and out per CPU second ` +
          `(${fixed(sample.fetchedMebibytesPerSecond)} MiB/s out)`,
      )
    }
  } finally {
    await Promise.all([ours.stop(), kafka.stop()])
  }
  const [mine, theirs] = [ours, kafka].map(({ name }) =>
    samples.filter(({ broker }) => broker === name),
  ) as [FetchSample[], FetchSample[]]
  const rates = (list: FetchSample[]) => list.map((sample) => sample.inAndOutPerCpuSecond)
  const ratio = pairRatios(rates(mine), rates(theirs))
  const row = (name: string, list: FetchSample[], text: string): string[] => [
    name,
    spreadText(spreadOf(rates(list))),
    fixed(spreadOf(list.map((sample) => sample.fetchedMebibytesPerSecond)).median),
    fixed(spreadOf(list.map((sample) => sample.cpuShareAlone)).median, 3),
    fixed(spreadOf(list.map((sample) => sample.cpuShareWithReaders)).median, 3),
    text,
  ]
  const head = ['broker', 'MiB in and out per CPU second', 'MiB/s out', 'CPUs alone']
  return {
    title: `tail fetch: ${READERS} readers of all that comes, ${PRODUCED_MEBIBYTES_PER_SECOND} MiB/s`,
    table: [
      [...head, 'CPUs with readers', 'ratio'],
      row(ours.name, mine, spreadText(ratio, 2)),
      row(kafka.name, theirs, '1'),
    ],
    notes: [
      'what the readers add alone is not told: in a broker that takes 20 MiB/s it is no more than ' +
        'what a window of some seconds differs from the next',
    ],
    verdicts: [],
    data: samples,
  }
}

export const fetchFigure: Figure = {
  name: 'fetch',
  summary: "fetch at the tail, in MiB per second of the broker's CPU time",
  run,
}
