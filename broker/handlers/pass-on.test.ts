import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { coordinatorOf, TestMember } from '../testing/group-member.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { passedOnCall } from './pass-on.ts'

let cluster: TestCluster

beforeAll(async () => {
  const config = {
    'group.initial.rebalance.delay.ms': '50',
    'offsets.topic.num.partitions': '4',
  }
  cluster = await TestCluster.start(3, config)
  await createTopic(cluster.brokers[0] as TestBroker, 'topic')
  await coordinatorOf(cluster, 'any')
  // What one broker made, the others hear of a little later: the topic, and that of offsets.
  await Promise.all(cluster.brokers.map(({ broker }) => broker.node.log.catchUp()))
})
afterAll(() => cluster.stop())

/** Brokers that do not coordinate the group. */
async function othersThanFor(groupId: string): Promise<[TestBroker, TestBroker]> {
  const coordinator = await coordinatorOf(cluster, groupId)
  return cluster.brokers.filter((each) => each !== coordinator) as [TestBroker, TestBroker]
}

/** Sets a group's offset, as who is no member of it. */
async function commitAt(broker: TestBroker, groupId: string, offset: number): Promise<string> {
  const { topics } = await broker.call(apis.offsetCommit, 8, {
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [
      {
        name: 'topic',
        partitions: [
          {
            partitionIndex: 0,
            committedOffset: offset,
            committedLeaderEpoch: -1,
            committedMetadata: '',
          },
        ],
      },
    ],
  })
  return errorName(topics[0]?.partitions[0]?.errorCode ?? -1)
}

async function commit(groupId: string, offset: number): Promise<void> {
  expect(await new TestMember(cluster, { groupId }).commit('topic', 0, offset)).toBe('NONE')
}

/** How often brokers asked each other about groups. */
function callsOf({ calls }: TestCluster): number {
  return calls.filter((method) => method === 'group').length
}

const ALL_OF_TOPIC = { name: 'topic', partitionIndexes: [0] }

describe('a broker that does not coordinate a group', () => {
  test.each([1, 2, 7, 8, 9])('tells its offsets, OffsetFetch v%d', async (version) => {
    const groupId = `offsets-${version}`
    const [one] = await othersThanFor(groupId)
    await commit(groupId, 40 + version)
    const topics = [ALL_OF_TOPIC]
    const asked = { groupId, topics, groups: [{ groupId, topics }], requireStable: true }
    const answer = await one.call(apis.offsetFetch, version, asked)
    const [found] = version < 8 ? answer.topics : (answer.groups[0]?.topics ?? [])
    expect(found?.partitions[0]).toMatchObject({ committedOffset: 40 + version, errorCode: 0 })
  })

  test('describes it and others, each by its coordinator, and deletes them', async () => {
    const groups = Array.from({ length: 12 }, (_, at) => `many-${at}`)
    const [any] = cluster.brokers as [TestBroker]
    for (const groupId of groups) await commit(groupId, 1)
    const asked = { groups: [...groups, 'missing'], includeAuthorizedOperations: true }
    const described = await any.call(apis.describeGroups, 6, asked)
    expect(described.groups.map(({ groupId }) => groupId)).toEqual(asked.groups)
    expect(new Set(described.groups.slice(0, 12).map(({ groupState }) => groupState))).toEqual(
      new Set(['Empty']),
    )
    expect(described.groups[0]?.authorizedOperations).toBeGreaterThan(0)
    expect(errorName(described.groups[12]?.errorCode ?? 0)).toBe('GROUP_ID_NOT_FOUND')
    const deleted = await any.call(apis.deleteGroups, 2, { groupsNames: [...groups, 'missing'] })
    const outcomes = deleted.results.map(({ errorCode }) => errorName(errorCode))
    expect(outcomes).toEqual([...groups.map(() => 'NONE'), 'GROUP_ID_NOT_FOUND'])
  })

  test('deletes its offsets, and says what keeps them', async () => {
    const groupId = 'deleted-offsets'
    const [one] = await othersThanFor(groupId)
    const remove = async (): Promise<string> => {
      const topics = [{ name: 'topic', partitions: [{ partitionIndex: 0 }] }]
      const { errorCode, topics: told } = await one.call(apis.offsetDelete, 0, { groupId, topics })
      return errorName(errorCode || (told[0]?.partitions[0]?.errorCode ?? -1))
    }
    expect(await remove()).toBe('GROUP_ID_NOT_FOUND')
    await commit(groupId, 3)
    expect(await remove()).toBe('NONE')
    const member = new TestMember(cluster, { groupId })
    await member.enter()
    expect(await remove()).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
  })

  test('answers each of the same groups as it was asked, with one call to each coordinator', async () => {
    const groups = Array.from({ length: 12 }, (_, at) => `mixed-${at}`)
    for (const [at, groupId] of groups.entries()) await commit(groupId, at)
    const [any] = cluster.brokers as [TestBroker]
    const before = callsOf(cluster)
    const none = { name: 'topic', partitionIndexes: [7] }
    const asked = groups.flatMap((groupId) => [
      { groupId, topics: [ALL_OF_TOPIC] },
      { groupId, topics: [none] },
    ])
    const answer = await any.call(apis.offsetFetch, 8, { groups: asked, requireStable: false })
    const offsets = answer.groups.map(({ topics }) => topics[0]?.partitions[0]?.committedOffset)
    expect(offsets).toEqual(groups.flatMap((_, at) => [at, -1]))
    expect(callsOf(cluster) - before).toBe(2)
  })

  test('takes no commits for it: one client has them done in its order', async () => {
    const [one] = await othersThanFor('commits')
    expect(await commitAt(one, 'commits', 1)).toBe('NOT_COORDINATOR')
  })
})

describe('what is passed on', () => {
  let count = 0
  const call = (
    key: number,
    version: number,
    body: Buffer = Buffer.alloc(0),
    sentMs = Date.now(),
  ): Buffer => {
    return passedOnCall({ key, version, sentMs, nonce: Buffer.alloc(16, ++count) }, body)
  }
  /** DeleteGroups v1: an array of one string. */
  const deletion = (groupId: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 0, 1, 0, groupId.length]), Buffer.from(groupId)])
  const refused = async (broker: TestBroker, bytes: Buffer): Promise<string> =>
    broker.answerCall('group', bytes).then(
      () => 'answered',
      (error: Error) => error.message,
    )

  test('is not passed on again', async () => {
    const groupId = 'round-and-round'
    const [one] = await othersThanFor(groupId)
    const reply = await one.answerCall('group', call(apis.deleteGroups.key, 1, deletion(groupId)))
    expect(errorName(reply.readInt16BE(reply.length - 2))).toBe('NOT_COORDINATOR')
  })

  test('is nothing but questions about groups, of a known version, whole', async () => {
    const [one] = cluster.brokers as [TestBroker]
    expect(await refused(one, call(apis.deleteTopics.key, 6))).toMatch('not known here: API 20 v6')
    expect(await refused(one, call(apis.heartbeat.key, 4))).toMatch('not known here: API 12 v4')
    expect(await refused(one, call(apis.deleteGroups.key, 99))).toMatch('not known here: API 42')
    expect(await refused(one, call(apis.deleteGroups.key, 1))).not.toBe('answered')
    expect(await refused(one, Buffer.alloc(3))).not.toBe('answered')
  })

  test('is done once, and not long after it was sent: whoever recorded it cannot have it again', async () => {
    const [one] = cluster.brokers as [TestBroker]
    const recorded = call(apis.deleteGroups.key, 1, deletion('recorded'))
    expect(await refused(one, recorded)).toBe('answered')
    expect(await refused(one, recorded)).toMatch('sent before')
    const old = call(apis.deleteGroups.key, 1, deletion('recorded'), Date.now() - 60_000)
    expect(await refused(one, old)).toMatch('long ago')
  })
})

test('a coordinator that is gone is not there, as its successor is not yet', async () => {
  const alone = await TestCluster.start(2, { 'offsets.topic.num.partitions': '4' })
  try {
    const groupId = 'orphaned'
    const coordinator = await coordinatorOf(alone, groupId)
    const other = alone.brokers.find((each) => each !== coordinator) as TestBroker
    await createTopic(other, 'topic')
    coordinator.broker.node.abort('a test ends it')
    const { groups } = await other.call(apis.describeGroups, 5, {
      groups: [groupId],
      includeAuthorizedOperations: false,
    })
    expect(errorName(groups[0]?.errorCode ?? 0)).toBe('NOT_COORDINATOR')
  } finally {
    alone.stop()
  }
})
