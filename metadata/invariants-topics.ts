import type { ImageState, TopicEntry } from './image.ts'
import type { Predicates } from './predicates.ts'
import { whyNotOwner } from './predicates.ts'

const TOPIC_NAME_LENGTH_MAX = 249
const TOPIC_NAME = /^[a-zA-Z0-9._-]+$/

/**
 * Why `name` cannot be a topic's, or null: Kafka's rules (its class Topic): 1 to 249 characters,
 * ASCII letters, digits, `.`, `_` and `-`, but neither `.` nor `..`.
 */
export function whyNotTopicName(name: string): string | null {
  if (name === '') return 'a topic name is not empty'
  if (name === '.' || name === '..') return "a topic name is not '.' or '..'"
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `a topic name has at most ${TOPIC_NAME_LENGTH_MAX} characters, this one ${name.length}`
  }
  if (TOPIC_NAME.test(name)) return null
  return `topic name '${name}' has other characters than ASCII letters, digits, '.', '_' and '-'`
}

function whyNotOwners(state: ImageState, topic: TopicEntry, start: number): string | null {
  for (let partition = start; partition < topic.partitions.length; partition++) {
    const ownership = topic.partitions[partition]
    if (ownership === undefined) return `partition ${partition} of ${topic.name} is missing`
    const why = whyNotOwner(state, ownership.nodeId)
    if (why !== null) return `partition ${partition} of ${topic.name}: ${why}`
  }
  return null
}

/** What must hold whenever a name (the key) gets a topic id or loses it. */
export const TOPIC_NAME_PREDICATES: Predicates<string> = {
  'topic-names-unique': (before, after) =>
    before && after ? `topic ${before} has the name that topic ${after} asks for` : null,
}

/** What must hold whenever the entry of a topic changes other than by an ownership record. */
export const TOPIC_PREDICATES: Predicates<TopicEntry> = {
  'topic-name-valid': (_before, after) => (after ? whyNotTopicName(after.name) : null),

  'topic-ids-unique': (before, after, { record }) => {
    if (before === undefined || after === undefined) return null
    if (record.type === 'topic-created') return `topic id ${before.topicId} is taken`
    return before.topicId === after.topicId ? null : `topic ${before.name} gets another id`
  },

  'topic-name-fixed': (before, after) =>
    before && after && before.name !== after.name ? `topic ${before.name} gets another name` : null,

  'topic-has-partitions': (_before, after) =>
    after?.partitions.length === 0 ? `topic ${after.name} has no partitions` : null,

  /** Kafka's clients place keys by the count, and a partition's data cannot go elsewhere. */
  'partitions-only-grow': (before, after, { record }) => {
    if (before === undefined || after === undefined) return null
    const [old, next] = [before.partitions.length, after.partitions.length]
    const isGrown = record.type === 'partitions-added' ? next > old : next >= old
    return isGrown ? null : `topic ${before.name} had ${old} partitions, now ${next}`
  },

  /** Ownerships change one by one, under the predicates of ownerships. */
  'old-partitions-stay': (before, after) => {
    if (!before || !after || before.partitions === after.partitions) return null
    const index = before.partitions.findIndex((old, at) => after.partitions[at] !== old)
    return index < 0 ? null : `partition ${index} of ${before.name} changes with its topic`
  },

  'new-partitions-owned': (before, after, { state }) =>
    after ? whyNotOwners(state, after, before?.partitions.length ?? 0) : null,
}
