import { assert } from '../base/assert.ts'
import { crc32c } from '../base/crc32c.ts'
import { StoreError } from './store.ts'

/**
 * Every object of ours that decides something begins with this header (docs/bucket-format.md).
 * { nodeId, seq, nonce } is the writer's identity: after a 412 it tells one's own write, whose
 * answer was lost, from somebody else's. It is in the body because some stores drop metadata.
 *
 *  0  magic "SCLS"        4  format version, u16     6  kind, u8      7  zero
 *  8  node id, i32        12 seq, u64                20 nonce, 16 bytes
 * 36  kind's own, 24 bytes                           60 CRC32C of bytes 0..60, u32
 */
export const HEADER_BYTES = 64
const MAGIC = 0x53434c53
const FORMAT_VERSION = 1
const NONCE_BYTES = 16

/** What an object is. Numbers are on disk: never reuse one. */
export const objectKind = {
  walData: 1,
  walFence: 2,
  checkpoint: 3,
  metadataBatch: 4,
  metadataSnapshot: 5,
  metadataBoundary: 6,
  /** The start-up probe's own (probe.ts); says nothing about the cluster. */
  probe: 255,
} as const
export type ObjectKind = (typeof objectKind)[keyof typeof objectKind]

/** Who wrote an object. `nonce` is 16 fresh random bytes per logical write. */
export interface ObjectIdentity {
  readonly nodeId: number
  readonly seq: number
  readonly nonce: Buffer
}

export interface ObjectHeader extends ObjectIdentity {
  readonly kind: ObjectKind
  /** 24 bytes that belong to the kind. */
  readonly own: Buffer
}

/** The 64 header bytes. `own` is at most 24 bytes, zero-filled. */
export function encodeHeader(kind: ObjectKind, identity: ObjectIdentity, own?: Uint8Array): Buffer {
  assert(identity.nonce.length === NONCE_BYTES, 'a nonce has 16 bytes')
  assert(Number.isSafeInteger(identity.seq) && identity.seq >= 0, 'a seq is a safe integer')
  assert((own?.length ?? 0) <= 24, 'a kind owns 24 header bytes')
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt16BE(FORMAT_VERSION, 4)
  header.writeUInt8(kind, 6)
  header.writeInt32BE(identity.nodeId, 8)
  header.writeBigUInt64BE(BigInt(identity.seq), 12)
  header.set(identity.nonce, 20)
  if (own) header.set(own, 36)
  header.writeUInt32BE(crc32c(header.subarray(0, 60)), 60)
  return header
}

/** Reads a header. Throws {@link StoreError} `corrupt`, naming `key`, on anything unknown. */
export function decodeHeader(key: string, bytes: Buffer): ObjectHeader {
  const refuse = (why: string): never => {
    throw new StoreError('corrupt', key, `object ${key} is not readable: ${why}`)
  }
  if (bytes.length < HEADER_BYTES) refuse(`it has ${bytes.length} bytes, a header has 64`)
  if (bytes.readUInt32BE(0) !== MAGIC) refuse('it does not begin with our magic number')
  const version = bytes.readUInt16BE(4)
  if (version !== FORMAT_VERSION) refuse(`format version ${version} is unknown to this release`)
  if (crc32c(bytes.subarray(0, 60)) !== bytes.readUInt32BE(60)) refuse('header checksum differs')
  const kind = bytes.readUInt8(6) as ObjectKind
  if (!Object.values(objectKind).includes(kind)) refuse(`kind ${kind} is unknown`)
  return {
    kind,
    nodeId: bytes.readInt32BE(8),
    seq: Number(bytes.readBigUInt64BE(12)),
    nonce: Buffer.from(bytes.subarray(20, 36)),
    own: Buffer.from(bytes.subarray(36, 60)),
  }
}

/** Whether two identities are the same logical write. */
export function sameIdentity(a: ObjectIdentity, b: ObjectIdentity): boolean {
  return a.nodeId === b.nodeId && a.seq === b.seq && a.nonce.equals(b.nonce)
}
