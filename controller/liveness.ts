/** Why a ping failed: nobody listens there any more, or nobody answered in time. */
export type PingFailure = 'refused' | 'no-answer'

export type Liveness = 'alive' | 'suspect' | 'dead'

/** A refused connection says that the process is gone; twice, in case it is only starting. */
const REFUSALS_TO_DIE = 2

interface Record {
  answeredAtMs: number
  refusals: number
}

/**
 * Who is alive, from the answers to pings. Death is cheap to suspect: a false alarm costs a node
 * one restart and never data, since a taken-over node is fenced (design §5).
 */
export class NodeLiveness {
  private readonly nodes = new Map<number, Record>()
  private readonly silenceMsMax: number

  constructor(silenceMsMax: number) {
    this.silenceMsMax = silenceMsMax
  }

  /** A node is going to be pinged: from the first ping on it owes answers. */
  expect(nodeId: number, nowMs: number): void {
    if (!this.nodes.has(nodeId)) this.nodes.set(nodeId, { answeredAtMs: nowMs, refusals: 0 })
  }

  answered(nodeId: number, nowMs: number): void {
    this.nodes.set(nodeId, { answeredAtMs: nowMs, refusals: 0 })
  }

  failed(nodeId: number, failure: PingFailure): void {
    const node = this.nodes.get(nodeId)
    if (node !== undefined && failure === 'refused') node.refusals++
  }

  forget(nodeId: number): void {
    this.nodes.delete(nodeId)
  }

  stateOf(nodeId: number, nowMs: number): Liveness {
    const node = this.nodes.get(nodeId)
    if (node === undefined) return 'suspect'
    if (node.refusals >= REFUSALS_TO_DIE) return 'dead'
    if (nowMs - node.answeredAtMs >= this.silenceMsMax) return 'dead'
    return node.refusals > 0 ? 'suspect' : 'alive'
  }
}
