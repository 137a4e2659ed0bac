import { leadersOf } from '../../e2e/lib/wire-client.ts'
import { ownerOf } from '../lib/moves.ts'
import type { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'

const TOPICS = 'org.apache.kafka.tools.TopicCommand'
const CONFIGS = 'kafka.admin.ConfigCommand'
const REASSIGN = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand'
export const TOPIC = 'by-tool'

async function topics(bench: ToolBench): Promise<void> {
  const create = [
    '--create',
    '--topic',
    TOPIC,
    '--partitions',
    '4',
    '--config',
    'retention.ms=5000',
  ]
  await bench.run(TOPICS, ['--bootstrap-server', bench.bootstrap, ...create])
  await bench.says(TOPICS, ['--list'], new RegExp(`^${TOPIC}$`, 'm'))
  await bench.says(
    TOPICS,
    ['--describe', '--topic', TOPIC],
    /PartitionCount: 4\s.*retention.ms=5000/,
  )
  const alter = ['--alter', '--topic', TOPIC, '--partitions', '6']
  await bench.run(TOPICS, ['--bootstrap-server', bench.bootstrap, ...alter])
  await bench.says(TOPICS, ['--describe', '--topic', TOPIC], /PartitionCount: 6\s/)
}

async function deleteTopic(bench: ToolBench): Promise<void> {
  await bench.run(TOPICS, [
    ...['--bootstrap-server', bench.bootstrap],
    ...['--create', '--topic', 'short-lived', '--partitions', '1'],
  ])
  await bench.says(TOPICS, ['--list'], /^short-lived$/m)
  await bench.run(TOPICS, [
    ...['--bootstrap-server', bench.bootstrap],
    ...['--delete', '--topic', 'short-lived'],
  ])
  await bench.says(TOPICS, ['--list'], /^(?![\s\S]*^short-lived$)/m)
}

async function topicConfigs(bench: ToolBench): Promise<void> {
  const entity = ['--entity-type', 'topics', '--entity-name', TOPIC]
  const common = ['--bootstrap-server', bench.bootstrap, ...entity]
  await bench.run(CONFIGS, [...common, '--alter', '--add-config', 'max.message.bytes=2000000'])
  await bench.says(CONFIGS, ['--describe', ...entity], /max\.message\.bytes=2000000/)
  await bench.run(CONFIGS, [...common, '--alter', '--delete-config', 'retention.ms'])
  await bench.says(CONFIGS, ['--describe', ...entity], /^(?![\s\S]*retention\.ms=5000)/)
}

async function brokerConfigs(bench: ToolBench): Promise<void> {
  const entity = ['--entity-type', 'brokers', '--entity-default']
  const common = ['--bootstrap-server', bench.bootstrap, ...entity]
  await bench.run(CONFIGS, [...common, '--alter', '--add-config', 'log.retention.ms=86400000'])
  await bench.says(CONFIGS, ['--describe', ...entity], /log\.retention\.ms=86400000/)
  await bench.run(CONFIGS, [...common, '--alter', '--delete-config', 'log.retention.ms'])
}

/** One each way, so that the balancer has no reason to undo it. */
async function reassignmentOf(
  bench: ToolBench,
): Promise<{ topic: string; partition: number; replicas: number[] }[]> {
  const nodeIds = bench.cluster.running.map(({ nodeId }) => nodeId)
  const leaders = await leadersOf(bench.port, TOPIC)
  return nodeIds.flatMap((nodeId, at) => {
    const partition = leaders.get(nodeId)?.[0]
    const target = nodeIds[(at + 1) % nodeIds.length]
    if (partition === undefined || target === undefined) return []
    return [{ topic: TOPIC, partition, replicas: [target] }]
  })
}

async function reassign(bench: ToolBench): Promise<void> {
  const nodeIds = bench.cluster.running.map(({ nodeId }) => nodeId)
  const partitions = await reassignmentOf(bench)
  const file = bench.file('reassignment.json', JSON.stringify({ version: 1, partitions }))
  const json = ['--reassignment-json-file', file]
  const common = ['--bootstrap-server', bench.bootstrap]
  await bench.run(REASSIGN, [...common, ...json, '--execute'])
  await bench.says(REASSIGN, [...json, '--verify', '--preserve-throttles'], /is completed/)
  await bench.says(REASSIGN, ['--list'], /No partition reassignments found/)
  for (const { partition, replicas } of partitions) {
    const owner = await ownerOf(bench.cluster, TOPIC, partition)
    if (owner !== replicas[0]) throw new Error(`partition ${partition} belongs to ${owner}`)
  }
  const wanted = bench.file(
    'topics.json',
    JSON.stringify({ version: 1, topics: [{ topic: TOPIC }] }),
  )
  await bench.says(
    REASSIGN,
    ['--topics-to-move-json-file', wanted, '--broker-list', nodeIds.join(), '--generate'],
    /Proposed partition reassignment configuration/,
  )
}

/** As an operator does it by hand: with a throttle, which is set and taken away as configs. */
async function reassignThrottled(bench: ToolBench): Promise<void> {
  const [first, second] = bench.cluster.running.map(({ nodeId }) => nodeId)
  const leaders = await leadersOf(bench.port, TOPIC)
  const partition = leaders.get(first ?? -1)?.[0] ?? 0
  const partitions = [{ topic: TOPIC, partition, replicas: [second] }]
  const file = bench.file('throttled.json', JSON.stringify({ version: 1, partitions }))
  const json = ['--reassignment-json-file', file]
  const common = ['--bootstrap-server', bench.bootstrap]
  await bench.run(REASSIGN, [...common, ...json, '--execute', '--throttle', '100000000'])
  await bench.says(REASSIGN, [...json, '--verify'], /is completed/)
}

/** A move is decided with the answer to it: there is never one left to cancel. */
async function cancel(bench: ToolBench): Promise<void> {
  const partitions = await reassignmentOf(bench)
  const file = bench.file('cancelled.json', JSON.stringify({ version: 1, partitions }))
  const json = ['--reassignment-json-file', file]
  await bench.run(REASSIGN, ['--bootstrap-server', bench.bootstrap, ...json, '--execute'])
  await bench.says(REASSIGN, [...json, '--verify', '--preserve-throttles'], /is completed/)
  const none = /None of the specified partition reassignments are active/
  await bench.says(REASSIGN, [...json, '--cancel'], none)
}

async function electLeaders(bench: ToolBench): Promise<void> {
  const tool = 'org.apache.kafka.tools.LeaderElectionCommand'
  const before = await leadersOf(bench.port, TOPIC)
  const preferred = ['--election-type', 'preferred']
  const one = [...preferred, '--topic', TOPIC, '--partition', '0']
  const valid = new RegExp(`Valid replica already elected for partitions ${TOPIC}-0`)
  await bench.says(tool, one, valid)
  const all = [...preferred, '--all-topic-partitions']
  const words = await bench.run(tool, ['--bootstrap-server', bench.bootstrap, ...all])
  // As in Kafka it tells only of partitions for which something was to be done.
  if (words.trim() !== '') throw new Error(`it says ${words}`)
  const after = await leadersOf(bench.port, TOPIC)
  if (JSON.stringify([...after]) !== JSON.stringify([...before])) {
    throw new Error('owners are not who they were')
  }
}

export const topicTools: readonly ToolTrial[] = [
  { tool: 'kafka-topics', title: 'create, list, describe, add partitions', run: topics },
  { tool: 'kafka-topics', title: 'delete', run: deleteTopic },
  {
    tool: 'kafka-configs',
    title: 'set, describe and delete configs of a topic',
    run: topicConfigs,
  },
  {
    tool: 'kafka-configs',
    title: 'set, describe and delete configs of all brokers',
    run: brokerConfigs,
  },
  { tool: 'kafka-reassign-partitions', title: 'execute, verify, list, generate', run: reassign },
  { tool: 'kafka-reassign-partitions', title: 'with a throttle', run: reassignThrottled },
  {
    tool: 'kafka-reassign-partitions',
    title: 'cancel: nothing is ever left to cancel',
    run: cancel,
  },
  {
    tool: 'kafka-leader-election',
    title: 'preferred: of one partition, of all; none is needed',
    run: electLeaders,
  },
]
