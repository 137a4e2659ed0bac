import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import * as header from './batch-header.ts'
import { type AcceptedBatch, judgeBatch, judgeRecords, type RefusedProduce } from './judge-batch.ts'
import { NOW_MS, type Produced, produced } from './testing/odd-batches.ts'

const SAMPLES = 3_000
/** The same run for everybody. */
const SEED = 2026

type RecordRow = readonly [offset: number, time: number, key: string, value: string, more: string]

interface Described {
  readonly lastOffset: number
  readonly type: string
  readonly records: readonly RecordRow[]
}

interface KafkasJudgement {
  readonly error: string
  readonly records: readonly number[]
  readonly theirs: Described | null
  readonly ours: Described | null
}

const ERROR_NAMES = {
  'corrupt-message': 'CORRUPT_MESSAGE',
  'invalid-record': 'INVALID_RECORD',
  'invalid-timestamp': 'INVALID_TIMESTAMP',
  'stale-epoch': 'INVALID_PRODUCER_EPOCH',
  'too-large': 'MESSAGE_TOO_LARGE',
  'unsupported-compression': 'UNSUPPORTED_COMPRESSION_TYPE',
} as const

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** What we make of it; of a copy, since batches are put right in place. */
async function judge({ bytes, rules, options }: Produced): Promise<AcceptedBatch | RefusedProduce> {
  const judged = judgeBatch(Buffer.from(bytes), rules, options)
  return judged.verdict === 'pending' ? judgeRecords(judged, rules, options) : judged
}

function lineOf({ bytes, rules, options }: Produced, ours: AcceptedBatch | RefusedProduce): string {
  const long = (value: number): string => String(value >= 2 ** 63 ? 2n ** 63n - 1n : value)
  return [
    options.zstdAllowed ? 9 : 3,
    rules.keysRequired,
    rules.logAppendTime ? 'LogAppendTime' : 'CreateTime',
    long(rules.timestampBeforeMsMax),
    long(rules.timestampAfterMsMax),
    rules.packing === null ? 'producer' : CODECS[rules.packing.codec],
    NOW_MS,
    rules.messageBytesMax,
    bytes.toString('hex'),
    ours.verdict === 'accepted' ? ours.bytes.toString('hex') : '-',
  ].join(' ')
}

function attributesOf({ bytes }: Produced): number {
  return bytes.length < header.BATCH_HEADER_BYTES ? 0 : header.attributes(bytes)
}

/**
 * Kafka passes over the lengths of packed records, and does not read a packed stream to its end: it
 * goes on to what else may be wrong, or takes it. Other readers would not.
 */
const UNREADABLE = /length of a record|longer than its batch|cannot unpack|of lz4|of snappy/

/** What we do not take by its header: it means nothing to our producer state. */
function isStrangeProducer(sample: Produced): boolean {
  const { bytes } = sample
  if (bytes.length < header.BATCH_HEADER_BYTES) return false
  const producerId = header.producerId(bytes)
  const isTransactional = (attributesOf(sample) & header.TRANSACTIONAL_BIT) !== 0
  if (producerId < -1 || (producerId < 0 && isTransactional)) return true
  return producerId >= 0 && header.producerEpoch(bytes) < 0
}

/** Kafka keeps wrong offsets within batches that are not compressed; here they are put right. */
function withOffsets(described: Described | null): Described | null {
  if (described === null) return null
  const records = described.records.map(([, ...rest], index) => [index, ...rest] as const)
  return { ...described, records: records as unknown as RecordRow[] }
}

function expectAlike(
  sample: Produced,
  ours: AcceptedBatch | RefusedProduce,
  kafka: KafkasJudgement,
): 'accepted' | 'refused' | 'stricter' {
  if (ours.verdict === 'refused') {
    const kind = kafka.error === 'NONE' ? 'stricter' : 'refused'
    if (isStrangeProducer(sample)) return kind
    const isPacked = (attributesOf(sample) & header.COMPRESSION_MASK) !== 0
    if (isPacked && UNREADABLE.test(ours.reason)) return kind
    // A fault of its own, to Kafka: of a stream that cannot be unpacked, of an unknown codec.
    if (kafka.error !== 'UNKNOWN_SERVER_ERROR') {
      expect(ERROR_NAMES[ours.error]).toBe(kafka.error)
      expect(ours.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual(kafka.records)
    }
    return 'refused'
  }
  // Kafka fails where it would have to put the offsets of records right without packing them anew.
  const putsOffsetsRight = kafka.error === 'UNKNOWN_SERVER_ERROR' && ours.isRebuilt
  if (!putsOffsetsRight) expect(kafka.error).toBe('NONE')
  expect(kafka.ours?.records.map(([offset]) => offset)).toEqual(
    Array.from({ length: ours.info.recordsCount }, (_, index) => index),
  )
  // What a client says to be stamped already gets one of two times in Kafka, as it packs it anew.
  const isStamped = (ours.info.attributes & header.LOG_APPEND_TIME_BIT) !== 0
  if (putsOffsetsRight || (isStamped && ours.isRebuilt)) return 'accepted'
  expect(kafka.ours).toEqual(withOffsets(kafka.theirs))
  expect(ours.maxTimestamp).toBe(header.maxTimestamp(ours.bytes))
  return 'accepted'
}

test(
  'what clients may send is judged as Kafka judges it, and stored as what Kafka would store',
  async () => {
    const samples = fc.sample(produced, { numRuns: SAMPLES, seed: SEED })
    const judgements: (AcceptedBatch | RefusedProduce)[] = []
    for (const sample of samples) judgements.push(await judge(sample))
    const lines = samples.map((sample, at) => lineOf(sample, judgements[at] as AcceptedBatch))
    const program = join(import.meta.dirname, 'KafkaValidation.java')
    const output = (await runJavaWithKafka(program, `${lines.join('\n')}\n`)).trim().split('\n')
    expect(output.length).toBe(samples.length)
    const counts = { accepted: 0, refused: 0, stricter: 0 }
    for (const [at, sample] of samples.entries()) {
      const kafka = JSON.parse(output[at] ?? '') as KafkasJudgement
      const ours = judgements[at] as AcceptedBatch | RefusedProduce
      try {
        counts[expectAlike(sample, ours, kafka)]++
      } catch (error) {
        const told = ours.verdict === 'refused' ? ours : { ...ours, bytes: '' }
        throw new Error(`${lines[at]}\n${JSON.stringify(told)}\n${output[at]}`, { cause: error })
      }
    }
    // Of each kind there is enough to mean something.
    expect(counts.accepted).toBeGreaterThan(SAMPLES / 10)
    expect(counts.refused).toBeGreaterThan(SAMPLES / 10)
    expect(counts.stricter).toBeLessThan(SAMPLES / 20)
  },
  FETCH_MS_MAX,
)
