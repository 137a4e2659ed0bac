import { systemClock } from '../../../base/clock.ts'
import { silentLogger } from '../../../base/log.ts'
import { systemRandom } from '../../../base/random.ts'
import { MetadataLog } from '../../../metadata/log.ts'
import { openStore } from '../../../object-store/open.ts'
import type { ObjectStore } from '../../../object-store/store.ts'
import { type ObservedOwnership, summaryOf } from '../../../operator/ownership/summary.ts'

/** More often would cost the machine that is measured. */
const LOOK_MS = 100

/** What the ownership map was from one moment on. */
export interface Sight extends ObservedOwnership {
  /** Wall milliseconds. */
  readonly atMs: number
  readonly seq: number
  /** Partitions whose owner changed with this. */
  readonly changedCount: number
}

/** Reads a cluster's metadata log from the bucket, as soon as it is written; writes nothing. */
export class Spectator {
  readonly sights: Sight[] = []
  private readonly store: ObjectStore
  private readonly log: MetadataLog
  private readonly timer: NodeJS.Timeout
  private owners = new Map<string, number>()

  private constructor(store: ObjectStore, log: MetadataLog) {
    this.store = store
    this.log = log
    this.look()
    log.onApplied(() => this.look())
    log.start()
    this.timer = setInterval(() => log.poke(), LOOK_MS)
  }

  static async open(
    url: string,
    credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  ): Promise<Spectator> {
    const common = { clock: systemClock, random: systemRandom }
    const store = await openStore(url, { ...common, credentials })
    const log = new MetadataLog({ ...common, store, logger: silentLogger })
    await log.open()
    return new Spectator(store, log)
  }

  get newest(): Sight {
    const sight = this.sights.at(-1)
    if (sight === undefined) throw new Error('nothing was seen yet')
    return sight
  }

  /** How many partitions each living node that is not draining owns. */
  get shares(): number[] {
    return this.newest.nodes
      .filter(({ state }) => state === 'active')
      .map(({ partitions }) => partitions)
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    await this.log.stop()
    await this.store.close()
  }

  private look(): void {
    const { image, seq } = this.log
    const owners = new Map<string, number>()
    let changedCount = 0
    for (const [name, { partitions }] of image.topics) {
      for (const [index, { nodeId }] of partitions.entries()) {
        const key = `${name}/${index}`
        owners.set(key, nodeId)
        const before = this.owners.get(key)
        if (before !== undefined && before !== nodeId) changedCount++
      }
    }
    this.owners = owners
    this.sights.push({ ...summaryOf(image), atMs: Date.now(), seq, changedCount })
  }
}
