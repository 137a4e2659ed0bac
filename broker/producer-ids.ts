import type { MetadataLog } from '../metadata/log.ts'
import type { MetadataRecord } from '../metadata/records.ts'

/** Ids reserved at once, as in Kafka: a restart loses what is left of a block, which is cheap. */
const BLOCK_IDS = 1000

/**
 * Gives out producer ids that nobody else ever gets: blocks of them are reserved in the metadata
 * log, and a block belongs to one run of one node.
 */
export class ProducerIds {
  private readonly node: {
    readonly nodeId: number
    append: MetadataLog['append']
  }
  private nextId = 0
  private endId = 0
  private reserving: Promise<void> | null = null

  constructor(node: ProducerIds['node']) {
    this.node = node
  }

  /** A fresh producer id. Rejects when no block could be reserved: the caller may ask again. */
  async allot(): Promise<number> {
    // Again, not once: many may have waited for the same block, more than it has ids.
    while (this.nextId === this.endId) {
      this.reserving ??= this.reserve().finally(() => {
        this.reserving = null
      })
      await this.reserving
    }
    return this.nextId++
  }

  private async reserve(): Promise<void> {
    const { nodeId } = this.node
    const { records } = await this.node.append(({ scalars }): MetadataRecord[] => {
      return [{ type: 'producer-ids', nodeId, nextProducerId: scalars.nextProducerId + BLOCK_IDS }]
    })
    const [record] = records
    if (record?.type !== 'producer-ids') return
    this.endId = record.nextProducerId
    this.nextId = record.nextProducerId - BLOCK_IDS
  }
}
