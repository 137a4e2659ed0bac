import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { buildBatch, compressionCodec } from '../protocol/record-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'
import { packBatch, withPackedRecords } from '../testing/packed-batch.ts'

const MEBIBYTE = 1024 * 1024

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start()
  client = cluster.brokers[0] as TestBroker
})
afterAll(() => cluster.stop())

interface Place {
  readonly offset: number
  readonly timestamp: number
  readonly leaderEpoch: number
  readonly errorCode: number
}

async function offsetAt(topic: string, timestamp: number, version = 11): Promise<Place> {
  const { topics } = await client.call(apis.listOffsets, version, {
    replicaId: -1,
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  return topics[0]?.partitions[0] as Place
}

/** A batch of records with these time stamps. */
function batchOf(timestamps: readonly number[], codec = 0): Buffer {
  const records = timestamps.map((timestamp) => {
    return { key: null, value: Buffer.from(`at ${timestamp}`), timestamp }
  })
  return packBatch(buildBatch(records), codec)
}

/** Readers at the tail keep new data in memory; without any it is read back from the store. */
async function readTail(topic: string): Promise<void> {
  await client.call(apis.fetch, 11, {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }],
  })
}

function isInMemory(topic: string): boolean {
  const { node } = client.broker
  return !node.partitions.get(node.image.topicIds.get(topic) ?? '', 0)?.cached.isEmpty
}

const NOWHERE = { offset: -1, timestamp: -1, leaderEpoch: -1, errorCode: 0 }
const TIME_MAX = 30

const logs = fc.array(
  fc.record({
    timestamps: fc.array(fc.nat(TIME_MAX), { minLength: 1, maxLength: 6 }),
    codec: fc.constantFrom(...Object.values(compressionCodec)),
  }),
  { minLength: 1, maxLength: 6 },
)

describe.each(['memory', 'the store'])('in data read from %s', (place) => {
  test('every time finds the first record since then, as one look at all records would', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(logs, async (batches) => {
        const topic = `log-${place.length}-${count++}`
        await createTopic(client, topic)
        if (place === 'memory') await readTail(topic)
        for (const { timestamps, codec } of batches) {
          expect((await produce(client, topic, 0, batchOf(timestamps, codec))).errorCode).toBe(0)
        }
        expect(isInMemory(topic)).toBe(place === 'memory')
        const all = batches.flatMap(({ timestamps }) => timestamps)
        for (let time = 0; time <= TIME_MAX + 1; time++) {
          const offset = all.findIndex((timestamp) => timestamp >= time)
          const expected = { offset, timestamp: all[offset], leaderEpoch: 0, errorCode: 0 }
          expect(await offsetAt(topic, time)).toMatchObject(offset < 0 ? NOWHERE : expected)
        }
        const newest = Math.max(...all)
        const expected = { offset: all.indexOf(newest), timestamp: newest, errorCode: 0 }
        expect(await offsetAt(topic, -3)).toMatchObject(expected)
      }),
      { numRuns: 12 },
    )
  })
})

test('the ends of a log are told by every version', async () => {
  await createTopic(client, 'ends')
  await produce(client, 'ends', 0, batchOf([5, 6, 7]))
  for (let version = 1; version <= 11; version++) {
    expect(await offsetAt('ends', -1, version)).toMatchObject({ offset: 3, timestamp: -1 })
    expect(await offsetAt('ends', -2, version)).toMatchObject({ offset: 0, timestamp: -1 })
  }
  expect(await offsetAt('ends', -1)).toMatchObject({ leaderEpoch: 0 })
  expect(await offsetAt('ends', -4)).toMatchObject({ offset: 0, leaderEpoch: 0 })
})

test('an empty log has ends, but no record of any time', async () => {
  await createTopic(client, 'empty')
  expect(await offsetAt('empty', -1)).toMatchObject({ offset: 0, leaderEpoch: 0 })
  expect(await offsetAt('empty', -2)).toMatchObject({ offset: 0, leaderEpoch: 0 })
  expect(await offsetAt('empty', -3)).toMatchObject(NOWHERE)
  expect(await offsetAt('empty', 0)).toMatchObject(NOWHERE)
  expect(await offsetAt('empty', Number.POSITIVE_INFINITY)).toMatchObject(NOWHERE)
})

test('tiers have no offsets, and a version has only the special times it knows', async () => {
  await createTopic(client, 'special')
  expect(await offsetAt('special', -5)).toMatchObject(NOWHERE)
  expect(await offsetAt('special', -6)).toMatchObject(NOWHERE)
  const from = { [-3]: 7, [-4]: 8, [-5]: 9, [-6]: 11 }
  for (const [time, first] of Object.entries(from)) {
    const earlier = await offsetAt('special', Number(time), first - 1)
    expect(earlier.errorCode).toBe(errorCode.UNSUPPORTED_VERSION)
    expect((await offsetAt('special', Number(time), first)).errorCode).toBe(0)
  }
  expect((await offsetAt('special', -7)).errorCode).toBe(errorCode.UNSUPPORTED_VERSION)
})

test('what is not there, and what is asked for twice, is refused', async () => {
  await createTopic(client, 'known')
  const partition = (partitionIndex: number) => ({ partitionIndex, timestamp: -1 })
  const { topics } = await client.call(apis.listOffsets, 11, {
    replicaId: -1,
    topics: [
      { name: 'unknown', partitions: [partition(0)] },
      { name: 'known', partitions: [partition(1), partition(0), partition(0)] },
    ],
  })
  const codes = topics.map(({ partitions }) => partitions.map(({ errorCode: code }) => code))
  const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST } = errorCode
  expect(codes).toEqual([
    [UNKNOWN_TOPIC_OR_PARTITION],
    [UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST, INVALID_REQUEST],
  ])
})

test('a client with another leader epoch is told so', async () => {
  await createTopic(client, 'epochs')
  const { topics } = await client.call(apis.listOffsets, 11, {
    replicaId: -1,
    topics: [
      {
        name: 'epochs',
        partitions: [{ partitionIndex: 0, currentLeaderEpoch: 5, timestamp: -1 }],
      },
    ],
  })
  expect(topics[0]?.partitions[0]?.errorCode).toBe(errorCode.UNKNOWN_LEADER_EPOCH)
})

test('a batch that nobody can unpack is answered with its start, and hides no other', async () => {
  await createTopic(client, 'poisoned')
  const poison = withPackedRecords(batchOf([10, 20]), compressionCodec.gzip, Buffer.from('none'))
  await produce(client, 'poisoned', 0, batchOf([1, 2]))
  await produce(client, 'poisoned', 0, poison)
  await produce(client, 'poisoned', 0, batchOf([30]))
  expect(await offsetAt('poisoned', 2)).toMatchObject({ offset: 1, timestamp: 2 })
  expect(await offsetAt('poisoned', 15)).toMatchObject({ offset: 2, timestamp: 20 })
  expect(await offsetAt('poisoned', 21)).toMatchObject({ offset: 4, timestamp: 30 })
})

/** A batch of one record, by its header, whose records are `bytes` zeros. */
function bombOf(timestamp: number, bytes: number): Buffer {
  const { zstd } = compressionCodec
  return withPackedRecords(batchOf([timestamp]), zstd, zstdCompressSync(Buffer.alloc(bytes)))
}

test('batches that would unpack to far too much are stored, but no search unpacks them', async () => {
  const count = 24
  const bomb = bombOf(10, 60 * MEBIBYTE)
  expect(bomb.length).toBeLessThan(8_192)
  const topics = Array.from({ length: count }, (_, index) => `bombed-${index}`)
  for (const topic of topics) {
    await createTopic(client, topic)
    await produce(client, topic, 0, batchOf([1]))
    expect((await produce(client, topic, 0, bomb)).errorCode).toBe(0)
    await produce(client, topic, 0, batchOf([30], compressionCodec.zstd))
  }
  const before = process.memoryUsage().arrayBuffers
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers)
  }, 1)
  const found = await Promise.all(topics.map((topic) => offsetAt(topic, 5)))
  clearInterval(timer)
  for (const each of found) expect(each).toMatchObject({ offset: 1, timestamp: 10, errorCode: 0 })
  // Four at once, of 8 MiB each, which the unpacker has in pieces and as a whole.
  expect(most - before).toBeLessThan(count * 8 * MEBIBYTE)
  expect(await offsetAt(topics[0] as string, 11)).toMatchObject({ offset: 2, timestamp: 30 })
})

test('records that the broker stamped are found by the time of their append', async () => {
  await client.call(apis.createTopics, 7, {
    topics: [
      {
        name: 'stamped',
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [{ name: 'message.timestamp.type', value: 'LogAppendTime' }],
      },
    ],
  })
  const before = client.broker.clock.wallMs()
  await produce(client, 'stamped', 0, batchOf([1, 2, 3], compressionCodec.lz4))
  const found = await offsetAt('stamped', before)
  expect(found.offset).toBe(0)
  expect(found.timestamp).toBeGreaterThanOrEqual(before)
  expect(await offsetAt('stamped', found.timestamp + 1)).toMatchObject(NOWHERE)
})
