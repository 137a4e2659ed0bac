/** Why a ping failed: nobody listens there any more, or nobody answered in time. */
export type PingFailure = 'refused' | 'no-answer'

export type Liveness = 'alive' | 'suspect' | 'dead'

/** A refused connection says that the process is gone; twice, in case it is only starting. */
const REFUSALS_TO_DIE = 2

/** Whoever hears only few of the others believes in their silence so many times later. */
const ISOLATION_FACTOR = 6

/**
 * Whether so much silence says more of the listener than of the others: then most likely nobody
 * hears *it*. A connection that is refused is no silence.
 */
export function soundsIsolated(heardCount: number, silentCount: number): boolean {
  return silentCount > heardCount + 1
}

interface Record {
  /** Or when it was first asked, as long as it has not answered. */
  answeredAtMs: number
  hasAnswered: boolean
  refusals: number
}

/**
 * Who is alive, from the answers to pings. Death is cheap to suspect: a false alarm costs a node
 * one restart and never data, since a taken-over node is fenced (design §5).
 */
export class NodeLiveness {
  private readonly nodes = new Map<number, Record>()
  private readonly silenceMsMax: number
  /** So long nobody asks a node that is well: that is no silence of its. */
  restMs = 0
  /** So long a silence is believed in any case: it may be true that most are dead. */
  readonly isolatedSilenceMsMax: number

  constructor(silenceMsMax: number) {
    this.silenceMsMax = silenceMsMax
    this.isolatedSilenceMsMax = silenceMsMax * ISOLATION_FACTOR
  }

  /** A node is going to be pinged: from the first ping on it owes answers. */
  expect(nodeId: number, nowMs: number): void {
    if (this.nodes.has(nodeId)) return
    this.nodes.set(nodeId, { answeredAtMs: nowMs, hasAnswered: false, refusals: 0 })
  }

  /** Whether it was asked before. */
  knows(nodeId: number): boolean {
    return this.nodes.has(nodeId)
  }

  answered(nodeId: number, nowMs: number): void {
    this.nodes.set(nodeId, { answeredAtMs: nowMs, hasAnswered: true, refusals: 0 })
  }

  failed(nodeId: number, failure: PingFailure): void {
    const node = this.nodes.get(nodeId)
    if (node !== undefined && failure === 'refused') node.refusals++
  }

  /**
   * This process itself did not run for `stalledMs`: what nodes answered meanwhile is still to be
   * read, so nobody was silent. Without this a process that was paused would end all the others.
   */
  excuse(stalledMs: number): void {
    for (const node of this.nodes.values()) node.answeredAtMs += stalledMs
  }

  /** Whether it answered when it was last asked, as far as that can be known by now. */
  isWell(nodeId: number, nowMs: number): boolean {
    const node = this.nodes.get(nodeId)
    if (node === undefined || !node.hasAnswered || node.refusals > 0) return false
    return this.silentForMs(node, nowMs) < this.silenceMsMax / 2
  }

  forget(nodeId: number): void {
    this.nodes.delete(nodeId)
  }

  /** Nobody is watched any more: what was heard long ago says nothing when watching begins again. */
  forgetAll(): void {
    this.nodes.clear()
  }

  /** The nodes that are to be taken over. */
  dead(nowMs: number): number[] {
    const refusing: number[] = []
    const silent: { readonly nodeId: number; readonly silentMs: number }[] = []
    let heardCount = 0
    for (const [nodeId, node] of this.nodes) {
      const silentMs = this.silentForMs(node, nowMs)
      if (node.refusals >= REFUSALS_TO_DIE) refusing.push(nodeId)
      else if (silentMs >= this.silenceMsMax) silent.push({ nodeId, silentMs })
      else heardCount++
    }
    const isIsolated = soundsIsolated(heardCount, silent.length)
    const believed = silent.filter(({ silentMs }) => {
      return !isIsolated || silentMs >= this.isolatedSilenceMsMax
    })
    return [...refusing, ...believed.map(({ nodeId }) => nodeId)]
  }

  /** How long it has owed an answer, as far as it was asked for one; below zero: it owes none. */
  private silentForMs({ answeredAtMs }: Record, nowMs: number): number {
    return nowMs - answeredAtMs - this.restMs
  }

  /** What is known of one node: a silent one gets nothing, also while nobody believes in its death. */
  stateOf(nodeId: number, nowMs: number): Liveness {
    const node = this.nodes.get(nodeId)
    if (node === undefined) return 'suspect'
    if (node.refusals >= REFUSALS_TO_DIE) return 'dead'
    if (this.silentForMs(node, nowMs) >= this.silenceMsMax) return 'dead'
    // Who was never heard gets nothing yet: a whole cluster that was killed is no cluster to move to.
    return node.refusals > 0 || !node.hasAnswered ? 'suspect' : 'alive'
  }
}
