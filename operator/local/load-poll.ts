import type { Clock, Timer } from '../../base/clock.ts'
import { fetchLoad } from '../brokers/broker-load.ts'
import type { Fleet } from './fleet.ts'
import type { FleetMember } from './fleet-member.ts'

const POLL_MS = 1000

export interface LoadPollOptions {
  readonly clock: Clock
  readonly fleet: Fleet
  /** A broker took over this many partitions since it was last asked. */
  readonly onMoves: (moves: { readonly count: number; readonly lastMs: number | null }) => void
}

/** Asks every broker for its load, once a second, and tells the fleet. */
export class LoadPoll {
  private readonly options: LoadPollOptions
  private readonly asking = new Set<FleetMember>()
  /** Entries go with their member. */
  private readonly movesSeen = new WeakMap<FleetMember, number>()
  private timer: Timer

  constructor(options: LoadPollOptions) {
    this.options = options
    this.timer = options.clock.after(POLL_MS, () => this.poll())
  }

  close(): void {
    this.timer.cancel()
  }

  private poll(): void {
    const { clock, fleet } = this.options
    this.timer = clock.after(POLL_MS, () => this.poll())
    for (const member of fleet.members) {
      // One question at a time: a broker that hangs must not collect connections.
      if (member.addresses !== null && !this.asking.has(member)) void this.ask(member)
    }
  }

  private async ask(member: FleetMember): Promise<void> {
    const { clock, fleet } = this.options
    if (member.addresses === null) return
    this.asking.add(member)
    const load = await fetchLoad(member.addresses.admin, clock)
    this.asking.delete(member)
    const count = (load?.movesIn ?? 0) - (this.movesSeen.get(member) ?? 0)
    if (load !== null && count > 0) {
      this.movesSeen.set(member, load.movesIn)
      this.options.onMoves({ count, lastMs: load.movesMsLast ?? null })
    }
    fleet.setLoad(member, load)
  }
}
