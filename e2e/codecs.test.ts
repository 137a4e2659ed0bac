import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Consumer, Producer, type CompressionAlgorithmValue } from '@platformatic/kafka'
import {
  attributes,
  BATCH_HEADER_BYTES,
  baseOffset,
  COMPRESSION_MASK,
  LOG_APPEND_TIME_BIT,
  maxTimestamp,
} from '../broker/protocol/record-batch.ts'
import { Cluster } from './lib/cluster.ts'
import { fetchBatches, topicIdOf } from './lib/fetch.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { kcat, readTopic } from './lib/kcat.ts'
import { freePort } from './lib/ports.ts'
import { RecordingProxy } from './lib/recording-proxy.ts'
import { allowOneRetry } from './lib/retries.ts'

allowOneRetry()

/** By their numbers in a batch's attributes. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
type Codec = (typeof CODECS)[number]

/** Enough alike for every codec to make them smaller. */
const VALUES = Array.from({ length: 50 }, (_, index) => `value ${index} `.padEnd(100, 'abc'))

let cluster: Cluster
let proxy: RecordingProxy
let bootstrap: string

beforeAll(async () => {
  await fetchKafkaTools()
  proxy = await RecordingProxy.start(await freePort())
  bootstrap = `127.0.0.1:${proxy.port}`
  cluster = await Cluster.start(1, { env: { STREAMCLUSTER_ADVERTISED: bootstrap } })
  proxy.targetPort = cluster.running[0]?.ports.kafka ?? 0
}, FETCH_MS_MAX)
afterAll(async () => {
  await cluster.close()
  await proxy.close()
})

async function produceByKcat(topic: string, codec: Codec): Promise<void> {
  const args = ['-P', '-b', bootstrap, '-t', topic, '-p', '0', '-z', codec]
  expect(await kcat(args, `${VALUES.join('\n')}\n`)).toMatchObject({ code: 0 })
}

async function produceByNode(topic: string, codec: Codec): Promise<void> {
  const producer = new Producer({ clientId: 'codecs', bootstrapBrokers: [bootstrap] })
  const messages = VALUES.map((value) => ({ topic, partition: 0, value: Buffer.from(value) }))
  await producer.send({ messages, compression: codec as CompressionAlgorithmValue })
  await producer.close()
}

async function consumeByNode(topic: string): Promise<string[]> {
  const consumer = new Consumer({ clientId: 'codecs', groupId: 'g', bootstrapBrokers: [bootstrap] })
  const { topics } = await consumer.metadata({ topics: [topic] })
  const described = topics.get(topic)
  const wanted = {
    partition: 0,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    fetchOffset: 0n,
    partitionMaxBytes: 1_000_000,
  }
  const { responses } = await consumer.fetch({
    node: described?.partitions[0]?.leader ?? -1,
    topics: [{ topicId: described?.id ?? '', partitions: [wanted] }],
    maxWaitTime: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
  })
  await consumer.close(true)
  const batches = responses[0]?.partitions[0]?.records ?? []
  return batches.flatMap(({ records }) => records.map(({ value }) => value?.toString() ?? ''))
}

/** What was sent, and what is read, of a topic with one partition. */
async function bothEnds(topic: string): Promise<{ sent: Buffer[]; read: Buffer[] }> {
  const port = cluster.running[0]?.ports.kafka ?? 0
  const topicId = await topicIdOf(port, topic)
  const sent = proxy.sentTo({ name: topic, topicId }, 0)
  return { sent, read: await fetchBatches(port, topic, 0) }
}

/** Where base offset and leader epoch, which are the broker's to write, are over. */
const MAGIC_POSITION = 16

function expectDense(batches: readonly Buffer[]): void {
  let next = 0
  for (const batch of batches) {
    expect(baseOffset(batch, 0)).toBe(next)
    next += batch.readInt32BE(23) + 1
  }
}

describe('batches pass through byte for byte, and every client can read them', () => {
  const clients = [
    ['kcat', produceByKcat],
    ['@platformatic/kafka', produceByNode],
  ] as const
  const cases = clients.flatMap(([name, produce]) => {
    return CODECS.map((codec) => [name, codec, produce] as const)
  })
  test.each(cases)('%s with %s', async (name, codec, produce) => {
    const topic = `${name.replace(/\W/g, '')}-${codec}`
    await cluster.createTopic(topic, 1)
    await produce(topic, codec)

    const { sent, read } = await bothEnds(topic)
    const opaque = (batches: readonly Buffer[]) => {
      return batches.map((batch) => batch.toString('hex', MAGIC_POSITION))
    }
    expect(opaque(read)).toEqual(opaque(sent))
    expectDense(read)
    for (const batch of read) {
      expect(attributes(batch, 0) & COMPRESSION_MASK).toBe(CODECS.indexOf(codec))
    }
    expect((await readTopic([bootstrap], topic)).map(({ value }) => value)).toEqual(VALUES)
    expect(await consumeByNode(topic)).toEqual(VALUES)
  })

  test.each(CODECS)("Kafka's own producer with %s", async (codec) => {
    const topic = `java-${codec}`
    await cluster.createTopic(topic, 1)
    await kafkaTool('ProducerPerformance', [
      ...['--topic', topic, '--num-records', '100', '--record-size', '200', '--throughput', '-1'],
      ...['--producer-props', `bootstrap.servers=${bootstrap}`, `compression.type=${codec}`],
    ])
    const { sent, read } = await bothEnds(topic)
    const opaque = (batches: readonly Buffer[]) => {
      return batches.map((batch) => batch.toString('hex', MAGIC_POSITION))
    }
    expect(opaque(read)).toEqual(opaque(sent))
    expectDense(read)
    expect(await consumeByNode(topic)).toHaveLength(100)
    expect(await readTopic([bootstrap], topic)).toHaveLength(100)
  })
})

describe('in a topic with LogAppendTime', () => {
  test.each(CODECS)(
    'batches with %s get the time of the broker, and nothing else',
    async (codec) => {
      const topic = `append-time-${codec}`
      await cluster.createTopic(topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
      const beforeMs = Date.now()
      await produceByKcat(topic, codec)
      const afterMs = Date.now()

      const { sent, read } = await bothEnds(topic)
      const payloads = (batches: readonly Buffer[]) => {
        return batches.map((batch) => batch.toString('hex', BATCH_HEADER_BYTES))
      }
      expect(payloads(read)).toEqual(payloads(sent))
      for (const [at, batch] of read.entries()) {
        const original = sent[at] ?? Buffer.alloc(0)
        expect(attributes(batch, 0)).toBe(attributes(original, 0) | LOG_APPEND_TIME_BIT)
        expect(maxTimestamp(batch, 0)).toBeGreaterThanOrEqual(beforeMs)
        expect(maxTimestamp(batch, 0)).toBeLessThanOrEqual(afterMs)
      }
      const { stdout } = await kcat([
        ...['-C', '-q', '-e', '-J', '-b', bootstrap, '-t', topic, '-X', 'check.crcs=true'],
      ])
      const records = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      const times = new Set(read.map((batch) => maxTimestamp(batch, 0)))
      expect(records.map(({ payload }) => payload)).toEqual(VALUES)
      for (const { tstype, ts } of records) {
        expect(tstype).toBe('logappend')
        expect(times.has(ts)).toBe(true)
      }
    },
  )
})
