import { afterEach, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import type { Api } from '../broker/protocol/api-keys.ts'
import { apis } from '../broker/protocol/api-keys.ts'
import { errorName } from '../broker/protocol/error-codes.ts'
import type { Fields, StructIn, StructOut } from '../broker/protocol/schema.ts'
import { type BrokerProcess, EXIT_DRAINED } from './lib/broker-process.ts'
import { Cluster } from './lib/cluster.ts'
import { pause, WAIT_MS_MAX } from './lib/wait.ts'
import { ask, WireClient } from './lib/wire-client.ts'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE
const GROUPS = 1_000
const TOPIC = 'topic'
const TEST_MS_MAX = 240_000
const SESSION_MS = 60_000
/** Groups that are asked for at once, so that the test is no flood. */
const AT_ONCE = 100
const RETRY_MS = 50
/** Errors that say: look for the coordinator again, or ask it again. */
const PASSING = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS']
/** For its group, its offset, and what was allocated on the way to them. */
const BYTES_EACH_MAX = 100 * KIBIBYTE

let cluster: Cluster
afterEach(() => cluster.close())

function residentBytes(broker: BrokerProcess): number {
  const status = readFileSync(`/proc/${broker.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * KIBIBYTE
}

interface Member {
  readonly groupId: string
  readonly offset: number
  memberId: string
  generation: number
}

/** Runs `work` for all, so many at a time. */
async function forAll(
  members: readonly Member[],
  work: (member: Member) => Promise<void>,
): Promise<void> {
  const left = [...members]
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await work(next)
  })
  await Promise.all(workers)
}

/** Finds coordinators and asks them, over one connection to each broker. */
class Coordinators {
  private readonly nodeIds = new Map<string, number>()
  private readonly clients = new Map<number, Promise<WireClient>>()

  /** Asks once for all groups who coordinates them. */
  async find(groupIds: readonly string[]): Promise<void> {
    const port = cluster.running[0]?.ports.kafka ?? 0
    const body = { keyType: 0, coordinatorKeys: [...groupIds] }
    const { coordinators } = await ask(port, apis.findCoordinator, 6, body)
    for (const { key, nodeId, errorCode } of coordinators) {
      if (errorCode === 0) this.nodeIds.set(key, nodeId)
    }
  }

  /** How many groups each node coordinates, as far as is known. */
  counts(): Map<number, number> {
    const counts = new Map<number, number>()
    for (const nodeId of this.nodeIds.values()) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
    return counts
  }

  private clientOf(nodeId: number): Promise<WireClient> {
    // Throws where it does not run any more: its connection would answer nothing.
    const { ports } = cluster.node(nodeId)
    let client = this.clients.get(nodeId)
    if (client === undefined) {
      client = WireClient.connect(ports.kafka)
      this.clients.set(nodeId, client)
    }
    return client
  }

  /** Asks a group's coordinator until there is something else than a passing error. */
  async ask<Request extends Fields, Response extends Fields>(
    groupId: string,
    [api, version]: readonly [Api<Request, Response>, number],
    body: StructIn<Request>,
    codeOf: (answer: StructOut<Response>) => number,
  ): Promise<StructOut<Response>> {
    const endMs = Date.now() + WAIT_MS_MAX
    for (;;) {
      const nodeId = this.nodeIds.get(groupId) ?? -1
      try {
        const client = await this.clientOf(nodeId)
        const answer = await client.request(api, version, body)
        if (!PASSING.includes(errorName(codeOf(answer)))) return answer
      } catch {
        // It is gone, or has never been there.
        this.clients.delete(nodeId)
      }
      if (Date.now() > endMs) throw new Error(`nobody answers for group ${groupId}`)
      await pause(RETRY_MS)
      await this.find([groupId]).catch(() => undefined)
    }
  }

  async close(): Promise<void> {
    for (const client of this.clients.values()) (await client).close()
  }
}

async function join(coordinators: Coordinators, member: Member): Promise<void> {
  const body = () => ({
    groupId: member.groupId,
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: SESSION_MS,
    memberId: member.memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('000000000001000174ffffffff', 'hex') }],
    reason: null,
  })
  const { groupId } = member
  for (;;) {
    const answer = await coordinators.ask(groupId, [apis.joinGroup, 9], body(), (each) => {
      return each.errorCode
    })
    member.memberId = answer.memberId
    member.generation = answer.generationId
    if (errorName(answer.errorCode) === 'MEMBER_ID_REQUIRED') continue
    expect(errorName(answer.errorCode)).toBe('NONE')
    return
  }
}

async function sync(coordinators: Coordinators, member: Member): Promise<void> {
  const { groupId, memberId, generation: generationId } = member
  const assignments = [{ memberId, assignment: Buffer.from(groupId) }]
  const names = { groupInstanceId: null, protocolType: 'consumer', protocolName: 'range' }
  const body = { groupId, generationId, memberId, ...names, assignments }
  const answer = await coordinators.ask(groupId, [apis.syncGroup, 5], body, (each) => {
    return each.errorCode
  })
  expect([errorName(answer.errorCode), answer.assignment.toString()]).toEqual(['NONE', groupId])
}

async function heartbeat(coordinators: Coordinators, member: Member): Promise<string> {
  const { groupId, memberId, generation: generationId } = member
  const body = { groupId, generationId, memberId, groupInstanceId: null }
  const answer = await coordinators.ask(groupId, [apis.heartbeat, 4], body, (each) => {
    return each.errorCode
  })
  return errorName(answer.errorCode)
}

async function commit(coordinators: Coordinators, member: Member): Promise<void> {
  const { groupId, memberId, generation, offset: committedOffset } = member
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: groupId }]
  const names = { groupInstanceId: null, generationIdOrMemberEpoch: generation }
  const body = { groupId, memberId, ...names, topics: [{ name: TOPIC, partitions }] }
  const answer = await coordinators.ask(groupId, [apis.offsetCommit, 9], body, ({ topics }) => {
    return topics[0]?.partitions[0]?.errorCode ?? -1
  })
  expect(errorName(answer.topics[0]?.partitions[0]?.errorCode ?? -1)).toBe('NONE')
}

async function committed(coordinators: Coordinators, { groupId }: Member): Promise<number> {
  const topics = [{ name: TOPIC, partitionIndexes: [0] }]
  const body = { groups: [{ groupId, topics }], requireStable: true }
  const answer = await coordinators.ask(groupId, [apis.offsetFetch, 9], body, ({ groups }) => {
    return groups[0]?.errorCode ?? -1
  })
  return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset ?? -1
}

/** Each member is in its group, in the same generation, and its offset is there. */
async function expectAllAsBefore(
  coordinators: Coordinators,
  members: readonly Member[],
): Promise<void> {
  const faults: string[] = []
  await forAll(members, async (member) => {
    const error = await heartbeat(coordinators, member)
    const offset = await committed(coordinators, member)
    if (error === 'NONE' && offset === member.offset) return
    faults.push(`${member.groupId}: ${error}, offset ${offset} for ${member.offset}`)
  })
  expect(faults).toEqual([])
}

async function busiest(coordinators: Coordinators, members: readonly Member[]): Promise<number> {
  await coordinators.find(members.map(({ groupId }) => groupId))
  const [first] = [...coordinators.counts()].sort(([, one], [, other]) => other - one)
  expect(first?.[1]).toBeGreaterThan(GROUPS / 10)
  return first?.[0] ?? -1
}

describe('a thousand groups of one member each', () => {
  test(
    'keep their generations and offsets while coordinators are killed, drained and replaced',
    async () => {
      const config = { 'group.initial.rebalance.delay.ms': '0' }
      const env = { STREAMCLUSTER_CONFIG: JSON.stringify(config) }
      cluster = await Cluster.start(3, { env })
      await cluster.createTopic(TOPIC, 1)
      const members = Array.from({ length: GROUPS }, (_, index): Member => {
        return { groupId: `group-${index}`, offset: index + 1, memberId: '', generation: -1 }
      })
      const coordinators = new Coordinators()
      // The first to ask creates the topic of the offsets.
      await coordinators.find(['group-0'])
      await coordinators.find(members.map(({ groupId }) => groupId))
      const before = cluster.running.map(residentBytes)
      await forAll(members, async (member) => {
        await join(coordinators, member)
        await sync(coordinators, member)
        await commit(coordinators, member)
      })
      const after = cluster.running.map(residentBytes)
      const bytes = after.reduce((sum, each, index) => sum + each - (before[index] as number), 0)
      process.stdout.write(
        `${GROUPS} groups: ${(bytes / MEBIBYTE).toFixed(1)} MiB of memory, ` +
          `by coordinators: ${[...coordinators.counts().values()]}\n`,
      )
      expect(bytes).toBeLessThan(GROUPS * BYTES_EACH_MAX)
      expect(members.map(({ generation }) => generation)).toEqual(members.map(() => 1))
      await expectAllAsBefore(coordinators, members)

      await cluster.node(await busiest(coordinators, members)).kill()
      await expectAllAsBefore(coordinators, members)
      await cluster.startBroker()
      const drained = await cluster.node(await busiest(coordinators, members)).terminate()
      expect(drained.code).toBe(EXIT_DRAINED)
      await expectAllAsBefore(coordinators, members)
      // They are whole: they can go on from here.
      await forAll(members, (member) => commit(coordinators, member))
      await coordinators.close()
    },
    TEST_MS_MAX,
  )
})
