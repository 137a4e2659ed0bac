import { afterEach, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { StoreError } from '../../object-store/store.ts'
import { apis } from '../protocol/api-keys.ts'
import { buildBatch } from '../protocol/build-batch.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const clusters: TestCluster[] = []

afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.stop()
})

async function cluster(): Promise<{ cluster: TestCluster; client: TestBroker }> {
  const made = await TestCluster.start()
  clusters.push(made)
  const [client] = made.brokers
  if (client === undefined) throw new Error('no broker')
  await createTopic(client, 't')
  return { cluster: made, client }
}

function batch(value: string): Buffer {
  return buildBatch([{ key: null, value: Buffer.from(value), timestamp: 1 }])
}

interface Wish {
  readonly offset: number
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly partition?: number
}

async function fetch(client: TestBroker, wish: Wish) {
  const { offset: fetchOffset, maxWaitMs = 0, minBytes = 1, partition = 0 } = wish
  const response = await client.call(apis.fetch, 12, {
    maxWaitMs,
    minBytes,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    topics: [
      { topic: 't', partitions: [{ partition, fetchOffset, partitionMaxBytes: 1_000_000 }] },
    ],
    forgottenTopicsData: [],
  })
  const answer = response.responses[0]?.partitions[0]
  if (answer === undefined) throw new Error('the fetch response says nothing')
  return answer
}

describe('offsets out of range', () => {
  test('are told by an owner that has read the head of the metadata log', async () => {
    const { client } = await cluster()
    await produce(client, 't', 0, batch('a'))
    expect((await fetch(client, { offset: 5 })).errorCode).toBe(errorCode.OFFSET_OUT_OF_RANGE)
    expect((await fetch(client, { offset: 1 })).errorCode).toBe(0)
  })

  test('are not told by one that cannot: it may be an owner of yesterday, and consumers would begin anew', async () => {
    const { cluster: made, client } = await cluster()
    await produce(client, 't', 0, batch('a'))
    const { get, list } = made.store
    made.store.get = async (key, range) => {
      if (key.startsWith('meta/')) throw new StoreError('denied', key, 'no')
      return get(key, range)
    }
    made.store.list = async (options) => {
      if (options.prefix.startsWith('meta/')) throw new StoreError('denied', options.prefix, 'no')
      return list(options)
    }
    const { errorCode: code } = await fetch(client, { offset: 5 })
    expect(code).toBe(errorCode.NOT_LEADER_OR_FOLLOWER)
    // What it knows to have it still gives.
    expect((await fetch(client, { offset: 0 })).records?.length).toBeGreaterThan(0)
    Object.assign(made.store, { get, list })
  })
})

describe('waiting', () => {
  test('ends with the first data, or when time is up; and leaves no watcher behind', async () => {
    const { client } = await cluster()
    const waiting = fetch(client, { offset: 0, maxWaitMs: 20_000 })
    await sleep(systemClock, 30)
    await produce(client, 't', 0, batch('a'))
    expect((await waiting).records?.length).toBeGreaterThan(0)
    const empty = await fetch(client, { offset: 1, maxWaitMs: 50 })
    expect([empty.errorCode, empty.records?.length ?? 0]).toEqual([0, 0])
    const topicId = client.broker.node.image.topicIds.get('t') ?? ''
    expect(client.broker.node.partitions.get(topicId, 0)?.watcherCount).toBe(0)
  })

  test('ends when the client is gone, however long it wanted to wait', async () => {
    const { client } = await cluster()
    const topicId = client.broker.node.image.topicIds.get('t') ?? ''
    const partition = client.broker.node.partitions.get(topicId, 0)
    const { close } = client.hangingCall(apis.fetch, 12, {
      maxWaitMs: 1_000_000,
      minBytes: 1,
      maxBytes: 1_000_000,
      isolationLevel: 0,
      topics: [
        { topic: 't', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] },
      ],
      forgottenTopicsData: [],
    })
    await sleep(systemClock, 20)
    expect(partition?.watcherCount).toBe(1)
    close()
    await sleep(systemClock, 20)
    expect(partition?.watcherCount).toBe(0)
    expect(client.broker.pool.bytesInUse).toBe(0)
  })

  test('waits for as much as it wants, over several runs', async () => {
    const { client } = await cluster()
    const waiting = fetch(client, { offset: 0, maxWaitMs: 20_000, minBytes: 200 })
    for (const value of ['a', 'b', 'c', 'd']) await produce(client, 't', 0, batch(value))
    expect((await waiting).records?.length).toBeGreaterThanOrEqual(200)
  })
})
