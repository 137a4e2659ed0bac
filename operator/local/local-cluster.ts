import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { StreamCluster } from '../api/stream-cluster.ts'
import { Autoscaler } from './autoscaler.ts'
import { BootstrapProxy } from './bootstrap-proxy.ts'
import { pruneLogs } from './broker-log.ts'
import type { Endpoint } from '../brokers/broker-load.ts'
import { type BrokerProcessEvents, startBrokerProcess } from './broker-process.ts'
import { Fleet } from './fleet.ts'
import { type FleetEvent, isSilent, nameOf } from './fleet-member.ts'
import type { HpaSpec, HpaDecision } from './hpa.ts'
import { hpaSpecOf } from './hpa-spec.ts'
import { LoadPoll } from './load-poll.ts'
import { RepeatFilter } from './repeat-filter.ts'
import type { Reporter } from './reporter.ts'
import { RunLock } from './run-lock.ts'
import type { LocalStorage } from './storage.ts'
import type { ScaleChange, ViewModel } from './view.ts'
import { decisionWords, fleetEventWords } from './words.ts'

export interface LocalClusterOptions {
  readonly cluster: StreamCluster
  readonly storage: LocalStorage
  /** Where clients bootstrap; port 0 takes any that is free. */
  readonly bootstrap: Endpoint
  readonly brokerProgram: readonly string[]
  readonly logLevel: string
  readonly clock: Clock
  readonly reporter: Reporter
  readonly timeOfDay: () => string
  /** Further lines for the view. */
  readonly notes?: () => readonly string[]
}

export type StartResult = { readonly ok: true } | { readonly ok: false; readonly message: string }

const DRAW_MS = 500
const SCALE_EVENTS_SHOWN = 4

/** One StreamCluster on this machine: what the operator does in Kubernetes, with processes. */
export class LocalCluster {
  private readonly options: LocalClusterOptions
  private readonly fleet: Fleet
  private readonly proxy: BootstrapProxy
  private readonly hpa: HpaSpec | null
  private readonly initialCount: number
  private readonly errors = new RepeatFilter()
  private readonly startedAtMs: number
  private lock: RunLock | null = null
  private autoscaler: Autoscaler | null = null
  private loads: LoadPoll | null = null
  private drawTimer: Timer | null = null
  private bootstrapPort = 0
  private stopping = false
  private why = ''
  private scaleEvents: ScaleChange[] = []
  private moves: { count: number; lastMs: number | null } = { count: 0, lastMs: null }
  private onStartEvent: ((event: FleetEvent) => void) | null = null

  constructor(options: LocalClusterOptions) {
    const { cluster, clock, storage } = options
    this.options = options
    this.startedAtMs = clock.nowMs()
    const { autoscaling, replicas } = cluster.spec
    this.hpa = autoscaling?.mode === 'HPA' ? hpaSpecOf(autoscaling) : null
    this.initialCount = initialCount(replicas, this.hpa)
    this.why = this.hpa === null ? 'spec.replicas' : 'starting'
    this.fleet = new Fleet({
      clock,
      start: (sequence, events) => this.startBroker(storage, sequence, events),
      onEvent: (event) => this.onFleetEvent(event),
    })
    this.proxy = new BootstrapProxy({
      clock,
      targets: () => this.bootstrapTargets(),
    })
  }

  /** Where clients bootstrap, as host:port; known once {@link start} has succeeded. */
  get bootstrap(): string {
    return `${this.options.bootstrap.host}:${this.bootstrapPort}`
  }

  /** How many brokers serve now. */
  get activeCount(): number {
    return this.fleet.active.length
  }

  /** Resolves when the first brokers serve, or with the reason why that cannot be. */
  async start(): Promise<StartResult> {
    const { bootstrap, clock, reporter, storage } = this.options
    const locked = RunLock.acquire(storage.lockFolder, clock)
    if (!locked.ok) {
      return { ok: false, message: `${storage.description}: ${locked.message}` }
    }
    this.lock = locked.lock
    const listening = await this.proxy.listen(bootstrap)
    if (!listening.ok) {
      await this.close()
      return { ok: false, message: portWords(bootstrap.port, listening) }
    }
    this.bootstrapPort = listening.port
    pruneLogs(storage.logFolder)
    this.draw()
    const failure = await this.firstBrokers()
    if (this.stopping) return { ok: false, message: 'stopped before the first brokers served' }
    if (failure !== null) {
      await this.stop()
      return { ok: false, message: `${failure} (logs: ${storage.logFolder})` }
    }
    const { fleet } = this
    this.loads = new LoadPoll({ clock, fleet, onMoves: (moves) => this.onMoves(moves) })
    if (this.hpa !== null) {
      const onDecision = this.onDecision.bind(this)
      this.autoscaler = new Autoscaler({ clock, fleet, spec: this.hpa, onDecision })
    }
    if (this.hpa !== null) this.why = 'to begin with'
    reporter.ready(`ready ${this.bootstrap}`)
    return { ok: true }
  }

  /** Drains all brokers and lets go of port and data. Safe to call at any time after the start. */
  async stop(): Promise<void> {
    this.stopping = true
    this.autoscaler?.close()
    this.why = 'stopping'
    await this.fleet.stop()
    await this.close()
  }

  /** Ends all brokers at once; {@link stop} then soon resolves. */
  kill(): void {
    this.autoscaler?.close()
    this.fleet.killAll()
  }

  /** Kills one broker that serves, the newest, and says which; null if none serves. */
  killOne(): string | null {
    const member = this.fleet.active.at(-1)
    if (member === undefined) return null
    member.process.kill()
    return nameOf(member)
  }

  private async close(): Promise<void> {
    this.loads?.close()
    this.drawTimer?.cancel()
    await this.proxy.close()
    this.lock?.release()
    this.lock = null
  }

  /** Null once as many brokers serve as the cluster begins with; else why they never will. */
  private firstBrokers(): Promise<string | null> {
    return new Promise((resolve) => {
      this.onStartEvent = (event) => {
        if (event.kind === 'cannot-start') resolve(fleetEventWords(event))
        // Stopped before it ever served, zero are enough.
        if (this.fleet.active.length >= this.fleet.desired) resolve(null)
      }
      this.fleet.setDesired(this.initialCount)
    })
  }

  /** Brokers that serve; those that do not answer only where there is no other. */
  private bootstrapTargets(): Endpoint[] {
    const nowMs = this.options.clock.nowMs()
    const { active } = this.fleet
    const answering = active.filter((member) => !isSilent(member, nowMs))
    const targets = answering.length > 0 ? answering : active
    return targets.flatMap(({ addresses }) => addresses?.kafka ?? [])
  }

  private startBroker(storage: LocalStorage, sequence: number, events: BrokerProcessEvents) {
    const { cluster, brokerProgram, clock, logLevel, bootstrap } = this.options
    return startBrokerProcess({
      clock,
      program: brokerProgram,
      logFolder: storage.logFolder,
      label: `new-${process.pid}-${sequence}`,
      events,
      environment: {
        STREAMCLUSTER_STORE: storage.storeUrl,
        STREAMCLUSTER_LISTEN: `${bootstrap.host}:0`,
        STREAMCLUSTER_ADMIN_LISTEN: `${bootstrap.host}:0`,
        STREAMCLUSTER_CONFIG: JSON.stringify(cluster.spec.config),
        STREAMCLUSTER_LOG_LEVEL: logLevel,
      },
    })
  }

  private onFleetEvent(event: FleetEvent): void {
    const words = fleetEventWords(event)
    const isError = event.kind === 'error'
    const nowMs = this.options.clock.nowMs()
    if (words !== null && event.kind !== 'cannot-start') {
      if (!isError || this.errors.passes(words, nowMs)) this.options.reporter.change(words)
    }
    this.proxy.targetsChanged()
    this.onStartEvent?.(event)
  }

  private onMoves(moves: { count: number; lastMs: number | null }): void {
    this.moves = { count: this.moves.count + moves.count, lastMs: moves.lastMs }
  }

  private onDecision(decision: HpaDecision, change: { from: number; to: number }): void {
    this.why = decisionWords(decision)
    const { from, to } = change
    if (from === to) return
    const time = this.options.timeOfDay()
    const event = { time, from, to, why: this.why }
    this.scaleEvents = [...this.scaleEvents, event].slice(-SCALE_EVENTS_SHOWN)
    this.options.reporter.change(`brokers ${from} → ${to}: ${this.why}`)
  }

  private draw(): void {
    const { clock, reporter } = this.options
    this.drawTimer = clock.after(DRAW_MS, () => this.draw())
    reporter.draw(this.view())
  }

  private view(): ViewModel {
    const { cluster, clock, notes, storage } = this.options
    return {
      name: cluster.metadata.name,
      bootstrap: this.bootstrap,
      store: storage.description,
      nowMs: clock.nowMs(),
      startedAtMs: this.startedAtMs,
      members: this.fleet.members,
      desired: this.fleet.desired,
      bounds: this.hpa && { min: this.hpa.minReplicas, max: this.hpa.maxReplicas },
      why: this.why,
      scaleEvents: this.scaleEvents,
      moves: this.moves,
      notes: notes?.() ?? [],
    }
  }
}

/** What to begin with: replicas if given, the minimum otherwise, always within the bounds. */
function initialCount(replicas: number | undefined, hpa: HpaSpec | null): number {
  if (hpa === null) return replicas ?? 1
  assert(hpa.minReplicas <= hpa.maxReplicas, 'the schema orders min and max')
  return Math.min(Math.max(replicas ?? hpa.minReplicas, hpa.minReplicas), hpa.maxReplicas)
}

function portWords(port: number, failure: { reason: string; message: string }): string {
  if (failure.reason === 'in-use') {
    return `port ${port} is in use by another program; choose another one: PORT=${port + 1}`
  }
  if (failure.reason === 'denied') {
    return `port ${port} may not be used by this user; choose one above 1023: PORT=9092`
  }
  return `port ${port} cannot be used: ${failure.message}`
}
