import { sleep, systemClock } from '../../base/clock.ts'
import { kinds, type KubeObject } from '../kube/objects.ts'
import type { FakeApiServer } from '../kube/testing/fake-api-server.ts'
import { ANNOTATION_DELETION_COST } from '../stream-cluster/labels.ts'

const SYNC_MS = 50
/** Pods do not just go when they are deleted: what runs in them has to end first. */
const POD_FINALIZER = 'test/kubelet'

interface DeploymentSpec {
  readonly replicas: number
  readonly template: KubeObject
}

/**
 * The controller of Deployments, for {@link FakeApiServer}: as many pods as wanted, one more while
 * they are replaced, those with the lowest deletion cost go first.
 */
export class FakeDeployments {
  private readonly server: FakeApiServer
  private readonly namespace: string
  private readonly stopping = new AbortController()
  private running: Promise<void> | null = null
  private nextPod = 1

  constructor(server: FakeApiServer, namespace: string) {
    this.server = server
    this.namespace = namespace
  }

  start(): void {
    this.running ??= this.run()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.running
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      const deployments = this.list('/apis/apps/v1/deployments')
      for (const deployment of deployments) this.sync(deployment)
      this.collect(new Set(deployments.map(({ metadata }) => metadata.uid)))
      await sleep(systemClock, SYNC_MS, signal)
    }
  }

  /** Pods go with their owner. */
  private collect(uids: ReadonlySet<string | undefined>): void {
    for (const pod of this.list('/api/v1/pods')) {
      const [owner] = pod.metadata.ownerReferences ?? []
      if (owner !== undefined && !uids.has(owner.uid)) this.remove(pod)
    }
  }

  private list(collection: string): KubeObject[] {
    return this.server.objects.list(collection, this.namespace)
  }

  private podsOf(deployment: KubeObject): KubeObject[] {
    const { uid } = deployment.metadata
    return this.list('/api/v1/pods').filter(({ metadata }) =>
      metadata.ownerReferences?.some((owner) => owner.uid === uid),
    )
  }

  private sync(deployment: KubeObject): void {
    const spec = deployment.spec as unknown as DeploymentSpec
    const template = JSON.stringify(spec.template)
    const pods = this.podsOf(deployment)
    for (const pod of pods) {
      // What runs in it came to its end: another one takes its place.
      if (phaseOf(pod) === 'Failed') this.remove(pod)
    }
    const living = pods.filter(
      (pod) => pod.metadata.deletionTimestamp === undefined && phaseOf(pod) !== 'Failed',
    )
    const current = living.filter(({ metadata }) => metadata.annotations?.template === template)
    const old = living.filter((pod) => !current.includes(pod))
    const surge = old.length > 0 ? 1 : 0
    const room = Math.min(spec.replicas + surge - living.length, spec.replicas - current.length)
    for (let count = 0; count < room; count++) this.create(deployment, spec, template)
    const ready = living.filter(isReady).length
    if (old.length > 0 && ready > spec.replicas) this.removeSome(old, 1)
    else if (old.length === 0) this.removeSome(current, current.length - spec.replicas)
    this.tell(deployment, living, current)
  }

  private removeSome(pods: readonly KubeObject[], count: number): void {
    const costOf = ({ metadata }: KubeObject): number =>
      Number(metadata.annotations?.[ANNOTATION_DELETION_COST] ?? 0)
    const order = [...pods].sort(
      (a, b) => Number(isReady(a)) - Number(isReady(b)) || costOf(a) - costOf(b),
    )
    for (const pod of order.slice(0, Math.max(0, count))) this.remove(pod)
  }

  private remove(pod: KubeObject): void {
    this.server.remove(kinds.pod, this.namespace, pod.metadata.name ?? '')
  }

  private create(deployment: KubeObject, spec: DeploymentSpec, template: string): void {
    const { name = '', uid = '' } = deployment.metadata
    const { metadata, spec: podSpec } = structuredClone(spec.template)
    this.server.put(kinds.pod, {
      metadata: {
        ...metadata,
        name: `${name}-${this.nextPod++}`,
        namespace: this.namespace,
        annotations: { ...metadata.annotations, template },
        finalizers: [POD_FINALIZER],
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid }],
      },
      spec: podSpec,
    })
  }

  private tell(
    deployment: KubeObject,
    living: readonly KubeObject[],
    current: readonly KubeObject[],
  ): void {
    const { name = '', generation } = deployment.metadata
    const status = {
      observedGeneration: generation,
      replicas: living.length,
      updatedReplicas: current.length,
      availableReplicas: living.filter(isReady).length,
    }
    const target = {
      collection: '/apis/apps/v1/deployments',
      namespace: this.namespace,
      ...{ name, subresource: 'status' },
    }
    this.server.objects.mergePatch(target, { status })
  }
}

function phaseOf(pod: KubeObject): string | undefined {
  return (pod.status as { phase?: string } | undefined)?.phase
}

function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = (pod.status ?? {}) as {
    conditions?: { type: string; status: string }[]
  }
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}
