import type { ConfigDefinition, ConfigRule, ConfigType } from './config-definition.ts'

export interface GroupConfigDefinition extends ConfigDefinition {
  readonly default: string
  /** The broker's config that stands in where the group has none. */
  readonly synonym: string | null
  /** The broker's configs that bound it. */
  readonly bounds: { readonly min?: string; readonly max?: string }
  readonly documentation: string
}

function groupConfig(
  name: string,
  fallback: string,
  more: {
    readonly type?: ConfigType
    readonly rule?: ConfigRule
    readonly bounds?: 'both' | 'max'
    /** Whether brokers have no config behind it. */
    readonly alone?: true
    readonly doc: string
  },
): GroupConfigDefinition {
  const { type = 'int', rule = {}, bounds, alone, doc } = more
  // The broker's names of the bounds have `min` or `max` after the kind of group.
  const bound = (side: 'min' | 'max'): string => `group.${name.replace('.', `.${side}.`)}`
  return {
    name,
    type,
    default: fallback,
    rule,
    synonym: alone ? null : `group.${name}`,
    bounds: {
      ...(bounds === 'both' && { min: bound('min') }),
      ...(bounds !== undefined && { max: BOUNDS_OF_OTHER_NAMES.get(name) ?? bound('max') }),
    },
    documentation: doc,
  }
}

const BOUNDS_OF_OTHER_NAMES = new Map([
  ['streams.num.standby.replicas', 'group.streams.max.standby.replicas'],
])

const NEW_PROTOCOL = 'Takes effect once groups of that kind are served.'

const DEFINITIONS: readonly GroupConfigDefinition[] = [
  groupConfig('consumer.assignment.interval.ms', '1000', {
    rule: { min: 0 },
    bounds: 'both',
    doc: `How often a consumer group is assigned anew, at most. ${NEW_PROTOCOL}`,
  }),
  groupConfig('consumer.heartbeat.interval.ms', '5000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `How often members of a consumer group are told to report. ${NEW_PROTOCOL}`,
  }),
  groupConfig('consumer.session.timeout.ms', '45000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `After so long without a word a member of a consumer group is gone. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.assignment.interval.ms', '1000', {
    rule: { min: 0 },
    bounds: 'both',
    doc: `How often a share group is assigned anew, at most. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.auto.offset.reset', 'latest', {
    type: 'string',
    rule: { shareReset: true },
    alone: true,
    doc: `Where a share group starts to read: earliest, latest or by_duration. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.delivery.count.limit', '5', {
    rule: { min: 2 },
    bounds: 'both',
    doc: `How often a record is delivered to a share group before it is given up. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.heartbeat.interval.ms', '5000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `How often members of a share group are told to report. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.isolation.level', 'read_uncommitted', {
    type: 'string',
    rule: { oneOf: ['read_committed', 'read_uncommitted'] },
    alone: true,
    doc: `Whether a share group reads records of transactions before their end. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.partition.max.record.locks', '2000', {
    rule: { min: 100 },
    bounds: 'both',
    doc: `How many records of a partition members may hold at a time. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.record.lock.duration.ms', '30000', {
    rule: { min: 1000 },
    bounds: 'both',
    doc: `How long a member may hold a record. ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.renew.acknowledge.enable', 'true', {
    type: 'boolean',
    alone: true,
    doc: `Whether members may hold a record for longer (KIP-1222). ${NEW_PROTOCOL}`,
  }),
  groupConfig('share.session.timeout.ms', '45000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `After so long without a word a member of a share group is gone. ${NEW_PROTOCOL}`,
  }),
  groupConfig('streams.assignment.interval.ms', '1000', {
    rule: { min: 0 },
    bounds: 'both',
    doc: `How often a streams group is assigned anew, at most. ${NEW_PROTOCOL}`,
  }),
  groupConfig('streams.heartbeat.interval.ms', '5000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `How often members of a streams group are told to report. ${NEW_PROTOCOL}`,
  }),
  groupConfig('streams.initial.rebalance.delay.ms', '3000', {
    rule: { min: 0 },
    doc: `How long a new streams group waits for more members. ${NEW_PROTOCOL}`,
  }),
  groupConfig('streams.num.standby.replicas', '0', {
    rule: { min: 0 },
    bounds: 'max',
    doc: `Copies of each task of a streams group that stand by. ${NEW_PROTOCOL}`,
  }),
  groupConfig('streams.session.timeout.ms', '45000', {
    rule: { min: 1 },
    bounds: 'both',
    doc: `After so long without a word a member of a streams group is gone. ${NEW_PROTOCOL}`,
  }),
]

/** The configs of a group by name, in the order of their names. */
export const GROUP_CONFIGS: ReadonlyMap<string, GroupConfigDefinition> = new Map(
  DEFINITIONS.map((definition) => [definition.name, definition]),
)
