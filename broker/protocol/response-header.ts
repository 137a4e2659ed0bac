import { codecOf } from './codec.ts'
import { Reader } from './reader.ts'
import { type Fields, isFlexible, type Message, type StructIn } from './schema.ts'
import { type Encoded, Writer } from './writer.ts'

const API_VERSIONS_KEY = 18

export interface ResponseHeader {
  readonly correlationId: number
  /** Where the response's body begins in the buffer. */
  readonly bodyPosition: number
}

/**
 * Header v1 ends in tagged fields; v0 does not. ApiVersions always has v0 (KIP-511): its client
 * does not know yet which versions the broker can speak.
 */
export function responseHeaderVersion(table: Message, version: number): 0 | 1 {
  return table.key !== API_VERSIONS_KEY && isFlexible(table, version) ? 1 : 0
}

/** Writes a response header of version 0 or 1. */
export function encodeResponseHeader(
  writer: Writer,
  headerVersion: 0 | 1,
  correlationId: number,
): void {
  writer.int32(correlationId)
  if (headerVersion === 1) writer.uvarint(0)
}

/**
 * Reads a response header of version 0 or 1. `position` is the first byte after the frame's size.
 * Throws DecodeError.
 */
export function decodeResponseHeader(
  buffer: Buffer,
  headerVersion: 0 | 1,
  position = 0,
): ResponseHeader {
  const reader = new Reader(buffer, position)
  const correlationId = reader.int32()
  if (headerVersion === 1) reader.skipTags()
  return { correlationId, bodyPosition: reader.position }
}

/**
 * A whole response frame, size first, in pieces for one writev. Records and other larger bytes in
 * `body` become pieces as they are: whoever owns them must not change them before they are sent.
 */
export function encodeResponseFrame<F extends Fields>(
  table: Message<F>,
  version: number,
  correlationId: number,
  body: StructIn<F>,
): Encoded {
  const writer = new Writer()
  writer.int32(0)
  encodeResponseHeader(writer, responseHeaderVersion(table, version), correlationId)
  codecOf(table, version).encodeTo(writer, body)
  return writer.finish({ sizePrefix: true })
}
