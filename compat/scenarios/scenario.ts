import type { Cell } from '../lib/cell.ts'

/** One row of the matrix. */
export interface Scenario {
  readonly name: string
  /** What it shows, in the words of the table. */
  readonly title: string
  readonly brokers: number
  /** Kafka broker configs of its cluster. */
  readonly config?: Readonly<Record<string, string>>
  /** Clients come to a listener with TLS. */
  readonly tls?: boolean
  /** One client after the other: what it does to the cluster would hit the others as they start. */
  readonly isAlone?: boolean
  /** Runs one client. Throws when it fails; may return a remark for the table. */
  readonly run: (cell: Cell) => Promise<string | undefined>
}
