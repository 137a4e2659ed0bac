import type { Random } from '../../../base/random.ts'
import {
  BATCH_HEADER_BYTES,
  compressionCodec,
  setCrc,
} from '../../../broker/protocol/batch-header.ts'
import {
  buildBatch,
  decodeRecords,
  type RecordInput,
} from '../../../broker/protocol/build-batch.ts'
import { decompress, unpackedBytesMax } from '../../../broker/protocol/compression.ts'
import {
  type BatchRules,
  judgeBatch,
  judgeRecords,
  type JudgeOptions,
} from '../../../broker/protocol/judge-batch.ts'
import { findRecord, unpackRecords } from '../../../broker/protocol/records.ts'
import { packBatch } from '../../../broker/testing/packed-batch.ts'
import type { Target } from '../target.ts'
import { isDecodeError } from './requests.ts'

const NOW_MS = 1_700_000_000_000
const CODECS = Object.values(compressionCodec)
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024
const FLAGS_BYTES = 1

function recordOf(random: Random): RecordInput {
  const bytes = (max: number): Buffer | null =>
    random.below(4) === 0 ? null : random.bytes(random.below(max))
  const headers = Array.from({ length: random.below(3) }, () => ({ key: 'h', value: bytes(5) }))
  return { key: bytes(6), value: bytes(40), timestamp: NOW_MS + random.below(1000), headers }
}

/** Whole batches in all codecs, some of an idempotent producer. */
export function batches(random: Random): Buffer[] {
  const made: Buffer[] = []
  for (const codec of CODECS) {
    for (let count = 1; count <= 4; count++) {
      const records = Array.from({ length: count }, () => recordOf(random))
      const producer = { producerId: 5, producerEpoch: 0, baseSequence: 0 }
      made.push(packBatch(buildBatch(records, count % 2 === 0 ? producer : {}), codec))
    }
  }
  return made
}

/** Behind `start` there is a batch, which gets its right length and CRC where it has a header. */
function repairBatch(input: Buffer, start: number): void {
  const batch = input.subarray(start)
  if (batch.length < BATCH_HEADER_BYTES) return
  batch.writeInt32BE(batch.length - 12, 8)
  setCrc(batch, 0)
}

/** What a topic may ask for, by the bits of a byte. */
function rulesOf(flags: number): { rules: BatchRules; options: JudgeOptions } {
  const codec = CODECS[(flags >> 3) % CODECS.length] as number
  const level = codec === compressionCodec.lz4 ? 9 : 1
  return {
    rules: {
      messageBytesMax: MESSAGE_BYTES_MAX,
      logAppendTime: (flags & 1) !== 0,
      keysRequired: (flags & 2) !== 0,
      packing: (flags & 4) === 0 ? null : { codec, level },
      timestampBeforeMsMax: Number.MAX_SAFE_INTEGER,
      timestampAfterMsMax: 3_600_000,
    },
    options: {
      nowMs: NOW_MS,
      zstdAllowed: true,
      validation: (flags & 64) === 0 ? 'full' : 'uncompressed',
    },
  }
}

/**
 * A byte of flags and what a client produces. Whatever it is, it is judged; what is accepted and was
 * looked into can be read by consumers.
 */
export const produced: Target = {
  name: 'produced-batch',
  weight: 4,
  seeds: (random) =>
    batches(random).flatMap((batch) =>
      [0, 1, 2, 4, 12, 64].map((flags) => Buffer.concat([Buffer.from([flags]), batch])),
    ),
  async run(input) {
    const flags = input[0] ?? 0
    const { rules, options } = rulesOf(flags)
    const first = judgeBatch(input.subarray(FLAGS_BYTES), rules, options)
    const judged = first.verdict === 'pending' ? await judgeRecords(first, rules, options) : first
    if (judged.verdict === 'refused')
      return `${first.verdict} ${judged.reason}`.replace(/-?\d+/g, '#')
    if (options.validation !== 'full') return `${first.verdict} accepted`
    const records = await unpackRecords(judged.bytes, 0)
    let count = 0
    findRecord(judged.bytes, 0, records, () => {
      count++
      return false
    })
    if (count !== judged.info.recordsCount)
      throw new Error('a batch was accepted that reads otherwise')
    return `${first.verdict} accepted, rebuilt: ${judged.isRebuilt}`
  },
  isDeclared: () => false,
  repair: (input) => repairBatch(input, FLAGS_BYTES),
}

/** A batch from the log, unpacked and read to its end; and its records, where nothing is packed. */
export const stored: Target = {
  name: 'stored-batch',
  seeds: batches,
  run(input) {
    const records = decodeRecords(input)
    return records.length > 5 ? 'many records' : `${records.length} records`
  },
  isDeclared: isDecodeError,
  repair: (input) => repairBatch(input, 0),
}

/** A byte of the codec, and what is packed with it. */
export const packed: Target = {
  name: 'packed-records',
  seeds: (random) =>
    batches(random).flatMap((batch) => {
      const codec = Buffer.from([(batch[22] as number) & 7])
      return [Buffer.concat([codec, batch.subarray(BATCH_HEADER_BYTES)])]
    }),
  async run(input) {
    const bytes = input.subarray(1)
    const bytesMax = unpackedBytesMax(bytes.length)
    const unpacked = await decompress((input[0] ?? 0) & 7, bytes, bytesMax)
    if (unpacked.length > bytesMax) throw new Error('more was unpacked than is allowed')
    const magnitude = Math.floor(Math.log2(unpacked.length + 1) / 3)
    return `codec ${(input[0] ?? 0) & 7}: some 8^${magnitude} bytes`
  },
  isDeclared: isDecodeError,
}
