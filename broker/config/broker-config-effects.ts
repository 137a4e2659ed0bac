import { OBEYED } from './broker-config.ts'
import { baseOfListenerConfig } from './dynamic-configs.ts'

/** What comes of setting a config that is not obeyed (yet), as docs/configs.md tells it. */
export type Effect = 'obeyed' | 'stored' | 'none' | 'refused'

interface EffectOfSome {
  /** Names apart by spaces; `*` stands for anything. The first one that fits counts. */
  readonly names: string
  readonly effect: Effect
  readonly documentation: string
}

/** What brokers make of the configs that `OBEYED` does not list. */
export const EFFECTS: readonly EffectOfSome[] = [
  {
    names: 'log.message.timestamp.* compression.*',
    effect: 'obeyed',
    documentation: 'What holds for the batches of topics that have no such config of their own.',
  },
  {
    names: 'node.id broker.id process.roles broker.rack advertised.listeners',
    effect: 'none',
    documentation: 'Told of the broker as it runs; its environment and the metadata decide it.',
  },
  {
    names: 'listeners listener.security.protocol.map principal.builder.class metric.reporters',
    effect: 'refused',
    documentation:
      'Cannot be changed while the broker runs: its environment decides on sockets, and Java ' +
      'classes cannot be loaded.',
  },
  {
    names: 'cordoned.log.dirs ssl.engine.factory.class',
    effect: 'refused',
    documentation: 'There are no log directories, and Java classes cannot be loaded.',
  },
  {
    names: 'log.cleanup.policy',
    effect: 'obeyed',
    documentation:
      'Of topics without their own: with compact, records need keys. Nothing is cleaned or ' +
      'deleted yet.',
  },
  {
    names:
      'log.retention.ms log.retention.minutes log.retention.hours log.retention.bytes ' +
      'log.cleaner.delete.retention.ms log.cleaner.m*',
    effect: 'stored',
    documentation: 'Of topics without their own; nothing is deleted or cleaned by it yet.',
  },
  {
    names: 'group.consumer.* group.share.* group.streams.* group.coordinator.rebalance.protocols',
    effect: 'stored',
    documentation: 'Bounds and stands in for configs of groups; no group of that kind is served.',
  },
  {
    names: 'transaction* add.partitions.to.txn.* share.coordinator.* share.fetch.*',
    effect: 'stored',
    documentation: 'There are no transactions and no share groups yet.',
  },
  {
    names: 'ssl.* sasl.* security.* connections.max.reauth.ms connection.failed.*',
    effect: 'none',
    documentation: "Has no effect: the broker's environment says how clients are let in.",
  },
  {
    names:
      'authorizer.class.name delegation.token.* client.quota.callback.class ' +
      'quota.window.* alter.config.policy.class.name create.topic.policy.class.name',
    effect: 'none',
    documentation: 'Has no effect: there are no ACLs, tokens, quotas or policies yet.',
  },
  {
    names: 'leader.replication.throttled.rate follower.replication.throttled.rate replica.alter.*',
    effect: 'none',
    documentation: 'Has no effect: nothing is copied when a partition moves, so nothing is slowed.',
  },
  {
    names:
      'replica* num.replica.* replication.* follower.* alter.log.dirs.* leader.imbalance.* ' +
      'auto.leader.* min.insync.replicas unclean.* inter.broker.* controlled.shutdown.enable',
    effect: 'none',
    documentation: 'Has no effect: the copies of what is written are the business of the bucket.',
  },
  {
    names: 'remote.*',
    effect: 'none',
    documentation: 'Has no effect: all data is in object storage already.',
  },
  {
    names:
      'controller.* metadata.* broker.heartbeat.* broker.session.* initial.broker.* ' +
      'early.start.listeners',
    effect: 'none',
    documentation: 'Has no effect: metadata is in the bucket, and any broker can write it.',
  },
  {
    names: 'log.*',
    effect: 'none',
    documentation: 'Has no effect: there are no log files or directories.',
  },
  {
    names: 'num.*.threads* num.*threads* background.threads queued.max.requests',
    effect: 'none',
    documentation: 'Has no effect: a broker is one event loop.',
  },
  {
    names: 'group.coordinator.* offsets.* *purgatory* request.timeout.ms telemetry.*',
    effect: 'none',
    documentation: 'Has no effect: this broker works otherwise inside.',
  },
  {
    names: 'socket.* metrics.* kafka.metrics.* config.providers',
    effect: 'none',
    documentation: "Has no effect: sockets and metrics are set by the broker's environment.",
  },
]

const PATTERNS = EFFECTS.flatMap(({ names, effect, documentation }) =>
  names.split(' ').map((name) => {
    const parts = name.split('*').map((part) => part.replaceAll('.', '\\.'))
    return { pattern: new RegExp(`^${parts.join('.*')}$`), effect, documentation }
  }),
)

const OBEYED_BY_NAME: ReadonlyMap<string, string> = new Map(Object.entries(OBEYED))

/** What comes of setting a broker's config, and why. */
export function effectOf(name: string): { effect: Effect; documentation: string } {
  const documentation = OBEYED_BY_NAME.get(name)
  if (documentation !== undefined) return { effect: 'obeyed', documentation }
  const found = PATTERNS.find(({ pattern }) => pattern.test(baseOfListenerConfig(name) ?? name))
  return found ?? { effect: 'none', documentation: 'Not known to this broker.' }
}

/** What a broker's config does here, in a sentence or two. */
export function documentationOf(name: string): string {
  return effectOf(name).documentation
}
