import { afterEach, expect, test } from '@jest/globals'
import { sleep, systemClock } from '../../base/clock.ts'
import { type Random, seededRandom } from '../../base/random.ts'
import { OFFSETS_TOPIC } from '../coordinator/group-coordinator.ts'
import { apis } from '../protocol/api-keys.ts'
import { committed, coordinatorOf, TestMember } from '../testing/group-member.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'

const WAIT_MS_MAX = 30_000
const PARTITIONS = 3
const CONFIG = {
  'group.initial.rebalance.delay.ms': '50',
  'offsets.topic.num.partitions': String(PARTITIONS),
}

let cluster: TestCluster
afterEach(() => cluster.stop())

function living(): TestBroker[] {
  return cluster.brokers.filter(({ broker }) => !broker.node.hasEnded)
}

/** Ends a broker as a crash would: nothing is closed, nothing is handed over. */
function kill(broker: TestBroker): void {
  broker.broker.node.abort('the test kills it')
}

test('a coordinator that is killed costs its group no rebalance and no offset', async () => {
  cluster = await TestCluster.start(3, CONFIG)
  const groupId = 'survivors'
  await createTopic(cluster.brokers[0] as TestBroker, 'topic')
  const members = [1, 2].map(() => new TestMember(cluster, { groupId }))
  await Promise.all(members.map((member) => member.enter()))
  expect(await members[0]?.commit('topic', 0, 41)).toBe('NONE')
  expect(await members[1]?.commit('topic', 0, 42)).toBe('NONE')
  const killed = await coordinatorOf(cluster, groupId)
  kill(killed)
  for (const member of members) expect(await member.heartbeat()).toBe('NONE')
  expect(await coordinatorOf(cluster, groupId)).not.toBe(killed)
  expect(await committed(cluster, groupId, 'topic', 0)).toBe(42)
  expect(await members[0]?.commit('topic', 0, 43)).toBe('NONE')
  expect(await committed(cluster, groupId, 'topic', 0)).toBe(43)
  expect(members.map(({ generation }) => generation)).toEqual([1, 1])
}, 60_000)

/** Moves a random partition of the offsets topic somewhere; whether that works now is no matter. */
async function moveSomething(random: Random): Promise<void> {
  const brokers = living()
  const target = brokers[random.below(brokers.length)] as TestBroker
  await target.call(apis.alterPartitionReassignments, 1, {
    timeoutMs: 1000,
    topics: [
      {
        name: OFFSETS_TOPIC,
        partitions: [{ partitionIndex: random.below(PARTITIONS), replicas: [target.nodeId] }],
      },
    ],
  })
}

test(
  'no offset whose commit was answered is ever lost, whatever moves or dies',
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 32)
    const random = seededRandom(seed)
    cluster = await TestCluster.start(3, CONFIG)
    await createTopic(cluster.brokers[0] as TestBroker, 'topic')
    const groupIds = Array.from({ length: 6 }, (_, index) => `group-${index}`)
    const answered = new Map<string, number>()
    const lost: string[] = []
    const endMs = systemClock.nowMs() + 6_000
    const isOver = (): boolean => systemClock.nowMs() > endMs

    const client = async (groupId: string): Promise<void> => {
      const member = new TestMember(cluster, { groupId })
      for (let offset = 1; !isOver(); offset++) {
        if ((await member.commit('topic', 0, offset)) !== 'NONE') continue
        answered.set(groupId, offset)
        // Nobody else commits: what is read is what was answered last, at any time.
        const read = await committed(cluster, groupId, 'topic', 0)
        if (read !== offset) lost.push(`${groupId} read ${read} after ${offset}`)
      }
    }
    const nemesis = async (): Promise<void> => {
      for (let deeds = 0; !isOver(); deeds++) {
        await sleep(systemClock, random.below(150))
        if (deeds % 12 === 11) {
          // Not the last one standing.
          kill(living()[random.below(living().length)] as TestBroker)
          await cluster.addBroker(CONFIG)
        } else await moveSomething(random).catch(() => undefined)
      }
    }
    await Promise.all([nemesis(), ...groupIds.map(client)])
    for (const groupId of groupIds) {
      const read = await committed(cluster, groupId, 'topic', 0)
      if (read !== answered.get(groupId)) lost.push(`${groupId} has ${read} in the end`)
    }
    expect({ seed, lost }).toEqual({ seed, lost: [] })
    expect(Math.min(...answered.values())).toBeGreaterThan(1)
    const moves = cluster.brokers.map(({ broker }) => broker.node.partitions.movedIn)
    expect(moves.reduce((sum, each) => sum + each)).toBeGreaterThan(5)
  },
  2 * WAIT_MS_MAX,
)
