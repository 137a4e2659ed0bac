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
import { authority, type Certificate, issued } from './testing/certificates.ts'
import { FakeKubelet } from './testing/fake-kubelet.ts'
import { hasApiServer, RealApiServer } from './testing/real-api-server.ts'

/**
 * The operator against Kubernetes' own API server and controllers, with the resource definition as
 * it is shipped; pods are processes of this machine. Only where `scripts/build-kubernetes.sh` ran.
 */
const CRD = fileURLToPath(new URL('../crds/streamclusters.streamcluster.io.yaml', import.meta.url))
const NAMESPACE = 'kafka'
/** The HPA looks every two seconds here. */
const BLIND_MS = 16_000
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
/** Who vouches for the metrics API. */
let serving: Certificate
let client: KubeClient
let kubelet: FakeKubelet
let operator: Operator

async function items(kinds: string): Promise<Item[]> {
  const text = await server.kubectl('get', kinds, '-n', NAMESPACE, '-o', 'json')
  return (JSON.parse(text) as { items: Item[] }).items
}

async function isSettled(replicas: number): Promise<boolean> {
  const [cluster] = await items('stc')
  const reconciling = cluster?.status?.conditions?.find(({ type }) => type === 'Reconciling')
  return reconciling?.reason === 'Settled' && cluster?.status?.readyReplicas === replicas
}

/** To one broker, and no pod of another is left. */
async function hasShrunk(): Promise<boolean> {
  return (await isSettled(1)) && (await items('pods')).length === 1
}

/** From one broker to so many, by this metric alone. */
async function autoscale(maxReplicas: number, metric: object, more: object = {}): Promise<void> {
  const autoscaling = { minReplicas: 1, maxReplicas, metrics: [metric], ...more }
  const patch = JSON.stringify({ spec: { autoscaling } })
  await server.kubectl('patch', 'stc', '-n', NAMESPACE, 'orders', '--type', 'merge', '-p', patch)
}

interface HpaStatus {
  readonly currentMetrics?: unknown
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly reason: string
  }[]
}

async function hpaStatus(): Promise<HpaStatus> {
  const hpa = await server.kubectl('get', 'hpa', '-n', NAMESPACE, 'orders', '-o', 'json')
  return (JSON.parse(hpa) as { status: HpaStatus }).status
}

/** Whether the HPA sees what it scales by, and why not. */
async function scalingActive(): Promise<string> {
  const { conditions = [] } = await hpaStatus()
  const found = conditions.find(({ type }) => type === 'ScalingActive')
  return `${found?.status} ${found?.reason}`
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.nowMs() + 60_000
  while (!(await holds())) {
    if (systemClock.nowMs() > endMs) {
      const state = await server.kubectl('get', 'stc', '-n', NAMESPACE, '-o', 'yaml')
      throw new Error(`${what}: ${state}`)
    }
    await sleep(systemClock, 300)
  }
}

/** The metrics API as the chart registers it; here it is on this machine, at a name of it. */
function apiServiceFile(port = operator.metricsPort ?? 0): string {
  const service = { name: 'metrics', namespace: NAMESPACE, port }
  const versions = ['v1beta1', 'v1beta2'].map((version, index) => ({
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `${version}.custom.metrics.k8s.io` },
    spec: {
      ...{ group: 'custom.metrics.k8s.io', version, service },
      caBundle: Buffer.from(serving.cert).toString('base64'),
      ...{ groupPriorityMinimum: 100, versionPriority: 100 + index },
    },
  }))
  const items = [
    {
      ...{ apiVersion: 'v1', kind: 'Service' },
      metadata: { name: service.name, namespace: NAMESPACE },
      spec: { type: 'ExternalName', externalName: 'localhost' },
    },
    ...versions,
  ]
  const file = join(folder, 'api-service.json')
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  return file
}

beforeAll(async () => {
  if (!isThere) return
  const volumeFolder = join(folder, NAMESPACE, 'data')
  mkdirSync(volumeFolder, { recursive: true })
  server = await RealApiServer.start(folder)
  const tlsFolder = join(folder, 'tls')
  mkdirSync(tlsFolder)
  serving = authority(tlsFolder, 'authority')
  const hosts = [`metrics.${NAMESPACE}.svc`]
  issued(tlsFolder, serving, { file: 'tls', commonName: 'metrics', hosts })
  await server.kubectl('apply', '--server-side', '-f', CRD)
  await server.kubectl('create', 'namespace', NAMESPACE)
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
      STREAMCLUSTER_METRICS_API_TLS: tlsFolder,
      STREAMCLUSTER_METRICS_API_LISTEN: '127.0.0.1:0',
    },
    [],
  )
  operator = await Operator.start({
    ...{ settings, access, clock: systemClock, random: systemRandom, log: silentLogger },
    onLost: () => {},
    podMonitorLookMs: 500,
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
    await server.kubectl('apply', '--server-side', '-f', file)
    await until('it is settled', () => isSettled(2))
  }, 90_000)

  test('and nothing of it changes any more', async () => {
    await sleep(systemClock, 2_000)
    const versions = async (): Promise<string[]> =>
      (await items(KINDS)).map(
        ({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`,
      )
    const before = await versions()
    // More than any interval of the operator but that of its pass without a reason.
    await sleep(systemClock, 20_000)
    expect(await versions()).toEqual(before)
    expect(before.length).toBeGreaterThan(10)
  }, 60_000)

  test('it is scaled by its scale subresource, out and in', async () => {
    await server.kubectl('scale', 'stc', '-n', NAMESPACE, 'orders', '--replicas=3')
    await until('it has grown', () => isSettled(3))
    await server.kubectl('scale', 'stc', '-n', NAMESPACE, 'orders', '--replicas=1')
    await until('it has shrunk', hasShrunk)
  }, 120_000)
})

describeThere('its autoscaler', () => {
  test('scales it by what its brokers say of themselves', async () => {
    await server.kubectl('apply', '-f', apiServiceFile())
    await autoscale(3, {
      type: 'Pods',
      pods: {
        metric: { name: 'streamcluster_event_loop_utilization' },
        // Brokers that do nothing do more than this.
        target: { type: 'AverageValue', averageValue: '100u' },
      },
    })
    await until('it has grown to the most that it may', () => isSettled(3))
    const path = `/apis/custom.metrics.k8s.io/v1beta2/namespaces/${NAMESPACE}`
    const values = JSON.parse(
      await server.kubectl('get', '--raw', `${path}/pods/*/streamcluster_requests_per_second`),
    ) as { items: unknown[] }
    expect(values.items).toHaveLength(3)
    const total = 'streamclusters.streamcluster.io/orders/streamcluster_requests_per_second_total'
    expect(await server.kubectl('get', '--raw', `${path}/${total}`)).toContain('"name":"orders"')
  }, 120_000)

  test('scales it by what they say of the cluster as a whole', async () => {
    const metric = { name: 'streamcluster_saturation_max' }
    await autoscale(4, {
      type: 'Object',
      object: { metric, target: { type: 'Value', value: '100u' } },
    })
    await until('it has grown to the most that it may', () => isSettled(4))
    const describedObject = { kind: 'StreamCluster', name: 'orders' }
    const object = { describedObject, metric }
    expect((await hpaStatus()).currentMetrics).toMatchObject([{ type: 'Object', object }])
  }, 120_000)

  test('leaves it as it is without metrics, and goes on when they are there again', async () => {
    const metric = { name: 'streamcluster_saturation_max' }
    const behavior = { scaleDown: { stabilizationWindowSeconds: 0 } }
    // Nobody listens there.
    await server.kubectl('apply', '-f', apiServiceFile(1))
    await until('the HPA sees nothing', async () => (await scalingActive()).startsWith('False'))
    // With metrics, one broker would be more than enough.
    await autoscale(
      4,
      { type: 'Object', object: { metric, target: { type: 'Value', value: '1k' } } },
      { behavior },
    )
    const endMs = systemClock.nowMs() + BLIND_MS
    while (systemClock.nowMs() < endMs) {
      expect(await scalingActive()).toBe('False FailedGetObjectMetric')
      expect(await items('pods')).toHaveLength(4)
      await sleep(systemClock, 1_000)
    }
    expect(await isSettled(4)).toBe(true)
    await server.kubectl('apply', '-f', apiServiceFile())
    await until('it has shrunk', hasShrunk)
  }, 180_000)

  test('is gone with it, and so is everything else', async () => {
    await server.kubectl('delete', 'stc', '-n', NAMESPACE, 'orders')
    const left = 'deploy,pods,hpa,pdb,netpol'
    await until('its children are gone', async () => (await items(left)).length === 0)
  }, 90_000)
})

const POD_MONITORS = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PodMonitor, plural: podmonitors, singular: podmonitor}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

describeThere('where the Prometheus operator comes later than this one', () => {
  test('clusters that ask for a PodMonitor get it then', async () => {
    const file = join(folder, 'watched.yaml')
    const watched = MANIFEST.replaceAll('orders', 'watched')
    writeFileSync(
      file,
      `${watched.replace('replicas: 2', 'replicas: 1')}  monitoring: {podMonitor: true}\n`,
    )
    await server.kubectl('apply', '--server-side', '-f', file)
    await until('it is settled', () => isSettled(1))
    const kindFile = join(folder, 'pod-monitors.yaml')
    writeFileSync(kindFile, POD_MONITORS)
    await server.kubectl('apply', '-f', kindFile)
    await until('it is there', async () => {
      // kubectl too has to find out about the new kind.
      const monitors = await items('podmonitors').catch(() => [])
      return monitors.some(({ metadata }) => metadata.name === 'watched')
    })
    await server.kubectl('delete', 'stc', '-n', NAMESPACE, 'watched')
    await until('nothing is left', async () => (await items('deploy,podmonitors')).length === 0)
  }, 120_000)
})
