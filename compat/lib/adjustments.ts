import type { Adjustment } from './client.ts'

/** librdkafka, rd_kafka_offsets_for_times(): seen with 2.0.2 and 2.16.0. */
const LIBRDKAFKA_SEEK = 'librdkafka gives up the question when the broker that it asked dies'

export const KCAT_ASKED_AGAIN: Adjustment = {
  seek: { isPatient: true },
  why: `it is started again when it ends with an error as it asks for offsets by time: ${LIBRDKAFKA_SEEK}`,
}

/** librdkafka 2.16.0, rdkafka_admin.c: a call to all brokers waits for each of the last metadata. */
export const CONFLUENT_ASKED_AGAIN: Adjustment = {
  seek: { isPatient: true },
  admin: { isPatient: true },
  why:
    `\`offsets_for_times()\` is called again when it raises an exception: ${LIBRDKAFKA_SEEK}. ` +
    '`AdminClient.list_consumer_groups()`, which asks all brokers, is called again of a new one when it ' +
    'has no answer in five seconds: the old one waits for each broker that was in its last metadata',
}

/** kafkajs 2.2.4, src/producer/sendMessages.js; https://github.com/tulios/kafkajs/issues/1303 */
export const KAFKAJS_MOVED: Adjustment = {
  producer: { recordPerSend: true },
  seek: { isPatient: true },
  why:
    'each `send()` has one record. When a `send()` has records for several brokers and one of ' +
    'them refuses, kafkajs asks for the owners again and tries again, but not at brokers that ' +
    'have answered already: a partition that moved to one of those gets nothing, and `send()` ' +
    'resolves as if it had. `fetchTopicOffsetsByTimestamp()` is called again, by a new admin object, ' +
    'when it fails because a partition has moved: it throws that error instead of trying again itself',
}

/**
 * aiokafka 0.14.0, consumer/group_coordinator.py: close() commits and leaves, but looks for no
 * coordinator. The time is longer than that between two heartbeats.
 */
export const AIOKAFKA_SETTLED: Adjustment = {
  settleMs: 6_000,
  why:
    'a consumer is stopped only after its group’s coordinator was in one place for six seconds, in ' +
    'which it hears of it: a `stop()` that finds the coordinator gone raises an exception, or never returns',
}

/** @platformatic/kafka 2.12.1, producer.ts: #performSingleDestinationSend. */
const PLATFORMATIC_SEND =
  'each `send()` has one record. When a `send()` has records for several partitions of one ' +
  'broker and one of these moves, it asks for the owner of the first record only, and sends all ' +
  'of them there; an idempotent producer does so for ever'

export const PLATFORMATIC_RECORD_PER_SEND: Adjustment = {
  producer: { recordPerSend: true },
  why: PLATFORMATIC_SEND,
}

/** @platformatic/kafka 2.12.1, consumer.ts: #retryJoinGroup counts how often, not for how long. */
export const PLATFORMATIC_PATIENT: Adjustment = {
  consumer: { isPatient: true },
  why:
    'consumers have `retries: true`: by default one raises an error that ends its process when its ' +
    'group’s coordinator moves four times before a rebalance is over',
}

/** @platformatic/kafka 2.12.1, consumer.ts: #fetch keeps the node it was made for. */
export const PLATFORMATIC_RESTARTED: Adjustment = {
  producer: { recordPerSend: true, isPatient: true },
  consumer: { isRestarted: true },
  why:
    `${PLATFORMATIC_SEND}. Producers have \`retries: true\`, \`retryDelay: 50\`, ` +
    '`connectTimeout: 1000` and `metadataMaxAge: 250`; by default they give up sooner. A consumer ' +
    'whose stream ends with an error is closed, and a new one made: by default the stream ends when a ' +
    'fetch fails four times within three seconds, as it does when the partitions of a broker that ' +
    'died went to several others; with `retries: true` it tried the dead broker for ever. Its ' +
    '`close()` is called again where it throws, such as while there is no coordinator',
}
