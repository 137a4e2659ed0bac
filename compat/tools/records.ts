import { servedApis } from '../../broker/handlers/index.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import type { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { verifiablyConsume, verifiablyProduce } from './verifiable.ts'

const PREFIX = 'org.apache.kafka.tools'
export const RECORDS_TOPIC = 'records-by-tool'
/** Of the tools that write and read for its own sake; each has a topic of its own. */
export const LOAD_TOPICS = ['performance', 'verifiable', 'latency'] as const
export const LOAD_GROUPS = ['performance', 'verifiable'] as const
const LINES = 200

async function createTopic(bench: ToolBench, name: string): Promise<void> {
  await bench.cluster.createTopic(name, 3)
}

async function consoleProducer(bench: ToolBench): Promise<void> {
  await createTopic(bench, RECORDS_TOPIC)
  const lines = Array.from({ length: LINES }, (_, index) => `key-${index}:line-${index}`)
  const properties = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:']
  await bench.run(
    `${PREFIX}.ConsoleProducer`,
    ['--bootstrap-server', bench.bootstrap, '--topic', RECORDS_TOPIC, ...properties],
    `${lines.join('\n')}\n`,
  )
}

async function consoleConsumer(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.consumer.ConsoleConsumer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', RECORDS_TOPIC, '--from-beginning'],
    ...['--max-messages', String(LINES), '--group', 'console'],
  ])
  const read = new Set(words.match(/^line-\d+$/gm))
  if (read.size !== LINES) throw new Error(`it read ${read.size} of ${LINES} lines`)
}

async function getOffsets(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.GetOffsetShell`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', RECORDS_TOPIC, '--time', 'latest'],
  ])
  const ends = [...words.matchAll(/^[\w-]+:\d+:(\d+)$/gm)].map(([, offset]) => Number(offset))
  const sum = ends.reduce((total, each) => total + each, 0)
  if (ends.length !== 3 || sum !== LINES) throw new Error(`it says ${words}`)
}

async function deleteRecords(bench: ToolBench): Promise<void> {
  const partitions = [{ topic: RECORDS_TOPIC, partition: 0, offset: 10 }]
  const file = bench.file('delete.json', JSON.stringify({ version: 1, partitions }))
  const tool = `${PREFIX}.DeleteRecordsCommand`
  await bench.says(tool, ['--offset-json-file', file], /low_watermark: 10/)
  await bench.says(
    `${PREFIX}.GetOffsetShell`,
    ['--topic', RECORDS_TOPIC, '--time', 'earliest'],
    /records-by-tool:0:10/,
  )
}

async function logDirs(bench: ToolBench): Promise<void> {
  const args = ['--describe', '--topic-list', RECORDS_TOPIC]
  await bench.says(`${PREFIX}.LogDirsCommand`, args, /"partition":"records-by-tool-0"/)
}

async function cluster(bench: ToolBench): Promise<void> {
  const tool = `${PREFIX}.ClusterTool`
  const common = ['--bootstrap-server', bench.bootstrap]
  const words = await bench.run(tool, ['cluster-id', ...common])
  if (!/Cluster ID: \S+/.test(words)) throw new Error(`it says ${words}`)
  const listed = await bench.run(tool, ['list-endpoints', ...common])
  for (const { ports } of bench.cluster.running) {
    if (!listed.includes(String(ports.kafka))) throw new Error(`it says ${listed}`)
  }
}

/** Of each broker, every API that it serves must be usable up to its newest version. */
async function apiVersions(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.BrokerApiVersionsCommand`, [
    ...['--bootstrap-server', bench.bootstrap],
  ])
  const brokers = words.split(/^(?=\S.*-> \($)/m).filter((block) => block.includes('-> ('))
  if (brokers.length !== bench.cluster.running.length) throw new Error(`it says ${words}`)
  const served = servedApis(Object.values(apis))
  for (const block of brokers) {
    for (const { name, key, advertised } of served) {
      const [first, last] = advertised
      const range = first === last ? `${first}` : `${first} to ${last}`
      const line = `${name}(${key}): ${range} [usable: ${last}]`
      if (!block.includes(line)) throw new Error(`'${line}' is missing`)
    }
    const count = block.match(/\[usable: \d+\]/g)?.length
    if (count !== served.length) throw new Error(`${count} are usable, ${served.length} are served`)
  }
}

async function producerPerformance(bench: ToolBench): Promise<void> {
  await createTopic(bench, 'performance')
  const words = await bench.run(`${PREFIX}.ProducerPerformance`, [
    ...['--topic', 'performance', '--num-records', '50000', '--record-size', '200'],
    ...['--throughput', '-1', '--bootstrap-server', bench.bootstrap],
  ])
  if (!words.includes('50000 records sent')) throw new Error(`it says ${words.slice(-300)}`)
}

async function consumerPerformance(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.ConsumerPerformance`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', 'performance'],
    ...['--num-records', '50000', '--timeout', '30000', '--group', 'performance'],
  ])
  // start, end, MB, MB/s, records, …
  const read = words.match(/^\d{4}-[^,]+,[^,]+,[^,]+,[^,]+, *(\d+)/m)?.[1]
  if (Number(read) < 50_000) throw new Error(`it says ${words.slice(-300)}`)
}

async function verifiableProducer(bench: ToolBench): Promise<void> {
  await createTopic(bench, 'verifiable')
  await verifiablyProduce(bench, { topic: 'verifiable', count: 500 })
}

async function endToEndLatency(bench: ToolBench): Promise<void> {
  await createTopic(bench, 'latency')
  await bench.run(`${PREFIX}.EndToEndLatency`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', 'latency'],
    ...['--num-records', '100', '--producer-acks', 'all', '--record-size', '100'],
  ])
}

export const recordTools: readonly ToolTrial[] = [
  { tool: 'kafka-console-producer', title: 'lines with keys', run: consoleProducer },
  { tool: 'kafka-console-consumer', title: 'from the beginning, in a group', run: consoleConsumer },
  { tool: 'kafka-get-offsets', title: 'the ends', run: getOffsets },
  { tool: 'kafka-delete-records', title: 'up to an offset', run: deleteRecords },
  { tool: 'kafka-log-dirs', title: 'describe', run: logDirs },
  { tool: 'kafka-cluster', title: 'cluster-id, list-endpoints', run: cluster },
  {
    tool: 'kafka-broker-api-versions',
    title: 'of each broker, every API usable at its newest version',
    run: apiVersions,
  },
  { tool: 'kafka-producer-perf-test', title: '50,000 records', run: producerPerformance },
  { tool: 'kafka-consumer-perf-test', title: '50,000 records', run: consumerPerformance },
  {
    tool: 'kafka-verifiable-producer',
    title: '500 records, all acknowledged',
    run: verifiableProducer,
  },
  {
    tool: 'kafka-verifiable-consumer',
    title: '500 records, all commits taken',
    run: (bench) => verifiablyConsume(bench, { topic: 'verifiable', count: 500 }),
  },
  { tool: 'kafka-e2e-latency', title: '100 records', run: endToEndLatency },
]
