import type { Target } from '../target.ts'
import { packed, produced, stored } from './batches.ts'
import { metadataBatches, snapshots } from './metadata.ts'
import { checkpoints, handoffs, headers, hotStates, logObjectTails } from './objects.ts'
import { groupRecords, requests, subscriptions } from './requests.ts'

/** Everything that reads what clients, other nodes or the bucket hold. */
export const targets: readonly Target[] = [
  requests,
  produced,
  stored,
  packed,
  subscriptions,
  groupRecords,
  headers,
  logObjectTails,
  checkpoints,
  hotStates,
  handoffs,
  metadataBatches,
  snapshots,
]
