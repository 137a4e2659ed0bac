import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { KubeClient } from '../kube/client.ts'
import { type Change, Informer } from '../kube/informer.ts'
import { byOwnerUid, type IndexFunction } from '../kube/object-cache.ts'
import {
  keyOf,
  kinds,
  type KubeObject,
  nameOfObject,
  type ObjectName,
  type ResourceKind,
} from '../kube/objects.ts'
import { childKinds, streamClusterKind } from './kinds.ts'
import { LABEL_CLUSTER, MANAGED_SELECTOR } from './labels.ts'

/** How long a pass waits until its own writes are seen; then the next one may do them again. */
const SEEN_MS_MAX = 2_000
const SEEN_LOOK_MS = 10

/** Something that was written: the copies below have it once they are at that version. */
export interface Written {
  readonly kind: ResourceKind
  readonly name: ObjectName
  /** Null: it was deleted. */
  readonly resourceVersion: string | null
}

export interface WatchesOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Empty: all of them. */
  readonly namespaces: readonly string[]
  /** Something of that cluster (`namespace/name`) has changed, or the cluster itself. */
  readonly onChange: (key: string) => void
  /** A pod has changed, is new or gone; before {@link onChange}. */
  readonly onPod: (key: string, change: Change) => void
}

/** What must have been read of one namespace, or of all; first the clusters. */
interface Scope {
  readonly namespace: string | undefined
  readonly informers: Informer[]
}

type InformerOptions = Partial<ConstructorParameters<typeof Informer>[0]>

/** Copies of everything that the operator looks at, kept by watches. */
export class Watches {
  private readonly options: WatchesOptions
  private readonly informers: Informer[] = []
  private readonly clusterInformers: Informer[] = []
  private readonly podInformers: Informer[] = []
  private readonly childInformers: Informer[] = []
  private readonly byKind = new Map<string, Informer[]>()
  private readonly scopes: Scope[] = []

  constructor(options: WatchesOptions) {
    this.options = options
    const { namespaces, onChange, onPod } = options
    for (const namespace of namespaces.length === 0 ? [undefined] : namespaces) {
      const scope: Scope = { namespace, informers: [] }
      this.scopes.push(scope)
      const clusters = this.add(namespace, streamClusterKind, this.clusterInformers, {
        onChange: ({ object }) => onChange(keyOf(nameOfObject(object))),
      })
      scope.informers.push(clusters)
      for (const kind of childKinds) scope.informers.push(this.addChild(namespace, kind))
      const pods = this.add(namespace, kinds.pod, this.podInformers, {
        labelSelector: MANAGED_SELECTOR,
        indexes: { cluster: byCluster },
        transform: slimPod,
        onChange: (change) => {
          const key = clusterKeyOf(change.object)
          if (key !== null) onPod(key, change)
          this.changed(change.object)
        },
      })
      scope.informers.push(pods)
    }
  }

  private addChild(namespace: string | undefined, kind: ResourceKind): Informer {
    return this.add(namespace, kind, this.childInformers, {
      labelSelector: MANAGED_SELECTOR,
      indexes: { owner: byOwnerUid },
      onChange: ({ object }) => this.changed(object),
    })
  }

  private add(
    namespace: string | undefined,
    kind: ResourceKind,
    into: Informer[],
    more: InformerOptions,
  ): Informer {
    const informer = this.informer(kind, namespace, more)
    into.push(informer)
    this.informers.push(informer)
    this.byKind.set(kind.kind, [...(this.byKind.get(kind.kind) ?? []), informer])
    return informer
  }

  /**
   * Watches children of a kind that not every API server knows. Nobody waits until they were read: a
   * kind that cannot be read, or is gone again, must not hold up what has nothing to do with it.
   */
  startOptional(kind: ResourceKind): void {
    for (const { namespace } of this.scopes) this.addChild(namespace, kind).start()
  }

  start(): void {
    for (const informer of this.informers) informer.start()
  }

  /**
   * Resolves once everything was read. A namespace that may not be read, or is no more, holds up no
   * other one: nothing is known of clusters in it, and nothing is done to them.
   */
  async synced(): Promise<void> {
    await Promise.all(
      this.scopes.map(({ informers }) => {
        const all = Promise.all(informers.map((informer) => informer.synced()))
        return Promise.race([all, ...informers.slice(0, 1).map((clusters) => clusters.denied())])
      }),
    )
  }

  /** Whether all that matters to a cluster in that namespace was read. */
  hasRead(namespace: string): boolean {
    const scope = this.scopes.find(
      (each) => each.namespace === undefined || each.namespace === namespace,
    )
    return scope?.informers.every((informer) => informer.hasSynced) ?? false
  }

  async stop(): Promise<void> {
    await Promise.all(this.informers.map((informer) => informer.stop()))
  }

  /** Every StreamCluster that is watched. */
  clusters(): KubeObject[] {
    return this.clusterInformers.flatMap((informer) => informer.cache.all())
  }

  cluster(name: ObjectName): KubeObject | null {
    return this.find(streamClusterKind, name)
  }

  /** What the object of that uid owns. */
  children(uid: string): KubeObject[] {
    return this.childInformers.flatMap((informer) => informer.cache.withIndex('owner', uid))
  }

  /** Pods of a cluster (`namespace/name`), those that have ended too; without most fields. */
  pods(key: string): KubeObject[] {
    return this.podInformers.flatMap((informer) => informer.cache.withIndex('cluster', key))
  }

  /** Pods of all clusters. */
  allPods(): KubeObject[] {
    return this.podInformers.flatMap((informer) => informer.cache.all())
  }

  find(kind: ResourceKind, name: ObjectName): KubeObject | null {
    for (const informer of this.byKind.get(kind.kind) ?? []) {
      const found = informer.cache.get(name)
      if (found !== undefined) return found
    }
    return null
  }

  /**
   * Resolves once the copies show what was written, or after a while: a pass that began before
   * would do the same again, and count what it has done twice.
   */
  async seen(written: readonly Written[], signal: AbortSignal): Promise<void> {
    const { clock } = this.options
    const endMs = clock.nowMs() + SEEN_MS_MAX
    while (clock.nowMs() < endMs && !signal.aborted) {
      if (written.every((each) => this.isSeen(each))) return
      await sleep(clock, SEEN_LOOK_MS, signal)
    }
  }

  private isSeen({ kind, name, resourceVersion }: Written): boolean {
    const found = this.find(kind, name)
    if (found === null) return resourceVersion === null
    if (resourceVersion === null) return found.metadata.deletionTimestamp !== undefined
    // Kubernetes' versions rise, and since 1.35 it says so (KEP-5504).
    return Number(found.metadata.resourceVersion) >= Number(resourceVersion)
  }

  private informer(
    kind: ResourceKind,
    namespace: string | undefined,
    more: InformerOptions,
  ): Informer {
    const { client, clock, random, log } = this.options
    return new Informer({
      ...{ client, clock, random, log, kind },
      ...(namespace === undefined ? {} : { namespace }),
      ...more,
    })
  }

  private changed(object: KubeObject): void {
    const key = clusterKeyOf(object)
    if (key !== null) this.options.onChange(key)
  }
}

/** The key of the cluster that a child or pod says it is of. */
export function clusterKeyOf({ metadata }: KubeObject): string | null {
  const name = metadata.labels?.[LABEL_CLUSTER]
  if (name === undefined) return null
  const { namespace } = metadata
  return keyOf(namespace === undefined ? { name } : { namespace, name })
}

const byCluster: IndexFunction = (object) => {
  const key = clusterKeyOf(object)
  return key === null ? [] : [key]
}

/** Pods are many and large, and little of them matters here. */
function slimPod(pod: KubeObject): KubeObject {
  const { metadata } = pod
  const spec = (pod.spec ?? {}) as Record<string, unknown>
  const status = (pod.status ?? {}) as Record<string, unknown>
  const conditions = (status.conditions ?? []) as { type: string; status: string }[]
  const { phase, podIP, hostIP } = status
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...pick(metadata, ['name', 'namespace', 'uid', 'resourceVersion', 'labels', 'annotations']),
      ...pick(metadata, ['creationTimestamp', 'deletionTimestamp']),
    },
    spec: pick(spec, ['schedulingGates']),
    status: {
      ...{ phase, podIP, hostIP },
      conditions: conditions
        .filter(({ type }) => type === 'Ready')
        .map(({ type, status: value }) => ({ type, status: value })),
    },
  }
}

function pick<T extends object, K extends keyof T>(from: T, names: readonly K[]): Partial<T> {
  const picked: Partial<T> = {}
  for (const name of names) if (from[name] !== undefined) picked[name] = from[name]
  return picked
}
