/** Who holds the controller, told with every ping; a term below zero: only a question. */
export interface PingRequest {
  readonly holder: string
  readonly term: number
}

/** What a node says of itself when it is pinged. */
export interface PingReply {
  readonly nodeId: number
  /** Bytes per second of the partitions that carry most, `topic id/partition` → bytes. */
  readonly partitionLoads: Readonly<Record<string, number>>
}

export interface PingSettings {
  readonly tickMs: number
  /** More nodes than get one in each tick at this rate are asked less often, and given longer. */
  readonly pingsPerSecondMax: number
}

/**
 * Every which tick a healthy node of `nodeCount` is asked: in each one as long as that makes no more
 * than `pingsPerSecondMax`, less often above, so that the controller's work does not grow with the
 * nodes; what is lost takes as much longer to be noticed. Whoever holds the controller and whoever
 * listens for it count the same nodes.
 */
export function ticksPerPing(nodeCount: number, settings: PingSettings): number {
  const { tickMs, pingsPerSecondMax } = settings
  return Math.max(1, Math.ceil((nodeCount * 1_000) / (pingsPerSecondMax * tickMs)))
}

/** So long nobody asks a healthy node of `nodeCount`, beyond the tick that every one has to wait. */
export function pingRestMs(nodeCount: number, settings: PingSettings): number {
  return (ticksPerPing(nodeCount, settings) - 1) * settings.tickMs
}
