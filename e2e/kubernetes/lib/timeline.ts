import type { Spectator } from './spectator.ts'
import { isReady, type Pod, type Product } from './product.ts'
import { repeating } from './repeating.ts'

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
  /** Since when the Deployment asks for so many. */
  readonly orderedAtMs = new Map<number, number>()
  private readonly product: Product
  private readonly name: string
  private readonly stages = new Map<string, Map<Stage, number>>()
  /** Pods that were there already when it began to look. */
  private readonly before = new Set<string>()
  private last = { ready: -1, all: -1, ordered: -1 }
  private readonly looks: { close(): Promise<void> }
  goneAtMs = 0

  constructor(product: Product, name: string) {
    this.product = product
    this.name = name
    this.looks = repeating(LOOK_MS, () => this.look())
  }

  private async look(): Promise<void> {
    const [pods, ordered] = await Promise.all([
      this.product.pods(this.name).catch(() => null),
      this.product.ordered(this.name).catch(() => null),
    ])
    if (pods === null || ordered === null) return
    if (ordered !== this.last.ordered) this.orderedAtMs.set(ordered, Date.now())
    const ready = pods.filter((pod) => {
      return isReady(pod) && pod.metadata.deletionTimestamp === undefined
    }).length
    if (this.last.all < 0) for (const { metadata } of pods) this.before.add(metadata.uid ?? '')
    for (const pod of pods) this.noteStages(pod)
    if (ready !== this.last.ready) this.readyAtMs.set(ready, Date.now())
    if (pods.length < this.last.all) this.goneAtMs = Date.now()
    this.last = { ready, all: pods.length, ordered }
  }

  private noteStages(pod: Pod): void {
    const { uid = '' } = pod.metadata
    if (this.before.has(uid)) return
    const known = this.stages.get(uid) ?? new Map<Stage, number>()
    this.stages.set(uid, known)
    for (const [stage, isReached] of Object.entries(STAGES) as [Stage, (pod: Pod) => boolean][]) {
      if (!known.has(stage) && isReached(pod)) known.set(stage, Date.now())
    }
  }

  /** When the last of the pods that came meanwhile was so far; none when none came. */
  get stagesOfNew(): { readonly stage: Stage; readonly atMs: number }[] {
    if (this.stages.size === 0) return []
    return (Object.keys(STAGES) as Stage[]).map((stage) => {
      const times = [...this.stages.values()].map((each) => each.get(stage) ?? Number.NaN)
      return { stage, atMs: Math.max(...times) }
    })
  }

  /** How many pods there are, those that are ending too. */
  get count(): number {
    return this.last.all
  }

  async close(): Promise<void> {
    await this.looks.close()
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

/** When the last of the nodes that came after `sinceMs` was in the metadata log; null: none came. */
export function lastJoinedAtMs(spectator: Spectator, sinceMs: number): number | null {
  const before = new Set<number>()
  let lastAtMs: number | null = null
  for (const { atMs, nodes } of spectator.sights) {
    for (const { nodeId } of nodes) {
      if (atMs >= sinceMs && !before.has(nodeId)) lastAtMs = atMs
      before.add(nodeId)
    }
  }
  return lastAtMs
}

/** Whether so many brokers have even shares, and nothing moves. */
export function isEven({ shares, newest }: Spectator, brokers: number): boolean {
  if (shares.length !== brokers || !newest.isBalanced) return false
  const even = shares.reduce((sum, each) => sum + each, 0) / brokers
  return shares.every((share) => Math.abs(share - even) <= Math.max(2, SHARE_TOLERANCE * even))
}
