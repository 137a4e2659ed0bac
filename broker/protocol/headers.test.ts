import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { allApis, apiOf, apis } from './api-keys.ts'
import { codecOf, DecodeError, joined, Writer } from './codec.ts'
import { apiVersionsRequest, apiVersionsResponse } from './messages/api-versions.ts'
import { metadataRequest, metadataResponse } from './messages/metadata.ts'
import {
  decodeRequestHeader,
  decodeRequestId,
  encodeRequestFrame,
  encodeRequestHeader,
  requestHeaderVersion,
} from './request-header.ts'
import {
  decodeResponseHeader,
  encodeResponseFrame,
  responseHeaderVersion,
} from './response-header.ts'

describe('request header', () => {
  test('comes back as it was encoded, in both versions', () => {
    const header = fc.record({
      apiKey: fc.nat({ max: 100 }),
      apiVersion: fc.nat({ max: 20 }),
      correlationId: fc.integer(),
      clientId: fc.option(fc.string({ unit: 'grapheme' })),
    })
    fc.assert(
      fc.property(header, fc.constantFrom(1 as const, 2 as const), (value, version) => {
        const writer = new Writer()
        encodeRequestHeader(writer, version, value)
        const bytes = joined(writer.finish())
        const decoded = decodeRequestHeader(bytes, version)
        expect(decoded).toEqual({ ...value, bodyPosition: bytes.length })
        const { clientId: _, ...id } = value
        expect(decodeRequestId(bytes)).toEqual(id)
        for (let end = 0; end < bytes.length; end++) {
          expect(() => decodeRequestHeader(bytes.subarray(0, end), version)).toThrow(DecodeError)
        }
      }),
    )
  })

  test('has a client id with a two-byte length in version 2 too, and skips unknown tags', () => {
    const bytes = Buffer.from(
      '0012' + '0003' + '00000007' + '0001' + '78' + '01' + '0a02abcd',
      'hex',
    )
    expect(decodeRequestHeader(bytes, 2)).toEqual({
      apiKey: 18,
      apiVersion: 3,
      correlationId: 7,
      clientId: 'x',
      bodyPosition: bytes.length,
    })
  })

  test('is of version 2 exactly for flexible requests', () => {
    for (const { request } of allApis) {
      for (let version = request.versions[0]; version <= request.versions[1]; version++) {
        const flexible = request.flexibleFrom !== null && version >= request.flexibleFrom
        expect(requestHeaderVersion(request, version)).toBe(flexible ? 2 : 1)
      }
    }
  })

  test('begins a frame whose size is that of the rest', () => {
    const header = { correlationId: 5, clientId: 'c' }
    const frame = joined(encodeRequestFrame(metadataRequest, 12, header, { topics: null }))
    expect(frame.readInt32BE(0)).toBe(frame.length - 4)
    const { bodyPosition, apiKey, apiVersion } = decodeRequestHeader(frame, 2, 4)
    expect([apiKey, apiVersion]).toEqual([3, 12])
    expect(codecOf(metadataRequest, 12).decode(frame, bodyPosition).topics).toBeNull()
  })
})

describe('response header', () => {
  test('of ApiVersions never has tagged fields', () => {
    expect(responseHeaderVersion(apiVersionsResponse, 3)).toBe(0)
    expect(requestHeaderVersion(apiVersionsRequest, 3)).toBe(2)
    expect(responseHeaderVersion(metadataResponse, 9)).toBe(1)
    expect(responseHeaderVersion(metadataResponse, 8)).toBe(0)
  })

  test('begins a frame whose size is that of the rest', () => {
    for (const version of [8, 12]) {
      const body = { brokers: [{ nodeId: 1, host: 'h', port: 2 }], topics: [] }
      const frame = joined(encodeResponseFrame(metadataResponse, version, 99, body))
      expect(frame.readInt32BE(0)).toBe(frame.length - 4)
      const headerVersion = responseHeaderVersion(metadataResponse, version)
      const { correlationId, bodyPosition } = decodeResponseHeader(frame, headerVersion, 4)
      expect(correlationId).toBe(99)
      const decoded = codecOf(metadataResponse, version).decode(frame, bodyPosition)
      expect(decoded.brokers).toEqual([{ nodeId: 1, host: 'h', port: 2, rack: null }])
    }
  })
})

describe('API keys', () => {
  test('are advertised as valid, but for what librdkafka and an unstable version need', () => {
    const differing = allApis.filter((api) => {
      const [first, last] = api.advertised
      return first !== api.request.versions[0] || last !== api.request.versions[1]
    })
    expect(differing.map((api) => [api.name, api.advertised])).toEqual([
      ['Produce', [0, 13]],
      ['InitProducerId', [0, 5]],
    ])
  })

  test('are found by their number', () => {
    expect(apiOf(1)).toBe(apis.fetch)
    expect(apiOf(4)).toBeUndefined()
  })
})
