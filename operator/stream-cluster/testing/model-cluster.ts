import { assert, present } from '../../../base/assert.ts'
import type { Random } from '../../../base/random.ts'
import type { StreamClusterStatus } from '../../api/stream-cluster-status.ts'
import { type StreamClusterSpec, streamClusterSpec } from '../../api/stream-cluster.ts'
import type { KubeObject } from '../../kube/objects.ts'
import {
  ANNOTATION_DELETION_COST,
  FINALIZER_STORE,
  GATE_ADDRESS,
  selectorLabels,
} from '../labels.ts'
import type { StoreOutcome } from '../../ownership/store-outcome.ts'
import type { Observed, ObservedSecret } from '../observed.ts'
import { planCluster } from '../plan.ts'
import { type Plan, type PlanStep, stepsOf } from '../plan-steps.ts'
import type { PlannedEvent } from '../events.ts'

interface ModelPod {
  readonly object: KubeObject
  readonly template: string
  readonly ip: string
  nodeId: number | null
  ageSteps: number
  isReady: boolean
  terminatingSteps: number | null
}

interface ModelNode {
  readonly nodeId: number
  readonly host: string
  state: 'active' | 'draining' | 'sealed'
  partitions: number
}

/** Partitions that leave a draining node in one step. */
const MOVES_PER_STEP = 4
/** Steps from the start of a pod to its registration. */
const START_STEPS = 2
export const STEP_MS = 1_000
const START_MS = 1_700_000_000_000

export interface ModelOptions {
  readonly random: Random
  readonly spec: Record<string, unknown>
  readonly partitions?: number
}

/**
 * What surrounds a plan, as a model: the API server with its defaults, the controllers of Deployments
 * and pods, brokers that register, drain and hand over. One step is about a second.
 */
export class ModelCluster {
  spec: StreamClusterSpec | null
  store: StoreOutcome = { outcome: 'ok', message: '' }
  isOwnershipKnown = true
  areBrokersHeard = true
  /** Whether drains get anywhere. */
  doPartitionsMove = true
  /** Whether whoever removes pods looks at deletion costs. */
  isCostSeen = true
  isStoreEmptied = false
  isGone = false
  deletedAtMs: number | null = null
  nowMs = START_MS
  readonly secrets = new Map<string, ObservedSecret>()
  readonly children = new Map<string, KubeObject>()
  readonly pods = new Map<string, ModelPod>()
  readonly nodes = new Map<number, ModelNode>()
  readonly configs: Record<string, string> = {}
  readonly events: PlannedEvent[] = []
  /** Every change of the Deployment's replicas, in order. */
  readonly replicasSeen: number[] = []
  status: StreamClusterStatus = {}
  writes = 0
  private generation = 1
  private finalizers: string[] = []
  private nextNodeId = 0
  private nextPod = 0
  private nextNodePort = 30_000
  private readonly random: Random
  private readonly partitions: number

  constructor({ random, spec, partitions = 24 }: ModelOptions) {
    this.random = random
    this.partitions = partitions
    this.spec = streamClusterSpec.parse(spec)
  }

  change(spec: Record<string, unknown>): void {
    this.spec = streamClusterSpec.parse({ ...this.spec, ...spec })
    this.generation++
  }

  /** Those that nobody has asked to end. */
  get activePods(): ModelPod[] {
    return [...this.pods.values()].filter(({ terminatingSteps }) => terminatingSteps === null)
  }

  observed(): Observed {
    const node = [...this.nodes.values()].find(({ state }) => state !== 'sealed')
    return {
      nowMs: this.nowMs,
      cluster: {
        name: 'orders',
        namespace: 'kafka',
        uid: 'uid-1',
        generation: this.generation,
        deletedAtMs: this.deletedAtMs,
        finalizers: this.finalizers,
        spec: this.spec,
        problems: this.spec === null ? ['spec.replica is not a field'] : [],
        status: this.status,
      },
      children: [...this.children.values()].map((each) => structuredClone(each)),
      pods: [...this.pods.values()].map((pod) => this.podObject(pod)),
      secrets: this.secrets,
      ownership: this.isOwnershipKnown
        ? {
            clusterId: 'cluster-1',
            nodes: [...this.nodes.values()].map((each) => ({ ...each })),
            controllerNodeId: node?.nodeId ?? null,
            configs: { ...this.configs },
            isBalanced: true,
          }
        : null,
      reports: new Map(
        this.areBrokersHeard
          ? [...this.pods.keys()].map((name) => [name, { bytesPerSecond: 1000 }] as const)
          : [],
      ),
      store: this.store,
      operator: { image: 'sc:1', namespace: 'ops', podLabels: { a: 'b' }, hasPodMonitors: true },
    }
  }

  /** Plans once and does it: whole, or only its first steps, as an operator that dies. */
  reconcile(isCutOff = false): Plan {
    const plan = planCluster(this.observed())
    const steps = stepsOf(plan)
    const count = isCutOff ? this.random.below(steps.length + 1) : steps.length
    for (const step of steps.slice(0, count)) this.perform(step)
    if (count === steps.length) this.events.push(...plan.events)
    return plan
  }

  /** Time passes: everything but the operator does its part. */
  step(): void {
    this.nowMs += STEP_MS
    this.runPods()
    this.runNodes()
    this.runDeployment()
    if (this.isGone) this.children.clear()
  }

  /** Runs until neither operator nor cluster change anything; fails if that never comes. */
  settle(stepsMax = 120): void {
    for (let quiet = 0, steps = 0; quiet < 5; steps++) {
      assert(steps < stepsMax, `not settled: ${JSON.stringify(this.status.conditions)}`)
      const before = this.writes
      const { requeueAfterMs } = this.reconcile()
      this.step()
      const isQuiet = this.writes === before && requeueAfterMs === null && !this.isBusy
      quiet = isQuiet ? quiet + 1 : 0
    }
  }

  /** Whether others than the operator still have something to do. */
  private get isBusy(): boolean {
    const reconciling = this.status.conditions?.find(({ type }) => type === 'Reconciling')
    return reconciling?.status === 'True' || this.activePods.length < this.pods.size
  }

  /** SIGKILL and the pod with it. */
  losePod(name: string): void {
    const pod = present(this.pods.get(name), name)
    this.pods.delete(name)
    this.seal(pod)
  }

  get replicas(): number | null {
    const found = this.children.get('Deployment/orders')
    return (found?.spec as { replicas: number } | undefined)?.replicas ?? null
  }

  partitionsServed(): number {
    return [...this.nodes.values()].reduce((sum, { partitions }) => sum + partitions, 0)
  }

  private perform(step: PlanStep): void {
    this.writes++
    switch (step.kind) {
      case 'add-finalizer':
        this.finalizers = [FINALIZER_STORE]
        return
      case 'config':
        if (step.change.value === null) delete this.configs[step.change.key]
        else this.configs[step.change.key] = step.change.value
        return
      case 'undrain':
        this.setDraining(step.nodeId, false)
        return
      case 'drain':
        this.setDraining(step.nodeId, true)
        return
      case 'pod':
        this.patchPod(step.patch)
        return
      case 'apply':
        this.applyObject(step.object)
        return
      case 'remove':
        assert(
          this.children.delete(`${step.child.kind}/${step.child.name}`),
          'removes what is there',
        )
        return
      case 'empty-store':
        assert(this.pods.size === 0, 'brokers would write again')
        this.isStoreEmptied = true
        return
      case 'remove-finalizer':
        this.finalizers = []
        this.isGone = this.deletedAtMs !== null
        return
      case 'status':
        this.status = structuredClone(step.status)
    }
  }

  private setDraining(nodeId: number, draining: boolean): void {
    const node = present(this.nodes.get(nodeId), 'the node')
    assert(node.state === (draining ? 'active' : 'draining'), 'a change that changes something')
    node.state = draining ? 'draining' : 'active'
  }

  private patchPod(patch: Plan['pods'][number]): void {
    const pod = this.pods.get(patch.name)
    if (pod === undefined) return
    const { metadata } = pod.object
    metadata.labels = merged(metadata.labels, patch.labels)
    metadata.annotations = merged(metadata.annotations, patch.annotations)
    if (patch.ungate) delete (pod.object.spec as Record<string, unknown>).schedulingGates
  }

  private applyObject(object: KubeObject): void {
    const key = `${object.kind}/${object.metadata.name}`
    const before = this.children.get(key)
    const applied = structuredClone(object)
    applied.metadata.generation = (before?.metadata.generation ?? 0) + 1
    // The API server and controllers add to what was applied.
    const spec = applied.spec as Record<string, unknown> | undefined
    if (spec !== undefined) spec.addedByDefault = true
    if (before?.status !== undefined) applied.status = before.status
    if (applied.kind === 'Service' && spec?.type !== 'ClusterIP') this.giveAddress(applied, before)
    this.children.set(key, applied)
    const replicas = this.replicas
    if (applied.kind === 'Deployment' && replicas !== null && replicas !== this.replicasSeen.at(-1))
      this.replicasSeen.push(replicas)
  }

  private giveAddress(service: KubeObject, before: KubeObject | undefined): void {
    const spec = service.spec as { ports: { nodePort?: number }[] }
    const old = (before?.spec as typeof spec | undefined)?.ports[0]?.nodePort
    for (const port of spec.ports) port.nodePort = old ?? this.nextNodePort++
    service.status = {
      loadBalancer: { ingress: [{ hostname: `${service.metadata.name}.example.com` }] },
    }
  }

  private runDeployment(): void {
    const object = this.children.get('Deployment/orders')
    const spec = object?.spec as { replicas: number; template: KubeObject } | undefined
    if (object === undefined || spec === undefined) {
      for (const pod of this.activePods) pod.terminatingSteps ??= 0
      return
    }
    const template = JSON.stringify(spec.template)
    const living = this.activePods
    const old = living.filter((pod) => pod.template !== template)
    const current = living.filter((pod) => pod.template === template)
    const { replicas } = spec
    // One more than wanted while pods of an older template are there.
    const room = replicas + (old.length > 0 ? 1 : 0) - living.length
    const count = Math.min(room, replicas - current.length)
    for (let i = 0; i < count; i++) this.createPod(spec.template, template)
    const readyCount = living.filter(({ isReady }) => isReady).length
    if (old.length > 0 && living.length > replicas && readyCount > replicas) this.end(old, 1)
    else if (old.length === 0) this.end(current, current.length - replicas)
    else this.end(old.length > 0 ? old : current, living.length - replicas - 1)
    object.status = {
      observedGeneration: object.metadata.generation,
      replicas: this.activePods.length,
      updatedReplicas: this.activePods.filter((pod) => pod.template === template).length,
      availableReplicas: this.activePods.filter(({ isReady }) => isReady).length,
    }
  }

  private end(pods: readonly ModelPod[], count: number): void {
    const cost = (pod: ModelPod): number =>
      this.isCostSeen ? Number(pod.object.metadata.annotations?.[ANNOTATION_DELETION_COST] ?? 0) : 0
    const order = [...pods].sort(
      (a, b) =>
        Number(a.isReady) - Number(b.isReady) || cost(a) - cost(b) || a.ageSteps - b.ageSteps,
    )
    for (const pod of order.slice(0, Math.max(0, count))) pod.terminatingSteps = 0
  }

  private createPod(template: KubeObject, text: string): void {
    const number = this.nextPod++
    const { metadata, spec } = structuredClone(template) as unknown as {
      metadata: KubeObject['metadata']
      spec: Record<string, unknown>
    }
    const name = `orders-${number}`
    this.pods.set(name, {
      object: {
        kind: 'Pod',
        metadata: {
          ...metadata,
          name,
          uid: `pod-${number}`,
          labels: { ...metadata.labels, ...selectorLabels('orders') },
          creationTimestamp: new Date(this.nowMs).toISOString(),
        },
        spec,
      },
      template: text,
      ip: `10.0.0.${number}`,
      nodeId: null,
      ageSteps: 0,
      isReady: false,
      terminatingSteps: null,
    })
  }

  private runPods(): void {
    for (const pod of this.pods.values()) {
      if (pod.terminatingSteps !== null) {
        pod.terminatingSteps++
        pod.isReady = false
        if (pod.terminatingSteps < 3) continue
        this.pods.delete(pod.object.metadata.name ?? '')
        this.seal(pod)
        continue
      }
      const gates = (pod.object.spec as { schedulingGates?: { name: string }[] }).schedulingGates
      if (gates?.some(({ name }) => name === GATE_ADDRESS)) continue
      pod.ageSteps++
      if (pod.ageSteps < START_STEPS) continue
      pod.isReady = true
      if (pod.nodeId !== null) continue
      const nodeId = this.nextNodeId++
      pod.nodeId = nodeId
      const isFirst = nodeId === 0
      const partitions = isFirst ? this.partitions : 0
      this.nodes.set(nodeId, { nodeId, host: pod.ip, state: 'active', partitions })
    }
  }

  private seal(pod: ModelPod): void {
    const node = this.nodes.get(pod.nodeId ?? -1)
    if (node === undefined) return
    node.state = 'sealed'
    this.give(node, node.partitions)
  }

  private runNodes(): void {
    if (!this.doPartitionsMove) return
    for (const node of this.nodes.values()) {
      if (node.state === 'draining') this.give(node, MOVES_PER_STEP)
      if (node.state === 'sealed') this.give(node, node.partitions)
      if (node.state === 'active' && node.partitions > this.partitions / 2) this.give(node, 2)
    }
  }

  private give(node: ModelNode, countMax: number): void {
    const others = [...this.nodes.values()].filter(
      (other) => other.state === 'active' && other !== node,
    )
    for (let i = 0; i < countMax && node.partitions > 0 && others.length > 0; i++) {
      const target = present(others[this.random.below(others.length)], 'a target')
      node.partitions--
      target.partitions++
    }
  }

  private podObject(pod: ModelPod): KubeObject {
    const { object, isReady, terminatingSteps } = pod
    const copy = structuredClone(object)
    if (terminatingSteps !== null) copy.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
    copy.status = {
      phase: 'Running',
      podIP: pod.nodeId === null ? undefined : pod.ip,
      hostIP: '192.168.0.1',
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    }
    return copy
  }
}

function merged(
  before: Record<string, string> | undefined,
  patch: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const after = { ...before, ...patch }
  const entries = Object.entries(after).filter((entry): entry is [string, string] => {
    return entry[1] !== null
  })
  return Object.fromEntries(entries)
}
