import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import type { StreamClusterStatus } from './api/stream-cluster-status.ts'
import { KubeClient } from './kube/client.ts'
import type { KubeObject } from './kube/objects.ts'
import { FakeApiServer } from './kube/testing/fake-api-server.ts'
import { Operator } from './operator.ts'
import type { OperatorSettings } from './settings.ts'
import { streamClusterKind } from './stream-cluster/kinds.ts'
import { FakeDeployments } from './testing/fake-deployments.ts'
import { FakeKubelet } from './testing/fake-kubelet.ts'

/** The whole operator, real brokers, and a fake of Kubernetes around them. */
const NAMESPACE = 'kafka'
const folder = mkdtempSync(join(tmpdir(), 'operator-'))
const volume = join(folder, NAMESPACE, 'data')
mkdirSync(volume, { recursive: true })

let server: FakeApiServer
let client: KubeClient
let kubelet: FakeKubelet
let deployments: FakeDeployments
let operator: Operator | null = null

async function startOperator(): Promise<Operator> {
  const settings: OperatorSettings = {
    namespaces: [NAMESPACE],
    namespace: 'ops',
    podName: 'operator-1',
    podLabels: { app: 'operator' },
    brokerImage: 'streamcluster:test',
    leaseName: 'operator',
    logLevel: 'info',
    adminListen: { host: '127.0.0.1', port: 0 },
    metricsApi: null,
    volumesFolder: folder,
    kubeConfigPath: null,
  }
  return Operator.start({
    settings,
    access: server.access(),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    onLost: () => {},
  })
}

function statusOf(name: string): StreamClusterStatus {
  const found = server.find(streamClusterKind, NAMESPACE, name)
  return (found?.status ?? {}) as StreamClusterStatus
}

function conditionOf(name: string, type: string): string {
  const found = statusOf(name).conditions?.find((each) => each.type === type)
  return `${found?.status} ${found?.reason}`
}

function put(name: string, spec: Record<string, unknown>): KubeObject {
  const before = server.find(streamClusterKind, NAMESPACE, name)
  return server.put(streamClusterKind, {
    metadata: { ...before?.metadata, name, namespace: NAMESPACE },
    spec: { ...(before?.spec as object | undefined), ...spec },
  })
}

async function until(what: string, holds: () => boolean, limitMs = 40_000): Promise<void> {
  const endMs = systemClock.nowMs() + limitMs
  while (!holds()) {
    if (systemClock.nowMs() > endMs)
      throw new Error(
        `${what}: ${JSON.stringify(server.find(streamClusterKind, NAMESPACE, 'orders')?.status)}`,
      )
    await sleep(systemClock, 20)
  }
}

function isSettled(name: string, replicas: number): boolean {
  const { replicas: active, readyReplicas } = statusOf(name)
  return (
    conditionOf(name, 'Reconciling') === 'False Settled' &&
    conditionOf(name, 'Ready') === 'True AllListenersServing' &&
    active === replicas &&
    readyReplicas === replicas
  )
}

beforeAll(async () => {
  server = await FakeApiServer.start()
  client = new KubeClient({
    access: server.access(),
    clock: systemClock,
    fieldManager: 'test-kubelet',
  })
  kubelet = new FakeKubelet({
    client,
    volumeFolder: volume,
    logFolder: folder,
    network: `127.77.${systemRandom.below(250)}`,
    namespace: NAMESPACE,
  })
  deployments = new FakeDeployments(server, NAMESPACE)
  kubelet.start()
  deployments.start()
  operator = await startOperator()
}, 30_000)

afterAll(async () => {
  await operator?.stop()
  await deployments.stop()
  await kubelet.stop()
  client.close()
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}, 30_000)

describe('one StreamCluster', () => {
  test('is made: brokers run, and the operator holds their controller', async () => {
    put('orders', { replicas: 2, storage: { volume: { claimName: 'data', path: 'orders' } } })
    await until('it is ready', () => isSettled('orders', 2))
    expect(kubelet.pods.size).toBe(2)
    expect(operator?.sessions.get(`${NAMESPACE}/orders`)?.isController).toBe(true)
    expect(conditionOf('orders', 'StorageReachable')).toBe('True ProbeOk')
    await until(
      'brokers are measured',
      () => conditionOf('orders', 'MetricsAvailable') === 'True AllBrokersMeasured',
    )
  }, 60_000)

  test('is left alone once it is settled: not one write', async () => {
    await sleep(systemClock, 3_000)
    const isOperators = ({ path, query }: { path: string; query: URLSearchParams }): boolean =>
      !path.includes('/leases') && query.get('fieldManager') !== 'test-kubelet'
    const before = server.writes.filter(isOperators).length
    await sleep(systemClock, 8_000)
    const after = server.writes.filter(isOperators).slice(before)
    expect(after.map(({ method, path }) => `${method} ${path}`)).toEqual([])
  }, 60_000)

  test('grows and shrinks, and each pod that goes was drained before', async () => {
    put('orders', { replicas: 3 })
    await until('it has grown', () => isSettled('orders', 3))
    put('orders', { replicas: 1 })
    await until('it has shrunk', () => isSettled('orders', 1) && kubelet.pods.size === 1)
    const reasons = server.objects
      .list('/apis/events.k8s.io/v1/events', NAMESPACE)
      .map(({ reason }) => reason)
    expect(reasons).toEqual(
      expect.arrayContaining(['ScaleOut', 'DrainStarted', 'DrainFinished', 'ScaleIn']),
    )
    const nodes = operator?.sessions.get(`${NAMESPACE}/orders`)?.ownership?.nodes ?? []
    expect(nodes.filter(({ state }) => state === 'active')).toHaveLength(1)
  }, 90_000)

  test('whose operator goes is led by a broker, and by the next operator when that comes', async () => {
    await operator?.stop()
    operator = null
    operator = await startOperator()
    const key = `${NAMESPACE}/orders`
    await until('it is led again', () => operator?.sessions.get(key)?.isController === true)
    expect(isSettled('orders', 1)).toBe(true)
  }, 60_000)

  test('with an error says so', async () => {
    put('wrong', {
      replicas: 1,
      storage: { s3: { bucket: 'b-1', credentialsSecretRef: { name: 'none' } } },
    })
    await until('it is stalled', () => conditionOf('wrong', 'Stalled') === 'True SecretMissing')
    server.remove(streamClusterKind, NAMESPACE, 'wrong')
  }, 60_000)

  test('that is deleted with its data leaves nothing in the store', async () => {
    put('orders', { deletionPolicy: 'Delete' })
    await until('it has its finalizer', () => {
      const found = server.find(streamClusterKind, NAMESPACE, 'orders')
      return (found?.metadata.finalizers ?? []).length === 1
    })
    server.objects.deletionTimestamp = new Date(systemClock.wallMs()).toISOString()
    server.remove(streamClusterKind, NAMESPACE, 'orders')
    await until(
      'it is gone',
      () => server.find(streamClusterKind, NAMESPACE, 'orders') === undefined,
    )
    const files = readdirSync(join(volume, 'orders'), { recursive: true, withFileTypes: true })
    expect(files.filter((file) => file.isFile()).map(({ name }) => name)).toEqual([])
  }, 60_000)
})
