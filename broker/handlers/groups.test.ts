import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { committed, coordinatorOf, TestMember } from '../testing/group-member.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(2, {
    'group.initial.rebalance.delay.ms': '50',
    'offsets.topic.num.partitions': '4',
    'group.min.session.timeout.ms': '200',
  })
  client = cluster.brokers[0] as TestBroker
  await createTopic(client, 'topic')
})
afterAll(() => cluster.stop())

describe('a group', () => {
  test('gets its members an assignment each, keeps their commits, and lets them leave', async () => {
    const groupId = 'first'
    const members = [new TestMember(cluster, { groupId }), new TestMember(cluster, { groupId })]
    await Promise.all(members.map((member) => member.enter()))
    expect(members.map(({ generation }) => generation)).toEqual([1, 1])
    expect(members.map(({ assignment }) => assignment).sort()).toEqual([
      'part 1 of 2',
      'part 2 of 2',
    ])
    const [one, two] = members as [TestMember, TestMember]
    expect(await one.heartbeat()).toBe('NONE')
    expect(await one.commit('topic', 0, 17, 'note')).toBe('NONE')
    expect(await committed(cluster, groupId, 'topic', 0)).toBe(17)
    expect(await two.leave()).toBe('NONE')
    expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    await one.enter()
    expect(one.generation).toBe(2)
    expect(one.assignment).toBe('part 1 of 1')
    expect(await two.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    const coordinator = await coordinatorOf(cluster, groupId)
    expect(coordinator.broker.groups).toBeDefined()
  })
})
