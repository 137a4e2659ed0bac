import { codecOf } from './codec.ts'
import { Reader } from './reader.ts'
import { type Fields, isFlexible, type Message, type StructIn } from './schema.ts'
import { type Encoded, Writer } from './writer.ts'

/** The header of a request without its client id: what is in the same place in every version. */
export interface RequestId {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
}

export interface RequestHeader extends RequestId {
  readonly clientId: string | null
  /** Where the request's body begins in the buffer. */
  readonly bodyPosition: number
}

/** Header v2 ends in tagged fields; v1 does not. v0 (without client id) is gone since Kafka 4. */
export function requestHeaderVersion(table: Message, version: number): 1 | 2 {
  return isFlexible(table, version) ? 2 : 1
}

/**
 * Reads the part of a request's header that decides how to read the rest. `position` is the first
 * byte after the frame's size. Throws DecodeError when there are fewer than 8 bytes.
 */
export function decodeRequestId(buffer: Buffer, position = 0): RequestId {
  const reader = new Reader(buffer, position)
  return readRequestId(reader)
}

function readRequestId(reader: Reader): RequestId {
  return {
    apiKey: reader.int16(),
    apiVersion: reader.int16(),
    correlationId: reader.int32(),
  }
}

/**
 * Reads a whole request header of version 1 or 2. `position` is the first byte after the frame's
 * size. Throws DecodeError. The client id has a two-byte length in version 2 as well, so that a
 * broker can read the header of an ApiVersions request that is newer than the broker.
 */
export function decodeRequestHeader(
  buffer: Buffer,
  headerVersion: 1 | 2,
  position = 0,
): RequestHeader {
  const reader = new Reader(buffer, position)
  const { apiKey, apiVersion, correlationId } = readRequestId(reader)
  const length = reader.length16()
  const clientId = length < 0 ? null : reader.string(length)
  if (headerVersion === 2) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId, bodyPosition: reader.position }
}

/** Writes a request header of version 1 or 2. */
export function encodeRequestHeader(
  writer: Writer,
  headerVersion: 1 | 2,
  header: RequestId & { readonly clientId: string | null },
): void {
  writer.int16(header.apiKey)
  writer.int16(header.apiVersion)
  writer.int32(header.correlationId)
  if (header.clientId === null) writer.int16(-1)
  else writer.string(header.clientId, false)
  if (headerVersion === 2) writer.uvarint(0)
}

/** A whole request frame, size first: for tests, tools and calls between brokers. */
export function encodeRequestFrame<F extends Fields>(
  table: Message<F>,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  body: StructIn<F>,
): Encoded {
  const writer = new Writer()
  writer.int32(0)
  const { correlationId, clientId } = header
  const { key: apiKey } = table
  encodeRequestHeader(writer, requestHeaderVersion(table, version), {
    apiKey,
    apiVersion: version,
    correlationId,
    clientId,
  })
  codecOf(table, version).encodeTo(writer, body)
  return writer.finish({ sizePrefix: true })
}
