import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { ownershipOf } from '../../metadata/image.ts'
import { OFFSETS_TOPIC, offsetsPartitionOf } from '../coordinator/group-coordinator.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { buildBatch } from '../protocol/record-batch.ts'
import { askCoordinator, committed, coordinatorOf, TestMember } from '../testing/group-member.ts'
import { ZERO_UUID } from './context.ts'
import { createTopic, produce, type TestBroker, TestCluster } from '../testing/harness.ts'

const WAIT_MS_MAX = 20_000
const CONFIG = {
  'group.initial.rebalance.delay.ms': '50',
  'offsets.topic.num.partitions': '4',
  'group.min.session.timeout.ms': '200',
  'group.max.size': '3',
  'offset.metadata.max.bytes': '10',
}

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(3, CONFIG)
  client = cluster.brokers[0] as TestBroker
  await createTopic(client, 'topic', [client.nodeId, client.nodeId])
})
afterAll(() => cluster.stop())

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (!(await condition())) {
    if (systemClock.nowMs() > endMs) throw new Error('it does not come true')
    await sleep(systemClock, 10)
  }
}

/** Members that have entered one group. */
async function groupOf(groupId: string, count: number): Promise<TestMember[]> {
  const members = Array.from({ length: count }, () => new TestMember(cluster, { groupId }))
  await Promise.all(members.map((member) => member.enter()))
  return members
}

function placeOf(groupId: string): { topicId: string; index: number } {
  const { image } = client.broker.node
  const topicId = image.topicIds.get(OFFSETS_TOPIC) ?? ''
  const count = image.topics.get(topicId)?.partitions.length ?? 1
  return { topicId, index: offsetsPartitionOf(groupId, count) }
}

/** Moves a group's coordinator to another broker, and waits until that one has it open. */
async function move(groupId: string): Promise<void> {
  const from = await coordinatorOf(cluster, groupId)
  const others = cluster.brokers.filter((each) => each !== from && !each.broker.node.hasEnded)
  const to = others[0] as TestBroker
  const { topicId, index } = placeOf(groupId)
  const { image } = from.broker.node
  await until(() => ownershipOf(image, topicId, index)?.from.length === 0)
  const answer = await from.call(apis.alterPartitionReassignments, 1, {
    timeoutMs: WAIT_MS_MAX,
    topics: [
      { name: OFFSETS_TOPIC, partitions: [{ partitionIndex: index, replicas: [to.nodeId] }] },
    ],
  })
  expect(errorName(answer.responses[0]?.partitions[0]?.errorCode ?? -1)).toBe('NONE')
  await until(() => to.broker.node.partitions.get(topicId, index)?.phase === 'open')
}

async function described(groupId: string, version = 6) {
  const answer = await askCoordinator(
    cluster,
    groupId,
    (coordinator) =>
      coordinator.call(apis.describeGroups, version, {
        groups: [groupId],
        includeAuthorizedOperations: true,
      }),
    ({ groups }) => groups[0]?.errorCode ?? 0,
  )
  const [group] = answer.groups
  if (group === undefined) throw new Error('the answer says nothing')
  return group
}

async function deleteGroup(groupId: string): Promise<string> {
  const answer = await askCoordinator(
    cluster,
    groupId,
    (coordinator) => coordinator.call(apis.deleteGroups, 2, { groupsNames: [groupId] }),
    ({ results }) => results[0]?.errorCode ?? 0,
  )
  return errorName(answer.results[0]?.errorCode ?? -1)
}

describe('a group', () => {
  test('gets its members an assignment each, keeps their commits, and lets them leave', async () => {
    const groupId = 'first'
    const [one, two] = (await groupOf(groupId, 2)) as [TestMember, TestMember]
    expect([one.generation, two.generation]).toEqual([1, 1])
    expect([one.assignment, two.assignment].sort()).toEqual(['part 1 of 2', 'part 2 of 2'])
    expect(await one.heartbeat()).toBe('NONE')
    expect(await one.commit('topic', 0, 17, 'note')).toBe('NONE')
    expect(await committed(cluster, groupId, 'topic', 0)).toBe(17)
    expect(await committed(cluster, groupId, 'topic', 1)).toBe(-1)
    expect(await two.leave()).toBe('NONE')
    expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    await one.enter()
    expect(one.generation).toBe(2)
    expect(one.assignment).toBe('part 1 of 1')
    expect(await two.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  })

  test('goes on without a member that is silent for its session', async () => {
    const groupId = 'silence'
    const silent = new TestMember(cluster, { groupId, sessionMs: 300 })
    const lively = new TestMember(cluster, { groupId })
    await Promise.all([silent.enter(), lively.enter()])
    await until(async () => (await lively.heartbeat()) === 'REBALANCE_IN_PROGRESS')
    await lively.enter()
    expect(lively.assignment).toBe('part 1 of 1')
    expect(await silent.commit('topic', 0, 1)).toBe('UNKNOWN_MEMBER_ID')
  })

  test('rebalances when somebody joins, and has a bound for its members', async () => {
    const groupId = 'growing'
    const [one] = (await groupOf(groupId, 1)) as [TestMember]
    const more = [1, 2].map(() => new TestMember(cluster, { groupId }))
    const joining = more.map((member) => member.enter())
    await until(async () => (await one.heartbeat()) === 'REBALANCE_IN_PROGRESS')
    await Promise.all([one.enter(), ...joining])
    expect(new Set([one, ...more].map(({ assignment }) => assignment)).size).toBe(3)
    const { errorCode } = await new TestMember(cluster, { groupId }).join()
    expect(errorName(errorCode)).toBe('GROUP_MAX_SIZE_REACHED')
  })

  test('lets a static member come back in its place without a rebalance', async () => {
    const groupId = 'static'
    const options = { groupId, instanceId: 'a' }
    const before = new TestMember(cluster, options)
    const other = new TestMember(cluster, { groupId, instanceId: 'b' })
    await Promise.all([before.enter(), other.enter()])
    const after = new TestMember(cluster, options)
    await after.enter()
    expect(after.memberId).not.toBe(before.memberId)
    expect(after.generation).toBe(before.generation)
    expect(after.assignment).toBe(before.assignment)
    expect(await before.heartbeat()).toBe('FENCED_INSTANCE_ID')
    expect(await after.heartbeat()).toBe('NONE')
    expect(await other.heartbeat()).toBe('NONE')
  })
})

describe('a coordinator that moves', () => {
  test('costs its groups no rebalance and no offset', async () => {
    const groupId = 'moving'
    const members = await groupOf(groupId, 2)
    await members[0]?.commit('topic', 0, 5)
    const assignments = members.map(({ assignment }) => assignment)
    const first = await coordinatorOf(cluster, groupId)
    for (let moves = 0; moves < 3; moves++) {
      await move(groupId)
      for (const member of members) expect(await member.heartbeat()).toBe('NONE')
      expect(await committed(cluster, groupId, 'topic', 0)).toBe(5 + moves)
      expect(await members[1]?.commit('topic', 0, 6 + moves)).toBe('NONE')
    }
    expect(await coordinatorOf(cluster, groupId)).not.toBe(first)
    expect(await Promise.all(members.map((member) => member.sync()))).toEqual(['NONE', 'NONE'])
    expect(members.map(({ assignment }) => assignment)).toEqual(assignments)
    expect(members.map(({ generation }) => generation)).toEqual([1, 1])
  })

  test('sends away who waits in it, and the group comes together at the next one', async () => {
    const groupId = 'waiting'
    const [one] = (await groupOf(groupId, 1)) as [TestMember]
    const two = new TestMember(cluster, { groupId })
    const joining = two.enter()
    await until(async () => (await one.heartbeat()) === 'REBALANCE_IN_PROGRESS')
    await move(groupId)
    // That one does not know of the member that waited, which joins as a new one.
    const isTogether = (): boolean =>
      one.generation === two.generation && one.assignment !== two.assignment
    await Promise.all([one.stayUntil(isTogether), joining.then(() => two.stayUntil(isTogether))])
    expect([one.assignment, two.assignment].sort()).toEqual(['part 1 of 2', 'part 2 of 2'])
  })

  test('answers NOT_COORDINATOR where it was', async () => {
    const groupId = 'asked-in-the-wrong-place'
    await groupOf(groupId, 1)
    const coordinator = await coordinatorOf(cluster, groupId)
    const wrong = cluster.brokers.find((each) => each !== coordinator) as TestBroker
    const heartbeat = { groupId, generationId: 1, memberId: 'x', groupInstanceId: null }
    const { errorCode } = await wrong.call(apis.heartbeat, 4, heartbeat)
    expect(errorName(errorCode)).toBe('NOT_COORDINATOR')
  })
})

describe('committed offsets', () => {
  const simple = (groupId: string) => new TestMember(cluster, { groupId })

  test('need no membership, and make a group that can be listed and deleted', async () => {
    const groupId = 'simple'
    expect(await simple(groupId).commit('topic', 1, 3)).toBe('NONE')
    const coordinator = await coordinatorOf(cluster, groupId)
    const { groups } = await coordinator.call(apis.listGroups, 5, {
      statesFilter: ['empty'],
      typesFilter: ['Classic'],
    })
    const listed = groups.find((group) => group.groupId === groupId)
    expect(listed).toEqual({
      groupId,
      protocolType: '',
      groupState: 'Empty',
      groupType: 'classic',
    })
    expect(await deleteGroup(groupId)).toBe('NONE')
    expect(await deleteGroup(groupId)).toBe('GROUP_ID_NOT_FOUND')
    expect(await committed(cluster, groupId, 'topic', 1)).toBe(-1)
    await move(groupId)
    expect(await committed(cluster, groupId, 'topic', 1)).toBe(-1)
  })

  test('are refused for topics that are not there, for long notes, and for old generations', async () => {
    const [member] = (await groupOf('refusing', 1)) as [TestMember]
    expect(await member.commit('no-such-topic', 0, 1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await member.commit('topic', 2, 1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await member.commit('topic', 0, 1, '12345678901')).toBe('OFFSET_METADATA_TOO_LARGE')
    expect(await simple('refusing').commit('topic', 0, 1)).toBe('UNKNOWN_MEMBER_ID')
    member.generation = 7
    expect(await member.commit('topic', 0, 1)).toBe('ILLEGAL_GENERATION')
    const stranger = simple('nobody-knows-this-group')
    stranger.generation = 1
    expect(await stranger.commit('topic', 0, 1)).toBe('GROUP_ID_NOT_FOUND')
  })

  test('go with their topic, and a new one of that name has none', async () => {
    const groupId = 'topics-go'
    await createTopic(client, 'goes')
    await simple(groupId).commit('goes', 0, 9)
    await simple(groupId).commit('topic', 0, 1)
    const named = { name: 'goes', topicId: ZERO_UUID }
    await client.call(apis.deleteTopics, 6, { topics: [named], timeoutMs: 1000 })
    await createTopic(client, 'goes')
    expect(await committed(cluster, groupId, 'goes', 0)).toBe(-1)
    await move(groupId)
    expect(await committed(cluster, groupId, 'goes', 0)).toBe(-1)
    expect(await committed(cluster, groupId, 'topic', 0)).toBe(1)
  })

  test('are told by topic id, for all topics, and of several groups at once', async () => {
    const topicId = client.broker.node.image.topicIds.get('topic') ?? ''
    const groupIds = ['ids-1', 'ids-2']
    for (const groupId of groupIds) await simple(groupId).commit('topic', 1, 4, 'why')
    for (const groupId of groupIds) {
      const coordinator = await coordinatorOf(cluster, groupId)
      const answer = await coordinator.call(apis.offsetFetch, 10, {
        groups: [
          { groupId, topics: null },
          { groupId, topics: [{ topicId, partitionIndexes: [1, 0] }] },
          { groupId, topics: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitionIndexes: [0] }] },
        ],
        requireStable: false,
      })
      const partition = { committedLeaderEpoch: -1, errorCode: 0 }
      const one = { ...partition, partitionIndex: 1, committedOffset: 4, metadata: 'why' }
      const none = { ...partition, partitionIndex: 0, committedOffset: -1, metadata: '' }
      expect(answer.groups[0]?.topics[0]).toMatchObject({ topicId, partitions: [one] })
      expect(answer.groups[1]?.topics[0]).toMatchObject({ topicId, partitions: [one, none] })
      const unknown = answer.groups[2]?.topics[0]?.partitions[0]?.errorCode ?? 0
      expect(errorName(unknown)).toBe('UNKNOWN_TOPIC_ID')
      const old = await coordinator.call(apis.offsetFetch, 2, { groupId, topics: null })
      expect(old.topics[0]?.partitions).toMatchObject([{ partitionIndex: 1, committedOffset: 4 }])
    }
  })

  test('may be kept for as long as a client can say', async () => {
    const groupId = 'for-ever'
    const coordinator = await coordinatorOf(cluster, groupId)
    const answer = await coordinator.call(apis.offsetCommit, 4, {
      groupId,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      retentionTimeMs: Number.MAX_SAFE_INTEGER,
      topics: [
        {
          name: 'topic',
          partitions: [{ partitionIndex: 0, committedOffset: 6, committedMetadata: null }],
        },
      ],
    })
    expect(answer.topics[0]?.partitions[0]?.errorCode).toBe(0)
    await move(groupId)
    expect(await committed(cluster, groupId, 'topic', 0)).toBe(6)
  })

  test('are deleted one by one, but not while the group reads the topic', async () => {
    const groupId = 'deleting'
    const [member] = (await groupOf(groupId, 1)) as [TestMember]
    await member.commit('topic', 0, 1)
    const remove = async () => {
      const answer = await askCoordinator(
        cluster,
        groupId,
        (coordinator) =>
          coordinator.call(apis.offsetDelete, 0, {
            groupId,
            topics: [{ name: 'topic', partitions: [{ partitionIndex: 0 }] }],
          }),
        ({ errorCode }) => errorCode,
      )
      return errorName(answer.errorCode || (answer.topics[0]?.partitions[0]?.errorCode ?? -1))
    }
    expect(await remove()).toBe('GROUP_SUBSCRIBED_TO_TOPIC')
    await member.leave()
    expect(await remove()).toBe('NONE')
    expect(await committed(cluster, groupId, 'topic', 0)).toBe(-1)
  })
})

describe('what tools are told', () => {
  test('of a stable group, an empty one, and one that is not there', async () => {
    const groupId = 'described'
    const [member] = (await groupOf(groupId, 1)) as [TestMember]
    const stable = await described(groupId)
    expect(stable).toMatchObject({
      errorCode: 0,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
    })
    expect(stable.members[0]).toMatchObject({ memberId: member.memberId, clientHost: '/test' })
    expect(stable.members[0]?.memberAssignment.toString()).toBe('part 1 of 1')
    expect(await deleteGroup(groupId)).toBe('NON_EMPTY_GROUP')
    await member.leave()
    expect(await described(groupId)).toMatchObject({ groupState: 'Empty', members: [] })
    const missing = await described('missing')
    expect(errorName(missing.errorCode)).toBe('GROUP_ID_NOT_FOUND')
    expect(missing.errorMessage).toBe('Group missing not found.')
    expect(await described('missing', 5)).toMatchObject({ errorCode: 0, groupState: 'Dead' })
  })

  test('of coordinators that are not there', async () => {
    const ask = async (keyType: number) => {
      const answer = await client.call(apis.findCoordinator, 6, { keyType, coordinatorKeys: ['k'] })
      return errorName(answer.coordinators[0]?.errorCode ?? -1)
    }
    expect(await ask(0)).toBe('NONE')
    expect(await ask(1)).toBe('UNSUPPORTED_VERSION')
    expect(await ask(2)).toBe('INVALID_REQUEST')
    const old = await client.call(apis.findCoordinator, 3, { key: 'k', keyType: 0 })
    expect(old).toMatchObject({ errorCode: 0, host: 'localhost' })
  })

  test('when they write to the topic of offsets themselves', async () => {
    const batch = buildBatch([{ key: null, value: Buffer.from('x'), timestamp: 0 }])
    const { errorCode } = await produce(client, OFFSETS_TOPIC, 0, batch)
    expect(errorName(errorCode)).toBe('INVALID_TOPIC_EXCEPTION')
  })
})
