/** One partition, as the balancer sees it. `bytesPerSecond` is what it was measured to carry. */
export interface PlacedPartition {
  readonly topicId: string
  readonly partition: number
  readonly bytesPerSecond: number
  /** Whether it may move now: its owner has checkpointed it (R8). */
  readonly movable: boolean
  /**
   * Whether it has stayed where it is for a while. Others move only when counts leave no choice: so
   * noise moves nothing twice, and what somebody moved by hand stays there.
   */
  readonly rested: boolean
}

export interface PlacedNode {
  readonly nodeId: number
  /** A draining node gives everything away and gets nothing. */
  readonly draining: boolean
  /** How many partitions it has, and what they carry together. */
  readonly count: number
  readonly bytesPerSecond: number
  /** Asked for only where some may move: in a settled cluster nobody looks at a million. */
  readonly partitions: () => readonly PlacedPartition[]
}

export interface Move {
  readonly topicId: string
  readonly partition: number
  readonly source: number
  readonly target: number
}

/** Counts this close to the mean are even enough: moving has a price for clients. */
const COUNT_SLACK_RATIO = 0.1
/** Load differences below this are noise. */
const LOAD_SLACK_BYTES_PER_SECOND = 1024 * 1024
const LOAD_SLACK_RATIO = 0.2
/**
 * Partitions that leave one node at once. A partition serves nobody from the change of the map until
 * its close has reached the next owner, and each waits for the closing and opening of all that go
 * with it: many small groups hold producers up for less than one large one.
 */
export const MOVES_PER_SOURCE_MAX = 100

interface Bin {
  readonly nodeId: number
  readonly draining: boolean
  count: number
  load: number
  /** Moves away from it, of this plan. */
  leaving: number
  readonly ask: PlacedNode['partitions']
  /** What it had and has not given away; null until somebody looks. What comes cannot move on. */
  staying: PlacedPartition[] | null
}

function stayingOf(bin: Bin): PlacedPartition[] {
  bin.staying ??= [...bin.ask()]
  return bin.staying
}

/**
 * Which partitions should move next, at most `movesMax` and few from each node, first those that matter most: away from
 * draining nodes, then until the counts are even, then until the measured load is. While `missing`
 * more nodes are on their way, only who clearly lacks partitions gets some, and no more than a share of
 * one among all of them. Pure and deterministic: the same input gives the same moves, so two controllers
 * agree.
 */
export function planMoves(nodes: readonly PlacedNode[], movesMax: number, missing = 0): Move[] {
  const bins: Bin[] = nodes.map(({ nodeId, draining, count, bytesPerSecond, partitions }) => ({
    nodeId,
    draining,
    count,
    load: bytesPerSecond,
    leaving: 0,
    ask: partitions,
    staying: null,
  }))
  bins.sort((a, b) => a.nodeId - b.nodeId)
  const active = bins.filter(({ draining }) => !draining)
  if (active.length === 0) return []
  const moves: Move[] = []
  const move = (source: Bin, target: Bin, chosen: PlacedPartition): void => {
    const staying = stayingOf(source)
    staying.splice(staying.indexOf(chosen), 1)
    source.count--
    source.leaving++
    source.load -= chosen.bytesPerSecond
    target.count++
    target.load += chosen.bytesPerSecond
    const { topicId, partition } = chosen
    moves.push({ topicId, partition, source: source.nodeId, target: target.nodeId })
  }
  for (const source of bins.filter(({ draining }) => draining)) {
    if (moves.length >= movesMax) return moves
    const movable = stayingOf(source).filter((partition) => partition.movable)
    for (const chosen of movable.sort(byLoadThenName)) {
      if (moves.length >= movesMax) return moves
      if (source.leaving >= MOVES_PER_SOURCE_MAX) break
      move(source, lightest(active), chosen)
    }
  }
  evenCounts(active, { moves, movesMax, missing, move })
  // Those that are missing take load from whoever has most, too.
  if (missing === 0) evenLoads(active, { moves, movesMax, missing, move })
  return moves
}

function byLoadThenName(a: PlacedPartition, b: PlacedPartition): number {
  return (
    b.bytesPerSecond - a.bytesPerSecond ||
    (a.topicId < b.topicId ? -1 : a.topicId > b.topicId ? 1 : 0) ||
    a.partition - b.partition
  )
}

/** The node that a partition goes to next: few partitions first, then little load. */
function lightest(active: readonly Bin[]): Bin {
  let best = active[0] as Bin
  for (const bin of active) {
    if (bin.count < best.count || (bin.count === best.count && bin.load < best.load)) best = bin
  }
  return best
}

/** The node that gives next, or null when none may give any more. */
function fullest(active: readonly Bin[], stuck: ReadonlySet<Bin>): Bin | null {
  let best: Bin | null = null
  for (const bin of active) {
    if (bin.leaving >= MOVES_PER_SOURCE_MAX || stuck.has(bin)) continue
    const isFuller =
      best === null || bin.count > best.count || (bin.count === best.count && bin.load > best.load)
    if (isFuller) best = bin
  }
  return best
}

interface Planning {
  readonly moves: readonly Move[]
  readonly movesMax: number
  readonly missing: number
  readonly move: (source: Bin, target: Bin, chosen: PlacedPartition) => void
}

function evenCounts(active: Bin[], { moves, movesMax, missing, move }: Planning): void {
  const mean = active.reduce((sum, { count }) => sum + count, 0) / (active.length + missing)
  const slack = Math.max(1, mean * COUNT_SLACK_RATIO)
  const stuck = new Set<Bin>()
  // Who has too many keeps them for those that are missing.
  const targets = missing === 0 ? active : active.filter(({ count }) => mean - count > slack)
  while (moves.length < movesMax && targets.length > 0) {
    const source = fullest(active, stuck)
    if (source === null) return
    const target = lightest(targets)
    const isUneven = source.count - mean > slack || mean - target.count > slack
    const mayGive = missing === 0 ? isUneven : target.count + 1 <= mean
    if (!mayGive || source.count - target.count < 2) return
    // Alternating between light and heavy ones would need foresight; the share of load that the
    // target lacks is what the partition should carry.
    const wantedLoad = Math.max(0, (source.load - target.load) / (source.count - target.count))
    const chosen = nearest(restedOf(source), wantedLoad) ?? nearest(stayingOf(source), wantedLoad)
    if (chosen === null) stuck.add(source)
    else move(source, target, chosen)
  }
}

function nearest(partitions: readonly PlacedPartition[], load: number): PlacedPartition | null {
  let best: PlacedPartition | null = null
  let bestDistance = Number.POSITIVE_INFINITY
  for (const partition of partitions) {
    if (!partition.movable) continue
    const distance = Math.abs(partition.bytesPerSecond - load)
    if (distance > bestDistance) continue
    // Of those that are as near, always the same one, in whatever order they come.
    if (distance === bestDistance && best !== null && byLoadThenName(partition, best) > 0) continue
    best = partition
    bestDistance = distance
  }
  return best
}

function evenLoads(active: Bin[], { moves, movesMax, move }: Planning): void {
  const mean = active.reduce((sum, { load }) => sum + load, 0) / active.length
  const slack = Math.max(LOAD_SLACK_BYTES_PER_SECOND, mean * LOAD_SLACK_RATIO)
  const countMean = active.reduce((sum, { count }) => sum + count, 0) / active.length
  const countSlack = Math.max(1, countMean * COUNT_SLACK_RATIO)
  while (moves.length + 2 <= movesMax) {
    let source = active[0] as Bin
    let target = active[0] as Bin
    for (const bin of active) {
      if (bin.load > source.load) source = bin
      if (bin.load < target.load) target = bin
    }
    if (source.load - mean <= slack || source.leaving >= MOVES_PER_SOURCE_MAX) return
    // Half the difference evens them out; all of it would only swap them.
    const gap = source.load - target.load
    const heavy = nearest(restedOf(source), gap / 2)
    if (heavy === null || heavy.bytesPerSecond <= 0 || heavy.bytesPerSecond >= gap) return
    // Counts that were even must stay so: otherwise the next round would move it back.
    const keepsCounts =
      target.count + 1 - countMean <= countSlack && countMean - source.count + 1 <= countSlack
    if (keepsCounts) {
      move(source, target, heavy)
      continue
    }
    const light = nearest(restedOf(target), Math.max(0, heavy.bytesPerSecond - gap / 2))
    if (light === null || light.bytesPerSecond >= heavy.bytesPerSecond) return
    move(source, target, heavy)
    move(target, source, light)
  }
}

function restedOf(bin: Bin): PlacedPartition[] {
  return stayingOf(bin).filter(({ rested }) => rested)
}

/**
 * Spreads partitions that have no living owner over `nodeIds`, evenly, on top of what each has.
 * Returns the target of each, in order.
 */
export function spread(
  count: number,
  nodes: readonly { nodeId: number; count: number }[],
): number[] {
  const bins = nodes.map(({ nodeId, count: owned }) => ({ nodeId, owned }))
  const targets: number[] = []
  for (let i = 0; i < count; i++) {
    let best = bins[0]
    if (best === undefined) return targets
    for (const bin of bins) if (bin.owned < best.owned) best = bin
    best.owned++
    targets.push(best.nodeId)
  }
  return targets
}
