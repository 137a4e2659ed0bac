import { pause } from '../../e2e/lib/wait.ts'
import { type Cell, untilAllRead } from '../lib/cell.ts'
import type { Session } from '../lib/session.ts'
import type { SessionSettings } from '../lib/session-protocol.ts'
import { runAdmin } from './admin.ts'
import { JOIN_MS_MAX, untilShared } from './groups.ts'
import { prepareSeek, seekByTime } from './records.ts'

/** Some clients send one record at a time here, and must keep up on a busy machine. */
const RECORDS_PER_SECOND = 40

/** Does something to the cluster, above all to what carries `topics`. */
export type Disturbance = (topics: readonly string[]) => Promise<void>

export interface TrafficOptions {
  /** By its place among the client's: those that beside the steady producer follow each other. */
  readonly firstCodec?: number
  /** The first round whose seeks and admin calls come over TLS, as all of the later ones do. */
  readonly secureFromRound?: number
  /** The group's partitions change hands without that all stop, where the client has such. */
  readonly isCooperative?: boolean
}

/**
 * What clients do at once while a scenario disturbs the cluster. All the time an idempotent producer
 * writes and a group of two reads, one of them over TLS and, where the client has such, a static
 * member. Beside that, by rounds: another idempotent producer comes over TLS, with the next codec; a
 * third member joins or leaves; a consumer seeks by time, or else the admin part makes, changes and
 * deletes things while the static member dies and comes back under its name.
 */
export class Traffic {
  private readonly cell: Cell
  private readonly options: TrafficOptions
  private readonly steady: Session
  private residents: readonly [Session, Session]
  private visitor: Session | null = null
  /** All that ever were. */
  private readonly producers: Session[]
  private readonly consumers: Session[]
  private roundCount = 0

  private constructor(
    cell: Cell,
    options: TrafficOptions,
    sessions: { steady: Session; residents: readonly [Session, Session] },
  ) {
    const { steady, residents } = sessions
    this.cell = cell
    this.options = options
    this.steady = steady
    this.residents = residents
    this.producers = [steady]
    this.consumers = [...residents]
  }

  static async start(cell: Cell, options: TrafficOptions = {}): Promise<Traffic> {
    await cell.createTopic()
    const steady = await cell.producer({ idempotent: true })
    steady.run(RECORDS_PER_SECOND)
    const residents = await Promise.all([
      cell.consumer(ofMember(cell, options)),
      cell.consumer(ofResident(cell, options)),
    ])
    await untilShared(residents)
    const traffic = new Traffic(cell, options, { steady, residents })
    await traffic.flows()
    return traffic
  }

  async round(disturb: Disturbance): Promise<void> {
    const { cell, options } = this
    const round = this.roundCount++
    const codecs = cell.client.codecs
    const codec = codecs[((options.firstCodec ?? 0) + round) % codecs.length] ?? 'none'
    const name = `${codec}-${round}`
    const second = await cell.producer({ name, idempotent: true, codec, ...cell.place.secure() })
    this.producers.push(second)
    second.run(RECORDS_PER_SECOND)
    const part = cell.part(String(round), round >= (options.secureFromRound ?? Infinity))
    const isSeeking = round % 2 === 0
    const firstMs = isSeeking ? await prepareSeek(part) : 0
    const beside = isSeeking ? seekByTime(part, firstMs) : runAdmin(part)
    const topics = isSeeking ? [cell.topic, part.topic] : [cell.topic]
    const goesLater = cell.settleMs > 0 && this.visitor !== null
    const changes = [
      ...(!isSeeking && hasStatic(cell) ? [this.restartStatic()] : []),
      ...(goesLater ? [] : [this.comeOrGo()]),
    ]
    await allWell([disturb(topics), beside, ...changes])
    if (goesLater) {
      await pause(cell.settleMs)
      await this.comeOrGo()
    }
    await untilShared(this.members)
    await second.finish()
    await this.flows()
  }

  /** It dies without a word, and has its share when it comes back. */
  private async restartStatic(): Promise<void> {
    const { cell, options } = this
    const [first, old] = this.residents
    await old.kill()
    const again = await cell.consumer(ofResident(cell, options))
    this.residents = [first, again]
    this.consumers.push(again)
    await again.until('it has a share again', () => again.assigned.size > 0, JOIN_MS_MAX)
  }

  private get members(): readonly Session[] {
    return this.visitor === null ? this.residents : [...this.residents, this.visitor]
  }

  private async comeOrGo(): Promise<void> {
    const { visitor } = this
    if (visitor !== null) {
      this.visitor = null
      await visitor.finish()
      return
    }
    this.visitor = await this.cell.consumer(ofMember(this.cell, this.options))
    this.consumers.push(this.visitor)
  }

  /** Waits until what is written from now on is read. */
  async flows(): Promise<void> {
    const { steady, consumers } = this
    const count = (): number => consumers.reduce((sum, { records }) => sum + records.length, 0)
    const readGoal = count() + RECORDS_PER_SECOND
    const ackGoal = steady.acked.length + RECORDS_PER_SECOND
    const isThere = (): boolean => {
      for (const each of consumers) each.checkFailures()
      return count() >= readGoal && steady.acked.length >= ackGoal
    }
    await steady.until('records flow', isThere, JOIN_MS_MAX).catch((error: Error) => {
      const reads = consumers.map(({ records }) => records.length).join('+')
      const goals = `${steady.acked.length} of ${ackGoal} acknowledged, ${reads} of ${readGoal} read`
      throw new Error(`${error.message}: ${goals}`)
    })
  }

  /** Ends all in order, and holds what was written and read against what is there. */
  async finish(): Promise<void> {
    const { steady, members, producers, consumers } = this
    await steady.finish()
    await untilAllRead(producers, consumers)
    await pause(this.cell.settleMs)
    for (const each of members) await each.finish()
    await this.cell.checkAll(producers, consumers)
  }
}

function hasStatic({ client }: Cell): boolean {
  return client.cannot['static-members'] === undefined
}

function ofMember({ client }: Cell, options: TrafficOptions): Partial<SessionSettings> {
  const isCooperative = options.isCooperative === true && client.cannot['cooperative'] === undefined
  return isCooperative ? { isCooperative } : {}
}

/** The member that is static, where the client has such. */
function ofResident(cell: Cell, options: TrafficOptions): Partial<SessionSettings> {
  const named = hasStatic(cell) ? { instanceId: `${cell.topic}-static` } : {}
  return { ...ofMember(cell, options), ...named, ...cell.place.secure() }
}

/** Waits for all, also when one fails: nothing may go on behind the back of what comes next. */
async function allWell(parts: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(parts)
  const reasons = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
  if (reasons.length > 0) {
    throw new Error(reasons.map(({ message }: Error) => message).join('; '))
  }
}
