import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../kube/objects.ts'
import type { BrokerLoad } from '../brokers/broker-load.ts'
import type { Report } from '../stream-cluster/broker-reports.ts'
import { activeSelector } from '../stream-cluster/labels.ts'
import { answerTo } from './answer.ts'

const BYTES = 'streamcluster_network_bytes_per_second'
const BASE = '/apis/custom.metrics.k8s.io'
const AT_MS = Date.parse('2026-01-01T00:00:00.700Z')

interface FakePod {
  readonly name: string
  readonly namespace?: string
  readonly cluster?: string
  readonly isDraining?: boolean
  readonly isReady?: boolean
  /** Null: it said nothing of late. */
  readonly bytes: number | null
  /** Of an image before saturation was told. */
  readonly isOld?: boolean
}

function podOf({ name, namespace, cluster, isDraining, isReady }: FakePod): KubeObject {
  const labels: Record<string, string> = { 'streamcluster.io/cluster': cluster ?? 'orders' }
  if (isDraining) labels['streamcluster.io/state'] = 'draining'
  return {
    metadata: { name, uid: name, namespace: namespace ?? 'kafka', labels },
    status: { conditions: [{ type: 'Ready', status: isReady === false ? 'False' : 'True' }] },
  }
}

function reportOf(bytes: number, isOld: boolean): Report {
  const load: BrokerLoad = {
    ...{ nodeId: 1, state: 'active', partitions: 0, movesIn: 0, movesOut: 0 },
    ...{ bytesInPerSecond: bytes, bytesOutPerSecond: 0.5, requestsPerSecond: 3 },
    ...{ eventLoopUtilization: 0.25, walBacklogBytes: 0, clusterPartitions: 0, controller: false },
    ...(isOld ? {} : { saturation: 0.25 }),
  }
  return { load, atMs: 0, atWallMs: AT_MS }
}

function ask(pods: readonly FakePod[], url: string) {
  const measured = {
    pods: () => pods.map(podOf),
    reportOf: (uid: string) => {
      const { bytes = null, isOld = false } = pods.find(({ name }) => name === uid) ?? {}
      return bytes === null ? null : reportOf(bytes, isOld)
    },
  }
  const { pathname, searchParams } = new URL(url, 'https://localhost')
  return answerTo(measured, pathname, searchParams)
}

function items(answer: { body: unknown }): { describedObject: { name: string }; value: string }[] {
  return (answer.body as { items: [] }).items
}

const selector = `labelSelector=${encodeURIComponent(activeSelector('orders'))}`
const ofPods = `${BASE}/v1beta2/namespaces/kafka/pods/*/${BYTES}?${selector}`
const ofCluster = `${BASE}/v1beta2/namespaces/kafka/streamclusters.streamcluster.io/orders`

describe('metrics of pods', () => {
  const pods: FakePod[] = [
    { name: 'a', bytes: 10 },
    { name: 'b', bytes: 20 },
    { name: 'draining', bytes: 90, isDraining: true },
    { name: 'silent', bytes: null },
    { name: 'stranger', bytes: 90, cluster: 'other' },
    { name: 'elsewhere', bytes: 90, namespace: 'prod' },
  ]

  test('are of those that the selector takes and that are heard, no others', () => {
    const answer = ask(pods, ofPods)
    const found = items(answer).map(({ describedObject, value }) => [describedObject.name, value])
    expect(found).toEqual([
      ['a', '10500m'],
      ['b', '20500m'],
    ])
    expect(answer.attributes).toEqual({
      ...{ namespace: 'kafka', group: 'custom.metrics.k8s.io', version: 'v1beta2' },
      ...{ resource: 'pods', name: '*', subresource: BYTES },
    })
  })

  test('have the form of each version', () => {
    const described = { kind: 'Pod', namespace: 'kafka', name: 'a', apiVersion: '/v1' }
    const common = { describedObject: described, timestamp: '2026-01-01T00:00:00Z', value: '250m' }
    const metric = 'streamcluster_event_loop_utilization'
    const [first = '', second = ''] = ['v1beta1', 'v1beta2'].map(
      (version) => `${BASE}/${version}/namespaces/kafka/pods/a/${metric}`,
    )
    expect(ask(pods, first).body).toEqual({
      ...{ kind: 'MetricValueList', apiVersion: 'custom.metrics.k8s.io/v1beta1', metadata: {} },
      items: [{ ...common, metricName: metric, window: 5, selector: null }],
    })
    expect(ask(pods, second).body).toEqual({
      ...{ kind: 'MetricValueList', apiVersion: 'custom.metrics.k8s.io/v1beta2', metadata: {} },
      items: [{ ...common, metric: { name: metric, selector: null }, windowSeconds: 5 }],
    })
  })

  test('of a pod that is silent, and those nobody knows, are not found', () => {
    expect(ask(pods, `${BASE}/v1beta2/namespaces/kafka/pods/silent/${BYTES}`).status).toBe(404)
    expect(ask(pods, `${BASE}/v1beta2/namespaces/kafka/pods/*/cpu`).status).toBe(404)
  })

  test('with a selector that is none are refused, instead of all being told', () => {
    const url = `${BASE}/v1beta2/namespaces/kafka/pods/*/${BYTES}?labelSelector=a%20b`
    expect(ask(pods, url).status).toBe(400)
  })
})

describe('metrics of a cluster', () => {
  const pods: FakePod[] = [
    { name: 'a', bytes: 10.5 },
    { name: 'b', bytes: 30.5 },
    { name: 'draining', bytes: 90, isDraining: true },
    { name: 'starting', bytes: null, isReady: false },
  ]

  test.each([
    ['max', '31'],
    ['mean', '21'],
    ['total', '42'],
  ])('%s is over active brokers, and is one item', (summary, value) => {
    const found = items(ask(pods, `${ofCluster}/${BYTES}_${summary}`))
    expect(found.map((item) => [item.describedObject.name, item.value])).toEqual([
      ['orders', value],
    ])
  })

  test('are not known while a broker that serves is silent, or none serves', () => {
    const silent = [...pods, { name: 'c', bytes: null }]
    expect(ask(silent, `${ofCluster}/${BYTES}_total`).status).toBe(404)
    expect(ask([], `${ofCluster}/${BYTES}_total`).status).toBe(404)
    expect(ask(silent, '/load/kafka/orders').status).toBe(503)
  })

  test('that an older broker does not tell are unknown, and the others are told', () => {
    const old = [...pods, { name: 'old', bytes: 19, isOld: true }]
    expect(ask(old, `${ofCluster}/${BYTES}_total`).status).toBe(200)
    expect(ask(old, `${ofCluster}/streamcluster_saturation_max`).status).toBe(404)
    const { status, body } = ask(old, '/load/kafka/orders')
    expect(status).toBe(200)
    expect(body).toHaveProperty(`${BYTES}_total`, 61.5)
    expect(body).not.toHaveProperty('streamcluster_saturation_max')
    expect(ask(pods, '/load/kafka/orders').body).toHaveProperty(
      'streamcluster_saturation_max',
      0.25,
    )
  })

  test('are plain numbers for who wants only these, if he may read the StreamCluster', () => {
    const { status, body, attributes } = ask(pods, '/load/kafka/orders')
    expect(status).toBe(200)
    expect(body).toMatchObject({
      streamcluster_network_bytes_per_second_total: 42,
      streamcluster_network_bytes_per_second_max: 31,
      streamcluster_event_loop_utilization_mean: 0.25,
    })
    expect(attributes).toMatchObject({
      resource: 'streamclusters',
      name: 'orders',
      subresource: '',
    })
  })
})

describe('discovery', () => {
  test('is for everybody, and lists what is there', () => {
    const group = ask([], BASE)
    const resources = ask([], `${BASE}/v1beta2`)
    expect([group.attributes, resources.attributes]).toEqual([null, null])
    expect(group.body).toMatchObject({ preferredVersion: { version: 'v1beta2' } })
    const names = (resources.body as { resources: { name: string }[] }).resources
    expect(names.map(({ name }) => name)).toContain(`pods/${BYTES}`)
  })

  test.each(['/', '/apis', `${BASE}/v9`, `${BASE}/v1beta1/pods`, '/load/kafka', '/%zz'])(
    'nothing is at %s',
    (path) => {
      expect([400, 404]).toContain(ask([], path).status)
    },
  )
})
