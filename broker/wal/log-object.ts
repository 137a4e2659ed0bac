import { assert } from '../../base/assert.ts'
import { ByteReader, ByteWriter } from '../../base/byte-writer.ts'
import { crc32c } from '../../base/crc32c.ts'
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  type ObjectIdentity,
  objectKind,
} from '../../object-store/header.ts'
import { type Body, StoreError } from '../../object-store/store.ts'

/**
 * A log object: header, data (record batches as clients sent them, one run per partition), index,
 * footer. The index stands at the end, so that one suffix read gets what recovery needs.
 *
 * Footer, 16 bytes: index length u32, CRC32C of the index u32, format version u32, magic "SCIX".
 */
const FOOTER_BYTES = 16
const FOOTER_MAGIC = 0x53434958
const INDEX_VERSION = 1
/** Behind the node id (4 bytes) and the seq (8 bytes) in the index. */
const ENTRY_COUNT_POSITION = 12

/** What one entry of an index is. Numbers are on disk: never reuse one. */
const entryType = { open: 1, data: 2, close: 3, logStart: 4 } as const

/** One record batch, as far as recovery and reads need to know it. */
export interface BatchMeta {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly sizeBytes: number
  readonly maxTimestampMs: number
  readonly attributes: number
  /** -1 for a batch of a producer without idempotence; the next two are -1 then as well. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** One epoch of one partition. */
export interface PartitionEpoch {
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
}

/**
 * Open and close carry the partition's whole hot state (R2); data carries its batches; a log start
 * the offset that the partition begins at from there on.
 */
export type IndexEntry =
  | (PartitionEpoch & { readonly type: 'open'; readonly state: Buffer })
  | (PartitionEpoch & { readonly type: 'close'; readonly state: Buffer })
  | (PartitionEpoch & { readonly type: 'log-start'; readonly offset: number })
  | (PartitionEpoch & {
      readonly type: 'data'
      /** Where the run begins in the object, in bytes. */
      readonly position: number
      readonly batches: readonly BatchMeta[]
    })

function writeBatch(writer: ByteWriter, batch: BatchMeta): void {
  writer.varint(batch.lastOffset - batch.baseOffset)
  writer.varint(batch.sizeBytes)
  writer.varint(batch.maxTimestampMs)
  writer.varint(batch.attributes)
  writer.varint(batch.producerId)
  if (batch.producerId >= 0) {
    writer.varint(batch.producerEpoch)
    writer.varint(batch.baseSequence)
  }
}

function readBatch(reader: ByteReader, baseOffset: number): BatchMeta {
  const lastOffset = baseOffset + reader.varint()
  const sizeBytes = reader.varint()
  const maxTimestampMs = reader.varint()
  const attributes = reader.varint()
  const producerId = reader.varint()
  const producerEpoch = producerId >= 0 ? reader.varint() : -1
  const baseSequence = producerId >= 0 ? reader.varint() : -1
  return {
    baseOffset,
    lastOffset,
    sizeBytes,
    maxTimestampMs,
    attributes,
    producerId,
    producerEpoch,
    baseSequence,
  }
}

/** Puts one log object together. Data pieces are views and are never copied. */
export class LogObjectBuilder {
  private readonly pieces: Uint8Array[] = []
  private readonly index = new ByteWriter(4096)
  private position = HEADER_BYTES
  private entryCount = 0

  constructor(identity: Pick<ObjectIdentity, 'nodeId' | 'seq'>) {
    this.index.int32(identity.nodeId)
    this.index.uint64(identity.seq)
    this.index.uint32(0)
  }

  private address(type: number, address: PartitionEpoch): void {
    this.entryCount++
    this.index.uint8(type)
    this.index.uuid(address.topicId)
    this.index.varint(address.partition)
    this.index.varint(address.leaderEpoch)
  }

  addState(type: 'open' | 'close', address: PartitionEpoch, state: Uint8Array): void {
    this.address(entryType[type], address)
    this.index.varint(state.length)
    this.index.bytes(state)
  }

  /** Records of the partition below `offset` are deleted. */
  addLogStart(address: PartitionEpoch, offset: number): void {
    this.address(entryType.logStart, address)
    this.index.varint(offset)
  }

  /** Adds one run and returns its position. Offsets of the batches must be dense. */
  addRun(address: PartitionEpoch, pieces: Body, batches: readonly BatchMeta[]): number {
    const runPosition = this.position
    this.address(entryType.data, address)
    const first = batches[0]
    assert(first !== undefined, 'a run has batches')
    this.index.varint(runPosition)
    this.index.varint(first.baseOffset)
    this.index.varint(batches.length)
    let offset = first.baseOffset
    for (const batch of batches) {
      assert(batch.baseOffset === offset, 'the offsets of a run are dense')
      offset = batch.lastOffset + 1
      writeBatch(this.index, batch)
      this.position += batch.sizeBytes
    }
    let end = runPosition
    for (const piece of pieces) {
      this.pieces.push(piece)
      end += piece.byteLength
    }
    // Otherwise every run behind this one would be looked for in the wrong place.
    assert(end === this.position, 'a run has the bytes that its batches say')
    return runPosition
  }

  /** The finished object. The nonce makes it this write's own (object-store/header.ts). */
  finish(identity: ObjectIdentity): Body {
    this.index.setUint32(ENTRY_COUNT_POSITION, this.entryCount)
    const index = this.index.finish()
    const footer = Buffer.allocUnsafe(FOOTER_BYTES)
    footer.writeUInt32BE(index.length, 0)
    footer.writeUInt32BE(crc32c(index), 4)
    footer.writeUInt32BE(INDEX_VERSION, 8)
    footer.writeUInt32BE(FOOTER_MAGIC, 12)
    return [encodeHeader(objectKind.walData, identity), ...this.pieces, index, footer]
  }
}

/** A fence: a log object that holds no data and ends a WAL. Never deleted (R7). */
export function encodeFence(identity: ObjectIdentity): Body {
  return [encodeHeader(objectKind.walFence, identity)]
}

export type LogObjectIndex =
  | { readonly kind: 'fence' }
  | { readonly kind: 'data'; readonly entries: readonly IndexEntry[] }

/**
 * Reads the index from the last bytes of a log object. Returns how many bytes it needs instead
 * when `tail` is too short. Throws StoreError `corrupt`, naming the key.
 */
export function decodeLogObjectTail(
  key: string,
  expected: Pick<ObjectIdentity, 'nodeId' | 'seq'>,
  tail: Buffer,
): LogObjectIndex | { readonly kind: 'more'; readonly tailBytes: number } {
  const refuse = (why: string): never => {
    throw new StoreError('corrupt', key, `log object ${key} is not readable: ${why}`)
  }
  if (tail.length === HEADER_BYTES) {
    const header = decodeHeader(key, tail)
    if (header.kind !== objectKind.walFence) refuse('it has a header only and is no fence')
    return { kind: 'fence' }
  }
  if (tail.length < FOOTER_BYTES) refuse('it is shorter than a footer')
  const footer = tail.subarray(tail.length - FOOTER_BYTES)
  if (footer.readUInt32BE(12) !== FOOTER_MAGIC) refuse('its footer has no magic number')
  if (footer.readUInt32BE(8) !== INDEX_VERSION) refuse('its index version is unknown')
  const tailBytes = footer.readUInt32BE(0) + FOOTER_BYTES
  if (tail.length < tailBytes) return { kind: 'more', tailBytes }
  const index = tail.subarray(tail.length - tailBytes, tail.length - FOOTER_BYTES)
  if (crc32c(index) !== footer.readUInt32BE(4)) refuse('the checksum of its index differs')
  const reader = new ByteReader(index)
  try {
    const nodeId = reader.int32()
    const seq = reader.uint64()
    if (nodeId !== expected.nodeId || seq !== expected.seq) {
      refuse(`it says that it is object ${seq} of node ${nodeId}`)
    }
    return { kind: 'data', entries: readEntries(reader) }
  } catch (error) {
    // By name: two copies of a class may be loaded in a test run.
    if ((error as Error).name !== 'RangeError') throw error
    return refuse((error as Error).message)
  }
}

/** Throws RangeError on what is no list of entries. */
function readEntries(reader: ByteReader): IndexEntry[] {
  const count = reader.uint32()
  const entries: IndexEntry[] = []
  for (let i = 0; i < count; i++) entries.push(readEntry(reader))
  if (reader.remaining > 0) throw new RangeError('there is something behind its index')
  return entries
}

function readEntry(reader: ByteReader): IndexEntry {
  const type = reader.uint8()
  const topicId = reader.uuid()
  const partition = reader.varint()
  const leaderEpoch = reader.varint()
  if (type === entryType.data) {
    const position = reader.varint()
    let baseOffset = reader.varint()
    const batchCount = reader.varint()
    const batches: BatchMeta[] = []
    for (let i = 0; i < batchCount; i++) {
      const batch = readBatch(reader, baseOffset)
      batches.push(batch)
      baseOffset = batch.lastOffset + 1
    }
    return { type: 'data', topicId, partition, leaderEpoch, position, batches }
  }
  if (type === entryType.logStart) {
    return { type: 'log-start', topicId, partition, leaderEpoch, offset: reader.varint() }
  }
  if (type !== entryType.open && type !== entryType.close) {
    throw new RangeError(`entry type ${type} is unknown to this release`)
  }
  const state = reader.bytes(reader.varint())
  const name = type === entryType.open ? 'open' : 'close'
  return { type: name, topicId, partition, leaderEpoch, state }
}
