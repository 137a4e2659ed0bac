import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import type { ObjectIdentity, ObjectKind } from '../object-store/header.ts'
import { objectKind } from '../object-store/header.ts'
import type { Body } from '../object-store/store.ts'
import { decodeBatch, encodeBatch, encodeRecords } from './batch.ts'
import { encodeFramed } from './framing.ts'
import type { Image } from './image.ts'
import { applyRecord, emptyImage } from './image.ts'
import { NonceWindow, NONCES_KEPT_MIN } from './nonces.ts'
import { decodeSnapshot, encodeSnapshot } from './snapshot.ts'
import type { MetadataRecord } from './records.ts'
import { randomRecords } from './testing/random-records.ts'

const random = seededRandom(3)
const identity: ObjectIdentity = { nodeId: 9, seq: 41, nonce: random.bytes(16) }
const RECORDS: MetadataRecord[] = [
  { type: 'cluster', clusterId: 'c', secret: 's', createdMs: 1 },
  { type: 'config', scope: 'topic', name: 'ä', key: '__proto__', value: null },
]

const bytesOf = (body: Body): Buffer => Buffer.concat(body)

function framed(text: string, kind: ObjectKind = objectKind.metadataBatch): Buffer {
  return bytesOf(encodeFramed(kind, identity, Buffer.from(text)))
}

/** What a reader of the log must be told of bytes that it cannot trust. */
const corruptBatch = expect.objectContaining({
  kind: 'corrupt',
  message: expect.stringContaining('meta/log/00000000000000000041'),
})

describe('a batch', () => {
  test('is read as it was written, in the order of its parts', () => {
    const [first, second] = RECORDS.map((record) => encodeRecords([record]))
    if (!first || !second) throw new Error('two records make two parts')
    const bytes = bytesOf(encodeBatch(identity, [first, second]))
    const { nodeId, nonce } = identity
    expect(decodeBatch(41, bytes)).toEqual({ seq: 41, nodeId, nonce, records: RECORDS })
  })

  test('is refused when any one byte of it differs, or is missing', () => {
    const bytes = bytesOf(encodeBatch(identity, [encodeRecords(RECORDS)]))
    for (let position = 0; position < bytes.length; position++) {
      const damaged = Buffer.from(bytes)
      damaged[position] = (damaged[position] ?? 0) ^ (1 << random.below(8))
      expect(() => decodeBatch(41, damaged)).toThrow(corruptBatch)
      expect(() => decodeBatch(41, bytes.subarray(0, position))).toThrow(corruptBatch)
    }
    expect(() => decodeBatch(41, Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(corruptBatch)
  })

  test.each([
    ['of another kind', framed('[]', objectKind.metadataSnapshot)],
    ['that is no JSON', framed('[')],
    ['that is no array', framed('{}')],
    ['with a record of a later release', framed('[{"type":"quota"}]')],
    ['with a record named like a method', framed('[{"type":"toString"}]')],
    ['with a record that is none', framed('[null]')],
  ])('%s is refused', (_what, bytes) => {
    expect(() => decodeBatch(41, bytes)).toThrow(corruptBatch)
  })

  test('at another key than its own is refused', () => {
    const bytes = bytesOf(encodeBatch(identity, [encodeRecords(RECORDS)]))
    expect(() => decodeBatch(42, bytes)).toThrow(expect.objectContaining({ kind: 'corrupt' }))
  })

  test('over the limit is refused', () => {
    const bytes = framed(`[${' '.repeat(8 * 1024 * 1024)}]`)
    expect(() => decodeBatch(41, bytes)).toThrow(corruptBatch)
  })

  test('records that are encoded share nothing with those proposed', () => {
    const from = [{ nodeId: 1, leaderEpoch: 2 }]
    const proposed: MetadataRecord = {
      type: 'ownership',
      topicId: 't',
      partition: 0,
      nodeId: 1,
      leaderEpoch: 3,
      from,
      refs: [],
    }
    const { records } = encodeRecords([proposed])
    from.pop()
    expect(records).toMatchObject([{ from: [{ nodeId: 1, leaderEpoch: 2 }] }])
    const strange = [{ type: 'quota' }] as unknown as MetadataRecord[]
    expect(() => encodeRecords(strange)).toThrow('quota')
  })
})

describe('a snapshot', () => {
  function grown(seed: number): Image {
    const own = seededRandom(seed)
    const image = emptyImage()
    for (let step = 0; step < 300; step++) {
      for (const record of randomRecords(image, own)) applyRecord(image, record)
    }
    return image
  }

  test.each([1, 2, 3])('is read as it was written (seed %i)', (seed) => {
    const image = grown(seed)
    const nonces = new NonceWindow(41, random.bytes(16 * 20))
    const bytes = bytesOf(encodeSnapshot(identity, { seq: 41, image, nonces }))
    const read = decodeSnapshot(41, bytes)
    expect(read.image).toEqual(image)
    expect(read.seq).toBe(41)
    for (let seq = nonces.firstSeq; seq <= 41; seq++) {
      expect(read.nonces.at(seq)).toEqual(nonces.at(seq))
    }
    expect(read.nonces.firstSeq).toBe(22)
    expect(bytes.equals(bytesOf(encodeSnapshot(identity, read)))).toBe(true)
  })

  test('damaged, or of a later layout, is refused', () => {
    const bytes = bytesOf(
      encodeSnapshot(identity, { seq: 41, image: grown(1), nonces: new NonceWindow(41) }),
    )
    const key = expect.objectContaining({
      kind: 'corrupt',
      message: expect.stringContaining('meta/snapshot/00000000000000000041'),
    })
    for (let round = 0; round < 200; round++) {
      const damaged = Buffer.from(bytes)
      const position = random.below(bytes.length)
      damaged[position] = (damaged[position] ?? 0) ^ 0x10
      expect(() => decodeSnapshot(41, damaged)).toThrow(key)
    }
    for (const text of ['{"version":2}', 'null', '{"version":1}']) {
      const strange = framed(text, objectKind.metadataSnapshot)
      expect(() => decodeSnapshot(41, strange)).toThrow(key)
    }
  })
})

describe('the window of nonces', () => {
  test('keeps what is above the boundary, and the last ones in any case', () => {
    const nonces = new NonceWindow()
    const all: Buffer[] = [Buffer.alloc(0)]
    const count = 3 * NONCES_KEPT_MIN
    for (let seq = 1; seq <= count; seq++) {
      const nonce = random.bytes(16)
      all.push(nonce)
      nonces.push(seq, nonce)
      nonces.forgetBelow(seq < 2 * NONCES_KEPT_MIN ? 1 : seq - 100)
      if (seq < 2 * NONCES_KEPT_MIN) expect(nonces.firstSeq).toBe(1)
    }
    expect(nonces.firstSeq).toBeGreaterThan(1)
    expect(nonces.firstSeq).toBeLessThanOrEqual(count - NONCES_KEPT_MIN + 1)
    for (let seq = nonces.firstSeq; seq <= count; seq++) expect(nonces.at(seq)).toBe(all[seq])
    expect(nonces.at(nonces.firstSeq - 1)).toBeNull()
  })
})
