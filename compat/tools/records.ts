import type { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'

const PREFIX = 'org.apache.kafka.tools'
const TOPIC = 'records-by-tool'
const LINES = 200

async function createTopic(bench: ToolBench, name: string): Promise<void> {
  await bench.cluster.createTopic(name, 3)
}

async function consoleProducer(bench: ToolBench): Promise<void> {
  await createTopic(bench, TOPIC)
  const lines = Array.from({ length: LINES }, (_, index) => `key-${index}:line-${index}`)
  const properties = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:']
  await bench.run(
    `${PREFIX}.ConsoleProducer`,
    ['--bootstrap-server', bench.bootstrap, '--topic', TOPIC, ...properties],
    `${lines.join('\n')}\n`,
  )
}

async function consoleConsumer(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.consumer.ConsoleConsumer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', TOPIC, '--from-beginning'],
    ...['--max-messages', String(LINES), '--group', 'console'],
  ])
  const read = new Set(words.match(/^line-\d+$/gm))
  if (read.size !== LINES) throw new Error(`it read ${read.size} of ${LINES} lines`)
}

async function getOffsets(bench: ToolBench): Promise<void> {
  const words = await bench.run(`${PREFIX}.GetOffsetShell`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', TOPIC, '--time', 'latest'],
  ])
  const ends = [...words.matchAll(/^[\w-]+:\d+:(\d+)$/gm)].map(([, offset]) => Number(offset))
  const sum = ends.reduce((total, each) => total + each, 0)
  if (ends.length !== 3 || sum !== LINES) throw new Error(`it says ${words}`)
}

async function deleteRecords(bench: ToolBench): Promise<void> {
  const partitions = [{ topic: TOPIC, partition: 0, offset: 10 }]
  const file = bench.file('delete.json', JSON.stringify({ version: 1, partitions }))
  const tool = `${PREFIX}.DeleteRecordsCommand`
  await bench.says(tool, ['--offset-json-file', file], /low_watermark: 10/)
  await bench.says(
    `${PREFIX}.GetOffsetShell`,
    ['--topic', TOPIC, '--time', 'earliest'],
    /records-by-tool:0:10/,
  )
}

async function logDirs(bench: ToolBench): Promise<void> {
  const args = ['--describe', '--topic-list', TOPIC]
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

async function apiVersions(bench: ToolBench): Promise<void> {
  await bench.says(`${PREFIX}.BrokerApiVersionsCommand`, [], /Produce\(0\): .*usable/)
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
  const words = await bench.run(`${PREFIX}.VerifiableProducer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', 'verifiable'],
    ...['--max-messages', '500', '--acks', '-1'],
  ])
  const acked = words.match(/"name":"producer_send_success"/g)?.length
  if (acked !== 500) throw new Error(`${acked} of 500 were acknowledged`)
}

async function verifiableConsumer(bench: ToolBench): Promise<void> {
  const words = await bench.runUntil(
    `${PREFIX}.VerifiableConsumer`,
    [
      ...[
        '--bootstrap-server',
        bench.bootstrap,
        '--topic',
        'verifiable',
        '--group-id',
        'verifiable',
      ],
      ...['--max-messages', '500', '--reset-policy', 'earliest'],
    ],
    (said) => said.includes('"name":"shutdown_complete"') || consumed(said) >= 500,
  )
  if (/"success":false/.test(words)) throw new Error('a commit failed')
}

function consumed(words: string): number {
  const counts = [...words.matchAll(/"name":"records_consumed","count":(\d+)|"count":(\d+)/g)]
  return counts.reduce((sum, [, first, second]) => sum + Number(first ?? second ?? 0), 0)
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
  { tool: 'kafka-broker-api-versions', title: 'all of them usable', run: apiVersions },
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
    run: verifiableConsumer,
  },
  { tool: 'kafka-e2e-latency', title: '100 records', run: endToEndLatency },
]
