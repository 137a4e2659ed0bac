import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { coordinatorOf, TestMember } from '../testing/group-member.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { answerCall } from './passed-on.ts'

let cluster: TestCluster

beforeAll(async () => {
  const config = {
    'group.initial.rebalance.delay.ms': '50',
    'offsets.topic.num.partitions': '4',
  }
  cluster = await TestCluster.start(3, config)
  await createTopic(cluster.brokers[0] as TestBroker, 'topic')
})
afterAll(() => cluster.stop())

/** Brokers that do not coordinate the group. */
async function othersThanFor(groupId: string): Promise<[TestBroker, TestBroker]> {
  const coordinator = await coordinatorOf(cluster, groupId)
  return cluster.brokers.filter((each) => each !== coordinator) as [TestBroker, TestBroker]
}

async function commit(broker: TestBroker, groupId: string, offset: number): Promise<string> {
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

const ALL_OF_TOPIC = { name: 'topic', partitionIndexes: [0] }

describe('a broker that does not coordinate a group', () => {
  test.each([1, 2, 7, 8, 9])(
    'sets its offsets and tells them, OffsetFetch v%d',
    async (version) => {
      const groupId = `offsets-${version}`
      const [one, other] = await othersThanFor(groupId)
      expect(await commit(one, groupId, 40 + version)).toBe('NONE')
      const topics = [ALL_OF_TOPIC]
      const asked = { groupId, topics, groups: [{ groupId, topics }], requireStable: true }
      const answer = await other.call(apis.offsetFetch, version, asked)
      const [found] = version < 8 ? answer.topics : (answer.groups[0]?.topics ?? [])
      expect(found?.partitions[0]).toMatchObject({ committedOffset: 40 + version, errorCode: 0 })
    },
  )

  test('describes it and others, each by its coordinator, and deletes them', async () => {
    const groups = Array.from({ length: 12 }, (_, at) => `many-${at}`)
    const [any] = cluster.brokers as [TestBroker]
    for (const groupId of groups) expect(await commit(any, groupId, 1)).toBe('NONE')
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
    await commit(one, groupId, 3)
    expect(await remove()).toBe('NONE')
    const member = new TestMember(cluster, { groupId })
    await member.enter()
    expect(await remove()).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
  })

  test('sends its members away: they have to know where it is', async () => {
    const groupId = 'members'
    const member = new TestMember(cluster, { groupId })
    await member.enter()
    const [one] = await othersThanFor(groupId)
    const { topics } = await one.call(apis.offsetCommit, 8, {
      groupId,
      generationIdOrMemberEpoch: member.generation,
      memberId: member.memberId,
      groupInstanceId: null,
      topics: [
        {
          name: 'topic',
          partitions: [
            {
              partitionIndex: 0,
              committedOffset: 1,
              committedLeaderEpoch: -1,
              committedMetadata: '',
            },
          ],
        },
      ],
    })
    expect(errorName(topics[0]?.partitions[0]?.errorCode ?? 0)).toBe('NOT_COORDINATOR')
  })
})

describe('what is passed on', () => {
  const call = (key: number, version: number, body = Buffer.alloc(0)): Buffer => {
    const header = Buffer.alloc(4)
    header.writeInt16BE(key, 0)
    header.writeInt16BE(version, 2)
    return Buffer.concat([header, body])
  }

  test('is not passed on again', async () => {
    const groupId = 'round-and-round'
    const [one] = await othersThanFor(groupId)
    // DeleteGroups v1: an array of one string.
    const body = Buffer.concat([Buffer.from([0, 0, 0, 1, 0, groupId.length]), Buffer.from(groupId)])
    const reply = await answerCall(one.broker, 'group', call(apis.deleteGroups.key, 1, body))
    expect(errorName(reply.readInt16BE(reply.length - 2))).toBe('NOT_COORDINATOR')
  })

  test('is nothing but questions about groups, of a known version, whole', async () => {
    const [one] = cluster.brokers as [TestBroker]
    const refused = async (bytes: Buffer): Promise<string> => {
      const answer = answerCall(one.broker, 'group', bytes)
      return answer.then(
        () => 'answered',
        (error: Error) => error.message,
      )
    }
    expect(await refused(call(apis.deleteTopics.key, 6))).toMatch('not known here: API 20 v6')
    expect(await refused(call(apis.heartbeat.key, 4))).toMatch('not known here: API 12 v4')
    expect(await refused(call(apis.deleteGroups.key, 99))).toMatch('not known here: API 42 v99')
    expect(await refused(call(apis.deleteGroups.key, 1))).not.toBe('answered')
    expect(await refused(Buffer.alloc(3))).not.toBe('answered')
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
