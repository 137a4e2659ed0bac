import { isIP } from 'node:net'

/** What bounds the connections of one broker, on all its listeners together. */
export interface ConnectionLimits {
  /** max.connections */
  readonly connectionsMax: number
  /** max.connections.per.ip */
  readonly perAddressMax: number
  /** max.connections.per.ip.overrides */
  readonly addressOverrides: ReadonlyMap<string, number>
  /** max.connection.creation.rate */
  readonly perSecondMax: number
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
  private readonly limits: () => ConnectionLimits
  private readonly nowMs: () => number
  /** When the connections accepted so far would all have come at the highest rate. */
  private paidUntilMs = 0

  /** `limits` are asked for each connection: they may change while connections are open. */
  constructor(limits: () => ConnectionLimits, nowMs: () => number) {
    this.limits = limits
    this.nowMs = nowMs
  }

  /** Counts a connection from there, unless it is refused. */
  admit(address: string): Admission {
    const admission = this.judge(address)
    if (!admission.admitted) {
      this.refusedCount++
      return admission
    }
    this.count++
    this.countByAddress.set(address, (this.countByAddress.get(address) ?? 0) + 1)
    return admission
  }

  private judge(address: string): Admission {
    const limits = this.limits()
    if (this.count >= limits.connectionsMax) {
      return { admitted: false, reason: 'too many connections', limit: limits.connectionsMax }
    }
    const count = this.countByAddress.get(address) ?? 0
    const limit = limits.addressOverrides.get(address) ?? limits.perAddressMax
    if (count >= limit) {
      return { admitted: false, reason: 'too many connections from one address', limit }
    }
    const delayMs = this.delayMs(limits.perSecondMax)
    if (delayMs > DELAY_MS_MAX) {
      return { admitted: false, reason: 'too many connections at once', limit: limits.perSecondMax }
    }
    return { admitted: true, delayMs }
  }

  private delayMs(perSecondMax: number): number {
    // Kafka takes 0 for no connection at all, ever; one a day is as good, and no division by it.
    const intervalMs = perSecondMax <= 0 ? 86_400_000 : 1_000 / perSecondMax
    const nowMs = this.nowMs()
    const paidUntilMs = Math.max(this.paidUntilMs, nowMs) + intervalMs
    const delayMs = Math.max(0, paidUntilMs - nowMs - Math.max(BURST_MS, intervalMs))
    if (delayMs <= DELAY_MS_MAX) this.paidUntilMs = paidUntilMs
    return delayMs
  }

  /** A connection that was admitted has ended. */
  ended(address: string): void {
    this.count--
    const count = (this.countByAddress.get(address) ?? 1) - 1
    if (count <= 0) this.countByAddress.delete(address)
    else this.countByAddress.set(address, count)
  }
}

/** An IPv4 client of an IPv6 socket has the same address as one of an IPv4 socket. */
export function addressOf(remoteAddress: string | undefined): string {
  return (remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}

/**
 * max.connections.per.ip.overrides: `address:count` with commas between. Null for a text that is
 * something else; differs from Kafka: names of hosts are, since what they resolve to changes.
 */
export function addressOverrides(text: string): ReadonlyMap<string, number> | null {
  const overrides = new Map<string, number>()
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const match = /^\s*\[?([^\]]+?)\]?\s*:\s*(\d+)\s*$/.exec(part)
    if (match?.[1] === undefined || isIP(match[1]) === 0) return null
    overrides.set(match[1].toLowerCase(), Number(match[2]))
  }
  return overrides
}
