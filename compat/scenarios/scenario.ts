import type { Cell } from '../lib/cell.ts'
import type { Client } from '../lib/client.ts'

/** One row of the matrix. */
export interface Scenario {
  readonly name: string
  /** What it shows, in the words of the table. */
  readonly title: string
  readonly brokers: number
  /** Kafka broker configs of its cluster. */
  readonly config?: Readonly<Record<string, string>>
  /** Brokers have a listener with TLS, and all clients come to it, or those that are told to. */
  readonly tls?: 'all' | 'some'
  /** One client after the other: what it does to the cluster would hit the others as they start. */
  readonly isAlone?: boolean
  /** What must be said of a client though it passes. */
  readonly noteOf?: (client: Client) => string | undefined
  /** Runs one client. Throws when it fails; may return a remark for the table. */
  readonly run: (cell: Cell) => Promise<string | undefined>
}
