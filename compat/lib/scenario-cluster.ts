import { TestAuthority } from '../../broker/server/testing/certificates.ts'
import { Cluster } from '../../e2e/lib/cluster.ts'
import { freePort } from '../../e2e/lib/ports.ts'
import type { Scenario } from '../scenarios/scenario.ts'
import type { SessionSettings } from './session-protocol.ts'

/** Groups wait for more members before their first round; nobody wants to wait that long here. */
const BASE_CONFIG = { 'group.initial.rebalance.delay.ms': '300' }

/** The cluster of a scenario, and what every session needs to reach it. Whoever has it closes it. */
export interface ScenarioCluster {
  readonly cluster: Cluster
  readonly common: Partial<SessionSettings>
  close(): Promise<void>
}

export async function startCluster(scenario: Scenario): Promise<ScenarioCluster> {
  const config = JSON.stringify({ ...BASE_CONFIG, ...scenario.config })
  const env = { STREAMCLUSTER_CONFIG: config }
  if (scenario.tls) return startWithTls(scenario.brokers, env)
  const cluster = await Cluster.start(scenario.brokers, { env })
  return { cluster, common: {}, close: () => cluster.close() }
}

/** Brokers with two listeners: a plain one, which the runner uses itself, and one for the clients. */
async function startWithTls(
  brokers: number,
  env: Readonly<Record<string, string>>,
): Promise<ScenarioCluster> {
  const authority = new TestAuthority()
  const { certificateFile, keyFile } = authority.issue('/CN=broker')
  const cluster = new Cluster({ env })
  const close = async (): Promise<void> => {
    await cluster.close()
    authority.close()
  }
  const addresses: string[] = []
  try {
    for (let index = 0; index < brokers; index++) {
      const ports = { kafka: await freePort(), admin: await freePort() }
      const address = `127.0.0.1:${await freePort()}`
      await cluster.startBroker(ports, {
        STREAMCLUSTER_LISTEN: '',
        STREAMCLUSTER_LISTENERS: `plain=127.0.0.1:${ports.kafka},secure=${address}`,
        STREAMCLUSTER_TLS_CERTIFICATE: `secure=${certificateFile}`,
        STREAMCLUSTER_TLS_KEY: `secure=${keyFile}`,
      })
      addresses.push(address)
    }
  } catch (error) {
    await close()
    throw error
  }
  return { cluster, common: { bootstrap: addresses.join(), caFile: authority.caFile }, close }
}
