import type { RequestChannel } from '../request.ts'

/** How long it is remembered what a connection was told. */
const TOLD_MS = 10_000
/** How long it is remembered that it did not heed an error. */
const DEAF_MS = 60_000

/** How a connection was told that somebody else has a partition. */
export type Told = 'error' | 'redirect'

/**
 * What a connection was told about partitions that have moved away, and whether it asked again here.
 *
 * Some consumers choose the node of a fetch once and ask it again whatever it says, until they give
 * up (@platformatic/kafka 2: four times within three seconds). In Kafka they mostly get away with
 * it: a former leader stays a replica, and replicas answer consumers. A former owner here has no
 * data, but it can name the node to read from in an answer that is no error (KIP-392). Whoever heeds
 * the error (KIP-951) never sees this, as it asks the new owner.
 *
 * Others heed the error alone (aiokafka 0.14), and ask again because who told them the owner did not
 * know yet: sent elsewhere without an error they would ask here for ever. So both come in turns.
 */
export class FetchRedirects {
  private readonly told = new Map<string, Told>()
  private toldAtMs = Number.NEGATIVE_INFINITY
  private deafAtMs = Number.NEGATIVE_INFINITY

  /** The connection is told that somebody else has this partition. */
  tell(topicId: string, partition: number, how: Told, nowMs: number): void {
    if (nowMs - this.toldAtMs > TOLD_MS) this.told.clear()
    this.toldAtMs = nowMs
    this.told.set(`${topicId}/${partition}`, how)
  }

  /**
   * How to tell it now, as it asks for a partition that is not here. The same, however often that is
   * looked at before it is told.
   */
  asked(topicId: string, partition: number, nowMs: number): Told {
    const isRecent = nowMs - this.toldAtMs <= TOLD_MS
    const last = isRecent ? this.told.get(`${topicId}/${partition}`) : undefined
    if (last === 'redirect') return 'error'
    if (last === 'error') this.deafAtMs = nowMs
    return this.isDeaf(nowMs) ? 'redirect' : 'error'
  }

  /** Whether it lately asked again for something that an error had told it about. */
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
  how: Told,
  nowMs: number,
): void {
  let found = redirects.get(connection)
  if (found === undefined) {
    found = new FetchRedirects()
    redirects.set(connection, found)
  }
  found.tell(address.topicId, address.partition, how, nowMs)
}
