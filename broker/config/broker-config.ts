import { assert } from '../../base/assert.ts'
import type { Table } from '../../metadata/image.ts'
import { whyNotBrokerChange, whyNotOfListeners } from './broker-config-rules.ts'
import { BROKER_CONFIGS } from './broker-config-table.ts'
import { shownValue, whyNotValue } from './config-definition.ts'
import {
  baseOfListenerConfig,
  brokerDefinition,
  brokerSynonyms,
  whyNotDynamic,
} from './dynamic-configs.ts'
import { configsOf, isOfScope } from './stored-configs.ts'

/** What this release obeys of a broker's configs. Those of topics are in topic-config-table.ts. */
export const OBEYED = {
  'auto.create.topics.enable': 'Whether a topic is created when a client asks for it by name.',
  'delete.topic.enable': 'Whether topics may be deleted.',
  'num.partitions': 'Partitions of a topic whose creator does not say how many.',
  'default.replication.factor': 'Accepted for the tools that set it: the bucket keeps the copies.',
  'message.max.bytes': 'The largest record batch, where a topic has no limit of its own.',
  'log.message.timestamp.type': 'Whose time stamps records have, where the topic does not say.',
  'socket.request.max.bytes': 'The largest request; a connection that sends more is closed.',
  'queued.max.request.bytes': 'Bytes of requests in memory; over it no new ones are read.',
  'max.connections': 'Connections that are accepted at the same time.',
  'max.connections.per.ip': 'Connections from one address at the same time.',
  'max.connections.per.ip.overrides': 'The same for some addresses, or hosts by their names.',
  'max.connection.creation.rate': 'Connections per second; those that come faster wait.',
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

/** Why a broker cannot be started with these configs, or null. Unknown names are let pass. */
export function whyNotBrokerConfigs(values: Readonly<Record<string, string>>): string | null {
  for (const [name, value] of Object.entries(values)) {
    const definition = BROKER_CONFIGS.get(name)
    const why = definition === undefined ? null : whyNotValue(definition, value)
    if (why !== null) return why
  }
  return null
}

/** The metadata that a broker's configs follow: those set while it runs. */
interface Followed {
  readonly nodeId: number
  readonly image: { readonly configs: ReadonlyMap<string, string> }
  readonly log: {
    onApplied(
      listener: (delta: {
        readonly touched: 'all' | { readonly configs: ReadonlySet<string> }
      }) => void,
    ): unknown
  }
}

/** Where a value was set, the strongest first. */
export type BrokerConfigSource = 'dynamic-broker' | 'dynamic-default' | 'broker'

type Values = Readonly<Record<string, string>>

/** Values as they were set, by where; see KIP-226. */
interface Layers {
  /** Of this broker alone, while it runs. */
  readonly own: Values
  /** Of the whole cluster, while it runs. */
  readonly cluster: Values
  /** At the start of the process. */
  readonly start: Values
}

/** Names come from clients: nothing of Object's own must answer to them. */
function bare(entries: Iterable<readonly [string, string]>): Values {
  return Object.setPrototypeOf(Object.fromEntries(entries), null) as Values
}

const NOTHING: Values = Object.freeze(bare([]))

/**
 * The configs of this broker: what was set for it while it runs, for the whole cluster while it
 * runs, and at its start, over Kafka's defaults. Whoever reads a config that can change reads it
 * here each time, or compares {@link BrokerConfig.state}.
 */
export class BrokerConfig {
  private layers: Layers
  private merged: Values

  constructor(start: Values) {
    this.layers = { own: NOTHING, cluster: NOTHING, start: bare(Object.entries(start)) }
    this.merged = mergedOf(this.layers)
  }

  /** From now on what is set in the metadata counts, as soon as this node has heard of it. */
  follow(node: Followed): void {
    const read = (): void => {
      const { configs } = node.image
      const own = dynamicConfigs(configs, String(node.nodeId))
      this.layers = { ...this.layers, own, cluster: dynamicConfigs(configs, '') }
      this.merged = mergedOf(this.layers)
    }
    read()
    node.log.onApplied(({ touched }) => {
      if (touched === 'all') return read()
      for (const key of touched.configs) if (isOfScope(key, 'broker')) return read()
    })
  }

  get(name: BrokerConfigName): string {
    const value = this.valueOf(name)
    assert(value !== null, `the config ${name} has a default`)
    return value
  }

  number(name: BrokerConfigName): number {
    return Number(this.get(name))
  }

  /** Any config, also one that is not obeyed; null where it is not set and has no default. */
  valueOf(name: string): string | null {
    return this.merged[name] ?? BROKER_CONFIGS.get(name)?.default ?? null
  }

  /** The same, had the process been started with `more` as well. */
  startedWith(more: Values): BrokerConfig {
    const other = new BrokerConfig({ ...this.layers.start, ...more })
    other.layers = { ...this.layers, start: other.layers.start }
    other.merged = mergedOf(other.layers)
    return other
  }

  /** Every name that is set anywhere. */
  names(): string[] {
    const { own, cluster, start } = this.layers
    return Object.keys({ ...own, ...cluster, ...start })
  }

  /** What was set explicitly, the strongest alone. */
  get explicit(): Values {
    return this.merged
  }

  /** An object that is another one after every change: for whoever keeps what they made of it. */
  get state(): object {
    return this.merged
  }

  /** Where a config of exactly this name was set, the strongest first, as it was set. */
  settings(name: string): { readonly source: BrokerConfigSource; readonly value: string }[] {
    const { own, cluster, start } = this.layers
    const found: { source: BrokerConfigSource; value: string }[] = []
    if (own[name] !== undefined) found.push({ source: 'dynamic-broker', value: own[name] })
    if (cluster[name] !== undefined) {
      found.push({ source: 'dynamic-default', value: cluster[name] })
    }
    if (start[name] !== undefined) found.push({ source: 'broker', value: start[name] })
    return found
  }

  /**
   * Why `values` cannot be all that is set while this broker runs: of itself (`perBroker`), or of
   * the whole cluster. Null: they can. As Kafka does, a broker judges for the cluster by itself.
   */
  whyNotChange(values: Values, perBroker: boolean): string | null {
    const why = whyNotDynamic(values, perBroker) ?? whyNotOfListeners(values)
    if (why !== null) return why
    const layers = perBroker ? { ...this.layers, own: values } : { ...this.layers, cluster: values }
    const after = mergedOf(layers)
    const valueAfter = (name: string): string | null =>
      after[name] ?? BROKER_CONFIGS.get(name)?.default ?? null
    return whyNotBrokerChange((name) => this.valueOf(name), valueAfter)
  }
}

/** What is set while brokers run, of the broker of that id or, for '', of the whole cluster. */
export function dynamicConfigs(
  configs: Pick<Table<string, string>, 'entries'>,
  name: string,
): Values {
  return bare(configsOf(configs, 'broker', name))
}

/**
 * The layers over each other. What a layer sets takes its synonyms out of those below it: hours from
 * the start do not count beside milliseconds that were set later.
 */
function mergedOf({ own, cluster, start }: Layers): Values {
  const merged = Object.create(null) as Record<string, string>
  for (const layer of [start, cluster, own]) {
    const isDynamic = layer !== start
    for (const [name, value] of Object.entries(layer)) {
      if (isDynamic && baseOfListenerConfig(name) === null) {
        for (const synonym of brokerSynonyms(name)) delete merged[synonym]
      }
      merged[name] = readable(name, value)
    }
  }
  return merged
}

/** As Kafka would show it; what an older release let pass stays as it is. */
function readable(name: string, value: string): string {
  const definition = brokerDefinition(name)
  if (definition === undefined || whyNotValue(definition, value) !== null) return value
  return shownValue(definition, value)
}
