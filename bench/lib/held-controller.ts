import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { Controller, DEFAULT_CONTROLLER_SETTINGS } from '../../controller/controller.ts'
import type { PingReply } from '../../controller/ping.ts'
import type { MetadataLog } from '../../metadata/log.ts'
import type { ObjectStore } from '../../object-store/store.ts'

const HOLDER = 'node:1'
const BYTES_PER_SECOND = 10_000
/** One partition in so many carries something. */
const BUSY_ONE_IN = 10

type Loads = Record<string, number>

function loadsOf(log: MetadataLog): Map<number, Loads> {
  const loads = new Map<number, Loads>()
  for (const { topicId, partitions } of log.image.topics.values()) {
    for (let partition = 0; partition < partitions.length; partition += BUSY_ONE_IN) {
      const nodeId = partitions[partition]?.nodeId ?? 0
      const own = loads.get(nodeId) ?? {}
      own[`${topicId}/${partition}`] = BYTES_PER_SECOND
      loads.set(nodeId, own)
    }
  }
  return loads
}

/**
 * The controller of node 1, in a cluster whose nodes answer at once and without a network: what is
 * left is what the controller itself does. Its time is virtual, so that a tick is what it costs.
 */
export class HeldController {
  /** Nodes that nobody listens at any more. */
  readonly refusing = new Set<number>()
  pingCount = 0
  private readonly clock = virtualClock()
  private readonly controller: Controller
  private readonly loads: ReadonlyMap<number, Loads>

  private constructor(log: MetadataLog, store: ObjectStore) {
    this.loads = loadsOf(log)
    this.controller = new Controller({
      ...{ log, store, clock: this.clock, random: seededRandom(3), logger: silentLogger },
      ...{ holder: HOLDER, nodeId: 1, settings: DEFAULT_CONTROLLER_SETTINGS },
      ping: ({ nodeId }) => this.answer(nodeId),
      ownLoads: () => this.loads.get(1) ?? {},
      isCandidate: () => true,
    })
  }

  static async start(log: MetadataLog, store: ObjectStore): Promise<HeldController> {
    log.writerNodeId = 1
    await log.append(() => [{ type: 'controller', holder: HOLDER, nodeId: 1, term: 1 }])
    const held = new HeldController(log, store)
    held.controller.start()
    return held
  }

  private answer(nodeId: number): Promise<PingReply> {
    this.pingCount++
    if (this.refusing.has(nodeId)) {
      return Promise.reject(Object.assign(new Error('refused'), { failure: 'refused' }))
    }
    return Promise.resolve({ nodeId, partitionLoads: this.loads.get(nodeId) ?? {} })
  }

  /** Everything that the controller does until its next tick is over. */
  tick(): Promise<void> {
    return this.clock.advanceBy(DEFAULT_CONTROLLER_SETTINGS.tickMs)
  }

  stop(): void {
    this.controller.stop()
  }
}
