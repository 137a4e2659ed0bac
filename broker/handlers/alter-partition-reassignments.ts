import { succession } from '../../controller/takeover.ts'
import { type ImageState, ownershipOf } from '../../metadata/image.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../protocol/messages/alter-partition-reassignments.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { changeMetadata } from './metadata-append.ts'

/** A partition that may not move yet is waited for this long at most, whatever the request says. */
const WAIT_MS_MAX = 60_000

/** News of the metadata wakes sooner; this is for news that came between two looks. */
const LOOK_AGAIN_MS = 100

/** What was asked for one partition, and what became of it; `outcome` null: not decided yet. */
interface Wish {
  readonly topic: string
  readonly index: number
  readonly replicas: readonly number[] | null
  outcome: Outcome | null
}

interface Outcome {
  readonly error: ErrorName | null
  readonly message: string | null
}

const DONE: Outcome = { error: null, message: null }

/**
 * AlterPartitionReassignments: v0-1 (KIP-455).
 *
 * Differs from Kafka: a partition has one replica, its owner. Of the brokers in the list the first
 * one that is active becomes the owner; any length of the list is accepted, whatever
 * `allowReplicationFactorChange` says. Nothing is copied, so the move is decided with the answer,
 * and only the hand-over is still to come: it cannot be cancelled. A partition whose last move is
 * not finished is waited for, up to `timeoutMs`, then refused. The balancer may move it on later.
 *
 * v1: KIP-860, whether the replication factor may change.
 */
export const handleAlterPartitionReassignments = answering(
  async (
    broker: Broker,
    body: AlterPartitionReassignmentsRequest,
  ): Promise<AlterPartitionReassignmentsResponse> => {
    const topics = body.topics.map(({ name, partitions }) => {
      return partitions.map(({ partitionIndex: index, replicas }): Wish => {
        return { topic: name, index, replicas, outcome: null }
      })
    })
    refuseTwins(topics.flat())
    const failure = await moveAll(broker, topics.flat(), Math.min(body.timeoutMs, WAIT_MS_MAX))
    return {
      allowReplicationFactorChange: body.allowReplicationFactorChange,
      errorCode: codeOf(failure.error),
      errorMessage: failure.message,
      responses: topics.map((wishes, at) => ({
        name: body.topics[at]?.name ?? '',
        partitions: wishes.map(({ index, outcome }) => ({
          partitionIndex: index,
          errorCode: codeOf(outcome?.error ?? null),
          errorMessage: outcome?.message ?? null,
        })),
      })),
    }
  },
)

/** Of two wishes for one partition neither can be taken for the one that counts. */
function refuseTwins(wishes: readonly Wish[]): void {
  const seen = new Map<string, Wish>()
  for (const wish of wishes) {
    const key = `${wish.index} ${wish.topic}`
    const twin = seen.get(key)
    seen.set(key, wish)
    if (twin === undefined) continue
    twin.outcome = { error: 'INVALID_REQUEST', message: 'The partition is named twice.' }
    wish.outcome = twin.outcome
  }
}

/** Moves what may move, in one batch, again and again until all is decided or time is up. */
async function moveAll(
  broker: Broker,
  wishes: readonly Wish[],
  timeoutMs: number,
): Promise<Outcome> {
  const { node, clock } = broker
  const endMs = clock.nowMs() + timeoutMs
  const isLate = (): boolean => clock.nowMs() >= endMs || node.hasEnded
  const isStuck = (wish: Wish): boolean => look(node.image, wish).outcome === null
  let open = wishes.filter(({ outcome }) => outcome === null)
  while (open.length > 0) {
    let outcomes: readonly (Outcome | null)[] = []
    const change = await changeMetadata(broker, (image) => {
      const looks = open.map((wish) => look(image, wish))
      outcomes = looks.map(({ outcome }) => outcome)
      return looks.flatMap(({ record }) => record ?? [])
    })
    if (change.error !== null) return change
    for (const [at, wish] of open.entries()) wish.outcome = outcomes[at] ?? null
    open = open.filter(({ outcome }) => outcome === null)
    // Another proposal is worth it only once something has become possible.
    while (open.length > 0 && !isLate() && open.every(isStuck)) {
      await node.partitions.changed.wait(clock, LOOK_AGAIN_MS)
    }
    if (isLate()) break
  }
  for (const wish of open) wish.outcome = UNFINISHED
  return DONE
}

const UNFINISHED: Outcome = {
  error: 'REASSIGNMENT_IN_PROGRESS',
  message: 'The last move of the partition is not finished: its owner has no checkpoint of it yet.',
}

interface Look {
  /** Null: the partition may not move yet (protocol.md R8). */
  readonly outcome: Outcome | null
  readonly record?: MetadataRecord
}

function look(image: ImageState, { topic, index, replicas }: Wish): Look {
  const topicId = image.topicIds.get(topic) ?? ''
  const ownership = ownershipOf(image, topicId, index)
  if (ownership === undefined) {
    const message = `Unable to find partition ${topic}:${index}.`
    return refused('UNKNOWN_TOPIC_OR_PARTITION', message)
  }
  if (replicas === null) {
    const message = 'A change of owner is decided at once and cannot be cancelled.'
    return refused('NO_REASSIGNMENT_IN_PROGRESS', message)
  }
  const why = whyNotReplicas(image, replicas)
  if (why !== null) return refused('INVALID_REPLICA_ASSIGNMENT', why)
  const target = replicas.find((nodeId) => image.nodes.get(nodeId)?.state === 'active')
  if (target === undefined) {
    const message = 'None of the brokers can take a partition now.'
    return refused('INVALID_REPLICA_ASSIGNMENT', message)
  }
  if (ownership.nodeId === target) return { outcome: DONE }
  const isOwnerSealed = image.nodes.get(ownership.nodeId)?.state === 'sealed'
  if (ownership.from.length > 0 || isOwnerSealed) return { outcome: null }
  return { outcome: DONE, record: succession({ topicId, partition: index, ownership }, target) }
}

function refused(error: ErrorName, message: string): Look {
  return { outcome: { error, message } }
}

function whyNotReplicas(image: ImageState, replicas: readonly number[]): string | null {
  if (replicas.length === 0)
    return 'The manual partition assignment includes an empty replica list.'
  if (new Set(replicas).size < replicas.length) {
    return 'The manual partition assignment includes a broker more than once.'
  }
  const unknown = replicas.find((nodeId) => !image.nodes.has(nodeId))
  if (unknown === undefined) return null
  return `The manual partition assignment includes broker ${unknown}, which is not registered.`
}
