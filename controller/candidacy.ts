import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { NodeEntry } from '../metadata/image.ts'
import type { MetadataLog } from '../metadata/log.ts'
import { type PingFailure, soundsIsolated } from './liveness.ts'
import { type PingReply, type PingRequest, pingRestMs, type PingSettings } from './ping.ts'

/** So many of the other nodes are asked, at most, before a quiet holder is replaced. */
const WITNESSES_MAX = 8
/** Candidates behind this many others wait no longer than these. */
const RANK_MAX = 10
/**
 * Brokers give an operator that says nothing so long (design §1). It looks after many clusters, and
 * its successor comes within a moment where there are two of them: a broker need not be in between.
 */
const OPERATOR_SILENCE_MS = 5_000
/** An operator that was replaced takes the controller again after so long, later each time. */
const RETAKE_MS = { first: 1_000, last: 60_000 }

/** What is to be made of a holder that has gone quiet. */
type Verdict = 'stays' | 'gone' | 'refuses'

export interface CandidacyOptions {
  readonly log: MetadataLog
  readonly clock: Clock
  readonly logger: Logger
  readonly holder: string
  readonly nodeId: number | null
  readonly settings: PingSettings & { readonly leaseSilenceMs: number }
  readonly ping: (node: NodeEntry, request: PingRequest) => Promise<PingReply>
  readonly isCandidate: () => boolean
  /** After so long a quiet even one that hears nobody takes the controller. */
  readonly isolatedSilenceMsMax: number
  /** Aborted when the process ends. */
  readonly signal: AbortSignal
  /** The controller is this process's now; the node that had it may have refused to be asked. */
  readonly onTaken: (refusing: NodeEntry | null) => void
}

/** Takes the controller when its holder has gone quiet, by a record in the metadata log. */
export class Candidacy {
  private readonly options: CandidacyOptions
  /** Nobody was heard yet: whoever comes first to a cluster without controller asks at once. */
  private heardAtMs = Number.NEGATIVE_INFINITY
  private isAsking = false
  /** Of an operator: when it took the controller that it has or had last, and how long it waits. */
  private tookAtMs: number | null = null
  private retakeMs = 0

  constructor(options: CandidacyOptions) {
    this.options = options
  }

  /** A ping came from whoever holds the controller. */
  heard(request: PingRequest): void {
    const current = this.options.log.image.scalars.controller
    // A ping of an older term comes from one that does not know yet that it was replaced.
    if (current === null || request.term >= current.term) this.hears()
  }

  /** Nothing is to be done now: this process holds the controller, or has just heard who does. */
  hears(): void {
    this.heardAtMs = this.options.clock.nowMs()
  }

  /** This process itself did not run for `stalledMs`, and could hear nobody. */
  excuse(stalledMs: number): void {
    this.heardAtMs += stalledMs
  }

  /** Called from time to time while somebody else holds the controller, or nobody. */
  look(): void {
    const { isCandidate, nodeId } = this.options
    if (!isCandidate() || this.isAsking) return
    if (nodeId === null) this.lookAsOperator()
    else this.lookAsNode()
  }

  private lookAsNode(): void {
    const { log, clock, settings } = this.options
    const current = log.image.scalars.controller
    const isOperator = current !== null && current.nodeId === null
    // Who is new has not been asked yet, and an operator that lives asks within a moment.
    if (isOperator && this.heardAtMs === Number.NEGATIVE_INFINITY) this.hears()
    const holder =
      current?.nodeId === null || current === null ? null : log.image.nodes.get(current.nodeId)
    const gone = current === null || holder === undefined || holder?.state === 'sealed'
    const quietMs = clock.nowMs() - this.heardAtMs
    const restMs = pingRestMs(log.image.nodes.size, settings)
    const silenceMs = (isOperator ? OPERATOR_SILENCE_MS : settings.leaseSilenceMs) + restMs
    // Candidates come one after the other, so that mostly the first one succeeds alone.
    const patienceMs = (gone ? 0 : silenceMs) + this.rank() * settings.tickMs
    if (quietMs < patienceMs) return
    const isPatient = quietMs < this.options.isolatedSilenceMsMax
    this.ask(gone ? Promise.resolve('gone') : this.judge(holder ?? null, isPatient), holder ?? null)
  }

  /**
   * The operator comes before brokers, however well one of them does: it sees pods, too. Only while
   * it hears nobody it leaves the controller to those who hear each other.
   */
  private lookAsOperator(): void {
    const { log, clock } = this.options
    if (this.tookAtMs !== null) {
      const ledMs = this.heardAtMs - this.tookAtMs
      const { first, last } = RETAKE_MS
      this.retakeMs = ledMs >= last ? first : Math.min(last, Math.max(first, this.retakeMs * 2))
      this.tookAtMs = null
    }
    if (clock.nowMs() - this.heardAtMs < this.retakeMs) return
    const holderId = log.image.scalars.controller?.nodeId ?? null
    const holder = holderId === null ? null : (log.image.nodes.get(holderId) ?? null)
    this.ask(this.hearsOthers(), holder)
  }

  private ask(asked: Promise<Verdict>, holder: NodeEntry | null): void {
    const term = this.options.log.image.scalars.controller?.term ?? 0
    this.isAsking = true
    void asked
      .then(async (verdict) => {
        if (verdict === 'stays' || !(await this.take(term))) return
        this.tookAtMs = this.options.clock.nowMs()
        this.options.onTaken(verdict === 'refuses' ? holder : null)
      })
      .finally(() => {
        this.isAsking = false
      })
  }

  private async hearsOthers(): Promise<Verdict> {
    const said = await Promise.all(this.witnesses(null).map((node) => this.question(node)))
    const countOf = (what: string): number => said.filter((each) => each === what).length
    return soundsIsolated(countOf('answered'), countOf('no-answer')) ? 'stays' : 'gone'
  }

  /** 0 for the lowest living node id, and so on. */
  private rank(): number {
    let rank = 0
    for (const node of this.options.log.image.nodes.values()) {
      if (node.state !== 'sealed' && node.nodeId < (this.options.nodeId ?? 0)) rank++
    }
    return Math.min(rank, RANK_MAX)
  }

  /** Some of the other nodes, without the holder. */
  private witnesses(holder: NodeEntry | null): NodeEntry[] {
    const { log, nodeId } = this.options
    const others: NodeEntry[] = []
    for (const node of log.image.nodes.values()) {
      const isOther = node.state !== 'sealed' && node.nodeId !== nodeId && node !== holder
      if (isOther && others.length < WITNESSES_MAX) others.push(node)
    }
    return others
  }

  /**
   * Asks a holder that has gone quiet, and some of the others: whoever hears none of them is cut off
   * itself, and would only be in the way of those that are not. The operator (null) is not asked.
   */
  private async judge(holder: NodeEntry | null, isPatient: boolean): Promise<Verdict> {
    const others = this.witnesses(holder)
    const witnesses = Promise.all(others.map((node) => this.question(node)))
    const holderSays = holder === null ? 'no-answer' : await this.question(holder)
    if (holderSays === 'answered') {
      this.hears()
      return 'stays'
    }
    const said = [holderSays, ...(await witnesses)]
    const countOf = (what: string): number => said.filter((each) => each === what).length
    if (isPatient && soundsIsolated(countOf('answered'), countOf('no-answer'))) return 'stays'
    return holderSays === 'refused' ? 'refuses' : 'gone'
  }

  private question(node: NodeEntry): Promise<PingFailure | 'answered'> {
    return this.options.ping(node, { holder: '', term: -1 }).then(
      () => 'answered',
      (error: { failure?: PingFailure }) => error.failure ?? 'no-answer',
    )
  }

  private async take(term: number): Promise<boolean> {
    const { log, logger, nodeId, holder, signal } = this.options
    try {
      const { records } = await log.append((image) => {
        const current = image.scalars.controller
        if ((current?.term ?? 0) !== term) return null
        const isGone = nodeId !== null && (image.nodes.get(nodeId)?.state ?? 'sealed') === 'sealed'
        if (isGone) return null
        return [{ type: 'controller', holder, nodeId, term: term + 1 }]
      })
      this.hears()
      if (records.length > 0) logger.info('this process is the controller now', { term: term + 1 })
      return records.length > 0
    } catch (error) {
      if (!signal.aborted) logger.warn('the controller could not be taken', { error })
      return false
    }
  }
}
