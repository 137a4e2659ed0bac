import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'
import { present } from '../../base/assert.ts'
import { brokerSettings } from '../../broker/settings.ts'
import { STREAM_CLUSTER_CRD_PATH } from '../api/crd.ts'
import { streamCluster, streamClusterSpec } from '../api/stream-cluster.ts'
import type { KubeObject } from '../kube/objects.ts'
import { desiredChildren } from './children.ts'
import { covers, sameJson } from './covers.ts'
import { LABEL_CLUSTER } from './labels.ts'
import type { ChildContext } from './resources/context.ts'
import { mergeRaw } from './resources/merge.ts'

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string }
    readonly configMapKeyRef?: { readonly key: string }
  }
}

interface PodTemplate {
  readonly metadata: { labels: Record<string, string>; annotations: Record<string, string> }
  readonly spec: {
    readonly [field: string]: unknown
    readonly containers: readonly {
      readonly [field: string]: unknown
      readonly name: string
      readonly env: readonly Variable[]
      readonly ports: readonly { readonly name: string }[]
    }[]
  }
}

const EVERYTHING = {
  storage: {
    s3: {
      bucket: 'orders',
      prefix: 'prod/',
      endpoint: 'http://s3:9000',
      pathStyle: true,
      credentialsSecretRef: { name: 'keys' },
    },
  },
  listeners: [
    { name: 'plain', port: 9092, type: 'internal' },
    { name: 'node', port: 9093, type: 'nodeport' },
    {
      name: 'ext',
      port: 9094,
      type: 'loadbalancer',
      tls: true,
      certificateSecretRef: { name: 'cert' },
    },
  ],
  config: { 'num.partitions': 6, 'auto.create.topics.enable': true },
  rack: { topologyKey: 'topology.kubernetes.io/zone' },
  autoscaling: {
    minReplicas: 2,
    maxReplicas: 6,
    metrics: [
      {
        type: 'Pods',
        pods: {
          metric: { name: 'streamcluster_requests_per_second' },
          target: { type: 'AverageValue', averageValue: 1000 },
        },
      },
    ],
  },
  monitoring: { podMonitor: true },
}

function contextOf(spec: Record<string, unknown>): ChildContext {
  const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  return {
    name: 'orders',
    namespace: 'kafka',
    uid: 'uid-1',
    spec: streamClusterSpec.parse(spec),
    secrets: new Map([['keys', { digest: '7', keys }]]),
    operator: { image: 'sc:1', namespace: 'ops', podLabels: { a: 'b' }, hasPodMonitors: true },
  }
}

function childrenOf(spec: Record<string, unknown>): KubeObject[] {
  return desiredChildren(contextOf(spec), { replicas: 3, slots: 4 })
}

function templateOf(spec: Record<string, unknown>): PodTemplate {
  const deployment = childrenOf(spec).find(({ kind }) => kind === 'Deployment')
  return present(deployment?.spec as { template: PodTemplate } | undefined, 'it').template
}

/** The environment as the kubelet makes it for a pod, in the order of the variables. */
function environmentOf(spec: Record<string, unknown>): Record<string, string> {
  const fields: Record<string, string> = {
    'status.podIP': '10.1.2.3',
    'status.hostIP': '192.168.0.9',
    "metadata.annotations['streamcluster.io/advertised-node']": '31007',
    "metadata.annotations['streamcluster.io/advertised-external']": '31008',
    "metadata.annotations['streamcluster.io/advertised-ext']": 'lb-2.example.com:9094',
    "metadata.labels['topology.kubernetes.io/zone']": 'zone-b',
  }
  const config = childrenOf(spec).find(({ kind }) => kind === 'ConfigMap')
  const data = config?.data as Record<string, string>
  const values: Record<string, string> = {}
  for (const { name, value, valueFrom } of templateOf(spec).spec.containers[0]?.env ?? []) {
    const { fieldRef, configMapKeyRef } = valueFrom ?? {}
    const from = fieldRef ? fields[fieldRef.fieldPath] : data[configMapKeyRef?.key ?? '']
    const text = value ?? from ?? 'secret'
    values[name] = text.replace(/\$\((\w+)\)/g, (all, other: string) => values[other] ?? all)
  }
  return values
}

describe('the pods of brokers', () => {
  test('get an environment that a broker understands', () => {
    const settings = brokerSettings(environmentOf(EVERYTHING))
    expect(settings.store).toBe('s3://orders/prod?endpoint=http%3A%2F%2Fs3%3A9000&pathStyle=true')
    expect(settings.listeners).toMatchObject([
      { name: 'plain', listen: { port: 9092 }, advertised: { host: '10.1.2.3', port: 9092 } },
      { name: 'node', advertised: { host: '192.168.0.9', port: 31_007 }, tls: null },
      {
        name: 'ext',
        advertised: { host: 'lb-2.example.com', port: 9094 },
        tls: { certificateFile: '/etc/streamcluster/tls/ext/tls.crt' },
      },
    ])
    // Other brokers call this address: it must be the pod's own.
    expect(settings.adminListen).toEqual({ host: '10.1.2.3', port: 9644 })
    expect(settings.rack).toBe('zone-b')
    expect(settings.config).toEqual({ 'num.partitions': '6', 'auto.create.topics.enable': 'true' })
    expect(settings.drainMsMax).toBe(30_000)
  })

  test('have a name for clients inside that speak TLS: no certificate can list their addresses', () => {
    const tls = { tls: true, certificateSecretRef: { name: 'cert' } }
    const spec = {
      ...EVERYTHING,
      listeners: [{ name: 'inside', port: 9092, type: 'internal', ...tls }],
    }
    expect(brokerSettings(environmentOf(spec)).listeners[0]?.advertised).toEqual({
      host: '10-1-2-3.orders-brokers.kafka.svc',
      port: 9092,
    })
    const service = childrenOf(spec).find(({ metadata }) => metadata.name === 'orders-brokers')
    expect(service?.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true })
    expect(childrenOf(EVERYTHING).map(({ metadata }) => metadata.name)).not.toContain(
      'orders-brokers',
    )
  })

  test('keep to a volume, however its path is written', () => {
    for (const path of ['./data', '../../etc/data', '/data/', 'data']) {
      const settings = brokerSettings(
        environmentOf({ storage: { volume: { claimName: 'claim', path } } }),
      )
      expect(settings.store).toMatch(/^file:\/\/\/var\/lib\/streamcluster\/(etc\/)?data$/)
    }
  })

  test('are soon replaced when their node is lost, unless the template says otherwise', () => {
    const secondsOf = (spec: Record<string, unknown>): unknown[] => {
      const tolerations = templateOf(spec).spec.tolerations as object[]
      return tolerations.map((each) => Object.values(each))
    }
    const own = { key: 'node.kubernetes.io/unreachable', operator: 'Exists' }
    const [unreachable, notReady] = secondsOf(EVERYTHING)
    expect([unreachable, notReady]).toEqual([
      ['node.kubernetes.io/unreachable', 'Exists', 'NoExecute', 5],
      ['node.kubernetes.io/not-ready', 'Exists', 'NoExecute', 5],
    ])
    const template = { pod: { spec: { tolerations: [own] } } }
    expect(secondsOf({ ...EVERYTHING, template })).toEqual([notReady, Object.values(own)])
  })

  test('have no privileges, and time to drain', () => {
    const { spec } = templateOf(EVERYTHING)
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 40,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    })
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(spec[key]).toBeUndefined()
  })

  test('wait for an address only where clients come from outside', () => {
    const gates = (spec: Record<string, unknown>) => templateOf(spec).spec.schedulingGates
    expect(gates(EVERYTHING)).toEqual([{ name: 'streamcluster.io/address' }])
    expect(gates({ storage: EVERYTHING.storage })).toBeUndefined()
  })

  test('are replaced for what they read at their start, and for nothing else', () => {
    const text = (change: Record<string, unknown>) =>
      JSON.stringify(templateOf({ ...EVERYTHING, ...change }))
    const before = text({})
    expect(text({ config: { 'auto.create.topics.enable': true, 'num.partitions': 6 } })).toBe(
      before,
    )
    expect(text({ config: { ...EVERYTHING.config, 'message.max.bytes': 9000 } })).toBe(before)
    expect(text({ replicas: 5, podDisruptionBudget: { maxUnavailable: 2 } })).toBe(before)
    expect(text({ config: { 'num.partitions': 7 } })).not.toBe(before)
    expect(text({ image: 'sc:2' })).not.toBe(before)
    const rotated = contextOf(EVERYTHING)
    const secrets = new Map([['keys', { digest: '8', keys: [] }]])
    const children = desiredChildren({ ...rotated, secrets }, { replicas: 3, slots: 4 })
    const other = children.find(({ kind }) => kind === 'Deployment')?.spec
    expect(JSON.stringify((other as { template: object }).template)).not.toBe(before)
  })

  test('take what their owner adds, but stay found by the operator', () => {
    const { metadata, spec } = templateOf({
      ...EVERYTHING,
      template: {
        pod: {
          metadata: { labels: { team: 'a', [LABEL_CLUSTER]: 'other' }, annotations: { note: 'b' } },
          spec: {
            serviceAccountName: 'with-a-role',
            tolerations: [{ key: 'brokers', operator: 'Exists' }],
            containers: [
              {
                name: 'broker',
                resources: { limits: { memory: '4Gi' } },
                env: [{ name: 'STREAMCLUSTER_LOG_LEVEL', value: 'debug' }],
              },
              { name: 'sidecar', image: 'other:1' },
            ],
          },
        },
      },
    })
    expect(metadata.labels).toMatchObject({ team: 'a', [LABEL_CLUSTER]: 'orders' })
    expect(metadata.annotations).toMatchObject({ note: 'b' })
    expect(spec.serviceAccountName).toBe('with-a-role')
    expect(spec.containers.map(({ name }) => name)).toEqual(['broker', 'sidecar'])
    const [broker] = spec.containers
    expect(broker).toMatchObject({ image: 'sc:1', resources: { limits: { memory: '4Gi' } } })
    expect(broker?.env.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['STREAMCLUSTER_STORE', 'STREAMCLUSTER_LOG_LEVEL']),
    )
  })
})

describe('the children', () => {
  const children = childrenOf(EVERYTHING)

  test('all belong to the StreamCluster, and to nobody else', () => {
    for (const { metadata } of children) {
      expect(metadata.namespace).toBe('kafka')
      expect(metadata.ownerReferences).toMatchObject([{ uid: 'uid-1', controller: true }])
      expect(Object.keys(metadata.labels ?? {}).join()).not.toMatch(/argocd|flux|kustomize/)
    }
    const names = children.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => /^Service\/orders-(node|ext)-\d/.test(name))).toHaveLength(8)
  })

  test('have names of ports that Kubernetes takes, and that pods have', () => {
    const ports = templateOf(EVERYTHING).spec.containers[0]?.ports.map(({ name }) => name) ?? []
    expect(new Set(ports).size).toBe(ports.length)
    for (const name of ports) expect(name).toMatch(/^(?=.{1,15}$)[a-z0-9]+(-[a-z0-9]+)*$/)
    for (const service of children.filter(({ kind }) => kind === 'Service')) {
      const { ports: own } = service.spec as { ports: { targetPort: string }[] }
      for (const { targetPort } of own) expect(ports).toContain(targetPort)
    }
  })

  test('an HPA only where the spec asks for one, and on the StreamCluster', () => {
    const scaler = (spec: Record<string, unknown>) =>
      childrenOf(spec).find(({ kind }) => kind === 'HorizontalPodAutoscaler')
    expect(scaler(EVERYTHING)?.spec).toMatchObject({
      scaleTargetRef: { kind: 'StreamCluster', name: 'orders' },
      minReplicas: 2,
    })
    for (const mode of ['External', 'None']) {
      const autoscaling = { ...EVERYTHING.autoscaling, mode }
      expect(scaler({ ...EVERYTHING, autoscaling })).toBeUndefined()
    }
    expect(scaler({ storage: EVERYTHING.storage })).toBeUndefined()
  })
})

describe('comparing what is with what is wanted', () => {
  test.each([
    ['more than is wanted', { a: 1, b: 2 }, { a: 1 }, true],
    ['less', { a: 1 }, { a: 1, b: 2 }, false],
    ['another value', { a: 1 }, { a: 2 }, false],
    ['a quantity in other words', { a: '1' }, { a: '1000m' }, true],
    [
      'named items in another order, and one more',
      [{ name: 'b' }, { name: 'a', c: 1 }, { name: 'x' }],
      [{ name: 'a' }, { name: 'b' }],
      true,
    ],
    ['items without names in another order', ['b', 'a'], ['a', 'b'], false],
    ['one item more without a name', ['a', 'b'], ['a'], false],
    ['an empty object that the API server dropped', {}, { resources: {} }, true],
  ])('%s', (_, found, wanted, expected) => {
    expect(covers(found, wanted)).toBe(expected)
  })

  test('JSON is the same in whatever order, and not when anything differs', () => {
    expect(sameJson({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toBe(true)
    expect(sameJson({ a: [1, 2] }, { a: [2, 1] })).toBe(false)
    expect(sameJson({ a: '1' }, { a: 1 })).toBe(false)
    expect(sameJson({ a: {} }, {})).toBe(false)
  })

  test('merging: null removes, a variable has one source, inputs stay as they are', () => {
    const base = { a: 1, b: { c: 1 }, env: [{ name: 'X', valueFrom: { d: 1 } }] }
    const before = JSON.stringify(base)
    const patch = { a: null, b: { e: 2 }, env: [{ name: 'X', value: '1' }, { name: 'Y' }] }
    expect(mergeRaw(base, patch)).toEqual({
      b: { c: 1, e: 2 },
      env: [{ name: 'X', value: '1' }, { name: 'Y' }],
    })
    expect(JSON.stringify(base)).toBe(before)
  })
})

describe('the examples', () => {
  const folder = join(import.meta.dirname, '..', '..', 'examples')
  const inKubernetes = readdirSync(join(folder, 'kubernetes')).map((file) => `kubernetes/${file}`)
  const withClusters = inKubernetes.filter((file) => !file.endsWith('s3-server.yaml'))
  // What `make run` reads is what Kubernetes gets.
  withClusters.push('streamcluster.yaml')
  test.each(withClusters)('%s is taken, by the schema and by the definition', (file) => {
    const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'))
    const objects = documents.map((each) => each.toJS() as KubeObject)
    const clusters = objects.filter(({ kind }) => kind === 'StreamCluster')
    expect(clusters.length).toBeGreaterThan(0)
    const definition = parse(
      readFileSync(join(import.meta.dirname, '..', '..', STREAM_CLUSTER_CRD_PATH), 'utf8'),
    ) as { spec: { versions: { schema: { openAPIV3Schema: { properties: object } } }[] } }
    expect(definition.spec.versions[0]?.schema.openAPIV3Schema.properties).toHaveProperty('spec')
    for (const cluster of clusters) {
      const result = streamCluster.safeParse(cluster)
      expect(result.error?.issues).toBeUndefined()
      const spec = result.data?.spec ?? {}
      expect(spec).toHaveProperty('storage')
      // A claim is what Kubernetes needs; the schema alone would take a folder too.
      if (result.data?.spec.storage.volume) {
        expect(result.data.spec.storage.volume.claimName).toBeDefined()
      }
      expect(cluster.spec).not.toHaveProperty('replicas')
      expect(brokerSettings(environmentOf(spec as Record<string, unknown>)).store).toMatch(
        /^s3|^file/,
      )
    }
  })
})
