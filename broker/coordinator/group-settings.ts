import type { BrokerConfig } from '../config/broker-config.ts'

/** What a broker's configs say of groups, under names of our own. */
export interface GroupSettings {
  readonly initialRebalanceDelayMs: number
  readonly sessionMsMin: number
  readonly sessionMsMax: number
  readonly membersMax: number
  /** Of the text that goes with a committed offset; in UTF-16 units, as in Kafka. */
  readonly metadataLengthMax: number
  readonly offsetsRetentionMs: number
  readonly retentionCheckMs: number
}

const MS_PER_MINUTE = 60_000

export function groupSettings(config: BrokerConfig): GroupSettings {
  return {
    initialRebalanceDelayMs: config.number('group.initial.rebalance.delay.ms'),
    sessionMsMin: config.number('group.min.session.timeout.ms'),
    sessionMsMax: config.number('group.max.session.timeout.ms'),
    membersMax: config.number('group.max.size'),
    metadataLengthMax: config.number('offset.metadata.max.bytes'),
    offsetsRetentionMs: config.number('offsets.retention.minutes') * MS_PER_MINUTE,
    retentionCheckMs: config.number('offsets.retention.check.interval.ms'),
  }
}
