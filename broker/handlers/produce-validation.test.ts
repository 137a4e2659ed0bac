import { afterEach, describe, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import {
  attributes,
  batchBytes,
  BATCH_HEADER_BYTES,
  COMPRESSION_MASK,
  compressionCodec,
  computeCrc,
  crc,
  maxTimestamp,
  setCrc,
} from '../protocol/batch-header.ts'
import { buildBatch, decodeRecords, type RecordInput } from '../protocol/build-batch.ts'
import { errorCode } from '../protocol/error-codes.ts'
import type { RecordValidation } from '../protocol/judge-batch.ts'
import { unpackRecords } from '../protocol/records.ts'
import { type TestBroker, TestCluster } from '../testing/harness.ts'
import { packBatch, withPackedRecords } from '../testing/packed-batch.ts'

const CODECS = Object.entries(compressionCodec)
const HOUR_MS = 3_600_000
const clusters: TestCluster[] = []

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.stop()
})

async function broker(validation?: RecordValidation): Promise<TestBroker> {
  const cluster = await TestCluster.start(1)
  clusters.push(cluster)
  const client = cluster.brokers[0] as TestBroker
  if (validation !== undefined) Object.assign(client.broker, { recordValidation: validation })
  return client
}

async function create(
  client: TestBroker,
  name: string,
  configs: Readonly<Record<string, string>>,
): Promise<{ errorCode: number; errorMessage: string | null }> {
  const { topics } = await client.call(apis.createTopics, 7, {
    topics: [
      {
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      },
    ],
  })
  const [answer] = topics
  if (answer === undefined) throw new Error('no answer')
  return answer
}

async function produce(client: TestBroker, topic: string, records: Buffer, version = 9) {
  const { responses } = await client.call(apis.produce, version, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
  })
  const [outcome] = responses[0]?.partitionResponses ?? []
  if (outcome === undefined) throw new Error('no answer')
  const named = Object.entries(errorCode).find(([, code]) => code === outcome.errorCode)?.[0]
  const indexes = outcome.recordErrors.map(({ batchIndex }) => batchIndex)
  return { ...outcome, error: named, indexes }
}

async function fetched(client: TestBroker, topic: string): Promise<Buffer> {
  const { responses } = await client.call(apis.fetch, 12, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 10_000_000,
    topics: [
      { topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000_000 }] },
    ],
    forgottenTopicsData: [],
  })
  return responses[0]?.partitions[0]?.records ?? Buffer.alloc(0)
}

function record(value: string, more: Partial<RecordInput> = {}): RecordInput {
  return { key: Buffer.from('k'), value: Buffer.from(value), timestamp: Date.now(), ...more }
}

describe('records that their topic does not take are named, whatever they are packed with', () => {
  test.each(CODECS)('%s: without a key, in a compacted topic', async (_name, codec) => {
    const client = await broker('headers')
    await create(client, 't', { 'cleanup.policy': 'delete,compact' })
    const mixed = [record('a'), record('b', { key: null }), record('c'), record('d', { key: null })]
    const batch = packBatch(buildBatch(mixed), codec)
    expect(await produce(client, 't', batch)).toMatchObject({
      error: 'INVALID_RECORD',
      indexes: [1, 3],
      baseOffset: -1,
    })
    // Before version 8 there was no place for them (KIP-467).
    expect(await produce(client, 't', batch, 7)).toMatchObject({ error: 'INVALID_RECORD' })
    const keyed = packBatch(buildBatch([record('a'), record('c')]), codec)
    expect(await produce(client, 't', keyed)).toMatchObject({ error: 'NONE', baseOffset: 0 })
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test.each(CODECS)('%s: of a time too far ahead, or behind', async (_name, codec) => {
    const client = await broker('headers')
    await create(client, 't', {})
    await create(client, 'recent', { 'message.timestamp.before.max.ms': String(HOUR_MS) })
    await create(client, 'stamped', { 'message.timestamp.type': 'LogAppendTime' })
    const nowMs = Date.now()
    const ahead = [record('a'), record('b', { timestamp: nowMs + 2 * HOUR_MS })]
    const behind = [record('a', { timestamp: nowMs - 2 * HOUR_MS }), record('b')]
    const send = (topic: string, records: RecordInput[]) =>
      produce(client, topic, packBatch(buildBatch(records), codec))
    const refused = { error: 'INVALID_TIMESTAMP', logAppendTimeMs: -1 }
    expect(await send('t', ahead)).toMatchObject({ ...refused, indexes: [1] })
    expect(await send('t', behind)).toMatchObject({ error: 'NONE' })
    expect(await send('recent', behind)).toMatchObject({ ...refused, indexes: [0] })
    const answer = await send('stamped', ahead)
    expect(answer.error).toBe('NONE')
    expect(answer.logAppendTimeMs).toBeGreaterThanOrEqual(nowMs)
    expect(maxTimestamp(await fetched(client, 'stamped'))).toBe(answer.logAppendTimeMs)
  })
})

describe('a header that does not tell the truth of its records', () => {
  /** Of two records; says that there are so many, and that the latest is of that time. */
  function lying(count: number, latest: number): Buffer {
    const value = 'of some length'
    const batch = buildBatch([record(value, { timestamp: 7 }), record(value, { timestamp: 9 })])
    batch.writeInt32BE(count - 1, 23)
    batch.writeInt32BE(count, 57)
    batch.writeBigInt64BE(BigInt(latest), 35)
    setCrc(batch, 0)
    return batch
  }

  test.each([
    ['headers', compressionCodec.none, 'NONE'],
    ['uncompressed', compressionCodec.none, 'INVALID_RECORD'],
    ['uncompressed', compressionCodec.zstd, 'NONE'],
    ['full', compressionCodec.zstd, 'INVALID_RECORD'],
  ] as const)('with %s and codec %s its count is answered with %s', async (depth, codec, error) => {
    const client = await broker(depth)
    await create(client, 't', {})
    expect(await produce(client, 't', packBatch(lying(3, 9), codec))).toMatchObject({ error })
  })

  test.each(CODECS)('%s: its latest time is put right where it is looked at', async (_, codec) => {
    const client = await broker('full')
    await create(client, 't', {})
    for (const latest of [5, 8, 100, Date.now() + 2 * HOUR_MS]) {
      const answer = await produce(client, 't', packBatch(lying(2, latest), codec))
      expect(answer.error).toBe('NONE')
    }
    const bytes = await fetched(client, 't')
    let count = 0
    for (let position = 0; position < bytes.length; position += batchBytes(bytes, position)) {
      count++
      expect(maxTimestamp(bytes, position)).toBe(9)
      expect(computeCrc(bytes, position)).toBe(crc(bytes, position))
    }
    expect(count).toBe(4)
  })
})

describe('compression.type', () => {
  const types = CODECS.map(([name, codec]) => [name === 'none' ? 'uncompressed' : name, codec])
  test.each(types)('%s: batches are stored in it, however they came', async (type, codec) => {
    const client = await broker()
    await create(client, 't', { 'compression.type': String(type) })
    const values: string[] = []
    for (const [name, sentCodec] of CODECS) {
      const value = `${name} `.repeat(200)
      values.push(value)
      const batch = packBatch(buildBatch([record(value)]), sentCodec)
      expect(await produce(client, 't', batch)).toMatchObject({ error: 'NONE' })
    }
    const bytes = await fetched(client, 't')
    const found: string[] = []
    for (let position = 0; position < bytes.length; position += batchBytes(bytes, position)) {
      expect(attributes(bytes, position) & COMPRESSION_MASK).toBe(codec)
      const header = bytes.subarray(position, position + BATCH_HEADER_BYTES)
      const plain = withPackedRecords(header, 0, await unpackRecords(bytes, position))
      plain.writeInt16BE(0, 21)
      found.push(...decodeRecords(plain).map(({ value }) => String(value)))
    }
    expect(found).toEqual(values)
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test('what is too large once it is packed so is refused', async () => {
    const client = await broker()
    await create(client, 't', { 'compression.type': 'uncompressed', 'max.message.bytes': '1000' })
    const batch = packBatch(buildBatch([record('a'.repeat(2_000))]), compressionCodec.gzip)
    expect(batch.length).toBeLessThan(1_000)
    expect(await produce(client, 't', batch)).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test('with a level of lz4 that cannot be written, is refused with the reason', async () => {
    const client = await broker()
    const strong = { 'compression.type': 'lz4', 'compression.lz4.level': '12' }
    const { errorCode: code, errorMessage } = await create(client, 't', strong)
    expect(code).toBe(errorCode.INVALID_CONFIG)
    expect(errorMessage).toContain('compression.lz4.level')
    expect(await create(client, 't', { ...strong, 'compression.type': 'zstd' })).toMatchObject({
      errorCode: 0,
    })
  })
})

test('a batch that would unpack to very much is too large, and takes no memory for long', async () => {
  const client = await broker('full')
  await create(client, 't', {})
  const zeros = Buffer.alloc(16 * 1024 * 1024)
  const bomb = packBatch(buildBatch([{ ...record(''), value: zeros }]), compressionCodec.zstd)
  expect(bomb.length).toBeLessThan(4_096)
  expect(await produce(client, 't', bomb)).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
  expect(client.broker.pool.bytesInUse).toBe(0)
})
