import fc from 'fast-check'
import { packBatch } from '../../testing/packed-batch.ts'
import { BATCH_HEADER_BYTES, setCrc } from '../batch-header.ts'
import { type BatchOptions, buildBatch, type RecordInput } from '../build-batch.ts'
import type { BatchRules, JudgeOptions } from '../judge-batch.ts'

/** The broker's clock in all of this. */
export const NOW_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000

/** What a client could send for a topic with these rules. */
export interface Produced {
  readonly bytes: Buffer
  readonly rules: BatchRules
  readonly options: JudgeOptions
}

type Change = (batch: Buffer) => Buffer

/** What an earlier change cut off has no place to be changed in. */
function inPlace(change: (batch: Buffer) => void): Change {
  return (batch) => {
    const copy = Buffer.from(batch)
    if (copy.length >= BATCH_HEADER_BYTES) change(copy)
    return copy
  }
}

const timestamp = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: NOW_MS - HOUR_MS, max: NOW_MS + HOUR_MS }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0, 5, NOW_MS + HOUR_MS + 1, NOW_MS * 2) },
)
const bytes = fc.option(fc.uint8Array({ maxLength: 90 }).map((part) => Buffer.from(part)))
const present = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((part) => Buffer.from(part))
const record: fc.Arbitrary<RecordInput> = fc.record({
  key: fc.oneof({ weight: 4, arbitrary: present }, { weight: 1, arbitrary: bytes }),
  value: bytes,
  timestamp,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 4 }), value: bytes }), {
    maxLength: 2,
  }),
})
const producer: fc.Arbitrary<BatchOptions> = fc.oneof(
  fc.constant({}),
  fc.record({
    producerId: fc.nat({ max: 2 ** 40 }),
    producerEpoch: fc.nat({ max: 100 }),
    baseSequence: fc.nat({ max: 2 ** 31 - 1 }),
    transactional: fc.boolean(),
  }),
)

const oddInt32 = fc.constantFrom(-(2 ** 31), -7, -1, 0, 1, 2, 3, 2 ** 31 - 1)
const oddTime = fc.constantFrom(-1, -2, 0, 1, NOW_MS - 1, NOW_MS, NOW_MS + HOUR_MS + 1, 2 ** 52)

function setInt64(batch: Buffer, position: number, value: number): void {
  batch.writeBigInt64BE(BigInt(value), position)
}

/** Changes of a header; a CRC comes after them. */
const headerChange: fc.Arbitrary<Change> = fc.oneof(
  fc.constantFrom(0, 1, 3, -1).map((magic) => inPlace((batch) => batch.writeInt8(magic, 16))),
  fc.nat({ max: 0xff }).map((bits) => inPlace((batch) => batch.writeUInt8(bits, 22))),
  fc.nat({ max: 0xff }).map((bits) => inPlace((batch) => batch.writeUInt8(bits, 21))),
  fc
    .constantFrom(0x08)
    .map((bit) => inPlace((batch) => batch.writeUInt8(batch.readUInt8(22) | bit, 22))),
  oddInt32.map((delta) => inPlace((batch) => batch.writeInt32BE(delta, 23))),
  oddInt32.map((count) => inPlace((batch) => batch.writeInt32BE(count, 57))),
  oddInt32.map((count) =>
    inPlace((batch) => {
      batch.writeInt32BE(count, 57)
      batch.writeInt32BE((count - 1) | 0, 23)
    }),
  ),
  oddTime.map((time) => inPlace((batch) => setInt64(batch, 27, time))),
  oddTime.map((time) => inPlace((batch) => setInt64(batch, 35, time))),
  oddTime.map((id) => inPlace((batch) => setInt64(batch, 43, id))),
  fc.constantFrom(-2, -1, 0, 9).map((epoch) => inPlace((batch) => batch.writeInt16BE(epoch, 51))),
  oddInt32.map((sequence) => inPlace((batch) => batch.writeInt32BE(sequence, 53))),
  fc.constantFrom(1, 2 ** 40).map((offset) => inPlace((batch) => setInt64(batch, 0, offset))),
)

/** Changes of what comes over the wire, CRC and all. */
const wireChange: fc.Arbitrary<Change> = fc.oneof(
  fc.nat({ max: 200 }).map(
    (length): Change =>
      (batch) =>
        batch.subarray(0, length),
  ),
  fc.uint8Array({ maxLength: 40 }).map(
    (more): Change =>
      (batch) =>
        Buffer.concat([batch, more]),
  ),
  fc.constant<Change>((batch) => Buffer.concat([batch, batch])),
  fc.nat({ max: 70 }).map(
    (cut): Change =>
      (batch) =>
        Buffer.concat([batch, batch.subarray(0, cut)]),
  ),
  fc
    .constantFrom(-1, 0, 13, 14, 48, 49, 2 ** 31 - 1)
    .map((length) => inPlace((batch) => batch.writeInt32BE(length, 8))),
  fc
    .tuple(fc.nat(), fc.nat({ max: 255 }))
    .map(([at, byte]) => inPlace((batch) => batch.writeUInt8(byte, at % batch.length))),
)

function recordsChanged(change: (records: Buffer) => Buffer): Change {
  return (batch) => {
    const records = change(batch.subarray(BATCH_HEADER_BYTES))
    const whole = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), records])
    whole.writeInt32BE(whole.length - 12, 8)
    return whole
  }
}

/** Changes of the records' bytes, plain or packed. */
const recordsChange: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) =>
    recordsChanged((records) => {
      const copy = Buffer.from(records)
      if (copy.length > 0) copy.writeUInt8(byte, at % copy.length)
      return copy
    }),
  ),
  fc.tuple(fc.nat(), fc.nat({ max: 255 })).map(([at, byte]) =>
    recordsChanged((records) => {
      const position = at % (records.length + 1)
      const more = Buffer.from([byte])
      return Buffer.concat([records.subarray(0, position), more, records.subarray(position)])
    }),
  ),
  fc.nat().map((at) =>
    recordsChanged((records) => {
      const position = at % (records.length + 1)
      return Buffer.concat([records.subarray(0, position), records.subarray(position + 1)])
    }),
  ),
)

/** The first record gets another offset: it stands behind length, attributes and a delta of 0. */
const offsetChange: fc.Arbitrary<Change> = fc.nat({ max: 20 }).map((delta) =>
  recordsChanged((records) => {
    const copy = Buffer.from(records)
    const lengthBytes = copy.findIndex((byte) => byte < 0x80) + 1
    if (lengthBytes + 2 < copy.length) copy.writeUInt8(delta, lengthBytes + 2)
    return copy
  }),
)

const few = (changes: fc.Arbitrary<Change>, weight: number): fc.Arbitrary<Change[]> =>
  fc.oneof(
    { weight: 10 - weight, arbitrary: fc.constant<Change[]>([]) },
    { weight, arbitrary: fc.array(changes, { minLength: 1, maxLength: 2 }) },
  )

const longMax = 2 ** 63
const rules: fc.Arbitrary<BatchRules> = fc
  .record({
    messageBytesMax: fc.constantFrom(1_000_000, 1_000_000, 1_000_000, 200),
    logAppendTime: fc.boolean(),
    timestampBeforeMsMax: fc.constantFrom(longMax, longMax, HOUR_MS, 0),
    timestampAfterMsMax: fc.constantFrom(HOUR_MS, HOUR_MS, longMax, 0),
    keysRequired: fc.boolean(),
    packing: fc.constantFrom(
      null,
      null,
      { codec: 0, level: 0 },
      { codec: 1, level: -1 },
      { codec: 2, level: 0 },
      { codec: 3, level: 9 },
      { codec: 4, level: 3 },
    ),
  })
  // How large a batch is that was packed anew depends on the library.
  .map((each) => (each.packing === null ? each : { ...each, messageBytesMax: 1_000_000 }))

/** Batches, of which many are changed in places, for topics with all kinds of configs. */
export const produced: fc.Arbitrary<Produced> = fc
  .record({
    records: fc.array(record, { minLength: 1, maxLength: 4 }),
    producer,
    codec: fc.nat({ max: 4 }),
    plain: few(fc.oneof(recordsChange, offsetChange), 3),
    packed: few(recordsChange, 1),
    header: few(headerChange, 4),
    wire: few(wireChange, 1),
    rules,
    version: fc.constantFrom(3, 9, 13),
  })
  .map((each) => {
    const apply = (batch: Buffer, changes: readonly Change[]): Buffer =>
      changes.reduce((changed, change) => change(changed), batch)
    const plain = apply(buildBatch(each.records, each.producer), each.plain)
    const changed = apply(apply(packBatch(plain, each.codec), each.packed), each.header)
    setCrc(changed, 0)
    const options = { nowMs: NOW_MS, zstdAllowed: each.version >= 7, validation: 'full' as const }
    return { bytes: apply(changed, each.wire), rules: each.rules, options }
  })
