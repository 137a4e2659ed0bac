import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep, systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { KubeClient } from './kube/client.ts'
import { Operator } from './operator.ts'
import { operatorSettings } from './settings.ts'
import { FakeKubelet } from './testing/fake-kubelet.ts'
import { hasApiServer, RealApiServer } from './testing/real-api-server.ts'

/**
 * The operator against Kubernetes' own API server and controllers, with the resource definition as
 * it is shipped; pods are processes of this machine. Only where `scripts/build-kubernetes.sh` ran.
 */
const CRD = fileURLToPath(new URL('../crds/streamclusters.streamcluster.io.yaml', import.meta.url))
const NAMESPACE = 'kafka'
const KINDS = 'stc,deploy,pods,svc,hpa,pdb,netpol,cm,sa'
const MANIFEST = `
apiVersion: streamcluster.io/v1alpha1
kind: StreamCluster
metadata: {name: orders, namespace: ${NAMESPACE}}
spec:
  replicas: 2
  storage: {volume: {claimName: data, path: orders}}
  listeners:
    - {name: plain, port: 9092, type: internal}
    - {name: node, port: 9093, type: nodeport}
  rack: {topologyKey: topology.kubernetes.io/zone}
  config: {num.partitions: 6, message.max.bytes: 8388608}
  template: {pod: {spec: {containers: [{name: broker, resources: {requests: {cpu: 0.1, memory: 1G}}}]}}}
`

interface Item {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly reason: string }[]
    readonly readyReplicas?: number
  }
}

const isThere = hasApiServer()
const describeThere = isThere ? describe : describe.skip
const folder = mkdtempSync(join(tmpdir(), 'operator-api-'))
let server: RealApiServer
let client: KubeClient
let kubelet: FakeKubelet
let operator: Operator

function items(kinds: string): Item[] {
  const text = server.kubectl('get', kinds, '-n', NAMESPACE, '-o', 'json')
  return (JSON.parse(text) as { items: Item[] }).items
}

function isSettled(replicas: number): boolean {
  const [cluster] = items('stc')
  const reconciling = cluster?.status?.conditions?.find(({ type }) => type === 'Reconciling')
  return reconciling?.reason === 'Settled' && cluster?.status?.readyReplicas === replicas
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = systemClock.nowMs() + 60_000
  while (!holds()) {
    if (systemClock.nowMs() > endMs) {
      throw new Error(`${what}: ${server.kubectl('get', 'stc', '-n', NAMESPACE, '-o', 'yaml')}`)
    }
    await sleep(systemClock, 300)
  }
}

beforeAll(async () => {
  if (!isThere) return
  const volumeFolder = join(folder, NAMESPACE, 'data')
  mkdirSync(volumeFolder, { recursive: true })
  server = await RealApiServer.start(folder)
  server.kubectl('apply', '--server-side', '-f', CRD)
  server.kubectl('create', 'namespace', NAMESPACE)
  const access = server.access()
  client = new KubeClient({ access, clock: systemClock, fieldManager: 'kubelet' })
  kubelet = new FakeKubelet({
    ...{ client, volumeFolder, logFolder: folder, namespace: NAMESPACE },
    network: `127.79.${systemRandom.below(250)}`,
  })
  kubelet.start()
  const settings = operatorSettings(
    {
      POD_NAMESPACE: NAMESPACE,
      STREAMCLUSTER_NAMESPACES: NAMESPACE,
      STREAMCLUSTER_ADMIN_LISTEN: '127.0.0.1:0',
      STREAMCLUSTER_VOLUMES: folder,
    },
    [],
  )
  operator = await Operator.start({
    ...{ settings, access, clock: systemClock, random: systemRandom, log: silentLogger },
    onLost: () => {},
  })
}, 90_000)

afterAll(async () => {
  if (isThere) {
    await operator?.stop()
    await kubelet?.stop()
    client?.close()
    await server?.stop()
  }
  rmSync(folder, { recursive: true, force: true })
}, 30_000)

describeThere('with Kubernetes own API server', () => {
  test('a StreamCluster comes to run', async () => {
    const file = join(folder, 'orders.yaml')
    writeFileSync(file, MANIFEST)
    server.kubectl('apply', '--server-side', '-f', file)
    await until('it is settled', () => isSettled(2))
  }, 90_000)

  test('and nothing of it changes any more', async () => {
    await sleep(systemClock, 2_000)
    const versions = (): string[] =>
      items(KINDS).map(
        ({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`,
      )
    const before = versions()
    // More than any interval of the operator but that of its pass without a reason.
    await sleep(systemClock, 20_000)
    expect(versions()).toEqual(before)
    expect(before.length).toBeGreaterThan(10)
  }, 60_000)

  test('it is scaled by its scale subresource, out and in', async () => {
    server.kubectl('scale', 'stc', '-n', NAMESPACE, 'orders', '--replicas=3')
    await until('it has grown', () => isSettled(3))
    server.kubectl('scale', 'stc', '-n', NAMESPACE, 'orders', '--replicas=1')
    await until('it has shrunk', () => isSettled(1) && items('pods').length === 1)
  }, 120_000)

  test('what is deleted leaves nothing of it', async () => {
    server.kubectl('delete', 'stc', '-n', NAMESPACE, 'orders')
    const left = (): string[] => items('deploy,pods,svc,hpa,pdb,netpol').map(({ kind }) => kind)
    await until('its children are gone', () => left().length === 0)
  }, 90_000)
})
