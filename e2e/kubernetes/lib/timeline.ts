import type { Spectator } from './spectator.ts'
import { isReady, type Pod, type Product } from './product.ts'

const LOOK_MS = 100
/** Of an even share; what is closer counts as balanced. */
const SHARE_TOLERANCE = 0.25

type Stage = 'created' | 'scheduled' | 'started' | 'ready'

const STAGES: Readonly<Record<Stage, (pod: Pod) => boolean>> = {
  created: () => true,
  scheduled: ({ spec }) => spec?.nodeName !== undefined,
  started: ({ status }) => status?.containerStatuses?.some(({ state }) => state.running) ?? false,
  ready: isReady,
}

/** What happened to a cluster's pods, and when; wall milliseconds. */
export class PodTimeline {
  /** Since when so many pods are ready and meant to stay. */
  readonly readyAtMs = new Map<number, number>()
  private readonly product: Product
  private readonly name: string
  private readonly stages = new Map<string, Map<Stage, number>>()
  private last = { ready: -1, all: -1 }
  private isClosed = false
  private readonly done: Promise<void>
  goneAtMs = 0

  constructor(product: Product, name: string) {
    this.product = product
    this.name = name
    this.done = this.look()
  }

  private async look(): Promise<void> {
    while (!this.isClosed) {
      const pods = await this.product.pods(this.name).catch(() => null)
      if (pods !== null) {
        const ready = pods.filter((pod) => {
          return isReady(pod) && pod.metadata.deletionTimestamp === undefined
        }).length
        for (const pod of pods) this.noteStages(pod)
        if (ready !== this.last.ready) this.readyAtMs.set(ready, Date.now())
        if (pods.length < this.last.all) this.goneAtMs = Date.now()
        this.last = { ready, all: pods.length }
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  private noteStages(pod: Pod): void {
    const { uid = '' } = pod.metadata
    const known = this.stages.get(uid) ?? new Map<Stage, number>()
    this.stages.set(uid, known)
    for (const [stage, isReached] of Object.entries(STAGES) as [Stage, (pod: Pod) => boolean][]) {
      if (!known.has(stage) && isReached(pod)) known.set(stage, Date.now())
    }
  }

  /** When the last of the pods that came since then was so far; wall milliseconds. */
  stagesSince(sinceMs: number): { readonly stage: Stage; readonly atMs: number }[] {
    const young = [...this.stages.values()].filter((each) => (each.get('created') ?? 0) >= sinceMs)
    if (young.length === 0) return []
    return (Object.keys(STAGES) as Stage[]).map((stage) => {
      return { stage, atMs: Math.max(...young.map((each) => each.get(stage) ?? Number.NaN)) }
    })
  }

  /** How many pods there are, those that are ending too. */
  get count(): number {
    return this.last.all
  }

  async close(): Promise<void> {
    this.isClosed = true
    await this.done
  }
}

export interface Moves {
  readonly partitions: number
  /** The ownership map was first and last rewritten; wall milliseconds. */
  readonly firstAtMs: number
  readonly lastAtMs: number
  /** Every new owner has opened what it got and written it down. */
  readonly doneAtMs: number
}

/** The moves between two moments. Null: nothing moved. */
export function movesSince(spectator: Spectator, sinceMs: number): Moves | null {
  const sights = spectator.sights.filter(({ atMs }) => atMs >= sinceMs)
  const moving = sights.filter(({ changedCount }) => changedCount > 0)
  const [first, last] = [moving[0], moving.at(-1)]
  if (first === undefined || last === undefined) return null
  const done = sights.find(({ atMs, isBalanced }) => atMs >= last.atMs && isBalanced)
  return {
    partitions: moving.reduce((sum, { changedCount }) => sum + changedCount, 0),
    firstAtMs: first.atMs,
    lastAtMs: last.atMs,
    doneAtMs: done?.atMs ?? Number.NaN,
  }
}

/** Whether so many brokers have even shares, and nothing moves. */
export function isEven({ shares, newest }: Spectator, brokers: number): boolean {
  if (shares.length !== brokers || !newest.isBalanced) return false
  const even = shares.reduce((sum, each) => sum + each, 0) / brokers
  return shares.every((share) => Math.abs(share - even) <= Math.max(2, SHARE_TOLERANCE * even))
}
