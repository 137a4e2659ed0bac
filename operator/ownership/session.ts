import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { type Random, randomUuid } from '../../base/random.ts'
import { httpTransport } from '../../broker/admin/internal-calls.ts'
import { CallError } from '../../broker/transport.ts'
import { Controller, DEFAULT_CONTROLLER_SETTINGS } from '../../controller/controller.ts'
import type { PingReply, PingRequest } from '../../controller/ping.ts'
import type { NodeEntry } from '../../metadata/image.ts'
import { METADATA_LOG_PREFIX } from '../../metadata/keys.ts'
import { MetadataLog } from '../../metadata/log.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import { probeStore, quickProbe } from '../../object-store/probe.ts'
import { retrying } from '../../object-store/retrying.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { outcomeOfError, STORE_OK, type StoreOutcome } from './store-outcome.ts'
import { type ObservedOwnership, summaryOf } from './summary.ts'

const CALL_TIMEOUT_MS = 1_000
/** Reading a metadata log that is there takes far less; a store in trouble is told of meanwhile. */
const OPEN_MS_MAX = 20_000
/** A record that the store has not taken by then is no part of this pass; it may be appended yet. */
const APPEND_MS_MAX = 10_000
/** What is known of the ownership map counts for so long after the store was last heard. */
const FRESH_MS_MAX = 10_000
/** A store that says nothing for so long is told of. */
const QUIET_MS_MAX = 15_000
/** As many objects as S3 deletes at once. */
const DELETE_COUNT = 1_000
/** Everything that a cluster keeps, by folder; last what says that there is a cluster. */
const FOLDERS = ['probe/', 'wal/', 'ckpt/', 'sealed/', 'seg/', 'mix/', 'meta/']

export interface SessionOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The cluster that must be there; null: a new one may begin. */
  readonly clusterId: string | null
  /** This process, in the metadata log: never one that was before it. */
  readonly holder: string
  /** The metadata have changed. */
  readonly onChange: () => void
}

/**
 * One cluster's metadata log, and the controller that this process runs for it: liveness, takeover,
 * balance. A broker runs the same where no operator does (design §1).
 */
export class ClusterSession {
  readonly log: MetadataLog
  private readonly options: SessionOptions
  private readonly controller: Controller
  private readonly transport: ReturnType<typeof httpTransport>
  /** Nodes whose pods are gone: nobody has to wait until their silence is believed. */
  private readonly goneNodes = new Set<number>()
  private summary: { seq: number; ownership: ObservedOwnership } | null = null
  private isStopped = false

  private constructor(options: SessionOptions, log: MetadataLog) {
    const { store, clock, random, logger, holder, onChange } = options
    this.options = options
    this.log = log
    this.transport = httpTransport(() => log.image.scalars.secret, clock)
    log.onApplied(onChange)
    log.onAppended(() => this.tellNews())
    this.controller = new Controller({
      ...{ log, store, clock, random, logger, holder },
      nodeId: null,
      settings: DEFAULT_CONTROLLER_SETTINGS,
      ping: (node, request) => this.ping(node, request),
      ownLoads: () => ({}),
      isCandidate: () => !this.isStopped,
    })
  }

  /**
   * Probes the store, and reads or begins the cluster in it. The session, or why there is none;
   * `store` is closed then. Throws only what is a fault of ours.
   */
  static async open(options: SessionOptions): Promise<ClusterSession | StoreOutcome> {
    const { clock, random } = options
    const store = retrying(options.store, { clock, random, timeLimitMs: OPEN_MS_MAX })
    const log = new MetadataLog({ ...options, store })
    const limit = clock.after(OPEN_MS_MAX, () => void log.stop())
    try {
      const why = await begin(log, options)
      if (why === null) {
        const session = new ClusterSession({ ...options, store }, log)
        log.start()
        session.controller.start()
        return session
      }
      await store.close()
      return { outcome: 'refused', message: why }
    } catch (error) {
      void log.stop()
      await store.close()
      if ((error as Error).name !== 'LogStopped') return outcomeOfError(error)
      const { description } = store
      return { outcome: 'unreachable', message: `${description} does not answer in time` }
    } finally {
      limit.cancel()
    }
  }

  /** Whether this process holds the controller, as far as it knows. */
  get isController(): boolean {
    return this.controller.isHolder
  }

  /** Who owns what; null where that is not known of late. */
  get ownership(): ObservedOwnership | null {
    const { log, options } = this
    if (options.clock.nowMs() - log.headConfirmedAtMs > FRESH_MS_MAX) return null
    if (this.summary?.seq !== log.seq) {
      this.summary = { seq: log.seq, ownership: summaryOf(log.image) }
    }
    return this.summary.ownership
  }

  get storeOutcome(): StoreOutcome {
    const { log, options } = this
    if (options.clock.nowMs() - log.headConfirmedAtMs <= QUIET_MS_MAX) return STORE_OK
    const message = `${options.store.description} cannot be read; brokers go on trying`
    return { outcome: 'unreachable', message }
  }

  /** There may be news: somebody has come or gone. */
  poke(): void {
    this.log.poke()
  }

  /** There are to be so many brokers, also where some have yet to come. */
  expectBrokers(count: number): void {
    this.controller.expectNodes(count)
  }

  /** Resolves once the image holds what was durable at the call, or after `withinMs`. */
  async refresh(withinMs: number): Promise<void> {
    const stop = new AbortController()
    const read = this.log.catchUp().catch(() => {})
    await Promise.race([read, sleep(this.options.clock, withinMs, stop.signal)])
    stop.abort()
  }

  /** The pod with this address is no more, and no other one has the address yet. */
  podGone(host: string): void {
    for (const { nodeId, address, state } of this.log.image.nodes.values()) {
      if (address.internalHost === host && state !== 'sealed') this.goneNodes.add(nodeId)
    }
  }

  /** Has a node emptied, or no more. Rejects with what the metadata log says. */
  async setDraining(nodeId: number, draining: boolean): Promise<void> {
    await this.append((image) => {
      const state = image.nodes.get(nodeId)?.state
      const before = draining ? 'active' : 'draining'
      return state === before ? [{ type: 'node-draining', nodeId, draining }] : null
    })
  }

  /** Sets a config of all brokers while they run, or (null) takes it back. */
  async setConfig(key: string, value: string | null): Promise<void> {
    await this.append(() => [{ type: 'config', scope: 'broker', name: '', key, value }])
  }

  /** Deletes all that the cluster has in its store, for good. Rejects with StoreError. */
  async emptyStore(signal: AbortSignal): Promise<void> {
    const { store } = this.options
    this.halt()
    await this.log.stop()
    for (const prefix of FOLDERS) {
      for (;;) {
        if (signal.aborted) throw new Error('there was no time to empty the store')
        const page = await store.list({ prefix, limit: DELETE_COUNT })
        if (page.length === 0) break
        await store.delete(page.map(({ key }) => key))
      }
    }
  }

  /** Leaves the cluster to its brokers. */
  async stop(): Promise<void> {
    this.halt()
    await this.log.stop()
    await this.options.store.close()
  }

  private halt(): void {
    this.isStopped = true
    this.controller.stop()
    this.transport.close()
  }

  private async append(
    propose: Parameters<MetadataLog['append']>[0],
  ): Promise<readonly MetadataRecord[]> {
    const { clock } = this.options
    const stop = new AbortController()
    const tooLong = sleep(clock, APPEND_MS_MAX, stop.signal).then(() => null)
    const appended = await Promise.race([this.log.append(propose), tooLong])
    stop.abort()
    if (appended === null) throw new Error('the metadata log cannot be written in time')
    return appended.records
  }

  private async ping(node: NodeEntry, request: PingRequest): Promise<PingReply> {
    const { nodeId } = node
    if (this.goneNodes.has(nodeId)) throw new CallError('refused', `the pod of ${nodeId} is gone`)
    const body = Buffer.from(JSON.stringify(request))
    const reply = await this.transport.call(node, 'ping', body, CALL_TIMEOUT_MS)
    return JSON.parse(reply.toString()) as PingReply
  }

  private tellNews(): void {
    for (const node of this.log.image.nodes.values()) {
      if (node.state === 'sealed') {
        this.goneNodes.delete(node.nodeId)
        continue
      }
      // A hint: whoever misses it polls.
      this.transport.call(node, 'news', EMPTY, CALL_TIMEOUT_MS).catch(() => {})
    }
  }
}

const EMPTY = Buffer.alloc(0)

/** Why the store cannot hold a cluster, or null, once the metadata log is open. */
async function begin(log: MetadataLog, options: SessionOptions): Promise<string | null> {
  const { store, clock, random } = options
  // Not with retries: whoever waits for this look is told at once what is wrong.
  const isNew = (await store.list({ prefix: METADATA_LOG_PREFIX, limit: 1 })).length === 0
  const { clusterId } = options
  if (isNew && clusterId !== null) {
    return (
      `${store.description} holds nothing of the cluster ${clusterId} any more: bring its objects ` +
      'back, or correct spec.storage; to begin anew delete the StreamCluster and apply it again'
    )
  }
  const probe = isNew ? probeStore : quickProbe
  const probed = await probe(store, { clock, random })
  if (!probed.ok) return probed.reason
  await log.open(() => [
    {
      type: 'cluster',
      clusterId: randomUuid(random),
      secret: random.bytes(32).toString('base64'),
      createdMs: clock.wallMs(),
    },
  ])
  const found = log.image.scalars.clusterId
  if (clusterId !== null && found !== clusterId) {
    return `${store.description} holds the cluster ${found}, and this one is ${clusterId}`
  }
  const { rounds, racers } = probed
  if (isNew) {
    await log.append(({ scalars }) =>
      scalars.storeProbed ? null : [{ type: 'store-probed', atMs: clock.wallMs(), rounds, racers }],
    )
  }
  return null
}
