import type { RequestChannel } from '../request.ts'

/** How long it is remembered what a connection was told. */
const TOLD_MS = 10_000
/** How long it is remembered that it did not heed that. */
const DEAF_MS = 60_000

/**
 * Which partitions a connection was told to have moved away, and whether it asked again here.
 *
 * Some consumers choose the node of a fetch once and ask it again whatever it says, until they give
 * up (@platformatic/kafka 2: four times within three seconds). In Kafka they mostly get away with
 * it: a former leader stays a replica, and replicas answer consumers. A former owner here has no
 * data, but it can name the node to read from in an answer that is no error (KIP-392). Whoever heeds
 * the error (KIP-951) never sees this, as it asks the new owner.
 */
export class FetchRedirects {
  private readonly told = new Set<string>()
  private toldAtMs = Number.NEGATIVE_INFINITY
  private deafAtMs = Number.NEGATIVE_INFINITY

  /** The connection is told that somebody else has this partition. */
  tell(topicId: string, partition: number, nowMs: number): void {
    if (nowMs - this.toldAtMs > TOLD_MS) this.told.clear()
    this.toldAtMs = nowMs
    this.told.add(`${topicId}/${partition}`)
  }

  /** It asks for a partition that is not here. */
  asked(topicId: string, partition: number, nowMs: number): void {
    if (nowMs - this.toldAtMs > TOLD_MS) return
    if (this.told.has(`${topicId}/${partition}`)) this.deafAtMs = nowMs
  }

  /** Whether it asked again for something that it was told about. */
  isDeaf(nowMs: number): boolean {
    return nowMs - this.deafAtMs <= DEAF_MS
  }
}

const redirects = new WeakMap<RequestChannel, FetchRedirects>()

/** What is remembered of a connection; undefined of one that never was told anything. */
export function redirectsOf(connection: RequestChannel): FetchRedirects | undefined {
  return redirects.get(connection)
}

/** The connection is told that somebody else has this partition. */
export function tellMoved(
  connection: RequestChannel,
  address: { topicId: string; partition: number },
  nowMs: number,
): void {
  let found = redirects.get(connection)
  if (found === undefined) {
    found = new FetchRedirects()
    redirects.set(connection, found)
  }
  found.tell(address.topicId, address.partition, nowMs)
}
