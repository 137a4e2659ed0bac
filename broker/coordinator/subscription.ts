import { Reader } from '../protocol/reader.ts'

/** The protocol type that consumers join with. */
export const CONSUMER_PROTOCOL = 'consumer'

/**
 * The topics in a consumer's subscription (Kafka's ConsumerProtocolSubscription), or null where the
 * bytes are none. All its versions begin as version 0 does: version, then topics.
 */
export function topicsOf(metadata: Buffer): string[] | null {
  try {
    const reader = new Reader(metadata)
    if (reader.int16() < 0) return null
    const count = reader.int32()
    const topics: string[] = []
    for (let index = 0; index < count; index++) {
      const length = reader.int16()
      if (length < 0) return null
      topics.push(reader.view(length).toString('utf8'))
    }
    return topics
  } catch (error) {
    if ((error as Error).name === 'DecodeError') return null
    throw error
  }
}
