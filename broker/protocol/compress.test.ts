import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { FETCH_MS_MAX, runJavaWithKafka } from '../testing/kafka-tools.ts'
import { withPackedRecords } from '../testing/packed-batch.ts'
import { BATCH_HEADER_BYTES, compressionCodec } from './batch-header.ts'
import { buildBatch } from './build-batch.ts'
import { compress, LEVEL_BY_DEFAULT } from './compress.ts'
import { decompress, unpackedBytesMax } from './compression.ts'

const CODECS = Object.entries(compressionCodec)
const NOW_MS = 1_700_000_000_000

/** Compresses, though not to nothing. */
function text(words: number): Buffer {
  let state = 1
  const parts: string[] = []
  for (let index = 0; index < words; index++) {
    state = (state * 48_271) % 0x7fff_ffff
    parts.push(String(state % 1_000))
  }
  return Buffer.from(parts.join(' '))
}

test(
  'Kafka reads what is packed here, also where it takes many blocks',
  async () => {
    const value = text(60_000)
    const records = [value, Buffer.alloc(0), value.subarray(7)].map((each) => {
      return { key: null, value: each, timestamp: NOW_MS }
    })
    const batch = buildBatch(records)
    const lines: string[] = []
    for (const [name, codec] of CODECS) {
      const level = LEVEL_BY_DEFAULT[codec] ?? 0
      const packed = await compress({ codec, level }, batch.subarray(BATCH_HEADER_BYTES))
      const ours = withPackedRecords(batch, codec, packed).toString('hex')
      const rules = `9 false CreateTime 1000 1000 ${name} ${NOW_MS} 10000000`
      lines.push(`${rules} ${batch.toString('hex')} ${ours}`)
    }
    const program = join(import.meta.dirname, 'KafkaValidation.java')
    const output = await runJavaWithKafka(program, `${lines.join('\n')}\n`)
    const answers = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(answers).toHaveLength(CODECS.length)
    for (const [at, { error, theirs, ours }] of answers.entries()) {
      expect({ codec: CODECS[at]?.[0], error }).toEqual({ codec: CODECS[at]?.[0], error: 'NONE' })
      expect(ours).toEqual(theirs)
    }
  },
  FETCH_MS_MAX,
)

describe.each(CODECS)('%s', (_name, codec) => {
  test.each([0, 1, 32 * 1024, 32 * 1024 + 1, 300_000])('gives back %s bytes', async (length) => {
    const plain = text(100_000).subarray(0, length)
    const packed = await compress({ codec, level: LEVEL_BY_DEFAULT[codec] ?? 0 }, plain)
    if (length === 300_000 && codec !== 0) expect(packed.length).toBeLessThan(length)
    expect((await decompress(codec, packed)).equals(plain)).toBe(true)
  })
})

test.each([
  ['gzip', compressionCodec.gzip, 1, 9],
  ['zstd', compressionCodec.zstd, -50, 19],
])('%s packs more tightly at a higher level', async (_name, codec, low, high) => {
  const plain = text(50_000)
  const loose = await compress({ codec, level: low }, plain)
  const tight = await compress({ codec, level: high }, plain)
  expect(tight.length).toBeLessThan(loose.length)
  expect((await decompress(codec, tight)).equals(plain)).toBe(true)
})

test('what a batch may unpack to grows with it, within bounds', () => {
  const mebibyte = 1024 * 1024
  expect(unpackedBytesMax(1)).toBe(8 * mebibyte)
  expect(unpackedBytesMax(20_000)).toBe(20_000 * 1032)
  expect(unpackedBytesMax(mebibyte)).toBe(64 * mebibyte)
})
