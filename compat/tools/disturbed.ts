import type { Cluster } from '../../e2e/lib/cluster.ts'
import { readTopic } from '../../e2e/lib/kcat.ts'
import { pause, until } from '../../e2e/lib/wait.ts'
import {
  coordinatingPartition,
  MOVE_EVERY_MS,
  moveOn,
  OFFSETS_TOPIC,
  ownerOf,
  untilOwned,
} from '../lib/moves.ts'
import { PARTITIONS } from '../lib/cell.ts'
import { disturbUntilEnd, type ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { verifiablyConsume, verifiablyProduce } from './verifiable.ts'

const PREFIX = 'org.apache.kafka.tools'
const MOVES_BEFORE_KILL = 2
/** A tool that waits for records gives up after this, far longer than anybody is away. */
const SILENCE_MS_MAX = 60_000
const DESCRIPTIONS = 4

/** By topic, how many records one producer writes there, within {@link SECONDS}, as one consumer reads. */
const COUNTS = { lines: 2_000, performance: 30_000, verifiable: 3_000 } as const
const TOPICS = Object.keys(COUNTS) as (keyof typeof COUNTS)[]
const SECONDS = 40

/** Each value must be in the topic once, whatever happened to whoever wrote it. */
async function checkEachOnce(
  bench: ToolBench,
  topic: keyof typeof COUNTS,
  nameOf: (index: number) => string,
): Promise<void> {
  const values = (await readTopic([bench.bootstrap], topic)).map(({ value }) => value)
  const found = new Set(values)
  const wanted = Array.from({ length: COUNTS[topic] }, (_, index) => nameOf(index))
  const lost = wanted.filter((value) => !found.has(value))
  if (lost.length > 0) throw new Error(`${lost.length} are lost, such as ${lost[0]}`)
  if (values.length !== wanted.length) {
    throw new Error(`${values.length} records are there, ${wanted.length} were written`)
  }
}

async function* linesInTime(): AsyncGenerator<string> {
  const perTick = COUNTS.lines / (SECONDS * 5)
  let given = 0
  for (let tick = 1; given < COUNTS.lines; tick++) {
    const goal = Math.min(COUNTS.lines, Math.round(tick * perTick))
    let words = ''
    for (; given < goal; given++) words += `line-${given}\n`
    yield words
    await pause(200)
  }
}

async function consoleProducer(bench: ToolBench): Promise<void> {
  const args = ['--bootstrap-server', bench.bootstrap, '--topic', 'lines']
  const patient = ['--message-send-max-retries', '2147483647']
  await bench.run(`${PREFIX}.ConsoleProducer`, [...args, ...patient], linesInTime())
  await checkEachOnce(bench, 'lines', (index) => `line-${index}`)
}

async function consoleConsumer(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.consumer.ConsoleConsumer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', 'lines', '--from-beginning'],
    ...['--max-messages', String(COUNTS.lines), '--group', 'lines'],
    ...['--timeout-ms', String(SILENCE_MS_MAX)],
  ])
  const read = new Set(words.match(/^line-\d+$/gm))
  if (read.size !== COUNTS.lines) throw new Error(`it read ${read.size} of ${COUNTS.lines} lines`)
}

async function producerPerformance(bench: ToolBench): Promise<void> {
  const count = COUNTS.performance
  const words = await bench.run(`${PREFIX}.ProducerPerformance`, [
    ...['--topic', 'performance', '--num-records', String(count), '--payload-monotonic'],
    ...['--throughput', String(count / SECONDS), '--bootstrap-server', bench.bootstrap],
  ])
  if (!words.includes(`${count} records sent`)) throw new Error(`it says ${words.slice(-300)}`)
  await checkEachOnce(bench, 'performance', String)
}

async function consumerPerformance(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.ConsumerPerformance`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', 'performance', '--group', 'performance'],
    ...['--num-records', String(COUNTS.performance), '--timeout', String(SILENCE_MS_MAX)],
  ])
  // start, end, MB, MB/s, records, …
  const read = Number(words.match(/^\d{4}-[^,]+,[^,]+,[^,]+,[^,]+, *(\d+)/m)?.[1])
  if (read !== COUNTS.performance) throw new Error(`it says ${words.slice(-300)}`)
}

async function verifiableProducer(bench: ToolBench): Promise<void> {
  const count = COUNTS.verifiable
  const configFile = bench.file('patient.properties', `${RETRIES}\n`)
  const perSecond = count / SECONDS
  await verifiablyProduce(bench, { topic: 'verifiable', count, perSecond, configFile })
  await checkEachOnce(bench, 'verifiable', String)
}

async function describeGroups(bench: ToolBench): Promise<void> {
  for (let round = 0; round < DESCRIPTIONS; round++) {
    const args = ['--describe', '--group', 'verifiable']
    await bench.says(`${PREFIX}.consumer.group.ConsumerGroupCommand`, args, /verifiable\s.*\d/)
  }
}

/** What goes on until `isOver`: moves all the time, and once the death of an owner. */
async function disturb(cluster: Cluster, isOver: () => boolean): Promise<void> {
  const written = async (topic: string): Promise<number> => {
    return (
      await readTopic(
        cluster.running.map((each) => each.bootstrap),
        topic,
      )
    ).length
  }
  for (const topic of TOPICS)
    await until(`${topic} is written`, async () => (await written(topic)) > 0)
  for (let step = 0; !isOver(); step++) {
    if (step === MOVES_BEFORE_KILL) {
      for (const topic of TOPICS) {
        if ((await written(topic)) >= COUNTS[topic]) throw new Error('it came too late to disturb')
      }
      await cluster.node(await ownerOf(cluster, 'lines', 0)).kill()
      await cluster.startBroker()
      for (const topic of [...TOPICS, OFFSETS_TOPIC]) await untilOwned(cluster, topic)
    }
    const group = TOPICS[step % TOPICS.length] ?? ''
    await Promise.all([
      ...TOPICS.map((topic) => moveOn(cluster, topic, step % PARTITIONS)),
      coordinatingPartition(cluster, group).then((each) => moveOn(cluster, OFFSETS_TOPIC, each)),
    ])
    await pause(MOVE_EVERY_MS)
  }
}

/** Makes what the tools need, and disturbs the cluster until all that `start` started has ended. */
export async function disturbWhile(cluster: Cluster, start: () => Promise<unknown>): Promise<void> {
  for (const topic of TOPICS) await cluster.createTopic(topic, PARTITIONS)
  await disturbUntilEnd(start, (isOver) => disturb(cluster, isOver))
}

/** Of the producer itself: these two tools set it to 3 and to 0. */
const RETRIES = 'retries=2147483647'
const WHILE = 'while partitions and coordinators move and an owner is killed'
const PATIENT = 'with as many retries as the producer has by default'

/** They run at once. */
export const disturbedTools: readonly ToolTrial[] = [
  {
    tool: 'kafka-console-producer',
    title: `2,000 lines, ${WHILE}; ${PATIENT}`,
    run: consoleProducer,
  },
  { tool: 'kafka-console-consumer', title: `those lines, ${WHILE}`, run: consoleConsumer },
  { tool: 'kafka-producer-perf-test', title: `30,000 records, ${WHILE}`, run: producerPerformance },
  { tool: 'kafka-consumer-perf-test', title: `those records, ${WHILE}`, run: consumerPerformance },
  {
    tool: 'kafka-verifiable-producer',
    title: `3,000 records, ${WHILE}; ${PATIENT}`,
    run: verifiableProducer,
  },
  {
    tool: 'kafka-verifiable-consumer',
    title: `those records, all commits taken, ${WHILE}`,
    run: (bench) => verifiablyConsume(bench, { topic: 'verifiable', count: COUNTS.verifiable }),
  },
  { tool: 'kafka-consumer-groups', title: `describe, ${WHILE}`, run: describeGroups },
]
