import type { Cell } from '../lib/cell.ts'
import type { Client } from '../lib/client.ts'
import type { ClusterNeeds } from '../lib/scenario-cluster.ts'

/** One row of the matrix. */
export interface Scenario extends ClusterNeeds {
  readonly name: string
  /** What it shows, in the words of the table. */
  readonly title: string
  /** Each client has a cluster of its own: what is done to it would hit the others as they start. */
  readonly isAlone?: boolean
  /** What must be said of a client though it passes. */
  readonly noteOf?: (client: Client) => string | undefined
  /** Runs one client. Throws when it fails; may return a remark for the table. */
  readonly run: (cell: Cell) => Promise<string | undefined>
}
