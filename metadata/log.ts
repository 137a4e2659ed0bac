import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { ObjectStore } from '../object-store/store.ts'
import type { AppliedDelta } from './applied.ts'
import { AppliedState } from './applied.ts'
import type { AppendResult } from './appender.ts'
import { Appender } from './appender.ts'
import { CatchUp } from './catch-up.ts'
import { LogStopped } from './errors.ts'
import type { BatchLimits, Propose } from './evaluate.ts'
import { GROUP_LIMITS } from './evaluate.ts'
import type { Image } from './image.ts'
import type { LogContext } from './log-context.ts'
import { persistently } from './log-context.ts'
import { LogReader } from './log-reader.ts'
import type { MetadataRecord } from './records.ts'
import { Subscribers } from './subscribers.ts'
import { Tail } from './tail.ts'
import { trimLog, writeSnapshot } from './trim.ts'

export interface MetadataLogOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** 0 for a writer without a node: the operator, or a process before its registration. */
  readonly writerNodeId?: number
  /** How often the tail looks for news that nobody told of. */
  readonly pollMs?: number
  readonly limits?: BatchLimits
}

const POLL_MS = 1_000

/**
 * The cluster's metadata: a log of batches in the bucket, each created only if absent, and the
 * image folded from it (design §3, protocol.md R10). Every process of the cluster has one.
 */
export class MetadataLog {
  /** Changes once the process is registered as a node. */
  writerNodeId: number
  private readonly context: LogContext
  private readonly reader: LogReader
  private readonly applied = new AppliedState()
  private readonly catchingUp: CatchUp
  private readonly appender: Appender
  private readonly tail: Tail
  private readonly abort = new AbortController()
  private readonly appended = new Subscribers<AppendResult>()

  constructor(options: MetadataLogOptions) {
    const { store, clock, random, logger } = options
    const { signal } = this.abort
    this.writerNodeId = options.writerNodeId ?? 0
    const context: LogContext = {
      store,
      clock,
      random,
      logger,
      signal,
      createOptions: {
        clock,
        random,
        signal,
        onRetry: (retry) => {
          logger.warn('cannot write the metadata log, trying again', { ...retry })
        },
      },
      writerNodeId: () => this.writerNodeId,
    }
    this.context = context
    this.reader = new LogReader(store)
    const { reader, applied } = this
    this.catchingUp = new CatchUp({ clock, reader, applied, signal })
    const catchUp = this.catchingUp
    this.appender = new Appender({
      context,
      reader,
      applied,
      catchUp,
      limits: options.limits ?? GROUP_LIMITS,
      onAppended: (result) => this.appended.tell(result),
    })
    this.tail = new Tail(context, catchUp, options.pollMs ?? POLL_MS)
  }

  /**
   * Reads the newest snapshot and the log after it. In an empty bucket the first batch is appended,
   * with the cluster record that `firstRecords` makes; without it the image stays empty. Waits for
   * a store in trouble; throws StoreError where waiting does not help, and may be called again.
   */
  async open(firstRecords?: () => readonly MetadataRecord[]): Promise<void> {
    if (this.seq === 0) await persistently(this.context, () => this.catchingUp.reload(0))
    await persistently(this.context, () => this.catchingUp.run())
    if (this.seq > 0 || !firstRecords) return
    await this.append(({ scalars }) => (scalars.clusterId === null ? firstRecords() : null))
  }

  /** The image at {@link seq}: one object for ever, only to be read. */
  get image(): Image {
    return this.applied.image
  }

  /** The last batch applied; 0 in an empty bucket. */
  get seq(): number {
    return this.applied.seq
  }

  /** Null before the cluster's first batch is read. */
  get clusterId(): string | null {
    return this.applied.image.scalars.clusterId
  }

  /**
   * When (clock.nowMs) the last read that found the head began: the image holds everything that was
   * durable then. -Infinity before the first. A node whose image is too old stops serving.
   */
  get headConfirmedAtMs(): number {
    return this.catchingUp.headConfirmedAtMs
  }

  /**
   * Resolves once the image holds everything that was durable at the time of the call. Throws
   * StoreError, or LogStopped.
   */
  catchUp(): Promise<void> {
    return this.catchingUp.run()
  }

  /**
   * Appends what `propose` says, once: together with other proposals, after the image of the head.
   * Resolves after the records are durable and applied, or once the head shows that there is
   * nothing to do. Waits for a store in trouble. Rejects with what `propose` throws, with
   * MetadataInvariantError, ProposalTooLarge, LogStopped or StoreError: not appended; with
   * AppendUnknown: nobody knows.
   */
  append(propose: Propose): Promise<AppendResult> {
    if (this.abort.signal.aborted) return Promise.reject(new LogStopped())
    return this.appender.append(propose)
  }

  /** Calls `callback` after each change of the image, in order. Returns the way to end that. */
  onApplied(callback: (delta: AppliedDelta) => void): () => void {
    return this.applied.subscribe(callback)
  }

  /** Calls `callback` after each batch that this process appended, once it is applied. */
  onAppended(callback: (result: AppendResult) => void): () => void {
    return this.appended.add(callback)
  }

  /** Follows the log from now on, by polling. */
  start(): void {
    this.tail.start()
  }

  /** Somebody says that there is news: the tail reads at once. */
  poke(): void {
    this.tail.poke()
  }

  /** Writes a snapshot of the image and returns its seq. Throws StoreError. */
  snapshot(): Promise<number> {
    return writeSnapshot(this.context, this.applied)
  }

  /**
   * Deletes old batches and snapshots, below the newest snapshot and at least `keepBatches` below
   * the head. Safe beside others that trim. Returns the lowest seq left. Throws StoreError.
   */
  trim(options: { keepBatches: number }): Promise<number> {
    return trimLog(this.context, this.reader, options)
  }

  /** Ends the tail and all calls under way. The image stays as it is from then on. */
  async stop(): Promise<void> {
    this.abort.abort(new LogStopped())
    await Promise.all([this.tail.stopped(), this.appender.stopped()])
  }
}
