import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { runJava } from './kafka-reference.ts'
import {
  baseOffset,
  baseSequence,
  batchBytes,
  type BatchOptions,
  buildBatch,
  decodeRecords,
  lastOffset,
  maxTimestamp,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  type RecordInput,
  setBaseOffset,
  setLeaderEpoch,
  setLogAppendTime,
} from './record-batch.ts'

/** Fetching Kafka's library takes a while the first time. */
const FETCH_MS_MAX = 300_000

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }).map((part) => Buffer.from(part)))
const header = fc.record({ key: fc.string({ unit: 'grapheme' }), value: bytes })
const record: fc.Arbitrary<RecordInput> = fc.record({
  key: bytes,
  value: bytes,
  timestamp: fc.nat({ max: 2 ** 45 }),
  headers: fc.array(header, { maxLength: 3 }),
})
const options: fc.Arbitrary<BatchOptions> = fc.record({
  producerId: fc.nat({ max: 2 ** 50 }),
  producerEpoch: fc.nat({ max: 0x7fff }),
  baseSequence: fc.nat({ max: 2 ** 31 - 1 }),
  transactional: fc.boolean(),
})
const sample = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 10 }),
  options,
  offset: fc.nat({ max: 2 ** 51 }),
  leaderEpoch: fc.nat({ max: 2 ** 31 - 1 }),
  appendTimeMs: fc.option(fc.nat({ max: 2 ** 45 })),
})

const hex = (part: Uint8Array | null): string | null =>
  part === null ? null : Buffer.from(part).toString('hex')

/** What our accessors and our decoder find in a batch, as KafkaRecords.java prints it. */
function described(batch: Buffer, transactional: boolean): unknown {
  return {
    baseOffset: baseOffset(batch),
    lastOffset: lastOffset(batch),
    leaderEpoch: partitionLeaderEpoch(batch),
    maxTimestamp: maxTimestamp(batch),
    producerId: producerId(batch),
    producerEpoch: producerEpoch(batch),
    baseSequence: baseSequence(batch),
    transactional,
    control: false,
    sizeBytes: batchBytes(batch),
    records: decodeRecords(batch).map((each) => ({
      offset: each.offset,
      timestamp: each.timestamp,
      key: hex(each.key),
      value: hex(each.value),
      headers: each.headers.flatMap(({ key, value }) => [hex(Buffer.from(key)), hex(value)]),
    })),
  }
}

test(
  'Kafka finds in our batches what we find, and their CRC right, after patching as well',
  async () => {
    const samples = fc.sample(sample, { numRuns: 200, seed: 1 })
    const batches = samples.map((each) => {
      const batch = buildBatch(each.records, each.options)
      setBaseOffset(batch, 0, each.offset)
      setLeaderEpoch(batch, 0, each.leaderEpoch)
      if (each.appendTimeMs !== null) setLogAppendTime(batch, 0, each.appendTimeMs)
      return batch
    })
    const input = batches.map((batch) => `${batch.toString('hex')}\n`).join('')
    const lines = (await runJava('KafkaRecords.java', input)).trim().split('\n')
    const theirs = lines.map((line) => JSON.parse(line) as unknown)
    const ours = batches.map((batch, index) =>
      described(batch, samples[index]?.options.transactional ?? false),
    )
    expect(theirs).toEqual(ours)
  },
  FETCH_MS_MAX,
)
