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
