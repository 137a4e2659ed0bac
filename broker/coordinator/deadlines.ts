import type { Clock, Timer } from '../../base/clock.ts'

/** Deadlines fire up to this much late: sessions and rebalances are counted in seconds. */
const TICK_MS = 50
/**
 * When this process did not run for so long (it was paused, or a collection of garbage), heartbeats
 * may lie unread in its sockets: they are read before anybody is called dead.
 */
const PAUSE_MS = 1_000

const NO_SLOT = -1

/** A moment at which something happens unless it is put off. Made by {@link Deadlines}. */
export class Deadline {
  atMs = Number.POSITIVE_INFINITY
  slot = NO_SLOT
  readonly expired: () => void
  private readonly owner: Deadlines

  constructor(owner: Deadlines, expired: () => void) {
    this.owner = owner
    this.expired = expired
  }

  /** Fires once, `delayMs` from now; whatever was set before does not count any more. */
  set(delayMs: number): void {
    this.owner.schedule(this, delayMs)
  }

  cancel(): void {
    this.owner.cancel(this)
  }
}

/**
 * Very many deadlines on one timer. They lie in slots of {@link TICK_MS}; putting one off, which
 * every heartbeat does, only notes the new moment: the deadline is moved when its old slot is due.
 */
export class Deadlines {
  private readonly clock: Clock
  private readonly slots = new Map<number, Set<Deadline>>()
  private timer: Timer | null = null
  private armedSlot = Number.POSITIVE_INFINITY
  private isGrace = false

  constructor(clock: Clock) {
    this.clock = clock
  }

  create(expired: () => void): Deadline {
    return new Deadline(this, expired)
  }

  schedule(deadline: Deadline, delayMs: number): void {
    deadline.atMs = this.clock.nowMs() + delayMs
    const slot = Math.ceil(deadline.atMs / TICK_MS)
    if (deadline.slot !== NO_SLOT) {
      if (deadline.slot <= slot) return
      this.take(deadline)
    }
    this.put(deadline, slot)
    this.arm(slot)
  }

  cancel(deadline: Deadline): void {
    deadline.atMs = Number.POSITIVE_INFINITY
    if (deadline.slot !== NO_SLOT) this.take(deadline)
  }

  private put(deadline: Deadline, slot: number): void {
    let slotted = this.slots.get(slot)
    if (slotted === undefined) {
      slotted = new Set()
      this.slots.set(slot, slotted)
    }
    slotted.add(deadline)
    deadline.slot = slot
  }

  private take(deadline: Deadline): void {
    const slotted = this.slots.get(deadline.slot)
    slotted?.delete(deadline)
    if (slotted?.size === 0) this.slots.delete(deadline.slot)
    deadline.slot = NO_SLOT
    if (this.slots.size > 0) return
    // Nothing is left to wait for.
    this.timer?.cancel()
    this.timer = null
    this.armedSlot = Number.POSITIVE_INFINITY
    this.isGrace = false
  }

  private arm(slot: number): void {
    if (slot >= this.armedSlot) return
    this.timer?.cancel()
    this.armedSlot = slot
    this.timer = this.clock.after(slot * TICK_MS - this.clock.nowMs(), this.tick)
  }

  private readonly tick = (): void => {
    const nowMs = this.clock.nowMs()
    if (nowMs - this.armedSlot * TICK_MS > PAUSE_MS && !this.isGrace) {
      this.isGrace = true
      this.timer = this.clock.after(PAUSE_MS, this.tick)
      return
    }
    this.isGrace = false
    this.timer = null
    this.armedSlot = Number.POSITIVE_INFINITY
    for (const deadline of this.takeDue(nowMs)) {
      // One before it may have cancelled it, or put it off.
      if (deadline.atMs > nowMs) continue
      if (deadline.slot !== NO_SLOT) this.take(deadline)
      deadline.atMs = Number.POSITIVE_INFINITY
      deadline.expired()
    }
    let next = Number.POSITIVE_INFINITY
    for (const slot of this.slots.keys()) if (slot < next) next = slot
    if (next < Number.POSITIVE_INFINITY) this.arm(next)
  }

  /** Empties the slots that are due; what was put off meanwhile goes to its new slot. */
  private takeDue(nowMs: number): Deadline[] {
    const due: Deadline[] = []
    for (const [slot, slotted] of this.slots) {
      if (slot * TICK_MS > nowMs) continue
      this.slots.delete(slot)
      for (const deadline of slotted) {
        deadline.slot = NO_SLOT
        if (deadline.atMs <= nowMs) due.push(deadline)
        else if (deadline.atMs < Number.POSITIVE_INFINITY) {
          this.put(deadline, Math.ceil(deadline.atMs / TICK_MS))
        }
      }
    }
    return due
  }
}
