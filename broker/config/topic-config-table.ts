import type { ConfigDefinition, ConfigRule, ConfigType } from './config-definition.ts'

/** A broker's config that a topic's one falls back to; `factor` turns its unit into the topic's. */
export interface BrokerSynonym {
  readonly name: string
  readonly factor: number
}

export interface TopicConfigDefinition extends ConfigDefinition {
  readonly default: string
  /** The most specific one first. */
  readonly synonyms: readonly BrokerSynonym[]
  readonly documentation: string
}

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
const LONG_MAX = '9223372036854775807'

function topicConfig(
  name: string,
  type: ConfigType,
  fallback: string,
  more: {
    readonly rule?: ConfigRule
    /** Names of broker configs of the same unit, or such names with their factors. */
    readonly from?: string | readonly (readonly [name: string, factor: number])[]
    readonly doc: string
  },
): TopicConfigDefinition {
  const { rule = {}, from = [], doc } = more
  const pairs = typeof from === 'string' ? [[from, 1] as const] : from
  const synonyms = pairs.map(([synonym, factor]) => ({ name: synonym, factor }))
  return { name, type, default: fallback, rule, synonyms, documentation: doc }
}

const DEFINITIONS: readonly TopicConfigDefinition[] = [
  topicConfig('cleanup.policy', 'list', 'delete', {
    rule: { oneOf: ['compact', 'delete'] },
    from: 'log.cleanup.policy',
    doc: 'What happens to old records: deleted by age and size, or all but the last of each key.',
  }),
  topicConfig('compression.gzip.level', 'int', '-1', {
    rule: { min: 1, max: 9, or: -1 },
    from: 'compression.gzip.level',
    doc: 'Level for records that the broker itself compresses with gzip.',
  }),
  topicConfig('compression.lz4.level', 'int', '9', {
    rule: { min: 1, max: 17 },
    from: 'compression.lz4.level',
    doc: 'Level for records that the broker itself compresses with lz4.',
  }),
  topicConfig('compression.type', 'string', 'producer', {
    rule: { oneOf: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
    from: 'compression.type',
    doc: 'How batches are stored; `producer` keeps them as they came.',
  }),
  topicConfig('compression.zstd.level', 'int', '3', {
    rule: { min: -131072, max: 22 },
    from: 'compression.zstd.level',
    doc: 'Level for records that the broker itself compresses with zstd.',
  }),
  topicConfig('delete.retention.ms', 'long', '86400000', {
    rule: { min: 0 },
    from: 'log.cleaner.delete.retention.ms',
    doc: 'How long a key that was deleted from a compacted topic is still told to readers.',
  }),
  topicConfig('file.delete.delay.ms', 'long', '60000', {
    rule: { min: 0 },
    from: 'log.segment.delete.delay.ms',
    doc: 'Has no effect: there are no files.',
  }),
  topicConfig('flush.messages', 'long', LONG_MAX, {
    rule: { min: 1 },
    from: 'log.flush.interval.messages',
    doc: 'Has no effect: nothing is acknowledged before it is durable.',
  }),
  topicConfig('flush.ms', 'long', LONG_MAX, {
    rule: { min: 0 },
    from: [
      ['log.flush.interval.ms', 1],
      ['log.flush.scheduler.interval.ms', 1],
    ],
    doc: 'Has no effect: nothing is acknowledged before it is durable.',
  }),
  topicConfig('follower.replication.throttled.replicas', 'list', '', {
    rule: { throttledReplicas: true },
    doc: 'Has no effect: a move of a partition copies nothing.',
  }),
  topicConfig('index.interval.bytes', 'int', '4096', {
    rule: { min: 0 },
    from: 'log.index.interval.bytes',
    doc: 'Has no effect: log objects carry indexes of their own.',
  }),
  topicConfig('leader.replication.throttled.replicas', 'list', '', {
    rule: { throttledReplicas: true },
    doc: 'Has no effect: a move of a partition copies nothing.',
  }),
  topicConfig('local.retention.bytes', 'long', '-2', {
    rule: { min: -2 },
    from: 'log.local.retention.bytes',
    doc: 'Has no effect: all data is in the bucket.',
  }),
  topicConfig('local.retention.ms', 'long', '-2', {
    rule: { min: -2 },
    from: 'log.local.retention.ms',
    doc: 'Has no effect: all data is in the bucket.',
  }),
  topicConfig('max.compaction.lag.ms', 'long', LONG_MAX, {
    rule: { min: 1 },
    from: 'log.cleaner.max.compaction.lag.ms',
    doc: 'The longest that a record may stay out of log cleaning.',
  }),
  topicConfig('max.message.bytes', 'int', '1048588', {
    rule: { min: 0 },
    from: 'message.max.bytes',
    doc: 'The largest record batch that is accepted, as it comes, compressed or not.',
  }),
  topicConfig('message.timestamp.after.max.ms', 'long', '3600000', {
    rule: { min: 0 },
    from: 'log.message.timestamp.after.max.ms',
    doc: 'How far ahead of the broker a record time stamp may be.',
  }),
  topicConfig('message.timestamp.before.max.ms', 'long', LONG_MAX, {
    rule: { min: 0 },
    from: 'log.message.timestamp.before.max.ms',
    doc: 'How far behind the broker a record time stamp may be.',
  }),
  topicConfig('message.timestamp.type', 'string', 'CreateTime', {
    rule: { oneOf: ['CreateTime', 'LogAppendTime'] },
    from: 'log.message.timestamp.type',
    doc: 'Whether records keep their producer time stamps or get that of the append.',
  }),
  topicConfig('min.cleanable.dirty.ratio', 'double', '0.5', {
    rule: { min: 0, max: 1 },
    from: 'log.cleaner.min.cleanable.ratio',
    doc: 'The share of a compacted log that must be new before it is cleaned.',
  }),
  topicConfig('min.compaction.lag.ms', 'long', '0', {
    rule: { min: 0 },
    from: 'log.cleaner.min.compaction.lag.ms',
    doc: 'The shortest time that a record is kept whatever its key.',
  }),
  topicConfig('min.insync.replicas', 'int', '1', {
    rule: { min: 1 },
    from: 'min.insync.replicas',
    doc: 'Has no effect: the bucket keeps the copies, and every acknowledged record is in it.',
  }),
  topicConfig('preallocate', 'boolean', 'false', {
    from: 'log.preallocate',
    doc: 'Has no effect: there are no files.',
  }),
  topicConfig('remote.log.copy.disable', 'boolean', 'false', {
    doc: 'Has no effect: all data is in the bucket.',
  }),
  topicConfig('remote.log.delete.on.disable', 'boolean', 'false', {
    doc: 'Has no effect: all data is in the bucket.',
  }),
  topicConfig('remote.storage.enable', 'boolean', 'false', {
    doc: 'Kafka tiered storage, which is refused: all data is in the bucket already.',
  }),
  topicConfig('retention.bytes', 'long', '-1', {
    from: 'log.retention.bytes',
    doc: 'The most bytes that a partition keeps before its oldest are deleted; -1 for no limit.',
  }),
  topicConfig('retention.ms', 'long', '604800000', {
    rule: { min: -1 },
    from: [
      ['log.retention.ms', 1],
      ['log.retention.minutes', MINUTE_MS],
      ['log.retention.hours', HOUR_MS],
    ],
    doc: 'How long records are kept; -1 for ever.',
  }),
  topicConfig('segment.bytes', 'int', '1073741824', {
    rule: { min: 1048576 },
    from: 'log.segment.bytes',
    doc: 'The size of a segment, and so of the steps in which old data is deleted.',
  }),
  topicConfig('segment.index.bytes', 'int', '10485760', {
    rule: { min: 4 },
    from: 'log.index.size.max.bytes',
    doc: 'Has no effect: log objects carry indexes of their own.',
  }),
  topicConfig('segment.jitter.ms', 'long', '0', {
    rule: { min: 0 },
    from: [
      ['log.roll.jitter.ms', 1],
      ['log.roll.jitter.hours', HOUR_MS],
    ],
    doc: 'How much earlier, at random, a segment is begun than its age asks for.',
  }),
  topicConfig('segment.ms', 'long', '604800000', {
    rule: { min: 1 },
    from: [
      ['log.roll.ms', 1],
      ['log.roll.hours', HOUR_MS],
    ],
    doc: 'The age at which a new segment is begun.',
  }),
  topicConfig('unclean.leader.election.enable', 'boolean', 'false', {
    from: 'unclean.leader.election.enable',
    doc: 'Has no effect: a new owner always has everything that was acknowledged.',
  }),
]

/** The configs of a topic by name, in the order of their names. */
export const TOPIC_CONFIGS: ReadonlyMap<string, TopicConfigDefinition> = new Map(
  DEFINITIONS.map((definition) => [definition.name, definition]),
)
