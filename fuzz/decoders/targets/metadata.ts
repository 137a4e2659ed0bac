import type { Random } from '../../../base/random.ts'
import { encodeBatch, encodeRecords, decodeBatch } from '../../../metadata/batch.ts'
import { applyRecord, emptyImage } from '../../../metadata/image.ts'
import { NonceWindow } from '../../../metadata/nonces.ts'
import { decodeSnapshot, encodeSnapshot } from '../../../metadata/snapshot.ts'
import { randomRecords } from '../../../metadata/testing/random-records.ts'
import type { Target } from '../target.ts'
import { isCorrupt, repairFramed } from './objects.ts'

const SEQ = 7
const IDENTITY = { nodeId: 1, seq: SEQ, nonce: Buffer.alloc(16, 9) }
const BATCHES = 12
const RECORDS_MAX = 60

export const metadataBatches: Target = {
  name: 'metadata-batch',
  seeds: (random) => {
    const image = emptyImage()
    return Array.from({ length: BATCHES }, () => {
      const records = randomRecords(image, random)
      for (const record of records) applyRecord(image, record)
      return Buffer.concat(encodeBatch(IDENTITY, [encodeRecords(records)]))
    })
  },
  run: (input) => `records: ${Math.min(decodeBatch(SEQ, input).records.length, 4)}`,
  isDeclared: isCorrupt,
  repair: repairFramed,
}

export const snapshots: Target = {
  name: 'snapshot',
  seeds: (random: Random) => {
    const nonces = new NonceWindow(SEQ, Buffer.alloc(16 * 3, 5))
    return [0, RECORDS_MAX].map((count) => {
      const image = emptyImage()
      for (let made = 0; made < count; made++) {
        for (const record of randomRecords(image, random)) applyRecord(image, record)
      }
      return Buffer.concat(encodeSnapshot(IDENTITY, { seq: SEQ, image, nonces }))
    })
  },
  run: (input) => `topics: ${Math.min(decodeSnapshot(SEQ, input).image.topics.size, 4)}`,
  isDeclared: isCorrupt,
  repair: repairFramed,
}
