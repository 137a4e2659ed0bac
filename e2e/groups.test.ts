import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Consumer, stringDeserializers } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { apis } from '../broker/protocol/api-keys.ts'
import { EXIT_DRAINED } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { kcat } from './lib/kcat.ts'
import { VerifiableConsumer } from './lib/verifiable-consumer.ts'
import { until } from './lib/wait.ts'
import { ask } from './lib/wire-client.ts'
import { allowOneRetry } from './lib/retries.ts'

allowOneRetry()

const PARTITIONS = 6
const TEST_MS_MAX = 180_000
const CONFIG = { STREAMCLUSTER_CONFIG: '{"group.initial.rebalance.delay.ms":"300"}' }

let cluster: Cluster
const closings: (() => Promise<unknown>)[] = []

beforeAll(fetchKafkaTools, FETCH_MS_MAX)
afterEach(async () => {
  await Promise.all(closings.splice(0).map((close) => close().catch(() => undefined)))
  await cluster.close()
})

async function startCluster(brokers: number): Promise<string> {
  cluster = await Cluster.start(brokers, { env: CONFIG })
  await cluster.createTopic('topic', PARTITIONS)
  return cluster.bootstrap.join(',')
}

let produced = 0

/** Sends so many lines, each of them once. */
async function produce(bootstrap: string, count: number): Promise<void> {
  const lines = Array.from({ length: count }, () => `line-${produced++}`)
  const options = ['-X', 'enable.idempotence=true', '-X', 'reconnect.backoff.max.ms=500']
  const sent = await kcat(
    ['-P', '-E', '-b', bootstrap, '-t', 'topic', ...options],
    lines.join('\n'),
  )
  expect({ code: sent.code, stderr: sent.stderr }).toMatchObject({ code: 0 })
}

async function coordinatorOf(groupId: string): Promise<number> {
  const { coordinators } = await ask(
    cluster.running[0]?.ports.kafka ?? 0,
    apis.findCoordinator,
    4,
    {
      keyType: 0,
      coordinatorKeys: [groupId],
    },
  )
  return coordinators[0]?.nodeId ?? -1
}

function groupTool(bootstrap: string, ...args: string[]): Promise<string> {
  const tool = 'consumer.group.ConsumerGroupCommand'
  return kafkaTool(tool, ['--bootstrap-server', bootstrap, ...args])
}

/** What the tool tells of a group: per partition that has a committed offset. */
async function committedOffsets(
  bootstrap: string,
  groupId: string,
): Promise<{ partition: number; offset: number; lag: number }[]> {
  const described = await groupTool(bootstrap, '--describe', '--group', groupId)
  // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
  const rows = described.split('\n').map((line) => line.split(/\s+/))
  return rows
    .filter(([group, , , offset]) => group === groupId && offset !== '-')
    .map(([, , partition, offset, , lag]) => {
      return { partition: Number(partition), offset: Number(offset), lag: Number(lag) }
    })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

describe('a group of Java consumers', () => {
  test(
    'rebalances for nothing while its coordinator is killed and drained, and reads on',
    async () => {
      const bootstrap = await startCluster(3)
      const options = { bootstrap: cluster.bootstrap, topic: 'topic', groupId: 'java' }
      const consumers = ['a', 'b'].map(() => {
        const consumer = new VerifiableConsumer({
          ...options,
          assignor: 'CooperativeStickyAssignor',
        })
        closings.push(() => consumer.close())
        return consumer
      })
      const count = (): number => consumers.reduce((sum, each) => sum + each.recordCount, 0)
      const spread = (): boolean => {
        const all = consumers.flatMap(({ assigned }) => [...assigned])
        return all.length === PARTITIONS && consumers.every(({ assigned }) => assigned.size > 0)
      }
      await until('both consumers have their share', spread)
      await produce(bootstrap, 60)
      await until('everything is read', () => count() === 60)
      const before = consumers.map(
        ({ assignedCount, revokedCount }) => assignedCount + revokedCount,
      )

      await cluster.node(await coordinatorOf('java')).kill()
      await produce(bootstrap, 60)
      await until('everything is read after a death', () => count() === 120)
      await cluster.startBroker()
      const drained = await cluster.node(await coordinatorOf('java')).terminate()
      expect(drained.code).toBe(EXIT_DRAINED)
      await produce(bootstrap, 60)
      await until('everything is read after a drain', () => count() === 180)

      const after = consumers.map(({ assignedCount, revokedCount }) => assignedCount + revokedCount)
      expect(after).toEqual(before)
      expect(consumers.flatMap(({ failedCommits }) => failedCommits)).toEqual([])
      await Promise.all(consumers.map((consumer) => consumer.finish()))
      const offsets = await committedOffsets(cluster.bootstrap.join(','), 'java')
      expect(sum(offsets.map(({ lag }) => lag))).toBe(0)
      expect(sum(offsets.map(({ offset }) => offset))).toBe(180)
    },
    TEST_MS_MAX,
  )

  test(
    'of static members stays as it is when one of them is started anew',
    async () => {
      const bootstrap = await startCluster(1)
      const start = (instanceId: string): VerifiableConsumer => {
        const options = { bootstrap: cluster.bootstrap, topic: 'topic', groupId: 'static' }
        const consumer = new VerifiableConsumer({
          ...options,
          assignor: 'RangeAssignor',
          instanceId,
        })
        closings.push(() => consumer.close())
        return consumer
      }
      const [first, second] = [start('one'), start('two')]
      await until('both consumers have their share', () => {
        return first.assigned.size === 3 && second.assigned.size === 3
      })
      const before = first.assignedCount
      const share = [...second.assigned]
      await second.close()
      const again = start('two')
      await until('it has its share again', () => again.assigned.size === 3)
      expect([...again.assigned]).toEqual(share)
      await produce(bootstrap, 30)
      await until('everything is read', () => first.recordCount + again.recordCount >= 30)
      expect(first.assignedCount).toBe(before)
    },
    TEST_MS_MAX,
  )
})

describe('other clients', () => {
  test(
    'kcat, kafkajs and platformatic read as groups and go on where they stopped',
    async () => {
      const bootstrap = await startCluster(2)
      await produce(bootstrap, 40)
      const read = async (count: number): Promise<string[]> => {
        const options = ['-X', 'auto.offset.reset=earliest', '-c', String(count), '-q']
        const { code, stdout } = await kcat(['-b', bootstrap, '-G', 'c', ...options, 'topic'])
        expect(code).toBe(0)
        return stdout.trim().split('\n')
      }
      const firstHalf = await read(40)
      await produce(bootstrap, 20)
      const all = [...firstHalf, ...(await read(20))]
      expect(new Set(all).size).toBe(60)

      const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
      const kafkajs = [1, 2].map(() => kafka.consumer({ groupId: 'kafkajs' }))
      const seen = new Set<string>()
      for (const consumer of kafkajs) {
        closings.push(() => consumer.disconnect())
        await consumer.connect()
        await consumer.subscribe({ topic: 'topic', fromBeginning: true })
        await consumer.run({
          eachMessage: async ({ message }) => void seen.add(message.value?.toString() ?? ''),
        })
      }
      await until('kafkajs has read everything', () => seen.size === 60)

      const platformatic = new Consumer({
        clientId: 'platformatic',
        groupId: 'platformatic',
        bootstrapBrokers: bootstrap.split(','),
        deserializers: stringDeserializers,
      })
      closings.push(() => platformatic.close(true))
      const stream = await platformatic.consume({ topics: ['topic'], mode: 'earliest' })
      let count = 0
      stream.on('data', () => count++)
      await until('platformatic has read everything', () => count === 60)

      const listed = await groupTool(bootstrap, '--list')
      expect(listed.trim().split('\n').sort()).toEqual(['c', 'kafkajs', 'platformatic'])
    },
    TEST_MS_MAX,
  )
})

/**
 * Without any broker left the Java client begins anew with its bootstrap addresses (KIP-899), forgets
 * the topics meanwhile, and has its group rebalance for that: of its own accord, whatever is kept here.
 */
function withoutRebootstrap(): string {
  const file = join(cluster.folder, 'consumer.properties')
  writeFileSync(file, 'metadata.recovery.strategy=none\n')
  return file
}

test(
  'offsets and members outlive the only broker, killed at any moment',
  async () => {
    const bootstrap = await startCluster(1)
    const consumer = new VerifiableConsumer({
      ...{ bootstrap: cluster.bootstrap, topic: 'topic', groupId: 'group' },
      assignor: 'RangeAssignor',
      configFile: withoutRebootstrap(),
    })
    closings.push(() => consumer.close())
    await until('it has everything', () => consumer.assigned.size === PARTITIONS)
    for (let round = 1; round <= 3; round++) {
      await produce(bootstrap, 20)
      await until('everything is read', () => consumer.recordCount >= round * 20)
      const only = cluster.running[0]
      await only?.kill()
      await cluster.startBroker(only?.ports)
    }
    await produce(bootstrap, 20)
    await until('everything is read', () => consumer.recordCount >= 80)
    expect([consumer.assignedCount, consumer.revokedCount]).toEqual([1, 0])
    await consumer.finish()
    const offsets = await committedOffsets(bootstrap, 'group')
    expect(sum(offsets.map(({ offset }) => offset))).toBe(80)
  },
  TEST_MS_MAX,
)

test(
  "Kafka's own tool lists, describes, resets and deletes groups and their offsets",
  async () => {
    const bootstrap = await startCluster(2)
    const run = (...args: string[]) => groupTool(bootstrap, ...args)
    await produce(bootstrap, 30)
    const options = ['-X', 'auto.offset.reset=earliest', '-c', '30', '-q']
    await kcat(['-b', bootstrap, '-G', 'group', ...options, 'topic'])
    expect(await run('--list', '--state')).toMatch(/group\s+Empty/)
    const offsets = () => committedOffsets(bootstrap, 'group')
    const before = await offsets()
    expect(sum(before.map(({ offset }) => offset))).toBe(30)
    expect(sum(before.map(({ lag }) => lag))).toBe(0)
    await run(
      ...['--reset-offsets', '--group', 'group', '--topic', 'topic'],
      ...['--to-earliest', '--execute'],
    )
    expect(sum((await offsets()).map(({ lag }) => lag))).toBe(30)
    const partition = before[0]?.partition ?? -1
    const deleted = await run(
      ...['--delete-offsets', '--group', 'group', '--topic', `topic:${partition}`],
    )
    expect(deleted).toMatch(new RegExp(`topic\\s+${partition}\\s+Successful`))
    expect((await offsets()).map((each) => each.partition)).not.toContain(partition)
    expect(await run('--delete', '--group', 'group')).toContain('successful')
    expect((await run('--list')).trim()).toBe('')
  },
  TEST_MS_MAX,
)
