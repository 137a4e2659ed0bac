import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { allApis } from './api-keys.ts'
import { arbitraryMessage } from './testing/arbitrary.ts'
import { codecOf, DecodeError, ELEMENTS_MAX, encodeToBuffer, joined } from './codec.ts'
import { describeTopicPartitionsRequest } from './messages/describe-topic-partitions.ts'
import type { Message } from './schema.ts'

const cases: [string, Message, number][] = []
for (const api of allApis) {
  for (const table of [api.request, api.response]) {
    for (let version = table.versions[0]; version <= table.versions[1]; version++) {
      cases.push([`${table.name} v${version}`, table, version])
    }
  }
}

/** Before v3 these have no bytes at all: nothing to cut or change. */
const EMPTY_BEFORE_V3 = new Set(['ApiVersionsRequest', 'ListGroupsRequest'])
const casesWithBytes = cases.filter(
  ([, table, version]) => !EMPTY_BEFORE_V3.has(table.name) || version >= 3,
)

/** Decodes, and says whether the bytes were a message; any fault but DecodeError is thrown. */
function decodes(table: Message, version: number, bytes: Buffer): boolean {
  try {
    codecOf(table, version).decode(bytes)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}

describe('every version of every message', () => {
  test.each(cases)('%s comes back as it was encoded', (_name, table, version) => {
    const codec = codecOf(table, version)
    fc.assert(
      fc.property(arbitraryMessage(table, version), (value) => {
        expect(codec.decode(joined(codec.encode(value)))).toEqual(value)
      }),
      { numRuns: 40 },
    )
  })

  test.each(casesWithBytes)('%s is refused when it is cut off', (_name, table, version) => {
    fc.assert(
      fc.property(arbitraryMessage(table, version), fc.nat(), (value, random) => {
        const frame = encodeToBuffer(table, version, value)
        expect(decodes(table, version, frame.subarray(0, random % frame.length))).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  test.each(casesWithBytes)(
    '%s with changed bytes is a message or a DecodeError',
    (_name, table, version) => {
      const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 })
      fc.assert(
        fc.property(arbitraryMessage(table, version), changes, (value, bytes) => {
          const frame = encodeToBuffer(table, version, value)
          for (const [position, byte] of bytes) frame[position % frame.length] = byte
          expect(typeof decodes(table, version, frame)).toBe('boolean')
        }),
        { numRuns: 40 },
      )
    },
  )

  test.each(cases)('random bytes are a %s or a DecodeError', (_name, table, version) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodes(table, version, Buffer.from(bytes))).toBe('boolean')
      }),
      { numRuns: 40 },
    )
  })
})

test('a frame of tiny elements cannot ask for any amount of memory', () => {
  const request = (count: number) =>
    encodeToBuffer(describeTopicPartitionsRequest, 0, {
      topics: new Array(count).fill({ name: '' }),
    })
  expect(decodes(describeTopicPartitionsRequest, 0, request(1000))).toBe(true)
  expect(decodes(describeTopicPartitionsRequest, 0, request(ELEMENTS_MAX + 1))).toBe(false)
})
