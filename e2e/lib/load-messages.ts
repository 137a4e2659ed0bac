/** What a load is told when it starts, as JSON. */
export interface LoadSettings {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly topic: string
  readonly partitions: readonly number[]
  readonly batchRecords: number
  /** Between an acknowledgement and the next batch of the same partition. */
  readonly pauseMs: number
  readonly valueBytes: number
  /** A broker that does not answer for so long is given up. */
  readonly timeoutMs: number
}

export type LoadReport =
  /** `count` records from `first` on were acknowledged, at offsets from `baseOffset` on. */
  | { kind: 'acked'; partition: number; baseOffset: number; first: number; count: number }
  | { kind: 'failed'; partition: number; message: string }
  | { kind: 'finished' }

/** The value of the record number `index` that a load writes to a partition: unique in a test. */
export function recordValue(settings: LoadSettings, partition: number, index: number): string {
  return `${settings.name}-${partition}-${index}-`.padEnd(settings.valueBytes, 'x')
}
