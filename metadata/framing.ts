import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import type { ObjectHeader, ObjectIdentity, ObjectKind } from '../object-store/header.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES } from '../object-store/header.ts'
import type { Body } from '../object-store/store.ts'
import { StoreError } from '../object-store/store.ts'

/** Lengths are u32, and a JavaScript string holds at most this much: no snapshot comes near it. */
const PAYLOAD_BYTES_MAX = 0x1fff_ffe8

/** The error of an object whose bytes are not what they must be. It names the key for people. */
export function corrupt(key: string, why: string, cause?: unknown): StoreError {
  return new StoreError('corrupt', key, `object ${key} is not readable: ${why}`, cause)
}

/**
 * An object of the metadata log: the common header, whose own bytes are the payload's length (u32)
 * and CRC32C (u32), then the payload.
 */
export function encodeFramed(
  kind: ObjectKind,
  identity: ObjectIdentity,
  payload: Uint8Array,
): Body {
  assert(payload.byteLength <= PAYLOAD_BYTES_MAX, 'a payload fits a string')
  const own = Buffer.alloc(8)
  own.writeUInt32BE(payload.byteLength, 0)
  own.writeUInt32BE(crc32c(payload), 4)
  const header = encodeHeader(kind, identity, own)
  return payload.byteLength === 0 ? [header] : [header, payload]
}

/**
 * Takes an object of {@link encodeFramed} apart; `payload` is a view. Throws StoreError `corrupt`
 * where it is not whole, of another kind, of another seq than its key says, or over `bytesMax`.
 */
export function decodeFramed(
  key: string,
  bytes: Buffer,
  expected: { kind: ObjectKind; seq: number; bytesMax: number },
): { header: ObjectHeader; payload: Buffer } {
  const header = decodeHeader(key, bytes)
  const length = header.own.readUInt32BE(0)
  const payload = bytes.subarray(HEADER_BYTES)
  if (header.kind !== expected.kind) throw corrupt(key, `it is of kind ${header.kind}`)
  if (header.seq !== expected.seq) throw corrupt(key, `it says that its seq is ${header.seq}`)
  if (length > expected.bytesMax) throw corrupt(key, `its ${length} bytes are more than we write`)
  if (payload.length !== length) {
    throw corrupt(key, `it holds ${payload.length} bytes, its header says ${length}`)
  }
  if (crc32c(payload) !== header.own.readUInt32BE(4)) throw corrupt(key, 'payload checksum differs')
  return { header, payload }
}

/** The JSON in `payload`. Throws StoreError `corrupt`. */
export function parseJson(key: string, payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'))
  } catch (error) {
    throw corrupt(key, 'its payload is not JSON', error)
  }
}
