import { TestAuthority } from '../../broker/server/testing/certificates.ts'
import type { BrokerPorts } from '../../e2e/lib/broker-process.ts'
import { Cluster } from '../../e2e/lib/cluster.ts'
import { freePort } from '../../e2e/lib/ports.ts'
import type { SessionSettings } from './session-protocol.ts'

/** Groups wait for more members before their first round; nobody wants to wait that long here. */
const BASE_CONFIG = { 'group.initial.rebalance.delay.ms': '300' }

/** What a scenario needs of its cluster. */
export interface ClusterNeeds {
  readonly brokers: number
  /** Kafka broker configs. */
  readonly config?: Readonly<Record<string, string>>
  /** Brokers have a listener with TLS, and all clients come to it, or those that are told to. */
  readonly tls?: 'all' | 'some'
}

/**
 * The cluster of a needs. With TLS its brokers have two listeners: a plain one, which the runner
 * uses itself, and one with TLS. Whoever has it closes it.
 */
export class ScenarioCluster {
  readonly cluster: Cluster
  private readonly authority: TestAuthority | null
  private readonly certificate: { certificateFile: string; keyFile: string } | null
  /** By the port of the plain listener: a broker that comes back has both of its addresses again. */
  private readonly secureAddresses = new Map<number, string>()

  private constructor(needs: ClusterNeeds) {
    const config = JSON.stringify({ ...BASE_CONFIG, ...needs.config })
    this.cluster = new Cluster({ env: { STREAMCLUSTER_CONFIG: config } })
    this.authority = needs.tls === undefined ? null : new TestAuthority()
    this.certificate = this.authority?.issue('/CN=broker') ?? null
  }

  static async start(needs: ClusterNeeds): Promise<ScenarioCluster> {
    const place = new ScenarioCluster(needs)
    try {
      // The first creates the cluster, the others join.
      await place.startBroker()
      await Promise.all(Array.from({ length: needs.brokers - 1 }, () => place.startBroker()))
      return place
    } catch (error) {
      await place.close()
      throw error
    }
  }

  /** What a session needs to come over TLS. */
  secure(): Partial<SessionSettings> {
    if (this.authority === null) throw new Error('the scenario has no TLS')
    const bootstrap = [...this.secureAddresses.values()].join()
    return { bootstrap, caFile: this.authority.caFile }
  }

  /** Starts a broker, on the ports of one that is gone or on fresh ones. */
  async startBroker(wanted?: BrokerPorts): Promise<void> {
    const ports = wanted ?? { kafka: await freePort(), admin: await freePort() }
    await this.cluster.startBroker(ports, await this.listenersOf(ports))
  }

  private async listenersOf(ports: BrokerPorts): Promise<Readonly<Record<string, string>>> {
    if (this.certificate === null) return {}
    const { certificateFile, keyFile } = this.certificate
    const known = this.secureAddresses.get(ports.kafka)
    const address = known ?? `127.0.0.1:${await freePort()}`
    this.secureAddresses.set(ports.kafka, address)
    return {
      STREAMCLUSTER_LISTEN: '',
      STREAMCLUSTER_LISTENERS: `plain=127.0.0.1:${ports.kafka},secure=${address}`,
      STREAMCLUSTER_TLS_CERTIFICATE: `secure=${certificateFile}`,
      STREAMCLUSTER_TLS_KEY: `secure=${keyFile}`,
    }
  }

  async close(): Promise<void> {
    await this.cluster.close()
    this.authority?.close()
  }
}
