import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Producer, type CompressionAlgorithmValue } from '@platformatic/kafka'
import { attributes, COMPRESSION_MASK } from '../broker/protocol/record-batch.ts'
import { Cluster } from './lib/cluster.ts'
import { fetchBatches } from './lib/fetch.ts'
import { FETCH_MS_MAX, fetchKafkaTools, kafkaTool } from './lib/kafka-tools.ts'
import { kcat, readTopic } from './lib/kcat.ts'
import { allowOneRetry } from './lib/retries.ts'

allowOneRetry()

/** By their numbers in a batch's attributes. */
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const DAY_MS = 86_400_000
const VALUES = Array.from({ length: 300 }, (_, index) => `value ${index} `.padEnd(400, 'abc'))

let cluster: Cluster
let bootstrap: string

beforeAll(async () => {
  await fetchKafkaTools()
  cluster = await Cluster.start(1)
  bootstrap = cluster.running[0]?.bootstrap ?? ''
}, FETCH_MS_MAX)
afterAll(() => cluster.close())

interface Message {
  readonly key?: string
  readonly timestamp?: bigint
}

/** What becomes of one batch of these, sent by a client in this process: the error's text, or ''. */
async function send(
  topic: string,
  messages: readonly Message[],
  compression: (typeof CODECS)[number],
): Promise<string> {
  const producer = new Producer({
    clientId: 'validation',
    bootstrapBrokers: [bootstrap],
    retries: 0,
  })
  try {
    await producer.send({
      messages: messages.map(({ key, timestamp }) => ({
        topic,
        partition: 0,
        value: Buffer.from('value'),
        ...(key === undefined ? {} : { key: Buffer.from(key) }),
        ...(timestamp === undefined ? {} : { timestamp }),
      })),
      compression: compression as CompressionAlgorithmValue,
    })
    return ''
  } catch (error) {
    return describeError(error)
  } finally {
    await producer.close()
  }
}

function describeError(error: unknown): string {
  const { message, errors = [] } = error as Error & { errors?: readonly unknown[] }
  const ids = Object.values(error as object).filter((each) => typeof each === 'string')
  return [message, ...ids, ...errors.map(describeError)].join(' ')
}

describe.each(CODECS)('a client that packs with %s', (codec) => {
  test('is told of records without keys in a compacted topic', async () => {
    const topic = `compact-${codec}`
    await cluster.createTopic(topic, 1, { 'cleanup.policy': 'compact' })
    expect(await send(topic, [{ key: 'a' }, { key: 'b' }], codec)).toBe('')
    expect(await send(topic, [{ key: 'a' }, {}], codec)).toMatch(/INVALID_RECORD/)
    expect(await readTopic([bootstrap], topic)).toHaveLength(2)
  })

  test('is told of records from the future', async () => {
    const topic = `future-${codec}`
    await cluster.createTopic(topic, 1)
    const nowMs = Date.now()
    const late = [{ timestamp: BigInt(nowMs + DAY_MS) }]
    expect(await send(topic, late, codec)).toMatch(/INVALID_TIMESTAMP/)
    expect(await send(topic, [{ timestamp: BigInt(nowMs - DAY_MS) }], codec)).toBe('')
    expect(await readTopic([bootstrap], topic)).toHaveLength(1)
  })
})

test("Kafka's own producer is told which records have no key", async () => {
  await cluster.createTopic('compact-java', 1, { 'cleanup.policy': 'compact' })
  const output = await kafkaTool('VerifiableProducer', [
    ...['--bootstrap-server', bootstrap, '--topic', 'compact-java', '--max-messages', '3'],
  ])
  const errors = output.split('\n').filter((line) => line.includes('producer_send_error'))
  expect(errors).toHaveLength(3)
  for (const line of errors) expect(line).toContain('InvalidRecordException')
  expect(await readTopic([bootstrap], 'compact-java')).toEqual([])
})

describe('in a topic with a compression.type', () => {
  test.each(CODECS)('%s, what other clients packed otherwise is read by all', async (codec) => {
    const topic = `packed-${codec}`
    const type = codec === 'none' ? 'uncompressed' : codec
    await cluster.createTopic(topic, 1, { 'compression.type': type })
    const expected: string[] = []
    for (const sent of CODECS) {
      const args = ['-P', '-b', bootstrap, '-t', topic, '-p', '0', '-z', sent]
      expect(await kcat(args, `${VALUES.join('\n')}\n`)).toMatchObject({ code: 0 })
      expected.push(...VALUES)
    }
    const batches = await fetchBatches(cluster.running[0]?.ports.kafka ?? 0, topic, 0)
    expect(batches.length).toBeGreaterThanOrEqual(CODECS.length)
    for (const batch of batches) {
      expect(CODECS[attributes(batch, 0) & COMPRESSION_MASK]).toBe(codec)
    }
    const read = await readTopic([bootstrap], topic)
    expect(read.map(({ value }) => value)).toEqual(expected)
    expect(read.map(({ offset }) => offset)).toEqual(expected.map((_, offset) => offset))
    const consumed = await kafkaTool('ConsumerPerformance', [
      ...['--bootstrap-server', bootstrap, '--topic', topic],
      ...['--num-records', String(expected.length), '--hide-header'],
    ])
    expect(consumed).toContain(` ${expected.length},`)
  })
})
