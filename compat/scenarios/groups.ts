import { type Cell, PARTITIONS, untilAllRead } from '../lib/cell.ts'
import type { Session } from '../lib/session.ts'
import type { SessionSettings } from '../lib/session-protocol.ts'
import type { Scenario } from './scenario.ts'

export const JOIN_MS_MAX = 120_000
const RECORDS_PER_SECOND = 100

/** Waits until all partitions are assigned, each to one of `consumers`, and each has some. */
export async function untilShared(consumers: readonly Session[]): Promise<void> {
  const [first] = consumers
  await first?.until(
    `${consumers.length} share the partitions`,
    () => {
      for (const each of consumers) each.checkFailures()
      const all = consumers.flatMap(({ assigned }) => [...assigned])
      const isSpread = consumers.every(({ assigned }) => assigned.size > 0)
      return isSpread && all.length === PARTITIONS && new Set(all).size === PARTITIONS
    },
    JOIN_MS_MAX,
  )
}

/** Waits until what is written from now on is read. */
async function flows(flow: { producer: Session; consumers: Session[] }): Promise<void> {
  const { producer, consumers } = flow
  const [first] = consumers
  const count = (): number => consumers.reduce((sum, { records }) => sum + records.length, 0)
  const readGoal = count() + RECORDS_PER_SECOND
  const ackGoal = producer.acked.length + RECORDS_PER_SECOND
  await first?.until(
    'records flow',
    () => {
      producer.checkFailures()
      for (const each of consumers) each.checkFailures()
      return count() >= readGoal && producer.acked.length >= ackGoal
    },
    JOIN_MS_MAX,
  )
}

/** One after the other joins, then one leaves, then a third comes back where the group stopped. */
async function runRebalances(
  cell: Cell,
  settings: Partial<SessionSettings> = {},
): Promise<undefined> {
  await cell.createTopic()
  const producer = await cell.producer({ idempotent: true })
  producer.run(RECORDS_PER_SECOND)
  const one = await cell.consumer(settings)
  await untilShared([one])
  const two = await cell.consumer(settings)
  await untilShared([one, two])
  await flows({ producer, consumers: [one, two] })
  if (settings.isCooperative && one.emptiedCount > 0) {
    throw new Error('who was there first lost all its partitions when another came')
  }
  await one.finish()
  await untilShared([two])
  if (settings.isCooperative && two.emptiedCount > 0) {
    throw new Error('who stayed lost all its partitions when another went')
  }
  await flows({ producer, consumers: [two] })
  await producer.finish()
  await untilAllRead([producer], [one, two])
  await two.finish()
  await cell.checkAll([producer], [one, two])
  await comeBack(cell, settings)
}

/** Whoever comes after all have left in order reads what is new only. */
async function comeBack(cell: Cell, settings: Partial<SessionSettings>): Promise<void> {
  const heir = await cell.consumer(settings)
  await untilShared([heir])
  const last = await cell.producer({ name: 'last' })
  last.send(RECORDS_PER_SECOND)
  await last.finish()
  await untilAllRead([last], [heir])
  await heir.finish()
  const again = heir.records.filter(({ value }) => !value.startsWith('last-')).length
  if (again > 0) throw new Error(`${again} records were read again after all had left in order`)
}

/** A member that is killed and started anew under its name has its share; nobody else notices. */
async function runStatic(cell: Cell): Promise<undefined> {
  await cell.createTopic()
  const one = await cell.consumer({ instanceId: 'one' })
  const two = await cell.consumer({ instanceId: 'two' })
  await untilShared([one, two])
  const before = one.assignedCount
  const share = [...two.assigned].sort()
  await two.kill()
  const again = await cell.consumer({ instanceId: 'two' })
  await again.until('it has its share', () => again.assigned.size > 0, JOIN_MS_MAX)
  const producer = await cell.producer({ idempotent: true })
  producer.send(3 * RECORDS_PER_SECOND)
  await producer.finish()
  await untilAllRead([producer], [one, again])
  if ([...again.assigned].sort().join() !== share.join()) {
    throw new Error(`it had ${share.join()} and has ${[...again.assigned].join()}`)
  }
  if (one.assignedCount !== before) throw new Error('the other member was rebalanced')
  await one.finish()
  await again.finish()
  await cell.checkAll([producer], [one, again])
}

export const groupScenarios: readonly Scenario[] = [
  {
    name: 'rebalances',
    title: 'Group whose members come and go',
    brokers: 2,
    run: (cell) => runRebalances(cell),
  },
  {
    name: 'cooperative',
    title: 'The same with the cooperative-sticky assignor: who stays keeps partitions throughout',
    brokers: 2,
    run: (cell) => runRebalances(cell, { isCooperative: true }),
  },
  {
    name: 'static-members',
    title: 'Static members: a restart within the session is no rebalance',
    brokers: 2,
    run: runStatic,
  },
]
