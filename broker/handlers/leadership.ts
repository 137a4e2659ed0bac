import { ownershipOf } from '../../metadata/image.ts'
import type { Partition } from '../partition/partition.ts'
import type { Broker } from './context.ts'

/** An image this recent is believed when it says that somebody else is the owner. */
export const RECENT_MS = 50
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

interface Address {
  readonly topicId: string
  readonly index: number
}

/**
 * Waits until nothing in `addresses` is `opening` or `ask-again`, or time is up: five seconds from
 * `sinceMs` (clock.nowMs), so that requests which wait behind each other do not add up their waits.
 * Calls back once; synchronously where there is nothing to wait for, which is nearly always.
 */
export function whenSettled(
  broker: Broker,
  addresses: readonly Address[],
  callback: () => void,
  sinceMs: number = broker.node.clock.nowMs(),
): void {
  const opening: Partition[] = []
  let asks = false
  for (const { topicId, index } of addresses) {
    const leadership = leadershipOf(broker, topicId, index)
    if (leadership.kind === 'opening') opening.push(leadership.partition)
    else if (leadership.kind === 'ask-again') asks = true
  }
  if (opening.length === 0 && !asks) {
    callback()
    return
  }
  const { log, clock } = broker.node
  const giveUps: (() => void)[] = []
  let done = false
  const finish = (): void => {
    if (done) return
    done = true
    timer.cancel()
    for (const giveUp of giveUps) giveUp()
    callback()
  }
  const timer = clock.after(Math.max(0, sinceMs + OPEN_WAIT_MS - clock.nowMs()), finish)
  const waitFor = (partitions: readonly Partition[]): void => {
    if (done) return
    let pending = partitions.length
    // Not in the midst of the opening, which has more to do.
    if (pending === 0) queueMicrotask(finish)
    for (const partition of partitions) {
      const opened = (): void => {
        pending--
        if (pending === 0) queueMicrotask(finish)
      }
      giveUps.push(partition.whenOpen(opened))
    }
  }
  if (!asks) waitFor(opening)
  else void headRead(log).then(() => waitFor(openingOf(broker, addresses)))
}

/** Whatever comes of it: what to do then is decided by the image as it is. */
function headRead(log: Broker['node']['log']): Promise<void> {
  return log.catchUp().catch(() => undefined)
}

function openingOf(broker: Broker, addresses: readonly Address[]): Partition[] {
  return addresses.flatMap(({ topicId, index }) => {
    const leadership = leadershipOf(broker, topicId, index)
    return leadership.kind === 'opening' ? [leadership.partition] : []
  })
}
