import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { addressOf } from './connection-quotas.ts'

/**
 * max.connections.per.ip.overrides as it stands now. Names of hosts are looked up when the text
 * changes, and count for all addresses they have then (Kafka: for the first).
 */
export class AddressLimits {
  private text = ''
  private current = new Map<string, number>()
  private readonly warn: (why: string) => void

  /** Throws where `text`, of the start, is not understood. */
  constructor(text: string, warn: (why: string) => void) {
    this.warn = warn
    const why = this.take(text)
    if (why !== null) throw new Error(why)
  }

  /** The limits by address; what is not understood is told once, and what was good before goes on. */
  of(text: string): ReadonlyMap<string, number> {
    const why = text === this.text ? null : this.take(text)
    if (why !== null) this.warn(why)
    return this.current
  }

  private take(text: string): string | null {
    this.text = text
    const overrides = addressOverrides(text)
    if (overrides === null) {
      return (
        `max.connections.per.ip.overrides='${text}' is not understood: expected hosts with counts, ` +
        'such as 10.0.0.1:100,gateway.example.com:200'
      )
    }
    const counts = new Map<string, number>()
    for (const { host, count } of overrides) {
      if (isIP(host) !== 0) counts.set(host, count)
      else void this.find(host, count, counts)
    }
    this.current = counts
    return null
  }

  private async find(host: string, count: number, counts: Map<string, number>): Promise<void> {
    try {
      for (const { address } of await lookup(host, { all: true })) {
        counts.set(addressOf(address), count)
      }
    } catch (error) {
      this.warn(
        `max.connections.per.ip.overrides: ${host} is not found (${(error as Error).message}), so ` +
          'it has the limit of all others: change the text once its name resolves',
      )
    }
  }
}

interface AddressOverride {
  /** An IP address, or the name of a host. */
  readonly host: string
  readonly count: number
}

/** max.connections.per.ip.overrides: `host:count` with commas between. Null for another text. */
export function addressOverrides(text: string): readonly AddressOverride[] | null {
  const overrides: AddressOverride[] = []
  for (const part of text.split(',')) {
    if (part.trim() === '') continue
    const match = /^\s*\[?([^\]]+?)\]?\s*:\s*(\d+)\s*$/.exec(part)
    if (match?.[1] === undefined) return null
    overrides.push({ host: match[1].toLowerCase(), count: Number(match[2]) })
  }
  return overrides
}
