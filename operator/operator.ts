import { type Clock, sleep } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { Random } from '../base/random.ts'
import { OperatorAdminServer } from './admin-server.ts'
import { API_GROUP } from './api/stream-cluster.ts'
import type { KubeAccess } from './kube/access.ts'
import { KubeClient } from './kube/client.ts'
import { EventRecorder } from './kube/events.ts'
import type { Change } from './kube/informer.ts'
import { LeaderElector } from './kube/lease.ts'
import { keyOf, kinds, nameOfObject } from './kube/objects.ts'
import { ReconcilerLoop } from './kube/reconciler-loop.ts'
import { MetricsApi } from './metrics-api/server.ts'
import { ClusterSessions } from './ownership/sessions.ts'
import type { OperatorSettings } from './settings.ts'
import { BrokerReports } from './stream-cluster/broker-reports.ts'
import { podMonitorKind, streamClusterKind } from './stream-cluster/kinds.ts'
import { FINALIZER_STORE } from './stream-cluster/labels.ts'
import { Observer } from './stream-cluster/observe.ts'
import type { OperatorFacts } from './stream-cluster/observed.ts'
import { StreamClusterReconciler } from './stream-cluster/reconciler.ts'
import { Secrets } from './stream-cluster/secrets.ts'
import { clusterKeyOf, Watches } from './stream-cluster/watches.ts'

/** The owner of every field that the operator sets (server-side apply). Never to change. */
const FIELD_MANAGER = 'streamcluster-operator'
/** Passes at the same time. They mostly wait; more clusters than this wait for one another. */
const WORKER_COUNT = 8
/** Changes that come together make one pass: of pods, metadata, and what the pass itself wrote. */
const GATHER_MS = 20
/** An API server that is away at the start is asked again this often. */
const API_AGAIN_MS = 1_000
/** As long as there is no such kind, the API server is asked again this often. */
const POD_MONITOR_LOOK_MS = 60_000
/** Of one request at the end; the grace period is not much longer than a few of them. */
const LET_GO_MS_MAX = 3_000

export interface OperatorOptions {
  readonly settings: OperatorSettings
  readonly access: KubeAccess
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Another process may lead now: this one has to end at once. */
  readonly onLost: () => void
  /** For tests. */
  readonly podMonitorLookMs?: number
}

/** The operator, put together: watches → queue → passes, by whoever of its replicas leads. */
export class Operator {
  readonly metrics = new Metrics()
  readonly watches: Watches
  readonly reports: BrokerReports
  readonly sessions: ClusterSessions
  private readonly options: OperatorOptions
  private readonly client: KubeClient
  private readonly events: EventRecorder
  private readonly elector: LeaderElector
  private readonly loop: ReconcilerLoop
  private readonly admin: OperatorAdminServer
  private metricsApi: MetricsApi | null = null
  private readonly facts: Omit<OperatorFacts, 'hasPodMonitors'> & { hasPodMonitors: boolean }
  private readonly stopped = new AbortController()
  private isLeading = false
  private isLost = false
  private hasRead = false

  private constructor(options: OperatorOptions, client: KubeClient) {
    const { settings, clock, random, log, onLost } = options
    const { namespaces, namespace, podName, podLabels, brokerImage, volumesFolder } = settings
    this.options = options
    this.client = client
    const identity = `${podName}_${random.bytes(8).toString('hex')}`
    this.watches = new Watches({
      ...{ client, clock, random, log, namespaces },
      onChange: (key) => this.enqueue(key),
      onPod: (key, change) => this.podChanged(key, change),
    })
    this.reports = new BrokerReports({
      clock,
      pods: () => this.watches.allPods(),
      onChange: (pod) => this.enqueue(clusterKeyOf(pod)),
    })
    this.sessions = new ClusterSessions({
      ...{ clock, random, logger: log },
      holder: `operator:${identity}`,
      onChange: (key) => this.enqueue(key),
    })
    this.events = new EventRecorder({
      ...{ client, clock, log },
      reportingController: `${API_GROUP}/operator`,
      reportingInstance: podName,
    })
    this.facts = { image: brokerImage, namespace, podLabels, hasPodMonitors: false }
    const { watches, reports, sessions, events } = this
    const observer = new Observer({
      ...{ clock, watches, reports, sessions, volumesFolder },
      secrets: new Secrets({ client, clock }),
      operator: this.facts,
    })
    const reconciler = new StreamClusterReconciler({
      ...{ client, random, watches, observer, sessions, events },
    })
    this.loop = new ReconcilerLoop({
      ...{ clock, log, metrics: this.metrics, name: 'stream_cluster' },
      workerCount: WORKER_COUNT,
      // A store or an API server that was away must not be waited for much longer than it was.
      limits: { backoffFirstMs: 50, backoffLastMs: 30_000 },
      reconcile: (key, signal) => reconciler.reconcile(key, signal),
    })
    this.elector = new LeaderElector({
      ...{ client, clock, random, log, identity },
      name: { namespace, name: settings.leaseName },
      onElected: () => this.lead(),
      onLost: () => {
        this.isLost = true
        onLost()
      },
    })
    this.admin = new OperatorAdminServer({
      metrics: this.metrics,
      isLive: () => !this.isLost,
      isReady: () => this.hasRead && !this.isLost,
    })
    this.measure()
  }

  /** Starts everything, and resolves once the port for health and metrics is open. */
  static async start(options: OperatorOptions): Promise<Operator> {
    const { access, clock } = options
    const client = new KubeClient({ access, clock, fieldManager: FIELD_MANAGER })
    const operator = new Operator(options, client)
    await operator.admin.listen(options.settings.adminListen)
    operator.watches.start()
    await operator.lookForPodMonitors()
    void operator.goOnLookingForPodMonitors()
    void operator.watches.synced().then(() => {
      operator.hasRead = true
    })
    operator.reports.start()
    await operator.serveMetrics()
    operator.elector.start()
    return operator
  }

  /** Whether this process is the one that acts. */
  get isLeader(): boolean {
    return this.isLeading && this.elector.isLeader
  }

  /** Where metrics are served; null where they are not. */
  get metricsPort(): number | null {
    return this.metricsApi?.port ?? null
  }

  /**
   * Ends in order: passes first, then what they use, and the Lease last, when nothing of this process
   * acts any more. Brokers go on; one of them is the controller until another operator leads.
   */
  async stop(): Promise<void> {
    this.stopped.abort()
    await this.loop.stop({ isUrgent: true })
    if (this.isLeader) await this.letGo()
    await this.sessions.closeAll()
    await this.elector.stop()
    await this.events.stop()
    this.reports.stop()
    await this.watches.stop()
    this.metricsApi?.close()
    this.admin.close()
    this.client.close()
  }

  /**
   * A namespace that is deleted ends its pods before it deletes other things: who would remove the
   * finalizers of StreamClusters in the operator's own one is this process, now.
   */
  private async letGo(): Promise<void> {
    const { client, watches, options } = this
    const { namespace } = options.settings
    const own = await client.get(
      kinds.namespace,
      { name: namespace },
      { deadlineMs: LET_GO_MS_MAX },
    )
    if (!own.ok || own.value.metadata.deletionTimestamp === undefined) return
    for (const cluster of watches.clusters()) {
      const name = nameOfObject(cluster)
      const { finalizers = [] } = cluster.metadata
      if (name.namespace !== namespace || !finalizers.includes(FINALIZER_STORE)) continue
      const metadata = { finalizers: finalizers.filter((each) => each !== FINALIZER_STORE) }
      await client.mergePatch(streamClusterKind, name, { metadata }, { deadlineMs: LET_GO_MS_MAX })
      options.log.warn('its objects in the store stay: the namespace is deleted', { ...name })
    }
  }

  /** Their kind comes with the Prometheus operator, which not everybody has, or not from the start. */
  private async lookForPodMonitors(): Promise<void> {
    const { client, watches, facts } = this
    const { signal } = this.stopped
    if (!(await knowsPodMonitors(client, signal)) || signal.aborted) return
    facts.hasPodMonitors = true
    watches.startOptional(podMonitorKind)
    for (const cluster of watches.clusters()) this.enqueue(keyOf(nameOfObject(cluster)))
  }

  private async goOnLookingForPodMonitors(): Promise<void> {
    const { clock, podMonitorLookMs = POD_MONITOR_LOOK_MS } = this.options
    const { signal } = this.stopped
    while (!this.facts.hasPodMonitors && !signal.aborted) {
      await sleep(clock, podMonitorLookMs, signal)
      if (!signal.aborted) await this.lookForPodMonitors()
    }
  }

  /** Every replica does: autoscalers reach any of them. */
  private async serveMetrics(): Promise<void> {
    const { settings, clock, log } = this.options
    if (settings.metricsApi === null) return
    const { client, watches, reports } = this
    this.metricsApi = await MetricsApi.start({
      ...{ client, clock, log },
      ...settings.metricsApi,
      measured: { pods: () => watches.allPods(), reportOf: (uid) => reports.of(uid) },
    })
  }

  private lead(): void {
    const { watches, options, loop } = this
    void watches.synced().then(() => {
      if (this.isLost) return
      this.isLeading = true
      const clusters = watches.clusters()
      options.log.info('StreamClusters are looked after', { count: clusters.length })
      for (const cluster of clusters) loop.queue.add(keyOf(nameOfObject(cluster)))
      loop.start()
    })
  }

  private enqueue(key: string | null): void {
    if (key !== null && this.isLeading) this.loop.queue.addAfter(key, GATHER_MS)
  }

  /** What a pod shows, its broker has mostly written to the metadata log: it is read at once. */
  private podChanged(key: string, { type, object }: Change): void {
    const session = this.sessions.get(key)
    if (session === null) return
    const { phase, podIP } = (object.status ?? {}) as { phase?: string; podIP?: string }
    const hasEnded = type === 'deleted' || phase === 'Failed' || phase === 'Succeeded'
    if (hasEnded && podIP !== undefined && !this.isTaken(key, podIP)) session.podGone(podIP)
    session.poke()
  }

  /** Addresses are used again: another pod may have this one already. */
  private isTaken(key: string, address: string): boolean {
    return this.watches.pods(key).some(({ status }) => {
      const { phase, podIP } = (status ?? {}) as { phase?: string; podIP?: string }
      return podIP === address && phase !== 'Failed' && phase !== 'Succeeded'
    })
  }

  private measure(): void {
    const { metrics, sessions, events } = this
    const prefix = 'streamcluster_operator'
    metrics.gauge(`${prefix}_leader`, '1 where this process is the one that acts.', () =>
      Number(this.isLeader),
    )
    metrics.gauge(`${prefix}_clusters`, 'Clusters whose store is looked at.', () => sessions.count)
    metrics.gauge(
      `${prefix}_controllers`,
      'Clusters whose controller is this process.',
      () => sessions.controllerCount,
    )
    metrics.counter(
      `${prefix}_events_dropped_total`,
      'Events that were not written.',
      () => events.counts.dropped,
    )
    metrics.gauge(`${prefix}_memory_bytes`, 'Resident memory of the process.', () =>
      process.memoryUsage.rss(),
    )
  }
}

async function knowsPodMonitors(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  const path = `/apis/${podMonitorKind.apiVersion}`
  while (!signal.aborted) {
    const found = await client.raw<{ resources?: { name: string }[] }>('GET', path)
    if (found.ok) {
      return found.value.resources?.some(({ name }) => name === podMonitorKind.plural) ?? false
    }
    // An API server that is away says neither.
    if (found.failure.status === 404 || found.failure.status === 403) return false
    await sleep(client.clock, API_AGAIN_MS, signal)
  }
  return false
}
