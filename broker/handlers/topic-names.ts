import type { ImageState } from '../../metadata/image.ts'

/** Topics that belong to brokers. Others may begin with `__` too, and are still their users'. */
const INTERNAL_TOPICS = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
])

/** Kafka keeps its own metadata under this name: nobody may create such a topic. */
export const CLUSTER_METADATA_TOPIC = '__cluster_metadata'

/** Whether clients are told that the topic is internal: pattern subscriptions then leave it out. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name)
}

/** More spellings than this are not tried one by one: a look at all names is cheaper. */
const SPELLINGS_MAX = 1024

/**
 * A topic whose name differs from `name` only in having `.` where the other has `_`, or null.
 * Metric names are made from topic names and cannot tell the two apart.
 */
export function collidingTopic(image: ImageState, name: string): string | null {
  const parts = name.split(/[._]/)
  const spellings = 2 ** (parts.length - 1)
  if (spellings === 1) return null
  if (spellings <= SPELLINGS_MAX) {
    for (let bits = 0; bits < spellings; bits++) {
      const spelling = parts.reduce((left, part, at) => {
        return `${left}${(bits >> (at - 1)) & 1 ? '.' : '_'}${part}`
      })
      if (spelling !== name && image.topicIds.has(spelling)) return spelling
    }
    return null
  }
  const unified = name.replaceAll('.', '_')
  for (const other of image.topicIds.keys()) {
    if (other !== name && other.replaceAll('.', '_') === unified) return other
  }
  return null
}
