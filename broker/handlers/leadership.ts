import { ownershipOf } from '../../metadata/image.ts'
import type { Partition } from '../partition/partition.ts'
import type { Broker } from './context.ts'

/** An image this recent is believed when it says that somebody else is the owner. */
const RECENT_MS = 50
/** A request that comes before its partition is open waits this long for it, at most. */
const OPEN_WAIT_MS = 5_000

/**
 * - `here`: this node owns the partition and has it open.
 * - `opening`: this node owns it, and it will be open soon.
 * - `ask-again`: the image says that another node owns it, but is not recent: read on first. A
 *   client that was sent here by the old owner may know more than we do.
 * - `elsewhere`: another node owns it.
 */
export type Leadership =
  | { readonly kind: 'here'; readonly partition: Partition }
  | { readonly kind: 'opening'; readonly partition: Partition }
  | { readonly kind: 'ask-again' }
  | { readonly kind: 'elsewhere'; readonly nodeId: number; readonly leaderEpoch: number }
  | { readonly kind: 'unknown' }

export function leadershipOf(broker: Broker, topicId: string, index: number): Leadership {
  const { node } = broker
  const ownership = ownershipOf(node.image, topicId, index)
  if (ownership === undefined) return { kind: 'unknown' }
  const { nodeId, leaderEpoch } = ownership
  if (nodeId !== node.nodeId) {
    const ageMs = node.clock.nowMs() - node.log.headConfirmedAtMs
    return ageMs < RECENT_MS ? { kind: 'elsewhere', nodeId, leaderEpoch } : { kind: 'ask-again' }
  }
  const partition = node.partitions.get(topicId, index)
  // A node that cannot follow the metadata log may have been taken over: it must not serve (§5).
  if (!node.isFresh) return { kind: 'ask-again' }
  if (partition === undefined || partition.leaderEpoch !== leaderEpoch) return { kind: 'ask-again' }
  if (partition.phase === 'open') return { kind: 'here', partition }
  if (partition.phase === 'opening') return { kind: 'opening', partition }
  return { kind: 'elsewhere', nodeId, leaderEpoch }
}

/**
 * Waits until nothing in `addresses` is `opening` or `ask-again`, or time is up. Calls back
 * synchronously where there is nothing to wait for, which is nearly always.
 */
export function whenSettled(
  broker: Broker,
  addresses: readonly { topicId: string; index: number }[],
  callback: () => void,
): void {
  let waits: Promise<void>[] | null = null
  let asks = false
  for (const { topicId, index } of addresses) {
    const leadership = leadershipOf(broker, topicId, index)
    if (leadership.kind === 'opening') {
      waits ??= []
      waits.push(new Promise((resolve) => leadership.partition.whenOpen(resolve)))
    } else if (leadership.kind === 'ask-again') asks = true
  }
  if (waits === null && !asks) {
    callback()
    return
  }
  const { log, clock } = broker.node
  let done = false
  const finish = (): void => {
    if (done) return
    done = true
    timer.cancel()
    callback()
  }
  const timer = clock.after(OPEN_WAIT_MS, finish)
  const settled = asks ? log.catchUp().catch(() => undefined) : Promise.resolve()
  void settled
    .then(() => {
      if (asks && !done) return openings(broker, addresses)
      return Promise.all(waits ?? []).then(() => undefined)
    })
    .then(finish)
}

async function openings(
  broker: Broker,
  addresses: readonly { topicId: string; index: number }[],
): Promise<void> {
  const waits: Promise<void>[] = []
  for (const { topicId, index } of addresses) {
    const leadership = leadershipOf(broker, topicId, index)
    if (leadership.kind !== 'opening') continue
    waits.push(new Promise((resolve) => leadership.partition.whenOpen(resolve)))
  }
  await Promise.all(waits)
}
