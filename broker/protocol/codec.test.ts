import { describe, expect, test } from '@jest/globals'
import { codecOf, DecodeError, encodeToBuffer, joined } from './codec.ts'
import { fetchRequest, fetchResponse } from './messages/fetch.ts'
import { type ProduceRequest, produceRequest, produceResponse } from './messages/produce.ts'
import { metadataRequest } from './messages/metadata.ts'
import { ZERO_UUID } from './schema.ts'

const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw'

function produceBody(recordsBytes: number): ProduceRequest {
  return {
    transactionalId: null,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [
      {
        name: '',
        topicId: TOPIC_ID,
        partitionData: [{ index: 3, records: Buffer.alloc(recordsBytes, 7) }],
      },
    ],
  }
}

describe('decoding', () => {
  test('gives views of bytes, not copies', () => {
    const frame = encodeToBuffer(produceRequest, 13, produceBody(1000))
    const { topicData } = codecOf(produceRequest, 13).decode(frame)
    const records = topicData[0]?.partitionData[0]?.records
    expect(records).toEqual(Buffer.alloc(1000, 7))
    frame.fill(9)
    expect(records).toEqual(Buffer.alloc(1000, 9))
  })

  test('names the field that is malformed', () => {
    const frame = encodeToBuffer(produceRequest, 13, produceBody(1000))
    const cut = frame.subarray(0, frame.length - 500)
    expect(() => codecOf(produceRequest, 13).decode(cut)).toThrow(
      expect.objectContaining({
        name: 'DecodeError',
        path: 'topicData[0].partitionData[0].records',
      }),
    )
  })

  test('refuses an array that cannot fit before allocating it', () => {
    const frame = Buffer.from('ffff' + 'ffff' + '00007530' + '7fffffff', 'hex')
    expect(() => codecOf(produceRequest, 3).decode(frame)).toThrow(DecodeError)
  })

  test('refuses null where the version does not allow it', () => {
    const nullTopics = Buffer.from('ffffffff', 'hex')
    expect(codecOf(metadataRequest, 1).decode(nullTopics).topics).toBeNull()
    expect(() => codecOf(metadataRequest, 0).decode(nullTopics)).toThrow(DecodeError)
  })

  test('skips tagged fields it does not know', () => {
    const frame = encodeToBuffer(produceRequest, 13, produceBody(10))
    const noTags = frame.subarray(0, frame.length - 1)
    const unknown = Buffer.from('02' + '0503aabbcc' + '2700', 'hex')
    const decoded = codecOf(produceRequest, 13).decode(Buffer.concat([noTags, unknown]))
    expect(decoded).toEqual(codecOf(produceRequest, 13).decode(frame))
  })
})

describe('encoding', () => {
  test('hands larger records over as they are', () => {
    const pieces = [Buffer.alloc(5000, 1), Buffer.alloc(4000, 2)]
    const encoded = codecOf(fetchResponse, 17).encode({
      responses: [
        {
          topicId: TOPIC_ID,
          partitions: [
            {
              partitionIndex: 0,
              errorCode: 0,
              highWatermark: 10,
              abortedTransactions: null,
              records: pieces,
            },
          ],
        },
      ],
    })
    expect(encoded.chunks.filter((chunk) => pieces.some((piece) => piece === chunk))).toEqual(
      pieces,
    )
    const decoded = codecOf(fetchResponse, 17).decode(joined(encoded))
    expect(decoded.responses[0]?.partitions[0]?.records).toEqual(Buffer.concat(pieces))
    expect(encoded.totalBytes).toBe(joined(encoded).length)
  })

  test('leaves out tagged fields that have their default', () => {
    const body = (nodeEndpoints: [], currentLeader?: { leaderId: number }) => ({
      responses: [
        {
          topicId: TOPIC_ID,
          partitionResponses: [{ index: 0, errorCode: 0, baseOffset: 0, currentLeader }],
        },
      ],
      nodeEndpoints,
    })
    const plain = encodeToBuffer(produceResponse, 13, body([]))
    expect(encodeToBuffer(produceResponse, 13, body([], { leaderId: -1 }))).toEqual(plain)
    expect(encodeToBuffer(produceResponse, 13, body([], { leaderId: 5 })).length).toBe(
      plain.length + 2 + 9,
    )
  })

  test('carries "no limit" as 2^63-1', () => {
    const codec = codecOf(fetchRequest, 18)
    const frame = (highWatermark: number) =>
      joined(
        codec.encode({
          maxWaitMs: 1,
          minBytes: 1,
          topics: [
            {
              topicId: TOPIC_ID,
              partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1, highWatermark }],
            },
          ],
        }),
      )
    const watermarkOf = (buffer: Buffer) =>
      codec.decode(buffer).topics[0]?.partitions[0]?.highWatermark
    expect(watermarkOf(frame(Infinity))).toBe(Infinity)
    expect(watermarkOf(frame(2 ** 53 - 1))).toBe(2 ** 53 - 1)
  })
})

test('what a version cannot carry is dropped, and comes back as its default', () => {
  const frame = encodeToBuffer(produceResponse, 7, {
    responses: [
      {
        name: 'topic',
        topicId: TOPIC_ID,
        partitionResponses: [{ index: 1, errorCode: 3, baseOffset: -1, errorMessage: 'gone' }],
      },
    ],
  })
  const [topic] = codecOf(produceResponse, 7).decode(frame).responses
  expect(topic).toMatchObject({ name: 'topic', topicId: ZERO_UUID })
  expect(topic?.partitionResponses[0]).toEqual({
    index: 1,
    errorCode: 3,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage: null,
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
  })
})

test('a message ends where the caller says', () => {
  const frame = encodeToBuffer(produceRequest, 13, produceBody(100))
  const longer = Buffer.concat([Buffer.alloc(3), frame, Buffer.alloc(3)])
  const codec = codecOf(produceRequest, 13)
  expect(codec.decode(longer, 3, 3 + frame.length)).toEqual(codec.decode(frame))
  expect(() => codec.decode(longer, 3, 2 + frame.length)).toThrow(DecodeError)
})

test('values that do not fit their type are broken invariants of ours', () => {
  const partition = { index: 0, errorCode: 0, baseOffset: 0 }
  const encode = (change: Partial<typeof partition>) =>
    encodeToBuffer(produceResponse, 9, {
      responses: [{ name: 't', partitionResponses: [{ ...partition, ...change }] }],
    })
  expect(encode({}).length).toBeGreaterThan(0)
  expect(() => encode({ errorCode: 40_000 })).toThrow('int16')
  expect(() => encode({ index: 2 ** 31 })).toThrow('int32')
  expect(() => encode({ baseOffset: 2 ** 53 })).toThrow('int64')
  expect(() => encode({ baseOffset: Number.NaN })).toThrow('int64')
})
