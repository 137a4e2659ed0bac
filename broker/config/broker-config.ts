import { assert } from '../../base/assert.ts'
import { BROKER_CONFIGS } from './broker-config-table.ts'
import { whyNotValue } from './config-definition.ts'

/** What this release obeys of a broker's configs. Those of topics are in topic-config-table.ts. */
const OBEYED = {
  'auto.create.topics.enable': 'Whether a topic is created when a client asks for it by name.',
  'delete.topic.enable': 'Whether topics may be deleted.',
  'num.partitions': 'Partitions of a topic whose creator does not say how many.',
  'default.replication.factor': 'Accepted for the tools that set it: the bucket keeps the copies.',
  'message.max.bytes': 'The largest record batch, where a topic has no limit of its own.',
  'log.message.timestamp.type': 'Whose time stamps records have, where the topic does not say.',
  'socket.request.max.bytes': 'The largest request; a connection that sends more is closed.',
  'max.connections': 'Connections that are accepted at the same time.',
  'connections.max.idle.ms': 'After so long without a request a connection is closed.',
  'max.incremental.fetch.session.cache.slots': 'Fetch sessions that are remembered (KIP-227).',
  'max.request.partition.size.limit': 'Partitions in one page of described topics (KIP-966).',
  'fetch.max.bytes': 'The most that one fetch response carries.',
  'producer.id.expiration.ms': 'How long the sequence of an idle producer is remembered.',
  'offsets.topic.num.partitions': 'Partitions of __consumer_offsets, when it is created.',
  'offsets.topic.replication.factor': 'Accepted for the tools that set it, as for other topics.',
  'offsets.topic.segment.bytes': 'Set on __consumer_offsets when it is created.',
  'offsets.retention.minutes': 'How long offsets are kept that nobody uses any more (KIP-211).',
  'offsets.retention.check.interval.ms': 'How often expired offsets are looked for.',
  'offset.metadata.max.bytes': 'The longest text that may go with a committed offset.',
  'group.initial.rebalance.delay.ms': 'How long a new group waits for more members to join.',
  'group.min.session.timeout.ms': 'The shortest session a member may ask for.',
  'group.max.session.timeout.ms': 'The longest session a member may ask for.',
  'group.max.size': 'The most members that a group may have.',
} as const satisfies Record<string, string>

export type BrokerConfigName = keyof typeof OBEYED

/** What a broker's config does here; '' for one that is known from Kafka but not obeyed. */
export function documentationOf(name: string): string {
  return (OBEYED as Record<string, string>)[name] ?? ''
}

/** Why a broker cannot be started with these configs, or null. Unknown names are let pass. */
export function whyNotBrokerConfigs(values: Readonly<Record<string, string>>): string | null {
  for (const [name, value] of Object.entries(values)) {
    const definition = BROKER_CONFIGS.get(name)
    const why = definition === undefined ? null : whyNotValue(definition, value)
    if (why !== null) return why
  }
  return null
}

/** The configs of this broker process: what was set at its start over Kafka's defaults. */
export class BrokerConfig {
  private readonly values: Readonly<Record<string, string>>

  constructor(values: Readonly<Record<string, string>>) {
    this.values = values
  }

  get(name: BrokerConfigName): string {
    const value = this.values[name] ?? BROKER_CONFIGS.get(name)?.default
    assert(typeof value === 'string', `the config ${name} has a default`)
    return value
  }

  number(name: BrokerConfigName): number {
    return Number(this.get(name))
  }

  /** What was set explicitly. */
  get explicit(): Readonly<Record<string, string>> {
    return this.values
  }
}
