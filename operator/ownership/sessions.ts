import { type Clock, sleep, type Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { openStore, type OpenOptions } from '../../object-store/open.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { ClusterSession } from './session.ts'
import { outcomeOfError, type StoreOutcome } from './store-outcome.ts'

/** So long a pass waits for the first look at a store: most are over by then. */
const LOOK_MS_MAX = 15_000
/** A store that could not be used is looked at again so soon, and after that ever more rarely. */
const AGAIN_MS = 10_000
const AGAIN_MS_MAX = 300_000
/** How often the health of stores is compared with what was told of it. */
const HEALTH_MS = 2_000

/** Where a cluster keeps everything, and how to get in. */
export interface Place {
  /** As brokers take it (object-store/open.ts). */
  readonly url: string
  readonly credentials: OpenOptions['credentials']
  /** The cluster that was there before; null: there may be none yet. */
  readonly clusterId: string | null
  /** Changes whenever anything of this does: a Secret that was replaced, too. */
  readonly version: string
}

/** What is known of a cluster by way of its store. */
export interface Look {
  readonly store: StoreOutcome
  /** Null: the store cannot be used, or nobody has looked to the end yet. */
  readonly session: ClusterSession | null
}

interface Entry {
  readonly version: string
  opening: Promise<void>
  session: ClusterSession | null
  outcome: StoreOutcome
  /** What {@link ClusterSessions.watchHealth} told last. */
  told: StoreOutcome['outcome']
  again: Timer | null
  againMs: number
  isClosed: boolean
}

export interface SessionsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly holder: string
  /** Something is known of that cluster that was not before. */
  readonly onChange: (key: string) => void
  /** For tests. */
  readonly open?: (place: Place) => Promise<ObjectStore>
}

const NOT_YET: StoreOutcome = { outcome: 'unknown', message: 'the store is being looked at' }

/** The sessions of all clusters, by `namespace/name`. */
export class ClusterSessions {
  private readonly options: SessionsOptions
  private readonly entries = new Map<string, Entry>()
  private health: Timer | null = null

  constructor(options: SessionsOptions) {
    this.options = options
  }

  /**
   * What is known of the cluster at `place`. The first time it waits for the store, within bounds;
   * later it goes on in the background, and `onChange` tells.
   */
  async look(key: string, place: Place): Promise<Look> {
    const { clock } = this.options
    const before = this.entries.get(key)
    if (before !== undefined && before.version !== place.version) await this.close(key)
    let entry = this.entries.get(key)
    if (entry === undefined) {
      entry = this.begin(key, place)
      const stop = new AbortController()
      await Promise.race([entry.opening, sleep(clock, LOOK_MS_MAX, stop.signal)])
      stop.abort()
    }
    this.watchHealth()
    const store = entry.session?.storeOutcome ?? entry.outcome
    entry.told = store.outcome
    return { store, session: entry.session }
  }

  /** The session of a cluster, if there is one now. */
  get(key: string): ClusterSession | null {
    return this.entries.get(key)?.session ?? null
  }

  get count(): number {
    return this.entries.size
  }

  /** How many controllers this process holds. */
  get controllerCount(): number {
    let count = 0
    for (const { session } of this.entries.values()) if (session?.isController) count++
    return count
  }

  async close(key: string): Promise<void> {
    const entry = this.entries.get(key)
    if (entry === undefined) return
    this.entries.delete(key)
    entry.isClosed = true
    entry.again?.cancel()
    await entry.session?.stop()
  }

  async closeAll(): Promise<void> {
    this.health?.cancel()
    await Promise.all([...this.entries.keys()].map((key) => this.close(key)))
  }

  private begin(key: string, place: Place): Entry {
    const entry: Entry = {
      version: place.version,
      opening: Promise.resolve(),
      session: null,
      outcome: NOT_YET,
      told: NOT_YET.outcome,
      again: null,
      againMs: AGAIN_MS / 2,
      isClosed: false,
    }
    this.entries.set(key, entry)
    this.open(key, place, entry)
    return entry
  }

  private open(key: string, place: Place, entry: Entry): void {
    const { clock, logger } = this.options
    entry.opening = this.attempt(key, place).then(async (result) => {
      if (entry.isClosed) {
        if (result instanceof ClusterSession) await result.stop()
        return
      }
      if (result instanceof ClusterSession) {
        entry.session = result
        logger.info('a cluster is looked after', { cluster: key })
      } else {
        if (result.message !== entry.outcome.message) {
          logger.warn('the store of a cluster cannot be used', { cluster: key, ...result })
        }
        entry.outcome = result
        // A probe of a store that is unfit is hundreds of requests.
        const isUnfit = result.outcome === 'refused'
        entry.againMs = isUnfit ? Math.min(2 * entry.againMs, AGAIN_MS_MAX) : AGAIN_MS
        entry.again = clock.after(entry.againMs, () => this.open(key, place, entry))
      }
      this.options.onChange(key)
    })
  }

  private async attempt(key: string, place: Place): Promise<ClusterSession | StoreOutcome> {
    const { clock, random, logger, holder, onChange } = this.options
    try {
      const open = this.options.open ?? storeAt({ clock, random })
      const store = await open(place)
      return await ClusterSession.open({
        ...{ store, clock, random, holder, clusterId: place.clusterId },
        logger: logger.with({ cluster: key }),
        onChange: () => onChange(key),
      })
    } catch (error) {
      return outcomeOfError(error)
    }
  }

  /** Silence tells nobody: somebody has to look for it. */
  private watchHealth(): void {
    this.health ??= this.options.clock.after(HEALTH_MS, () => {
      this.health = null
      for (const [key, entry] of this.entries) {
        const outcome = entry.session?.storeOutcome.outcome ?? entry.told
        if (outcome === entry.told) continue
        entry.told = outcome
        this.options.onChange(key)
      }
      if (this.entries.size > 0) this.watchHealth()
    })
  }
}

function storeAt(common: { clock: Clock; random: Random }) {
  return ({ url, credentials }: Place) => openStore(url, { ...common, credentials })
}
