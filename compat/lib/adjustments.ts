import type { Adjustment } from './client.ts'

/** kafkajs 2.2.4, src/producer/sendMessages.js; https://github.com/tulios/kafkajs/issues/1303 */
export const KAFKAJS_RECORD_PER_SEND: Adjustment = {
  producer: { recordPerSend: true },
  why:
    'each `send()` has one record. When a `send()` has records for several brokers and one of ' +
    'them refuses, kafkajs asks for the owners again and tries again, but not at brokers that ' +
    'have answered already: a partition that moved to one of those gets nothing, and `send()` ' +
    'resolves as if it had',
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

/** @platformatic/kafka 2.12.1, consumer.ts: #fetch keeps the node it was made for. */
export const PLATFORMATIC_PATIENT: Adjustment = {
  producer: { recordPerSend: true, isPatient: true },
  consumer: { isPatient: true },
  why:
    `${PLATFORMATIC_SEND}. Producers and consumers have \`retries: true\`, \`retryDelay: 50\`, ` +
    '`connectTimeout: 1000` and `metadataMaxAge: 250`: by default a consumer gives up, and ends its ' +
    'stream with an error, when a fetch fails four times within three seconds, which it does when ' +
    'the partitions of a broker that died went to more than one other',
}
