import { sleep, systemClock } from '../../base/clock.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import type { JoinGroupResponse } from '../protocol/messages/join-group.ts'
import type { TestBroker, TestCluster } from './harness.ts'

const WAIT_MS_MAX = 20_000
const RETRY_MS = 20
const SESSION_MS = 30_000

/** Errors that say: look for the coordinator again, or ask it again. */
const PASSING = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS']

export interface MemberOptions {
  readonly groupId: string
  readonly topics?: readonly string[]
  readonly instanceId?: string
  readonly protocols?: readonly string[]
  readonly sessionMs?: number
}

/** A member of a group, one request at a time, as Kafka's consumers do it. */
export class TestMember {
  memberId = ''
  generation = -1
  assignment = ''
  isLeader = false
  /** The errors that heartbeats and commits were answered with. */
  readonly errors: string[] = []
  private readonly cluster: TestCluster
  readonly options: MemberOptions

  constructor(cluster: TestCluster, options: MemberOptions) {
    this.cluster = cluster
    this.options = options
  }

  get groupId(): string {
    return this.options.groupId
  }

  /** Asks the coordinator until it gives something else than a passing error. */
  ask<Answer>(
    call: (coordinator: TestBroker) => Promise<Answer>,
    codeOf: (answer: Answer) => number,
  ): Promise<Answer> {
    return askCoordinator(this.cluster, this.groupId, call, codeOf)
  }

  /** Joins and resolves with the answer; a new member gets its id first. */
  async join(): Promise<JoinGroupResponse> {
    for (;;) {
      const { instanceId, protocols = ['range'], sessionMs = SESSION_MS } = this.options
      const answer = await this.ask(
        (coordinator) =>
          coordinator.call(apis.joinGroup, 9, {
            groupId: this.groupId,
            sessionTimeoutMs: sessionMs,
            rebalanceTimeoutMs: 10_000,
            memberId: this.memberId,
            groupInstanceId: instanceId ?? null,
            protocolType: 'consumer',
            protocols: protocols.map((name) => ({ name, metadata: this.subscription() })),
            reason: 'a test',
          }),
        ({ errorCode }) => errorCode,
      )
      if (errorName(answer.errorCode) === 'MEMBER_ID_REQUIRED') {
        this.memberId = answer.memberId
        continue
      }
      if (answer.errorCode === 0) {
        this.memberId = answer.memberId
        this.generation = answer.generationId
        this.isLeader = answer.leader === answer.memberId
      }
      return answer
    }
  }

  /** A subscription as consumers write it, version 0. */
  private subscription(): Buffer {
    const topics = this.options.topics ?? ['topic']
    const parts = topics.map((topic) => {
      const name = Buffer.from(topic)
      const length = Buffer.alloc(2)
      length.writeInt16BE(name.length)
      return Buffer.concat([length, name])
    })
    const head = Buffer.alloc(6)
    head.writeInt32BE(topics.length, 2)
    const noUserData = Buffer.from([0xff, 0xff, 0xff, 0xff])
    return Buffer.concat([head, ...parts, noUserData])
  }

  /** Asks for the assignment. A leader assigns to everybody the name of their place. */
  async sync(joined?: JoinGroupResponse): Promise<string> {
    const members = this.isLeader && !joined?.skipAssignment ? (joined?.members ?? []) : []
    const answer = await this.ask(
      (coordinator) =>
        coordinator.call(apis.syncGroup, 5, {
          groupId: this.groupId,
          generationId: this.generation,
          memberId: this.memberId,
          groupInstanceId: this.options.instanceId ?? null,
          protocolType: 'consumer',
          protocolName: joined?.protocolName ?? 'range',
          assignments: members.map(({ memberId }, at) => {
            return { memberId, assignment: Buffer.from(`part ${at + 1} of ${members.length}`) }
          }),
        }),
      ({ errorCode }) => errorCode,
    )
    if (answer.errorCode === 0) this.assignment = answer.assignment.toString()
    return errorName(answer.errorCode)
  }

  /** Joins and syncs until the member has an assignment. */
  async enter(): Promise<void> {
    const endMs = systemClock.nowMs() + WAIT_MS_MAX
    while (systemClock.nowMs() < endMs) {
      const joined = await this.join()
      const error = errorName(joined.errorCode)
      if (error === 'UNKNOWN_MEMBER_ID') this.memberId = ''
      if (error !== 'NONE') continue
      if ((await this.sync(joined)) === 'NONE') return
    }
    throw new Error('the member does not get into the group')
  }

  /** Keeps itself in the group, as a consumer in the background does, until `isDone`. */
  async stayUntil(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const error = await this.heartbeat()
      if (error === 'UNKNOWN_MEMBER_ID') this.memberId = ''
      if (error !== 'NONE') await this.enter()
      else await sleep(systemClock, RETRY_MS)
    }
  }

  async heartbeat(): Promise<string> {
    const { errorCode } = await this.ask(
      (coordinator) =>
        coordinator.call(apis.heartbeat, 4, {
          groupId: this.groupId,
          generationId: this.generation,
          memberId: this.memberId,
          groupInstanceId: this.options.instanceId ?? null,
        }),
      (answer) => answer.errorCode,
    )
    return this.note(errorCode)
  }

  async commit(topic: string, partition: number, offset: number, metadata = ''): Promise<string> {
    const code = ({
      topics,
    }: {
      topics: readonly { partitions: readonly { errorCode: number }[] }[]
    }) => topics[0]?.partitions[0]?.errorCode ?? -1
    const answer = await this.ask(
      (coordinator) =>
        coordinator.call(apis.offsetCommit, 9, {
          groupId: this.groupId,
          generationIdOrMemberEpoch: this.generation,
          memberId: this.memberId,
          groupInstanceId: this.options.instanceId ?? null,
          topics: [
            {
              name: topic,
              partitions: [
                { partitionIndex: partition, committedOffset: offset, committedMetadata: metadata },
              ],
            },
          ],
        }),
      code,
    )
    return this.note(code(answer))
  }

  private note(code: number): string {
    const error = errorName(code)
    if (code !== 0) this.errors.push(error)
    return error
  }

  async leave(): Promise<string> {
    const { memberId } = this
    const answer = await this.ask(
      (coordinator) =>
        coordinator.call(apis.leaveGroup, 5, {
          groupId: this.groupId,
          members: [{ memberId, groupInstanceId: this.options.instanceId ?? null }],
        }),
      ({ errorCode }) => errorCode,
    )
    return errorName(answer.errorCode || (answer.members[0]?.errorCode ?? 0))
  }
}

/** The broker that says it coordinates the group, by asking some broker that has not ended. */
export async function coordinatorOf(cluster: TestCluster, groupId: string): Promise<TestBroker> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  while (systemClock.nowMs() < endMs) {
    const client = cluster.brokers.find(({ broker }) => !broker.node.hasEnded)
    const answer = await client?.call(apis.findCoordinator, 6, {
      keyType: 0,
      coordinatorKeys: [groupId],
    })
    const found = answer?.coordinators[0]
    if (found?.errorCode === 0) {
      const broker = cluster.byId(found.nodeId)
      if (!broker.broker.node.hasEnded) return broker
    }
    await sleep(systemClock, RETRY_MS)
  }
  throw new Error(`nobody coordinates group ${groupId}`)
}

/** Asks a group's coordinator, again and again while it moves, is taken over, or loads. */
export async function askCoordinator<Answer>(
  cluster: TestCluster,
  groupId: string,
  call: (coordinator: TestBroker) => Promise<Answer>,
  codeOf: (answer: Answer) => number,
): Promise<Answer> {
  const endMs = systemClock.nowMs() + WAIT_MS_MAX
  for (;;) {
    const coordinator = await coordinatorOf(cluster, groupId)
    const answer = await call(coordinator)
    const isPassing = PASSING.includes(errorName(codeOf(answer)))
    if (!isPassing || systemClock.nowMs() > endMs) return answer
    await sleep(systemClock, RETRY_MS)
  }
}

/** The group's committed offset of a partition, -1 without one. */
export async function committed(
  cluster: TestCluster,
  groupId: string,
  topic: string,
  partition: number,
): Promise<number> {
  const answer = await askCoordinator(
    cluster,
    groupId,
    (coordinator) =>
      coordinator.call(apis.offsetFetch, 9, {
        groups: [{ groupId, topics: [{ name: topic, partitionIndexes: [partition] }] }],
        requireStable: true,
      }),
    ({ groups }) => groups[0]?.errorCode ?? -1,
  )
  return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset ?? -1
}
