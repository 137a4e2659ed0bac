import type { ListenerSpec } from '../api/listener-spec.ts'
import { advertisedAnnotation, LABEL_SLOT } from './labels.ts'
import { childOf, type Observed } from './observed.ts'
import type { Broker } from './pods.ts'
import { childNames, isExternal } from './resources/context.ts'
import { balancerHostOf, nodePortOf } from './resources/services.ts'

/** One pod that gets a slot, or the addresses of its slot and with them leave to start. */
export interface SlotGrant {
  readonly broker: Broker
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly isOpened: boolean
}

export interface SlotPlan {
  /** How many slots there shall be: as many as brokers, and one more for an upgrade. */
  readonly count: number
  readonly grants: readonly SlotGrant[]
}

const NO_SLOTS: SlotPlan = { count: 0, grants: [] }

/**
 * Which pod has which address for clients from outside. A pod that is ending keeps its slot until
 * it is gone: clients still finish with it there.
 */
export function planSlots(
  observed: Observed,
  listeners: readonly ListenerSpec[],
  brokers: readonly Broker[],
  replicas: number,
): SlotPlan {
  const external = listeners.filter(isExternal)
  if (external.length === 0) return NO_SLOTS
  const taken = new Set(brokers.flatMap(({ slot }) => slot ?? []))
  const grants: SlotGrant[] = []
  let free = 0
  for (const broker of brokers) {
    if (!broker.isGated || broker.isTerminating) continue
    let slot = broker.slot
    if (slot === null) {
      while (taken.has(free)) free++
      slot = free
      taken.add(slot)
    }
    const annotations = addressesOf(observed, external, slot)
    const isNew = broker.slot === null
    if (!isNew && annotations === null) continue
    grants.push({
      broker,
      labels: isNew ? { [LABEL_SLOT]: String(slot) } : {},
      annotations: annotations ?? {},
      isOpened: annotations !== null,
    })
  }
  return { count: Math.max(replicas + 1, ...[...taken].map((slot) => slot + 1)), grants }
}

/** What the pod in `slot` is to tell clients, by annotation; null while an address is missing. */
function addressesOf(
  observed: Observed,
  external: readonly ListenerSpec[],
  slot: number,
): Record<string, string> | null {
  const annotations: Record<string, string> = {}
  for (const { name, type, port } of external) {
    const service = childOf(observed, 'Service', childNames.slot(observed.cluster.name, name, slot))
    const nodePort = nodePortOf(service)
    const host = balancerHostOf(service)
    const value = type === 'nodeport' ? nodePort : host === null ? null : `${host}:${port}`
    if (value === null) return null
    annotations[advertisedAnnotation(name)] = String(value)
  }
  return annotations
}
