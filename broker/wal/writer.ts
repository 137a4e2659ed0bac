import { assert, present } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { walKey } from '../../metadata/keys.ts'
import { type CreateOutcome, createDecided } from '../../object-store/create.ts'
import { objectKind } from '../../object-store/header.ts'
import { bodyBytes, type ObjectStore } from '../../object-store/store.ts'
import { encodeFence, LogObjectBuilder } from './log-object.ts'

/** Something that has bytes for the WAL; to the writer it is opaque. */
export interface WalSource {
  /**
   * Puts everything that waits into the object being built. Called in the same synchronous step
   * that fixes the object's place in the WAL, so what is put in now is ordered behind all before.
   */
  cut(builder: LogObjectBuilder, seq: number): WalCut | null
}

/** What a source put into one object. */
export interface WalCut {
  /** The object, and every one before it, is durable. */
  durable(): void
}

export interface WalSettings {
  /** So long an object waits for more in any case, unless it is full: each PUT has its price. */
  readonly lingerMsMin: number
  /** A busy node waits this long at most before it writes what it has. */
  readonly lingerMsMax: number
  /** An object is cut at this size. */
  readonly objectBytesTarget: number
  readonly putsInFlightMax: number
}

export const DEFAULT_WAL_SETTINGS: WalSettings = {
  lingerMsMin: 0,
  lingerMsMax: 250,
  objectBytesTarget: 8 * 1024 * 1024,
  putsInFlightMax: 8,
}

/** How often a writer that waits for more looks again. */
const LOOK_MS = 1
/** After so many looks without a new byte, a busy writer stops waiting for an object to fill. */
const QUIET_LOOKS = 8

interface PutInFlight {
  readonly seq: number
  readonly bytes: number
  readonly cuts: WalCut[]
  done: boolean
}

export interface WalObserver {
  /**
   * A PUT was answered, and what that made durable is acknowledged. `waitMs`: first byte to PUT;
   * `putMs`: PUT to its answer.
   */
  objectDurable(
    seq: number,
    measured: { bytes: number; indexBytes: number; waitMs: number; putMs: number },
  ): void
}

export interface WalWriterOptions {
  readonly nodeId: number
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly settings: WalSettings
  readonly observer: WalObserver
  /** Another writer ended this WAL: nothing may be acknowledged any more. */
  readonly onFenced: (seq: number) => void
  /** The store refuses in a way that no repetition mends. */
  readonly onFault: (error: unknown) => void
}

/**
 * One node's write-ahead log: packs what waits into log objects, has several PUTs in flight, and
 * calls them durable strictly in key order (design §4). It knows nothing of partitions.
 *
 * Linger adapts. An idle node writes at once. While a PUT is under way, what arrives waits for its
 * end; while bytes arrive fast enough to fill an object within the linger, the object is filled. Who
 * pays for PUTs can have it wait for a least time always (decision 2).
 */
export class WalWriter {
  /** The next seq to be written. */
  nextSeq = 0
  /** All objects below this seq are durable: in the bucket, and everything before them as well. */
  durableEnd = 0
  /** Bytes handed to the writer that are not durable yet. */
  backlogBytes = 0

  private readonly sources = new Set<WalSource>()
  private waitingBytes = 0
  /** What was waiting at the last look: unchanged, it was quiet since then. */
  private lookedAtBytes = 0
  private quietLooks = 0
  private waitingSinceMs = 0
  private timer: Timer | null = null
  private readonly inFlight: PutInFlight[] = []
  private idleWaiters: (() => void)[] = []
  private readonly abort = new AbortController()
  private stopped = false

  private readonly options: WalWriterOptions

  constructor(options: WalWriterOptions) {
    const { lingerMsMin, lingerMsMax, objectBytesTarget, putsInFlightMax } = options.settings
    assert(lingerMsMin >= 0, 'nothing lingers less than not at all')
    assert(
      lingerMsMin <= lingerMsMax,
      'an object lingers no less than it must, and no more than it may',
    )
    // An object of nothing would always be full, and be written again and again.
    assert(objectBytesTarget > 0 && putsInFlightMax > 0, 'objects have bytes, and may be written')
    this.options = options
  }

  /** Tells the writer that `source` has `bytes` more. Asynchronous: the cut comes later. */
  enqueue(source: WalSource, bytes: number): void {
    if (this.stopped) return
    if (this.sources.size === 0) this.waitingSinceMs = this.options.clock.nowMs()
    this.sources.add(source)
    this.waitingBytes += bytes
    this.backlogBytes += bytes
    if (this.waitingBytes >= this.options.settings.objectBytesTarget) this.pump()
    else if (this.timer === null) this.lookLater(0)
  }

  /** While a PUT is under way its end makes the writer look anyway; only the linger may come first. */
  private lookLater(waitedMs: number): void {
    const { lingerMsMin, lingerMsMax } = this.options.settings
    const untilMs = this.inFlight.length === 0 ? lingerMsMin : lingerMsMax
    const delayMs = Math.max(LOOK_MS, untilMs - waitedMs)
    this.timer = this.options.clock.after(delayMs, this.onTimer)
  }

  /** Cuts what waits without lingering; for moves and shutdown. */
  flushSoon(): void {
    if (this.sources.size > 0 && this.inFlight.length < this.options.settings.putsInFlightMax) {
      this.cut()
    }
  }

  /** Resolves when everything enqueued so far is durable, or the writer has stopped. */
  whenIdle(): Promise<void> {
    if (this.stopped || (this.sources.size === 0 && this.inFlight.length === 0)) {
      return Promise.resolve()
    }
    this.flushSoon()
    return new Promise((resolve) => this.idleWaiters.push(resolve))
  }

  private readonly onTimer = (): void => {
    this.timer = null
    // Producers that wait for their answers send nothing more: waiting for them would be in vain.
    if (this.waitingBytes === this.lookedAtBytes) this.quietLooks++
    else this.quietLooks = 0
    this.lookedAtBytes = this.waitingBytes
    this.pump()
  }

  /** Decides whether it is time for the next object. Any event may call it. */
  private pump(): void {
    const { settings, clock } = this.options
    this.timer?.cancel()
    this.timer = null
    while (
      !this.stopped &&
      this.waitingBytes >= settings.objectBytesTarget &&
      this.inFlight.length < settings.putsInFlightMax
    ) {
      this.cut()
    }
    if (this.stopped || this.sources.size === 0) return
    if (this.inFlight.length >= settings.putsInFlightMax) return
    const waitedMs = clock.nowMs() - this.waitingSinceMs
    const idle = this.inFlight.length === 0
    // Bytes per millisecond at which an object fills within the linger.
    const busyRate = settings.objectBytesTarget / settings.lingerMsMax
    const filling = this.waitingBytes >= busyRate * Math.max(waitedMs, LOOK_MS)
    const isQuiet = idle && (this.quietLooks >= QUIET_LOOKS || !filling)
    const hasLingered = waitedMs >= (isQuiet ? settings.lingerMsMin : settings.lingerMsMax)
    if (hasLingered) this.cut()
    else this.lookLater(waitedMs)
  }

  private cut(): void {
    const { nodeId, random, clock } = this.options
    const seq = this.nextSeq++
    const identity = { nodeId, seq, nonce: random.bytes(16) }
    const builder = new LogObjectBuilder(identity)
    const cuts: WalCut[] = []
    const sources = [...this.sources]
    this.sources.clear()
    for (const source of sources) {
      const cut = source.cut(builder, seq)
      if (cut !== null) cuts.push(cut)
    }
    const put: PutInFlight = { seq, bytes: this.waitingBytes, cuts, done: false }
    this.waitingBytes = 0
    this.lookedAtBytes = 0
    this.quietLooks = 0
    this.inFlight.push(put)
    const measured = { waitMs: clock.nowMs() - this.waitingSinceMs, startMs: clock.nowMs() }
    const body = builder.finish(identity)
    const signal = this.abort.signal
    const settled = (result: CreateOutcome): void => {
      if (this.stopped) return
      if (result.outcome === 'lost') {
        this.fenced(seq, result.winner.kind)
        return
      }
      put.done = true
      const putMs = clock.nowMs() - measured.startMs
      this.acknowledge()
      // Only now: whoever waits for room must see what this object made, it may be the last one.
      this.options.observer.objectDurable(seq, {
        bytes: bodyBytes(body),
        indexBytes: body[body.length - 2]?.byteLength ?? 0,
        waitMs: measured.waitMs,
        putMs,
      })
      this.pump()
    }
    createDecided(this.options.store, walKey(nodeId, seq), body, { clock, random, signal })
      .then(settled)
      .catch((error: unknown) => {
        if (!this.stopped) this.options.onFault(error)
      })
  }

  /** Hands out durability strictly in key order: a gap below ends the WAL for a taker (key-order). */
  private acknowledge(): void {
    while (this.inFlight[0]?.done) {
      const put = present(this.inFlight.shift(), 'the oldest PUT')
      assert(put.seq === this.durableEnd, 'objects become durable in key order')
      this.durableEnd = put.seq + 1
      this.backlogBytes -= put.bytes
      for (const cut of put.cuts) cut.durable()
    }
    if (this.inFlight.length === 0 && this.sources.size === 0) this.wakeIdle()
    else if (this.idleWaiters.length > 0) this.flushSoon()
  }

  private fenced(seq: number, winnerKind: number): void {
    assert(winnerKind === objectKind.walFence, `object ${seq} of our own WAL is somebody else's`)
    this.stop()
    this.options.onFenced(seq)
  }

  private wakeIdle(): void {
    const waiters = this.idleWaiters
    this.idleWaiters = []
    for (const resolve of waiters) resolve()
  }

  /** Ends writing. PUTs in flight may still land; nothing is acknowledged from now on. */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.timer = null
    this.abort.abort()
    this.wakeIdle()
  }

  /**
   * Ends the WAL by our own hand once it is idle: writes the fence at the next seq, so that no
   * taker has to. Returns the sealed end.
   */
  async seal(): Promise<number> {
    assert(this.sources.size === 0 && this.inFlight.length === 0, 'only an idle WAL is sealed')
    const { nodeId, store, clock, random } = this.options
    const seq = this.nextSeq
    this.stopped = true
    const identity = { nodeId, seq, nonce: random.bytes(16) }
    const result = await createDecided(store, walKey(nodeId, seq), encodeFence(identity), {
      clock,
      random,
    })
    if (result.outcome === 'lost') {
      assert(result.winner.kind === objectKind.walFence, 'only a fence can be at our next seq')
    }
    return seq
  }
}
