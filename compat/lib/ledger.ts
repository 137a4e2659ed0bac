import type { ReadRecord } from '../../e2e/lib/acknowledged.ts'
import type { Session } from './session.ts'

const EXAMPLES_MAX = 3

type Producer = Pick<Session, 'acked' | 'settings'>
type Consumer = Pick<Session, 'records'>

function told(fault: string, examples: readonly string[]): string[] {
  if (examples.length === 0) return []
  return [`${fault}, ${examples.length} times: ${examples.slice(0, EXAMPLES_MAX).join(' ')}`]
}

/** By its value, every place where a record stands. */
function placesOf(log: readonly ReadRecord[]): Map<string, ReadRecord[]> {
  const places = new Map<string, ReadRecord[]>()
  for (const record of log) {
    const twins = places.get(record.value)
    if (twins === undefined) places.set(record.value, [record])
    else twins.push(record)
  }
  return places
}

function doubledIn(log: readonly ReadRecord[]): string[] {
  return [...placesOf(log)].filter(([, { length }]) => length > 1).map(([value]) => value)
}

function isOfIdempotent(value: string, producers: readonly Producer[]): boolean {
  return producers.some(({ settings }) => {
    return settings.idempotent === true && value.startsWith(`${settings.name}-`)
  })
}

/**
 * What is wrong with `log`, all that is in a topic, however the producers ended: each record that
 * one was told is written must be there, where it was told, and none of an idempotent one twice.
 */
export function faultsOfAcknowledged(
  log: readonly ReadRecord[],
  producers: readonly Producer[],
): string[] {
  const places = placesOf(log)
  const lost: string[] = []
  const misplaced: string[] = []
  for (const { value, partition, offset } of producers.flatMap(({ acked }) => acked)) {
    const found = places.get(value)?.[0]
    if (found === undefined) lost.push(value)
    else if (partition !== undefined && partition !== found.partition) misplaced.push(value)
    // -1: the broker recognised it as one it had, and the client does not know where that is.
    else if (offset !== undefined && offset >= 0 && offset !== found.offset) misplaced.push(value)
  }
  const doubled = doubledIn(log).filter((value) => isOfIdempotent(value, producers))
  return [
    ...told('lost', lost),
    ...told('doubled', doubled),
    ...told('not where it was said to be', misplaced),
  ]
}

/** The same after all producers ended well: then nothing else may be there, and nothing twice. */
export function faultsOfLog(log: readonly ReadRecord[], producers: readonly Producer[]): string[] {
  const acked = new Set(producers.flatMap((each) => each.acked.map(({ value }) => value)))
  const others = doubledIn(log).filter((value) => !isOfIdempotent(value, producers))
  const unknown = log.map(({ value }) => value).filter((value) => !acked.has(value))
  return [
    ...faultsOfAcknowledged(log, producers),
    ...told('doubled', others),
    ...told('there without having been acknowledged', unknown),
  ]
}

/**
 * What is wrong with what a group has read of `log`: each record must have been read at least once
 * (a group reads again what it had not committed when it was rebalanced), each as it stands there.
 */
export function faultsOfReading(
  log: readonly ReadRecord[],
  consumers: readonly Consumer[],
): string[] {
  const placeOf = ({ partition, offset }: ReadRecord): string => `${partition}/${offset}`
  const unread = new Map(log.map((record) => [placeOf(record), record.value]))
  const values = new Map(unread)
  const wrong: string[] = []
  for (const record of consumers.flatMap(({ records }) => records)) {
    const place = placeOf(record)
    if (values.get(place) !== record.value) wrong.push(`${place} ${record.value}`)
    unread.delete(place)
  }
  return [...told('never read', [...unread.values()]), ...told('read wrongly', wrong)]
}
