/** What bounds the connections of one listener (these configs with its prefix), or of all of them. */
export interface ListenerLimits {
  /** max.connections */
  readonly connectionsMax: number
  /** max.connection.creation.rate */
  readonly perSecondMax: number
}

/** What bounds the connections of one broker, on all its listeners together. */
export interface ConnectionLimits extends ListenerLimits {
  /** max.connections.per.ip */
  readonly perAddressMax: number
  /** max.connections.per.ip.overrides */
  readonly addressOverrides: ReadonlyMap<string, number>
  /** Of the listener of that name, beside all others. */
  listener(name: string): ListenerLimits
}

export type Admission =
  /** To be served, but not before `delayMs` from now. */
  | { readonly admitted: true; readonly delayMs: number }
  | { readonly admitted: false; readonly reason: string; readonly limit: number }

/** Whoever would wait longer for its turn has given up by then: Java's clients take 10 s. */
const DELAY_MS_MAX = 10_000
/** So many connections at once are no burst: a second's worth. */
const BURST_MS = 1_000

/**
 * Says which connections are accepted, and when. A client that comes too early is not sent away,
 * as in Kafka: it would only come again at once.
 */
export class ConnectionQuotas {
  count = 0
  /** How many were refused so far. */
  refusedCount = 0
  /** By address: a client on both of two listeners is one. */
  private readonly countByAddress = new Map<string, number>()
  private readonly listeners = new Map<string, { count: number; readonly rate: Rate }>()
  private readonly limits: () => ConnectionLimits
  private readonly nowMs: () => number
  private readonly rate = new Rate()

  /** `limits` are asked for each connection: they may change while connections are open. */
  constructor(limits: () => ConnectionLimits, nowMs: () => number) {
    this.limits = limits
    this.nowMs = nowMs
  }

  /** Counts a connection from there to that listener, unless it is refused. */
  admit(address: string, listener: string): Admission {
    const own = this.listeners.get(listener) ?? { count: 0, rate: new Rate() }
    this.listeners.set(listener, own)
    const admission = this.judge(address, listener, own)
    if (!admission.admitted) {
      this.refusedCount++
      return admission
    }
    this.count++
    own.count++
    this.countByAddress.set(address, (this.countByAddress.get(address) ?? 0) + 1)
    return admission
  }

  private judge(
    address: string,
    listener: string,
    own: { readonly count: number; readonly rate: Rate },
  ): Admission {
    const limits = this.limits()
    const listenerLimits = limits.listener(listener)
    if (this.count >= limits.connectionsMax) {
      return { admitted: false, reason: 'too many connections', limit: limits.connectionsMax }
    }
    if (own.count >= listenerLimits.connectionsMax) {
      const limit = listenerLimits.connectionsMax
      return { admitted: false, reason: 'too many connections to this listener', limit }
    }
    const count = this.countByAddress.get(address) ?? 0
    const limit = limits.addressOverrides.get(address) ?? limits.perAddressMax
    if (count >= limit) {
      return { admitted: false, reason: 'too many connections from one address', limit }
    }
    const perSecondMax = Math.min(limits.perSecondMax, listenerLimits.perSecondMax)
    const nowMs = this.nowMs()
    const delayMs = Math.max(
      this.rate.delayMs(nowMs, limits.perSecondMax),
      own.rate.delayMs(nowMs, listenerLimits.perSecondMax),
    )
    if (delayMs > DELAY_MS_MAX) {
      return { admitted: false, reason: 'too many connections at once', limit: perSecondMax }
    }
    this.rate.take(nowMs, limits.perSecondMax)
    own.rate.take(nowMs, listenerLimits.perSecondMax)
    return { admitted: true, delayMs }
  }

  /** A connection that was admitted has ended. */
  ended(address: string, listener: string): void {
    this.count--
    const own = this.listeners.get(listener)
    if (own !== undefined) own.count--
    const count = (this.countByAddress.get(address) ?? 1) - 1
    if (count <= 0) this.countByAddress.delete(address)
    else this.countByAddress.set(address, count)
  }
}

/** So many in a second, with a burst of as many. */
class Rate {
  /** When what was taken so far would all have come at the highest rate. */
  private paidUntilMs = 0

  /** How long the next one has to wait. */
  delayMs(nowMs: number, perSecondMax: number): number {
    const intervalMs = intervalMsOf(perSecondMax)
    const paidUntilMs = Math.max(this.paidUntilMs, nowMs) + intervalMs
    return Math.max(0, paidUntilMs - nowMs - Math.max(BURST_MS, intervalMs))
  }

  take(nowMs: number, perSecondMax: number): void {
    this.paidUntilMs = Math.max(this.paidUntilMs, nowMs) + intervalMsOf(perSecondMax)
  }
}

/** Kafka takes 0 for no connection at all, ever; one a day is as good, and no division by it. */
function intervalMsOf(perSecondMax: number): number {
  return perSecondMax <= 0 ? 86_400_000 : 1_000 / perSecondMax
}

/** An IPv4 client of an IPv6 socket has the same address as one of an IPv4 socket. */
export function addressOf(remoteAddress: string | undefined): string {
  return (remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}
