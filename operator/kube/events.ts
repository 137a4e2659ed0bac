import { type Clock, sleep } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { KubeClient } from './client.ts'
import { isTransient, type KubeFailure } from './failure.ts'
import { microTime } from './micro-time.ts'
import { type KubeObject, kinds } from './objects.ts'

/** What the API server takes of a note (events.k8s.io/v1); longer ones are cut. */
const NOTE_BYTES_MAX = 1024
/** The same event within this time is counted instead of written anew, as client-go has it. */
const SERIES_MS = 6 * 60_000
/** A series is written at once when it begins, then not more often than this. */
const SERIES_WRITE_MS = 30_000
/** Writes that wait; beyond them events are dropped. */
const WAITING_COUNT_MAX = 500
/** Of all events together: a fault that hits everything must not load the API server as well. */
const WRITES_PER_SECOND = 5
const WRITE_BURST = 50
/** Of different events about one object, in {@link SERIES_MS}. */
const PER_OBJECT_MAX = 25
const TRIES_MAX = 3
const RETRY_MS = 2_000

export interface EventInput {
  readonly type: 'Normal' | 'Warning'
  /** One word in upper camel case, from a fixed list: people filter by it. */
  readonly reason: string
  /** What was being done: one word as well. */
  readonly action: string
  /** A sentence for people. */
  readonly note: string
}

/** The object that an event is about, as it was read: its uid ties the event to it. */
export type Regarding = Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>

interface Series {
  readonly name: string
  readonly namespace: string
  readonly objectKey: string
  readonly regarding: Regarding
  readonly input: EventInput
  readonly firstWallMs: number
  count: number
  lastAtMs: number
  lastWallMs: number
  /** The count that the API server has; 0 before it has the event. */
  writtenCount: number
  writtenAtMs: number
  isWaiting: boolean
}

export interface EventRecorderOptions {
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Logger
  /** `streamcluster.io/operator`. */
  readonly reportingController: string
  /** The pod's name. */
  readonly reportingInstance: string
}

export interface EventCounts {
  readonly recorded: number
  readonly written: number
  readonly dropped: number
}

/**
 * Tells people what happens to their objects, as Kubernetes' Events. Repetitions become a count in
 * the first event; writes are bounded. `record` never throws nor waits, and an API server that
 * takes no events holds nothing up: they are dropped and counted.
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export class EventRecorder {
  private readonly options: EventRecorderOptions
  private readonly series = new Map<string, Series>()
  private readonly waiting: Series[] = []
  private readonly stopping = new AbortController()
  private writing: Promise<void> | null = null
  private tokens = WRITE_BURST
  private filledAtMs: number
  private readonly counted = { recorded: 0, written: 0, dropped: 0 }

  constructor(options: EventRecorderOptions) {
    this.options = options
    this.filledAtMs = options.clock.nowMs()
  }

  get counts(): EventCounts {
    return this.counted
  }

  /** Two events are the same when object, type, reason, action and note are. */
  record(regarding: Regarding, input: EventInput): void {
    if (this.stopping.signal.aborted) return
    this.counted.recorded++
    const { clock } = this.options
    this.forgetOld()
    const { uid = '', namespace = 'default', name = '' } = regarding.metadata
    const objectKey = `${uid} ${namespace}/${name}`
    const key = [objectKey, input.type, input.reason, input.action, input.note].join('\n')
    const known = this.series.get(key)
    if (known !== undefined) {
      known.count++
      known.lastAtMs = clock.nowMs()
      known.lastWallMs = clock.wallMs()
      // Map order is age: what forgetOld looks at first.
      this.series.delete(key)
      this.series.set(key, known)
      this.enqueue(known)
      return
    }
    if (this.countOf(objectKey) >= PER_OBJECT_MAX) {
      this.counted.dropped++
      return
    }
    const wallMs = clock.wallMs()
    const series: Series = {
      // Unique by the moment and the count: names of events mean nothing.
      name: `${name.slice(0, 200)}.${wallMs.toString(16)}${this.counted.recorded.toString(16)}`,
      namespace,
      objectKey,
      regarding,
      input: { ...input, note: cut(input.note) },
      firstWallMs: wallMs,
      count: 1,
      lastAtMs: clock.nowMs(),
      lastWallMs: wallMs,
      writtenCount: 0,
      writtenAtMs: Number.NEGATIVE_INFINITY,
      isWaiting: false,
    }
    this.series.set(key, series)
    this.enqueue(series)
  }

  /** Writes what waits, as far as `withinMs` allows, and takes nothing more. */
  async stop(withinMs = RETRY_MS): Promise<void> {
    const timer = this.options.clock.after(withinMs, () => this.stopping.abort())
    await this.writing
    timer.cancel()
    this.stopping.abort()
  }

  private countOf(objectKey: string): number {
    let count = 0
    for (const series of this.series.values()) if (series.objectKey === objectKey) count++
    return count
  }

  private forgetOld(): void {
    const { clock } = this.options
    for (const [key, series] of this.series) {
      if (clock.nowMs() - series.lastAtMs < SERIES_MS) return
      this.series.delete(key)
    }
  }

  private enqueue(series: Series): void {
    if (series.isWaiting) return
    const { clock } = this.options
    const isEarly = clock.nowMs() - series.writtenAtMs < SERIES_WRITE_MS
    // The beginning of a series is told at once; after it, later counts go out together.
    if (isEarly && series.writtenCount > 1) return
    if (this.waiting.length >= WAITING_COUNT_MAX) {
      this.counted.dropped++
      return
    }
    series.isWaiting = true
    this.waiting.push(series)
    this.writing ??= this.writeAll().finally(() => {
      this.writing = null
    })
  }

  private async writeAll(): Promise<void> {
    const { signal } = this.stopping
    for (;;) {
      await this.takeToken()
      const series = this.waiting.shift()
      if (series === undefined) return
      series.isWaiting = false
      if (signal.aborted) this.counted.dropped++
      else await this.write(series)
      if (this.waiting.length === 0) return
    }
  }

  private async takeToken(): Promise<void> {
    const { clock } = this.options
    const filled = ((clock.nowMs() - this.filledAtMs) * WRITES_PER_SECOND) / 1000
    this.tokens = Math.min(WRITE_BURST, this.tokens + filled) - 1
    this.filledAtMs = clock.nowMs()
    if (this.tokens >= 0) return
    await sleep(clock, (-this.tokens * 1000) / WRITES_PER_SECOND, this.stopping.signal)
  }

  private async write(series: Series): Promise<void> {
    const { clock } = this.options
    const { signal } = this.stopping
    for (let tries = 1; ; tries++) {
      const { count } = series
      const failure = await this.send(series, count)
      if (failure === null) {
        series.writtenCount = count
        series.writtenAtMs = clock.nowMs()
        this.counted.written++
        return
      }
      if (!isTransient(failure) || tries === TRIES_MAX || signal.aborted) {
        this.counted.dropped++
        const { status, reason, message: words } = failure
        const fields = { event: series.input.reason, status, reason, words }
        return this.options.log.debug('An event could not be written', fields)
      }
      await sleep(clock, Math.max(RETRY_MS * tries, failure.retryAfterMs ?? 0), signal)
    }
  }

  /** Null when the API server has it. */
  private async send(series: Series, count: number): Promise<KubeFailure | null> {
    const { client } = this.options
    const { signal } = this.stopping
    if (series.writtenCount > 0) {
      const { namespace, name } = series
      const patch = { series: this.seriesField(series, count) }
      const patched = await client.mergePatch(kinds.event, { namespace, name }, patch, { signal })
      if (patched.ok) return null
      // Events live for an hour, and an administrator may delete them: begin anew.
      if (patched.failure.status !== 404) return patched.failure
      series.writtenCount = 0
    }
    const created = await client.create(kinds.event, this.eventOf(series, count), { signal })
    // An earlier try went through without an answer.
    if (created.ok || created.failure.reason === 'AlreadyExists') return null
    return created.failure
  }

  private seriesField(series: Series, count: number): Record<string, unknown> {
    return { count, lastObservedTime: microTime(series.lastWallMs) }
  }

  private eventOf(series: Series, count: number): KubeObject {
    const { reportingController, reportingInstance } = this.options
    const { regarding, input } = series
    const { namespace, name, uid, resourceVersion } = regarding.metadata
    return {
      metadata: { name: series.name, namespace: series.namespace },
      eventTime: microTime(series.firstWallMs),
      reportingController,
      reportingInstance,
      type: input.type,
      reason: input.reason,
      action: input.action,
      note: input.note,
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        namespace,
        name,
        uid,
        resourceVersion,
      },
      ...(count > 1 && { series: this.seriesField(series, count) }),
    }
  }
}

/** At most {@link NOTE_BYTES_MAX} bytes, and no half of a character. */
function cut(note: string): string {
  const bytes = Buffer.from(note)
  if (bytes.length <= NOTE_BYTES_MAX) return note
  let end = NOTE_BYTES_MAX - 3
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return `${bytes.subarray(0, end).toString('utf8')}…`
}
