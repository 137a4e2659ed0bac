import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { ownershipOf } from '../../metadata/image.ts'
import type { Ownership } from '../../metadata/records.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const WAIT_MS_MAX = 10_000

let cluster: TestCluster
let client: TestBroker
let ids: [number, number, number]

beforeAll(async () => {
  cluster = await TestCluster.start(3)
  client = cluster.brokers[0] as TestBroker
  ids = cluster.brokers.map(({ nodeId }) => nodeId) as [number, number, number]
})
afterAll(() => cluster.stop())

type Wish = readonly [index: number, replicas: readonly number[] | null]

async function reassign(topic: string, wishes: readonly Wish[], timeoutMs = WAIT_MS_MAX) {
  const partitions = wishes.map(([partitionIndex, replicas]) => ({ partitionIndex, replicas }))
  const response = await client.call(apis.alterPartitionReassignments, 1, {
    timeoutMs,
    topics: [{ name: topic, partitions }],
  })
  expect(errorName(response.errorCode)).toBe('NONE')
  return response.responses[0]?.partitions.map(({ errorCode }) => errorName(errorCode))
}

async function listed(topics: { name: string; partitionIndexes: number[] }[] | null = null) {
  return (await client.call(apis.listPartitionReassignments, 0, { topics })).topics
}

function ownership(topic: string, index: number): Ownership {
  const { image } = client.broker.node
  const found = ownershipOf(image, image.topicIds.get(topic) ?? '', index)
  if (found === undefined) throw new Error(`there is no partition ${topic}-${index}`)
  return found
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (!(await condition())) {
    if (systemClock.nowMs() > endMs) throw new Error('it does not come true')
    await sleep(systemClock, 10)
  }
}

const isSettled = (topic: string, index: number) => () => {
  const { nodeId, leaderEpoch, from } = ownership(topic, index)
  const topicId = client.broker.node.image.topicIds.get(topic) ?? ''
  const partition = cluster.byId(nodeId).broker.node.partitions.get(topicId, index)
  return from.length === 0 && partition?.leaderEpoch === leaderEpoch && partition.phase === 'open'
}

const oneRecord = () => buildBatch([{ key: null, value: Buffer.from('x'), timestamp: 7 }])

describe('reassigning', () => {
  test('the first broker of the list becomes the owner, with all that was written', async () => {
    const [one, two, three] = ids
    await createTopic(client, 'moved', [one, one])
    await produce(client, 'moved', 0, oneRecord())
    expect(
      await reassign('moved', [
        [0, [two]],
        [1, [three, one]],
      ]),
    ).toEqual(['NONE', 'NONE'])
    expect(ownership('moved', 0)).toMatchObject({ nodeId: two, leaderEpoch: 1 })
    expect(ownership('moved', 1)).toMatchObject({ nodeId: three, leaderEpoch: 1 })
    await until(isSettled('moved', 0))
    expect((await produce(cluster.byId(two), 'moved', 0, oneRecord())).baseOffset).toBe(1)
  })

  test('all partitions of a request go into one batch of the metadata log', async () => {
    const [one, two, three] = ids
    await createTopic(client, 'many', [one, two, three])
    const isQuiet = () => [0, 1, 2].every((index) => isSettled('many', index)())
    await until(isQuiet)
    const seqs = new Set<number>()
    const end = client.broker.node.log.onApplied(({ seq, records }) => {
      for (const { type } of records) if (type === 'ownership') seqs.add(seq)
    })
    await reassign('many', [
      [0, [two]],
      [1, [three]],
      [2, [one]],
    ])
    end()
    expect(seqs.size).toBe(1)
  })

  test('nothing changes for the owner itself, or when the wish is no good', async () => {
    const [one] = ids
    await createTopic(client, 'stays', [one])
    const wishes: (readonly number[] | null)[] = [[one], [], [one, one], [4711], null]
    const errors = []
    for (const wish of wishes) errors.push(...((await reassign('stays', [[0, wish]])) ?? []))
    expect(errors).toEqual([
      'NONE',
      ...Array(3).fill('INVALID_REPLICA_ASSIGNMENT'),
      'NO_REASSIGNMENT_IN_PROGRESS',
    ])
    expect(await reassign('stays', [[1, [one]]])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
    expect(await reassign('nowhere', [[0, [one]]])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
    expect(ownership('stays', 0)).toMatchObject({ nodeId: one, leaderEpoch: 0 })
  })

  test('two wishes for one partition are both refused', async () => {
    const [one, two, three] = ids
    await createTopic(client, 'twins', [one])
    const errors = await reassign('twins', [
      [0, [two]],
      [0, [three]],
    ])
    expect(errors).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
    expect(ownership('twins', 0).leaderEpoch).toBe(0)
  })

  test('a partition that has only just moved is waited for', async () => {
    const [one, two, three] = ids
    await createTopic(client, 'hasty', [one])
    const before = await Promise.all([
      reassign('hasty', [[0, [two]]]),
      reassign('hasty', [[0, [three]]]),
    ])
    expect(before).toEqual([['NONE'], ['NONE']])
    expect(ownership('hasty', 0)).toMatchObject({ nodeId: three, leaderEpoch: 2 })
  })

  test('but no longer than the client waits', async () => {
    const [one, two, three] = ids
    await createTopic(client, 'patient', [one])
    const [first, second] = await Promise.all([
      reassign('patient', [[0, [two]]]),
      reassign('patient', [[0, [three]]], 0),
    ])
    expect(first).toEqual(['NONE'])
    expect(second).toEqual(['REASSIGNMENT_IN_PROGRESS'])
  })
})

test('a move is listed from its decision until the new owner has a checkpoint', async () => {
  const [one, two] = ids
  await createTopic(client, 'listed', [one, one])
  const topics = [{ name: 'listed', partitionIndexes: [0, 1, 9] }]
  expect(await listed(topics)).toEqual([])
  let during: Awaited<ReturnType<typeof listed>> = []
  const end = client.broker.node.log.onApplied(({ records }) => {
    const isMove = records.some((record) => record.type === 'ownership' && record.from.length > 0)
    if (isMove) void listed(topics).then((found) => (during = found))
  })
  await reassign('listed', [[0, [two]]])
  end()
  await until(isSettled('listed', 0))
  const partition = {
    partitionIndex: 0,
    replicas: [two, one],
    addingReplicas: [two],
    removingReplicas: [one],
  }
  expect(during).toEqual([{ name: 'listed', partitions: [partition] }])
  expect(await listed(topics)).toEqual([])
  expect((await listed()).filter(({ name }) => name === 'listed')).toEqual([])
})

test('the end of an epoch is where the next one that wrote anything began', async () => {
  const [one, two, three] = ids
  await createTopic(client, 'epochs', [one])
  const write = async (count: number) => {
    const { nodeId } = ownership('epochs', 0)
    for (let at = 0; at < count; at++) {
      expect((await produce(cluster.byId(nodeId), 'epochs', 0, oneRecord())).errorCode).toBe(0)
    }
  }
  const moveTo = async (target: number) => {
    expect(await reassign('epochs', [[0, [target]]])).toEqual(['NONE'])
    await until(isSettled('epochs', 0))
  }
  await write(2)
  await moveTo(two)
  // Epoch 1 writes nothing.
  await moveTo(three)
  await write(3)
  const endOf = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
    const { topics } = await cluster.byId(three).call(apis.offsetForLeaderEpoch, 4, {
      topics: [
        { topic: 'epochs', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] },
      ],
    })
    const answer = topics[0]?.partitions[0]
    return [errorName(answer?.errorCode ?? 0), answer?.leaderEpoch, answer?.endOffset]
  }
  expect(await endOf(0)).toEqual(['NONE', 0, 2])
  expect(await endOf(1)).toEqual(['NONE', 0, 2])
  expect(await endOf(2)).toEqual(['NONE', 2, 5])
  expect(await endOf(3)).toEqual(['NONE', -1, -1])
  expect(await endOf(-1)).toEqual(['NONE', -1, -1])
  expect(await endOf(0, 1)).toEqual(['FENCED_LEADER_EPOCH', -1, -1])
  expect(await endOf(0, 3)).toEqual(['UNKNOWN_LEADER_EPOCH', -1, -1])
  const elsewhere = await client.call(apis.offsetForLeaderEpoch, 2, {
    topics: [{ topic: 'epochs', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  })
  const code = elsewhere.topics[0]?.partitions[0]?.errorCode ?? 0
  expect(errorName(code)).toBe('NOT_LEADER_OR_FOLLOWER')
})
