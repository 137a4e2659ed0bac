import type { StreamClusterSpec } from '../api/stream-cluster.ts'
import type { Observed } from './observed.ts'
import type { Broker } from './pods.ts'
import type { ScalePlan } from './scale.ts'
import type { Stall } from './stall.ts'

/** What a status is made of. */
export interface Situation {
  readonly observed: Observed
  readonly brokers: readonly Broker[]
  readonly spec: StreamClusterSpec | null
  readonly stall: Stall | null
  readonly isPaused: boolean
  /** Something is written in this very pass, whose effect is not observed yet. */
  readonly isChanging: boolean
  /** Null: nothing is scaled now. */
  readonly scale: ScalePlan | null
}
