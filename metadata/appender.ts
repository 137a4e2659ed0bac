import { InvariantError } from '../base/assert.ts'
import { sleep } from '../base/clock.ts'
import type { Backoff } from '../object-store/backoff.ts'
import { backoffMs } from '../object-store/backoff.ts'
import { createDecided } from '../object-store/create.ts'
import type { AppliedState } from './applied.ts'
import type { EncodedRecords } from './batch.ts'
import { encodeBatch } from './batch.ts'
import type { CatchUp } from './catch-up.ts'
import { AppendUnknown, LogStopped } from './errors.ts'
import type { BatchLimits, Evaluated, Propose } from './evaluate.ts'
import { evaluate } from './evaluate.ts'
import { corrupt } from './framing.ts'
import { metadataLogKey } from './keys.ts'
import type { LogContext } from './log-context.ts'
import { persistently } from './log-context.ts'
import type { LogReader } from './log-reader.ts'
import type { MetadataRecord } from './records.ts'

/** Others keep winning: spread out, so that somebody gets through at the first try. */
const LOST: Backoff = { firstMs: 5, lastMs: 500 }

export interface AppendResult {
  /** The batch with the records; without records, the seq at which there was nothing to do. */
  readonly seq: number
  readonly records: readonly MetadataRecord[]
}

interface Waiting {
  readonly propose: Propose
  readonly resolve: (result: AppendResult) => void
  readonly reject: (error: unknown) => void
}

/** What a round's create came to: part of the log at its seq, or of no log at all. */
type Written = 'written' | 'lost'

/** Appends proposals to the log: those that wait go into one batch, one batch at a time. */
export class Appender {
  private readonly context: LogContext
  private readonly reader: LogReader
  private readonly applied: AppliedState
  private readonly catchUp: CatchUp
  private readonly limits: BatchLimits
  private readonly onAppended: (result: AppendResult) => void
  private readonly waiting: Waiting[] = []
  private pumping: Promise<void> | null = null

  constructor(parts: {
    context: LogContext
    reader: LogReader
    applied: AppliedState
    catchUp: CatchUp
    limits: BatchLimits
    onAppended: (result: AppendResult) => void
  }) {
    this.context = parts.context
    this.reader = parts.reader
    this.applied = parts.applied
    this.catchUp = parts.catchUp
    this.limits = parts.limits
    this.onAppended = parts.onAppended
  }

  append(propose: Propose): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ propose, resolve, reject })
      this.pumping ??= this.pump()
    })
  }

  /** Resolves once nothing is under way; the log's signal has been aborted before. */
  async stopped(): Promise<void> {
    await this.pumping
  }

  private async pump(): Promise<void> {
    // Whatever is proposed in the same turn of the event loop goes into one batch.
    await null
    let lostCount = 0
    while (this.waiting.length > 0) {
      if (this.context.signal.aborted) {
        for (const { reject } of this.waiting.splice(0)) reject(new LogStopped())
        break
      }
      const isDone = await this.round()
      lostCount = isDone ? 0 : lostCount + 1
      if (lostCount < 2) continue
      const { clock, random, signal } = this.context
      await sleep(clock, backoffMs(LOST, lostCount - 1, random), signal)
    }
    this.pumping = null
  }

  /** Evaluates, writes, settles. False when another writer was faster: then nothing is settled. */
  private async round(): Promise<boolean> {
    const { applied, waiting } = this
    const seq = applied.seq
    const proposals = waiting.map(({ propose }) => propose)
    const outcomes = evaluate(applied.image, proposals, this.limits)
    const parts = outcomes.flatMap((outcome) =>
      outcome.kind === 'records' ? [outcome.encoded] : [],
    )
    try {
      if (parts.length === 0) {
        // Refusals, too, hold only on the image of the head.
        await this.readToHead()
        if (applied.seq !== seq) return false
      } else if ((await this.write(seq + 1, parts)) === 'lost') return false
    } catch (error) {
      this.fail(outcomes, error)
      return true
    }
    this.settle(outcomes, parts.length > 0 ? seq + 1 : seq)
    return true
  }

  /**
   * Writes the batch and finds out whether it is part of the log. In any case the image has moved
   * on afterwards. Throws {@link AppendUnknown}, and StoreError `corrupt`.
   */
  private async write(seq: number, parts: readonly EncodedRecords[]): Promise<Written> {
    const { applied, context } = this
    const nonce = context.random.bytes(16)
    const identity = { nodeId: context.writerNodeId(), seq, nonce }
    const body = encodeBatch(identity, parts)
    const startedAtMs = context.clock.nowMs()
    try {
      const key = metadataLogKey(seq)
      const { outcome } = await createDecided(context.store, key, body, context.createOptions)
      if (outcome === 'written') {
        // R10: a key below the boundary can be created again, but is no part of the log.
        const boundary = await persistently(context, () => this.reader.readBoundary())
        if (boundary <= seq && applied.seq === seq - 1) {
          const records = parts.flatMap((part) => part.records)
          applied.apply({ seq, nonce, records })
          // It was the head when it landed.
          this.catchUp.confirmHead(startedAtMs)
          return 'written'
        }
      }
      if (applied.seq < seq) await this.readToHead()
    } catch (error) {
      if (error instanceof InvariantError) throw error
      throw new AppendUnknown(`whether batch ${seq} was written is unknown`, { cause: error })
    }
    return this.fate(seq, nonce)
  }

  /** Whose batch the log has at `seq`: after a trim only the nonces can tell (R10). */
  private fate(seq: number, nonce: Buffer): Written {
    const { applied } = this
    if (applied.seq < seq) throw corrupt(metadataLogKey(seq), 'it was there and has vanished')
    const winner = applied.nonces.at(seq)
    if (winner === null) {
      throw new AppendUnknown(`whether batch ${seq} was written is forgotten by now`)
    }
    return winner.equals(nonce) ? 'written' : 'lost'
  }

  private readToHead(): Promise<void> {
    return persistently(this.context, () => this.catchUp.run())
  }

  private settle(outcomes: readonly Evaluated[], seq: number): void {
    const settled = this.waiting.splice(0, outcomes.length)
    const appended: MetadataRecord[] = []
    for (const [index, outcome] of outcomes.entries()) {
      const proposal = settled[index] as Waiting
      if (outcome.kind === 'rejected') proposal.reject(outcome.error)
      else if (outcome.kind === 'nothing') proposal.resolve({ seq, records: [] })
      else {
        const { records } = outcome.encoded
        proposal.resolve({ seq, records })
        for (const record of records) appended.push(record)
      }
    }
    if (appended.length > 0) this.onAppended({ seq, records: appended })
  }

  private fail(outcomes: readonly Evaluated[], error: unknown): void {
    const failed = this.waiting.splice(0, outcomes.length)
    // What had no part in the batch is not unknown: it gets another round.
    const isAnotherTry = (index: number): boolean =>
      error instanceof AppendUnknown && outcomes[index]?.kind !== 'records'
    this.waiting.unshift(...failed.filter((_, index) => isAnotherTry(index)))
    for (const [index, { reject }] of failed.entries()) if (!isAnotherTry(index)) reject(error)
  }
}
