import { PartitionLoad } from '../../../bench/lib/partition-load.ts'
import { recordCount } from '../../lib/kafka-tools.ts'
import { closing } from './closing.ts'
import type { Product } from './product.ts'

export interface CheckedLoadOptions {
  readonly product: Product
  readonly bootstrap: readonly string[]
  /** Made for it; nobody else writes to it. */
  readonly topic: string
  readonly partitions: number
  readonly mebibytesPerSecond: number
  readonly batchRecords?: number
}

/** Idempotent Java producers that write evenly to a topic of their own, which is counted at the end. */
export class CheckedLoad {
  readonly partitions: PartitionLoad
  private readonly options: CheckedLoadOptions

  private constructor(options: CheckedLoadOptions, partitions: PartitionLoad) {
    this.options = options
    this.partitions = partitions
  }

  static async start(options: CheckedLoadOptions): Promise<CheckedLoad> {
    const { product, bootstrap, topic, partitions, mebibytesPerSecond } = options
    const { batchRecords = 10 } = options
    await product.createTopic(bootstrap, topic, partitions)
    const load = await PartitionLoad.start({
      ...{ bootstrap, topic, partitions, producers: 4, mebibytesPerSecond, batchRecords },
    })
    closing({ close: () => load.stop() })
    return new CheckedLoad(options, load)
  }

  /**
   * Ends it, and returns what was wrong: records that a producer gave up or heard nothing of, or
   * more or fewer records in the topic than were acknowledged.
   */
  async faults(): Promise<string[]> {
    const { bootstrap, topic } = this.options
    const { failed, acknowledged, unacknowledged } = await this.partitions.finish()
    const faults: string[] = []
    if (failed > 0) faults.push(`${topic}: ${failed} records failed`)
    if (unacknowledged > 0) faults.push(`${topic}: ${unacknowledged} records without an answer`)
    const found = await recordCount(bootstrap, topic)
    if (found === acknowledged && found > 0) return faults
    return [...faults, `${topic}: ${acknowledged} records acknowledged, ${found} there`]
  }
}
