import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { apis } from '../broker/protocol/api-keys.ts'
import { produceBody } from './lib/api-bodies.ts'
import { Cluster } from './lib/cluster.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { kcat, readTopic } from './lib/kcat.ts'
import { batchOf } from './lib/produce.ts'
import { until } from './lib/wait.ts'
import { ask, leadersOf } from './lib/wire-client.ts'
import { allowOneRetry } from './lib/retries.ts'

allowOneRetry()

let cluster: Cluster
let bootstrap: string

beforeAll(async () => {
  await fetchKafkaTools()
  cluster = await Cluster.start(2)
  bootstrap = cluster.bootstrap.join(',')
}, FETCH_MS_MAX)
afterAll(() => cluster.close())

/** One record per batch, with these time stamps, wherever the partition is. */
async function produceAt(topic: string, partition: number, timesMs: readonly number[]) {
  const anyPort = cluster.running[0]?.ports.kafka ?? 0
  for (const [nodeId, partitions] of await leadersOf(anyPort, topic)) {
    if (!partitions.includes(partition)) continue
    const { kafka } = cluster.node(nodeId).ports
    for (const timeMs of timesMs) {
      const body = produceBody(topic, new Map([[partition, batchOf(`at ${timeMs}`, timeMs)]]))
      const { responses } = await ask(kafka, apis.produce, 12, body)
      expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0)
    }
  }
}

describe('offsets by time', () => {
  const topic = 'timed'
  const timesMs = [10_000, 20_000, 30_000]
  beforeAll(async () => {
    await cluster.createTopic(topic, 2)
    await produceAt(topic, 0, timesMs)
    await produceAt(topic, 1, [25_000])
  })

  /** Of a time (or -1, the end, or -2, the beginning): the offset in each partition, -1 for none. */
  const cases = [
    [-2, 0, 0],
    [-1, 3, 1],
    [1, 0, 0],
    [10_000, 0, 0],
    [10_001, 1, 0],
    [25_000, 2, 0],
    [25_001, 2, -1],
    [30_001, -1, -1],
  ] as const

  test.each(cases)('kcat asks for %d', async (timeMs, first, second) => {
    const queries = ['-t', `${topic}:0:${timeMs}`, '-t', `${topic}:1:${timeMs}`]
    const { code, stdout } = await kcat(['-Q', '-b', bootstrap, ...queries])
    expect(code).toBe(0)
    const offsets = stdout.trimEnd().split('\n').sort()
    expect(offsets).toEqual([`${topic} [0] offset ${first}`, `${topic} [1] offset ${second}`])
  })

  test('GetOffsetShell asks for the beginning, the end, a time, and the newest', async () => {
    const offsetsAt = async (time: string): Promise<string[]> => {
      const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--time', time]
      return (await kafkaTool('GetOffsetShell', args)).trim().split('\n').sort()
    }
    expect(await offsetsAt('-2')).toEqual([`${topic}:0:0`, `${topic}:1:0`])
    expect(await offsetsAt('-1')).toEqual([`${topic}:0:3`, `${topic}:1:1`])
    expect(await offsetsAt('20000')).toEqual([`${topic}:0:1`, `${topic}:1:0`])
    expect(await offsetsAt('-3')).toEqual([`${topic}:0:2`, `${topic}:1:0`])
  })
})

describe("Kafka's own tools", () => {
  test('create, describe, list and delete topics', async () => {
    const run = (...args: string[]) =>
      kafkaTool('TopicCommand', ['--bootstrap-server', bootstrap, ...args])
    await run(
      '--create',
      '--topic',
      'tool-made',
      '--partitions',
      '4',
      '--config',
      'retention.ms=5000',
    )
    await until('it is listed', async () => (await run('--list')).includes('tool-made'))
    const described = await run('--describe', '--topic', 'tool-made')
    expect(described).toMatch(
      /PartitionCount: 4\s+ReplicationFactor: 1\s+Configs: .*retention\.ms=5000/,
    )
    expect(described.match(/Leader: \d+/g)).toHaveLength(4)
    await run('--delete', '--topic', 'tool-made')
    await until('the topic is gone', async () => !(await run('--list')).includes('tool-made'))
  })

  test('write with idempotence, and all of it is there', async () => {
    await cluster.createTopic('performance', 6)
    const said = await kafkaTool('ProducerPerformance', [
      ...['--topic', 'performance', '--num-records', '20000', '--record-size', '100'],
      ...['--throughput', '-1', '--producer-props', `bootstrap.servers=${bootstrap}`],
      ...['enable.idempotence=true', 'acks=all'],
    ])
    expect(said).toContain('20000 records sent')
    expect(await readTopic(cluster.bootstrap, 'performance')).toHaveLength(20_000)
  })
})

describe('kafkajs', () => {
  const kafka = new Kafka({ brokers: () => cluster.bootstrap, logLevel: logLevel.NOTHING })

  test('makes topics, writes to them, and asks for offsets', async () => {
    const topic = 'kafkajs'
    const admin = kafka.admin()
    await admin.connect()
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] })).toBe(true)
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] })).toBe(false)

    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const values = Array.from({ length: 30 }, (_, index) => `value ${index}`)
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      const messages = values.map((value, index) => {
        return { value: `${compression} ${value}`, partition: index % 3, timestamp: '1000' }
      })
      await producer.send({ topic, messages, compression })
    }
    await producer.disconnect()

    const offsets = await admin.fetchTopicOffsets(topic)
    expect(offsets.sort((a, b) => a.partition - b.partition)).toEqual(
      [0, 1, 2].map((partition) => ({ partition, offset: '20', high: '20', low: '0' })),
    )
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 1_000)).toHaveLength(3)
    const read = (await readTopic(cluster.bootstrap, topic)).map(({ value }) => value).sort()
    expect(read).toEqual([0, 1].flatMap((each) => values.map((value) => `${each} ${value}`)).sort())
    await admin.deleteTopics({ topics: [topic] })
    // It asks any broker, and the others hear of it a little later.
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
    await admin.disconnect()
  })
})
