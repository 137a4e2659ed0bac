import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { LABEL_STATE } from './labels.ts'
import { planCluster } from './plan.ts'
import { stepsOf } from './plan-steps.ts'
import { ModelCluster, STEP_MS } from './testing/model-cluster.ts'

const S3 = { s3: { bucket: 'orders' } }
const SCALED = {
  autoscaling: {
    minReplicas: 1,
    maxReplicas: 9,
    metrics: [
      {
        type: 'Pods',
        pods: {
          metric: { name: 'streamcluster_network_bytes_per_second' },
          target: { type: 'AverageValue', averageValue: '60000k' },
        },
      },
    ],
  },
}

function modelOf(spec: Record<string, unknown> = {}, seed = 1): ModelCluster {
  return new ModelCluster({ random: seededRandom(seed), spec: { storage: S3, ...spec } })
}

function conditionOf(model: ModelCluster, type: string): string {
  const found = model.status.conditions?.find((each) => each.type === type)
  return `${found?.status} ${found?.reason}`
}

function drainingPods(model: ModelCluster): string[] {
  return [...model.pods.values()]
    .filter(({ object }) => object.metadata.labels?.[LABEL_STATE] === 'draining')
    .map(({ object }) => object.metadata.name ?? '')
}

function reasons(model: ModelCluster): string[] {
  return model.events.map(({ reason }) => reason)
}

describe('a settled cluster', () => {
  const specs: [string, Record<string, unknown>][] = [
    ['one listener', {}],
    ['an autoscaler', SCALED],
    [
      'everything',
      {
        ...SCALED,
        listeners: [
          { name: 'plain', port: 9092, type: 'internal' },
          { name: 'node', port: 9093, type: 'nodeport' },
          { name: 'ext', port: 9094, type: 'loadbalancer' },
        ],
        config: { 'num.partitions': 6, 'message.max.bytes': 8_388_608 },
        rack: { topologyKey: 'topology.kubernetes.io/zone' },
        monitoring: { podMonitor: true },
        deletionPolicy: 'Delete',
        template: { pod: { spec: { containers: [{ name: 'broker', resources: {} }] } } },
      },
    ],
  ]
  test.each(specs)('with %s: nothing is left to do, now or later', (_, spec) => {
    const model = modelOf(spec)
    model.settle()
    expect(model.pods.size).toBe(3)
    expect(conditionOf(model, 'Ready')).toBe('True AllListenersServing')
    expect(conditionOf(model, 'Reconciling')).toBe('False Settled')
    expect(model.status).toMatchObject({ replicas: 3, readyReplicas: 3, drainingReplicas: 0 })
    const eventCount = model.events.length
    for (let hour = 0; hour < 5; hour++) {
      model.nowMs += 3_600_000
      const plan = planCluster(model.observed())
      expect(stepsOf(plan)).toEqual([])
      expect(plan).toMatchObject({ events: [], requeueAfterMs: null })
    }
    expect(model.events).toHaveLength(eventCount)
  })

  test('whatever happened before, and wherever the operator was cut off', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed)
      const model = modelOf(seed % 2 === 0 ? specs[2]?.[1] : {}, seed)
      for (let round = 0; round < 40; round++) {
        const chance = random.below(12)
        if (chance === 0) model.change({ replicas: 1 + random.below(7) })
        if (chance === 1) model.change({ config: { 'num.partitions': random.below(3) + 1 } })
        if (chance === 2) model.change({ config: { 'message.max.bytes': random.below(3) + 1000 } })
        const pods = [...model.pods.keys()]
        const victim = pods[random.below(pods.length + 1)]
        if (chance === 3 && victim !== undefined) model.losePod(victim)
        if (chance === 4) model.isCostSeen = !model.isCostSeen
        if (chance === 5) model.isOwnershipKnown = !model.isOwnershipKnown
        if (chance === 6) model.doPartitionsMove = !model.doPartitionsMove
        model.reconcile(random.below(3) === 0)
        for (let steps = random.below(3); steps > 0; steps--) model.step()
      }
      model.isOwnershipKnown = true
      model.doPartitionsMove = true
      model.settle(400)
      const wanted = model.spec?.replicas ?? 3
      expect([seed, model.pods.size, model.replicas]).toEqual([seed, wanted, wanted])
      expect([seed, drainingPods(model)]).toEqual([seed, []])
      const states = [...model.nodes.values()].filter(({ state }) => state === 'draining')
      expect([seed, states]).toEqual([seed, []])
      expect([seed, model.partitionsServed()]).toEqual([seed, 24])
    }
  })

  test('is not said to be settled while what it needs is only being written', () => {
    const model = modelOf()
    model.settle()
    for (const config of [{ 'message.max.bytes': 2000 }, { 'num.partitions': 6 }, {}]) {
      model.change({ config })
      model.reconcile()
      // Whoever waits for this generation would go on with brokers of the one before.
      expect(conditionOf(model, 'Reconciling')).toBe('True Applying')
      model.settle()
      expect(conditionOf(model, 'Reconciling')).toBe('False Settled')
    }
  })

  test('is not disturbed by what others add, and mends what others change', () => {
    const model = modelOf(SCALED)
    model.settle()
    const service = model.children.get('Service/orders-bootstrap')
    const spec = service?.spec as { selector: Record<string, string>; clusterIP?: string }
    spec.clusterIP = '10.96.0.1'
    expect(stepsOf(planCluster(model.observed()))).toEqual([])
    spec.selector['streamcluster.io/cluster'] = 'other'
    const kindsOf = stepsOf(planCluster(model.observed())).map(({ kind }) => kind)
    expect(kindsOf).toEqual(['apply', 'status'])
    model.settle()
    model.children.delete('PodDisruptionBudget/orders')
    model.settle()
    expect(model.children.has('PodDisruptionBudget/orders')).toBe(true)
  })

  test('quantities in the words of the API server are no difference', () => {
    const model = modelOf(SCALED)
    model.settle()
    const scaler = JSON.stringify(model.children.get('HorizontalPodAutoscaler/orders'))
    expect(scaler).toContain('60000k')
    model.children.set(
      'HorizontalPodAutoscaler/orders',
      JSON.parse(scaler.replace('60000k', '60M')),
    )
    expect(stepsOf(planCluster(model.observed()))).toEqual([])
  })
})

describe('scaling', () => {
  test('out: the Deployment follows at once', () => {
    const model = modelOf()
    model.settle()
    model.change({ replicas: 6 })
    model.reconcile()
    expect(model.replicas).toBe(6)
    model.settle()
    expect(model.status.replicas).toBe(6)
    expect(reasons(model)).toContain('ScaleOut')
  })

  test('in: label, drain, cost, and only then fewer replicas; the drained pods are those that go', () => {
    const model = modelOf({ replicas: 6 })
    model.settle()
    const before = new Set(model.pods.keys())
    model.change({ replicas: 3 })
    const first = model.reconcile()
    expect(first.pods).toHaveLength(3)
    expect(first.drainNodes).toHaveLength(3)
    expect(model.replicas).toBe(6)
    // An autoscaler must not count what is being emptied, from the first moment on.
    expect(model.status).toMatchObject({ replicas: 3, drainingReplicas: 3 })
    const drained = new Set(drainingPods(model))
    while (model.replicas === 6) {
      model.step()
      model.reconcile()
    }
    for (const name of drained) {
      const pod = model.pods.get(name)
      expect(model.nodes.get(pod?.nodeId ?? -1)).toMatchObject({ state: 'draining', partitions: 0 })
    }
    model.settle()
    const after = new Set(model.pods.keys())
    expect(before.difference(after)).toEqual(drained)
    expect(model.partitionsServed()).toBe(24)
    expect(reasons(model)).toEqual(
      expect.arrayContaining(['DrainStarted', 'DrainFinished', 'ScaleIn']),
    )
  })

  test('out during a drain cancels it and waits for nothing', () => {
    const model = modelOf({ replicas: 6 })
    model.settle()
    model.doPartitionsMove = false
    model.change({ replicas: 2 })
    model.reconcile()
    expect(drainingPods(model)).toHaveLength(4)
    model.step()
    model.change({ replicas: 5 })
    const plan = model.reconcile()
    expect(plan.undrainNodes).toHaveLength(3)
    expect(drainingPods(model)).toHaveLength(1)
    model.change({ replicas: 8 })
    model.reconcile()
    expect(drainingPods(model)).toEqual([])
    expect(model.replicas).toBe(8)
    const states = [...model.nodes.values()].map(({ state }) => state)
    expect(new Set(states)).toEqual(new Set(['active']))
    expect(reasons(model)).toContain('DrainCancelled')
  })

  test('in goes on without a broker that is lost while it drains', () => {
    const model = modelOf({ replicas: 4 })
    model.settle()
    model.change({ replicas: 3 })
    model.reconcile()
    const [lost] = drainingPods(model)
    model.losePod(lost ?? '')
    model.settle()
    expect(model.pods.size).toBe(3)
    expect(model.partitionsServed()).toBe(24)
  })

  test('in does not empty those that are left when others were lost', () => {
    const model = modelOf({ replicas: 6 })
    model.settle()
    const names = [...model.pods.keys()]
    for (const name of names.slice(0, 3)) model.losePod(name)
    model.change({ replicas: 3 })
    model.reconcile()
    expect(drainingPods(model)).toEqual([])
    model.settle()
    expect(model.pods.size).toBe(3)
  })

  test('in: a drain that gets nowhere ends in time, not before', () => {
    const model = modelOf({ replicas: 3, rebalance: { drainTimeoutSeconds: 20 } })
    model.settle()
    // Nobody owns less than the others, so that whoever goes owns something.
    for (const node of model.nodes.values()) node.partitions = 8
    model.doPartitionsMove = false
    model.change({ replicas: 2 })
    for (let second = 0; second < 19; second++) {
      model.reconcile()
      model.step()
    }
    expect(model.replicas).toBe(3)
    model.settle()
    expect(model.pods.size).toBe(2)
    expect(reasons(model)).toContain('DrainTimedOut')
  })

  test('in: a pod that goes in place of the drained one changes nothing in the end', () => {
    const model = modelOf({ replicas: 5 })
    model.settle()
    model.isCostSeen = false
    for (const pod of model.pods.values()) pod.ageSteps = 0
    model.change({ replicas: 3 })
    model.settle()
    expect(model.pods.size).toBe(3)
    expect(drainingPods(model)).toEqual([])
    expect(model.partitionsServed()).toBe(24)
  })

  test('in waits for the metadata log, and for metrics where an autoscaler decides', () => {
    for (const isOwnershipMissing of [true, false]) {
      const model = modelOf({ ...SCALED, replicas: 5 })
      model.settle()
      if (isOwnershipMissing) model.isOwnershipKnown = false
      else model.areBrokersHeard = false
      model.change({ replicas: 2 })
      for (let second = 0; second < 100; second++) {
        model.reconcile()
        model.step()
      }
      expect([model.replicas, drainingPods(model)]).toEqual([5, []])
      expect(conditionOf(model, isOwnershipMissing ? 'Balanced' : 'MetricsAvailable')).toBe(
        isOwnershipMissing ? 'Unknown OwnershipUnknown' : 'False AllBrokersSilent',
      )
      // Growing needs neither.
      model.change({ replicas: 6 })
      model.reconcile()
      expect(model.replicas).toBe(6)
      model.isOwnershipKnown = true
      model.areBrokersHeard = true
      model.change({ replicas: 2 })
      model.settle()
      expect(model.replicas).toBe(2)
    }
  })

  test("an autoscaler's bounds hold, whoever wrote replicas", () => {
    const model = modelOf({ ...SCALED, replicas: 50 })
    model.settle()
    expect(model.replicas).toBe(9)
  })
})

describe('an upgrade', () => {
  test('replaces every broker; autoscalers see neither the additional one nor fewer', () => {
    const model = modelOf()
    model.settle()
    const before = new Set(model.pods.keys())
    model.change({ image: 'sc:2' })
    for (let second = 0; second < 60; second++) {
      model.reconcile()
      expect(model.status.replicas).toBe(3)
      expect(drainingPods(model)).toEqual([])
      model.step()
    }
    model.settle()
    expect(before.intersection(new Set(model.pods.keys()))).toEqual(new Set())
    expect(model.partitionsServed()).toBe(24)
  })

  test('while brokers are removed ends with the right number of new ones', () => {
    const model = modelOf({ replicas: 6 })
    model.settle()
    model.change({ replicas: 3 })
    model.reconcile()
    model.change({ image: 'sc:2' })
    model.settle(300)
    expect(model.pods.size).toBe(3)
  })
})

describe('configs', () => {
  test('those that Kafka changes while brokers run restart none; others do', () => {
    const model = modelOf({ config: { 'num.partitions': 3 } })
    model.settle()
    const before = [...model.pods.keys()]
    model.change({ config: { 'num.partitions': 3, 'message.max.bytes': 5000 } })
    model.settle()
    expect([...model.pods.keys()]).toEqual(before)
    expect(model.configs).toEqual({ 'message.max.bytes': '5000' })
    expect(reasons(model)).toContain('ConfigApplied')
    model.change({ config: { 'num.partitions': 4 } })
    model.settle()
    expect([...model.pods.keys()]).not.toEqual(before)
    // What the spec does not have any more is taken back.
    expect(model.configs).toEqual({})
    expect(reasons(model)).toContain('RestartRequired')
  })

  test('what is taken out of the spec while the metadata log is away is taken back later', () => {
    const model = modelOf({ config: { 'message.max.bytes': 5000 } })
    model.settle()
    model.isOwnershipKnown = false
    model.change({ config: {} })
    model.settle()
    expect(model.configs).toEqual({ 'message.max.bytes': '5000' })
    model.isOwnershipKnown = true
    model.settle()
    expect(model.configs).toEqual({})
  })

  test('what somebody else has set since is left to them', () => {
    const model = modelOf({ config: { 'message.max.bytes': 5000 } })
    model.settle()
    model.configs['message.max.bytes'] = '6000'
    model.configs['max.connections'] = '7'
    model.change({ config: {} })
    model.settle()
    expect(model.configs).toEqual({ 'message.max.bytes': '6000', 'max.connections': '7' })
  })
})

describe('what stands in the way', () => {
  test('paused: nothing is changed but the status', () => {
    const model = modelOf()
    model.settle()
    model.change({ paused: true, replicas: 6, image: 'sc:2' })
    const { pods, apply, drainNodes } = model.reconcile()
    expect({ pods, apply, drainNodes }).toEqual({ pods: [], apply: [], drainNodes: [] })
    expect(conditionOf(model, 'Reconciling')).toBe('False Paused')
    expect(conditionOf(model, 'Ready')).toBe('True AllListenersServing')
    expect(model.status.observedGeneration).toBe(2)
    model.settle()
    expect(model.replicas).toBe(3)
    model.change({ paused: false })
    model.settle()
    expect(model.replicas).toBe(6)
  })

  test.each([
    ['a wrong spec', 'InvalidSpec', (model: ModelCluster) => (model.spec = null)],
    [
      'a Secret that is missing',
      'SecretMissing',
      (model: ModelCluster) =>
        model.change({
          storage: { s3: { bucket: 'orders', credentialsSecretRef: { name: 'no' } } },
        }),
    ],
    [
      'a config without sense',
      'InvalidSpec',
      (model: ModelCluster) => model.change({ config: { 'num.partitions': 'many' } }),
    ],
    [
      'credentials that are wrong',
      'StorageDenied',
      (model: ModelCluster) =>
        (model.store = { outcome: 'denied', message: 'the credentials are wrong' }),
    ],
    [
      'a bucket that is missing',
      'BucketMissing',
      (model: ModelCluster) => (model.store = { outcome: 'missing', message: 'make the bucket' }),
    ],
    [
      'a store that fails the probe',
      'StorageRefused',
      (model: ModelCluster) =>
        (model.store = { outcome: 'refused', message: 'this store lets two creates win' }),
    ],
  ])('%s is told in words, and nothing is started', (_, reason, spoil) => {
    const model = modelOf()
    spoil(model)
    model.reconcile()
    expect(conditionOf(model, 'Stalled')).toBe(`True ${reason}`)
    const stalled = model.status.conditions?.find(({ type }) => type === 'Stalled')
    expect(stalled?.message).toMatch(/\w+ \w+/)
    expect(reasons(model)).toEqual(expect.arrayContaining(['Stalled']))
    expect([model.children.size, model.replicas]).toEqual([0, null])
    const events = model.events.length
    expect(stepsOf(model.reconcile())).toEqual([])
    expect(model.events).toHaveLength(events)
  })

  test('a store that is away changes no broker, and is told once', () => {
    const model = modelOf()
    model.settle()
    model.store = { outcome: 'unreachable', message: 'connection refused' }
    model.settle()
    expect(conditionOf(model, 'StorageReachable')).toBe('False ProbeUnreachable')
    expect(conditionOf(model, 'Stalled')).toBe('False NotStalled')
    expect(reasons(model).filter((reason) => reason === 'StorageUnreachable')).toHaveLength(1)
    expect(model.pods.size).toBe(3)
  })

  test('a condition keeps the time of its last change', () => {
    const model = modelOf()
    model.settle()
    const time = () =>
      model.status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime
    const before = time()
    model.nowMs += 50 * STEP_MS
    model.change({ replicas: 4 })
    model.settle()
    expect(time()).toBe(before)
  })
})

describe('deletion', () => {
  function deleted(policy: string, spec: Record<string, unknown> = {}): ModelCluster {
    const model = modelOf({ deletionPolicy: policy, ...spec })
    model.settle()
    model.deletedAtMs = model.nowMs
    return model
  }

  function runUntilGone(model: ModelCluster, stepsMax: number): number {
    for (let steps = 0; steps < stepsMax; steps++) {
      model.reconcile()
      if (model.isGone) return steps
      model.step()
    }
    return stepsMax
  }

  test('Retain: there is nothing to hold it, and nothing to do', () => {
    const model = deleted('Retain')
    expect(model.observed().cluster.finalizers).toEqual([])
    expect(stepsOf(model.reconcile())).toEqual([])
    expect(model.isStoreEmptied).toBe(false)
  })

  test('Delete: brokers end, then the store is emptied, then it is gone', () => {
    const model = deleted('Delete')
    expect(runUntilGone(model, 30)).toBeLessThan(30)
    expect([model.isStoreEmptied, model.pods.size]).toEqual([true, 0])
  })

  test('Delete changed to Retain: it goes, the objects stay', () => {
    const model = deleted('Delete')
    model.change({ deletionPolicy: 'Retain' })
    expect(runUntilGone(model, 5)).toBe(0)
    expect(model.isStoreEmptied).toBe(false)
  })

  test('Delete never holds a namespace: without credentials, bucket, or an end', () => {
    const credentials = { s3: { bucket: 'orders', credentialsSecretRef: { name: 'keys' } } }
    const secret = {
      digest: '1',
      keys: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    }
    const bare = modelOf({ deletionPolicy: 'Delete', storage: credentials })
    bare.secrets.set('keys', secret)
    bare.settle()
    bare.secrets.clear()
    const missing = deleted('Delete')
    missing.store = { outcome: 'missing', message: 'there is no bucket' }
    for (const model of [bare, missing]) {
      model.deletedAtMs = model.nowMs
      expect(runUntilGone(model, 5)).toBe(0)
      expect(model.isStoreEmptied).toBe(false)
      expect(reasons(model)).toContain('StoreKept')
    }
    const endless = deleted('Delete')
    endless.step = () => {
      endless.nowMs += 60_000
    }
    expect(runUntilGone(endless, 20)).toBe(10)
    expect(reasons(endless)).toContain('StoreKept')
  })
})
