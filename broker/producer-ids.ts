import { present } from '../base/assert.ts'
import type { Node } from './node.ts'

/** Ids reserved at once: one append serves so many producers. */
const BLOCK_IDS = 1_000

/** Producer ids, unique in the cluster for ever: blocks are reserved in the metadata log. */
export class ProducerIds {
  private readonly node: Pick<Node, 'append' | 'nodeId'>
  private next = 0
  private end = 0
  private reserving: Promise<void> | null = null

  constructor(node: Pick<Node, 'append' | 'nodeId'>) {
    this.node = node
  }

  /** A producer id that nobody else has. Rejects when the metadata log cannot be written. */
  async allot(): Promise<number> {
    while (this.next >= this.end) {
      this.reserving ??= this.reserve().finally(() => {
        this.reserving = null
      })
      await this.reserving
    }
    return this.next++
  }

  private async reserve(): Promise<void> {
    const { nodeId } = this.node
    const { records } = await this.node.append((image) => [
      { type: 'producer-ids', nodeId, nextProducerId: image.scalars.nextProducerId + BLOCK_IDS },
    ])
    const record = present(records[0], 'the reservation')
    if (record.type !== 'producer-ids') return
    this.end = record.nextProducerId
    this.next = record.nextProducerId - BLOCK_IDS
  }
}
