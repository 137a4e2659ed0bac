import { assert } from '../base/assert.ts'
import type { ObjectIdentity } from '../object-store/header.ts'
import { objectKind } from '../object-store/header.ts'
import type { Body } from '../object-store/store.ts'
import { corrupt, decodeFramed, encodeFramed, parseJson } from './framing.ts'
import { metadataLogKey } from './keys.ts'
import type { MetadataRecord } from './records.ts'

/** No reader takes more: it bounds what a read-ahead holds, and how long a parse may stall. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024

/** One object of the metadata log. */
export interface MetadataBatch {
  readonly seq: number
  /** Who appended it: 0 is a writer without a node, such as the operator. */
  readonly nodeId: number
  readonly nonce: Buffer
  readonly records: readonly MetadataRecord[]
}

/** Every type of record that this release knows. The compiler keeps it whole. */
const KNOWN_TYPES: Readonly<Record<MetadataRecord['type'], true>> = {
  cluster: true,
  'store-probed': true,
  'node-registered': true,
  'node-draining': true,
  'node-sealed': true,
  'node-gone': true,
  controller: true,
  'topic-created': true,
  'partitions-added': true,
  'topic-deleted': true,
  config: true,
  ownership: true,
  'producer-ids': true,
}

/** The `type` of something that should be a record, or null when this release does not know it. */
function typeOf(value: unknown): MetadataRecord['type'] | null {
  if (typeof value !== 'object' || value === null || !('type' in value)) return null
  const { type } = value
  if (typeof type !== 'string' || !Object.hasOwn(KNOWN_TYPES, type)) return null
  return type as MetadataRecord['type']
}

/** Records as they will be read back, with the JSON text they are written as. */
export interface EncodedRecords {
  readonly records: readonly MetadataRecord[]
  /** JSON without the array's brackets. */
  readonly text: string
  readonly bytes: number
}

/**
 * Encodes records. What comes back in `records` went through the encoding and shares nothing with
 * the argument: so the writer applies exactly what everybody else will read.
 */
export function encodeRecords(proposed: readonly MetadataRecord[]): EncodedRecords {
  for (const record of proposed) {
    assert(typeOf(record) !== null, `'${(record as { type: unknown }).type}' is a record's type`)
  }
  const json = JSON.stringify(proposed)
  const text = json.slice(1, -1)
  return { records: JSON.parse(json), text, bytes: Buffer.byteLength(text) }
}

/** The object of a batch. `parts` are in the order in which they are applied. */
export function encodeBatch(identity: ObjectIdentity, parts: readonly EncodedRecords[]): Body {
  const payload = Buffer.from(`[${parts.map(({ text }) => text).join(',')}]`)
  assert(payload.length <= BATCH_BYTES_MAX, 'a batch is one that readers take')
  return encodeFramed(objectKind.metadataBatch, identity, payload)
}

/** Reads the batch at `seq`. Throws StoreError `corrupt`, also for records of an unknown type. */
export function decodeBatch(seq: number, bytes: Buffer): MetadataBatch {
  const key = metadataLogKey(seq)
  const { header, payload } = decodeFramed(key, bytes, {
    kind: objectKind.metadataBatch,
    seq,
    bytesMax: BATCH_BYTES_MAX,
  })
  const records = parseJson(key, payload)
  if (!Array.isArray(records)) throw corrupt(key, 'its payload is not an array')
  for (const record of records) {
    if (typeOf(record) !== null) continue
    const type = JSON.stringify((record as { type?: unknown } | null)?.type)
    throw corrupt(key, `this release does not know records of type ${type}`)
  }
  return { seq, nodeId: header.nodeId, nonce: header.nonce, records }
}

/** The object that raises the boundary to `identity.seq`: a header and nothing else. */
export function encodeBoundary(identity: ObjectIdentity): Body {
  return encodeFramed(objectKind.metadataBoundary, identity, Buffer.alloc(0))
}
