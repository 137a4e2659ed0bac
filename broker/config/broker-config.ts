/** Broker settings that this release obeys, by Kafka's names, with Kafka's defaults. */
const DEFAULTS = {
  'auto.create.topics.enable': 'true',
  'num.partitions': '1',
  'default.replication.factor': '1',
  'message.max.bytes': '1048588',
  'log.message.timestamp.type': 'CreateTime',
  'socket.request.max.bytes': '104857600',
  'max.connections': '2147483647',
  'max.incremental.fetch.session.cache.slots': '1000',
  'fetch.max.bytes': '57671680',
  'producer.id.expiration.ms': '86400000',
} as const

export type BrokerConfigName = keyof typeof DEFAULTS

/** The configs of this broker process: what was set at its start over the defaults. */
export class BrokerConfig {
  private readonly values: Readonly<Record<string, string>>

  constructor(values: Readonly<Record<string, string>>) {
    this.values = values
  }

  get(name: BrokerConfigName): string {
    return this.values[name] ?? DEFAULTS[name]
  }

  number(name: BrokerConfigName): number {
    return Number(this.get(name))
  }

  /** What was set explicitly. */
  get explicit(): Readonly<Record<string, string>> {
    return this.values
  }
}
