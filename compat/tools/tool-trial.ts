import type { KnownFailure } from '../lib/client.ts'
import type { ToolBench } from './tool-run.ts'

/** Something that is done with one of Kafka's tools. */
export interface ToolTrial {
  /** The name of its script. */
  readonly tool: string
  readonly title: string
  readonly known?: KnownFailure
  /** Throws when it does not do what it should. */
  readonly run: (bench: ToolBench) => Promise<void>
}
