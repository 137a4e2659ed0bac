import {
  ANNOTATION_DELETION_COST,
  ANNOTATION_DRAINED_AT,
  ANNOTATION_DRAINING_SINCE,
  LABEL_STATE,
  STATE_DRAINING,
} from './labels.ts'
import { type Broker, timeText } from './pods.ts'
import type { ScalePlan } from './scale.ts'
import type { SlotPlan } from './slots.ts'

/** Lower than any a person would give. */
const DELETION_COST = '-1000000'

/** A change of one pod's metadata; null removes. */
export interface PodPatch {
  readonly name: string
  /** So that it does not meet another pod of the same name. */
  readonly uid: string
  readonly labels: Readonly<Record<string, string | null>>
  readonly annotations: Readonly<Record<string, string | null>>
  /** Whether it may be scheduled from now on. */
  readonly ungate: boolean
}

/** What scaling and addresses ask of pods, one patch for each pod. */
export function podPatches(
  nowMs: number,
  scale: Pick<ScalePlan, 'begin' | 'finish' | 'cancel'>,
  slots: SlotPlan,
): PodPatch[] {
  const patches = new Map<string, PodPatch>()
  const add = (broker: Broker, patch: Partial<PodPatch>): void => {
    const { name, uid } = broker
    const other = patches.get(name)
    patches.set(name, {
      name,
      uid,
      labels: { ...other?.labels, ...patch.labels },
      annotations: { ...other?.annotations, ...patch.annotations },
      ungate: (other?.ungate ?? false) || (patch.ungate ?? false),
    })
  }
  const now = timeText(nowMs)
  for (const broker of scale.begin) {
    add(broker, {
      labels: { [LABEL_STATE]: STATE_DRAINING },
      annotations: { [ANNOTATION_DRAINING_SINCE]: now },
    })
  }
  for (const broker of scale.finish) {
    const annotations = {
      [ANNOTATION_DELETION_COST]: DELETION_COST,
      [ANNOTATION_DRAINED_AT]: now,
    }
    add(broker, { annotations })
  }
  for (const broker of scale.cancel) {
    add(broker, {
      labels: { [LABEL_STATE]: null },
      annotations: {
        [ANNOTATION_DRAINING_SINCE]: null,
        [ANNOTATION_DRAINED_AT]: null,
        [ANNOTATION_DELETION_COST]: null,
      },
    })
  }
  for (const { broker, labels, annotations, isOpened } of slots.grants) {
    add(broker, { labels, annotations, ungate: isOpened })
  }
  return [...patches.values()]
}
