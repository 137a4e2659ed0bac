import { BROKER_CONFIGS } from './broker-config-table.ts'
import { type ConfigDefinition, whyNotValue } from './config-definition.ts'

/** Kafka's update modes of a broker's config (KIP-226). */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide'

const names = (text: string): readonly string[] => text.trim().split(/\s+/)

/** May be set for the whole cluster, or for one broker. */
const CLUSTER_WIDE = new Set(
  names(`
    background.threads compression.gzip.level compression.lz4.level compression.type
    compression.zstd.level config.providers follower.fetch.last.tiered.offset.enable
    follower.replication.throttled.rate group.consumer.assignment.interval.ms
    group.coordinator.cached.buffer.max.bytes group.share.assignment.interval.ms
    group.streams.assignment.interval.ms leader.replication.throttled.rate log.cleaner.backoff.ms
    log.cleaner.dedupe.buffer.size log.cleaner.delete.retention.ms
    log.cleaner.io.buffer.load.factor log.cleaner.io.buffer.size
    log.cleaner.io.max.bytes.per.second log.cleaner.max.compaction.lag.ms
    log.cleaner.min.cleanable.ratio log.cleaner.min.compaction.lag.ms log.cleaner.threads
    log.cleanup.policy log.flush.interval.messages log.flush.interval.ms log.index.interval.bytes
    log.index.size.max.bytes log.local.retention.bytes log.local.retention.ms
    log.message.timestamp.after.max.ms log.message.timestamp.before.max.ms
    log.message.timestamp.type log.preallocate log.retention.bytes log.retention.ms
    log.roll.jitter.ms log.roll.ms log.segment.bytes log.segment.delete.delay.ms
    max.connection.creation.rate max.connections max.connections.per.ip
    max.connections.per.ip.overrides message.max.bytes metric.reporters min.insync.replicas
    num.io.threads num.network.threads num.recovery.threads.per.data.dir num.replica.fetchers
    producer.id.expiration.ms remote.fetch.max.wait.ms remote.list.offsets.request.timeout.ms
    remote.log.index.file.cache.total.size.bytes remote.log.manager.copier.thread.pool.size
    remote.log.manager.copy.max.bytes.per.second remote.log.manager.expiration.thread.pool.size
    remote.log.manager.fetch.max.bytes.per.second remote.log.manager.follower.thread.pool.size
    remote.log.reader.threads replica.alter.log.dirs.io.max.bytes.per.second
    share.coordinator.cached.buffer.max.bytes transaction.partition.verification.enable
    unclean.leader.election.enable`),
)

/** May be set for one broker only, and only with a listener's prefix. */
const PER_LISTENER = new Set(
  names(`
    ssl.key.password ssl.keystore.certificate.chain ssl.keystore.key ssl.keystore.location
    ssl.keystore.password ssl.keystore.type ssl.truststore.certificates ssl.truststore.location
    ssl.truststore.password ssl.truststore.type`),
)

/** May be set for one broker only. */
const PER_BROKER = new Set([
  ...PER_LISTENER,
  ...names(`
    cordoned.log.dirs listener.security.protocol.map listeners principal.builder.class
    sasl.enabled.mechanisms sasl.jaas.config sasl.kerberos.kinit.cmd
    sasl.kerberos.min.time.before.relogin sasl.kerberos.principal.to.local.rules
    sasl.kerberos.service.name sasl.kerberos.ticket.renew.jitter
    sasl.kerberos.ticket.renew.window.factor sasl.login.refresh.buffer.seconds
    sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor
    sasl.login.refresh.window.jitter sasl.mechanism.inter.broker.protocol ssl.cipher.suites
    ssl.client.auth ssl.enabled.protocols ssl.endpoint.identification.algorithm
    ssl.engine.factory.class ssl.keymanager.algorithm ssl.protocol ssl.provider
    ssl.secure.random.implementation ssl.trustmanager.algorithm`),
])

/** With a listener's prefix these may be set for the whole cluster. */
const CLUSTER_WIDE_OF_LISTENERS = new Set([
  'max.connections',
  'num.network.threads',
  'max.connection.creation.rate',
])

/** Configs that exist only while a broker runs: tools set them before they move partitions. */
const ONLY_DYNAMIC: ReadonlyMap<string, ConfigDefinition> = new Map(
  [
    'leader.replication.throttled.rate',
    'follower.replication.throttled.rate',
    'replica.alter.log.dirs.io.max.bytes.per.second',
  ].map((name) => [name, { name, type: 'long', default: '9223372036854775807', rule: { min: 0 } }]),
)

/** Names of one thing in several units or with a fallback, the strongest first. */
const SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
    ['log.roll.ms', 'log.roll.hours'],
    ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ].flatMap((group) => group.map((name) => [name, group] as const)),
).set('log.flush.interval.ms', ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'])

/** Of a listener these are set with the name of a SASL mechanism before them. */
const OF_MECHANISMS = [
  'sasl.login.class',
  'sasl.server.callback.handler.class',
  'connections.max.reauth.ms',
  'sasl.login.callback.handler.class',
  'sasl.jaas.config',
]

const OF_LISTENER = /^listener\.name\.[^.]*\.(.*)$/

/** The config behind one with a listener's prefix, such as `listener.name.x.max.connections`. */
export function baseOfListenerConfig(name: string): string | null {
  return OF_LISTENER.exec(name)?.[1] ?? null
}

/** `name` and what stands in where it is not set. */
export function brokerSynonyms(name: string): readonly string[] {
  const base = baseOfListenerConfig(name)
  if (base === null) return SYNONYMS.get(name) ?? [name]
  return [name, OF_MECHANISMS.find((each) => base.endsWith(each)) ?? base]
}

export function updateModeOf(name: string): UpdateMode {
  if (CLUSTER_WIDE.has(name)) return 'cluster-wide'
  return PER_BROKER.has(name) ? 'per-broker' : 'read-only'
}

/** Whether a config is for listeners alone: without a prefix it cannot be set while they run. */
export function isPerListener(name: string): boolean {
  return PER_LISTENER.has(name)
}

/** What is known of a broker's config, or of the one behind a listener's prefix. */
export function brokerDefinition(name: string): ConfigDefinition | undefined {
  const exact = BROKER_CONFIGS.get(name) ?? ONLY_DYNAMIC.get(name)
  if (exact !== undefined) return exact
  const [, behind] = brokerSynonyms(name)
  return behind === undefined ? undefined : BROKER_CONFIGS.get(behind)
}

/** Passwords are; and whatever nobody knows might be. */
export function isSensitive(name: string): boolean {
  const type = brokerDefinition(name)?.type
  return type === undefined || type === 'password'
}

/**
 * Why these cannot be all the configs that are set of one broker (`perBroker`), or of the whole
 * cluster, while brokers run; or null. Names that Kafka does not know are let pass, as there: they
 * may belong to a plug-in.
 */
export function whyNotDynamic(
  values: Readonly<Record<string, string>>,
  perBroker: boolean,
): string | null {
  const all = Object.keys(values)
  const fixed = all.filter((name) => BROKER_CONFIGS.has(name) && updateModeOf(name) === 'read-only')
  if (fixed.length > 0) return `Cannot update these configs dynamically: ${fixed.join(', ')}`
  const bare = all.filter(isPerListener)
  if (bare.length > 0) {
    return `These configs can only be updated with a listener's prefix: ${bare.join(', ')}`
  }
  for (const [name, value] of Object.entries(values)) {
    const definition = brokerDefinition(baseOfListenerConfig(name) ?? name)
    const why = definition === undefined ? null : whyNotValue(definition, value)
    if (why !== null) return why
  }
  if (perBroker) return null
  const single = all.filter((name) => {
    const base = baseOfListenerConfig(name)
    return base === null ? PER_BROKER.has(name) : !CLUSTER_WIDE_OF_LISTENERS.has(base)
  })
  if (single.length === 0) return null
  return `These configs can only be updated for one broker, by its id: ${single.join(', ')}`
}
