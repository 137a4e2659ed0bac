import { describe, expect, test } from '@jest/globals'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import type { BrokerLoad } from '../brokers/broker-load.ts'
import type { BrokerExit, BrokerProcess, BrokerProcessEvents } from './broker-process.ts'
import { Fleet } from './fleet.ts'
import type { FleetEvent, FleetMember } from './fleet-member.ts'

/** A process that does nothing by itself; the test says what happens to it. */
class StillProcess implements BrokerProcess {
  readonly pid: number
  readonly logFile = 'none.log'
  readonly events: BrokerProcessEvents
  readonly sequence: number
  terminated = false
  killed = false

  constructor(sequence: number, events: BrokerProcessEvents) {
    this.sequence = sequence
    this.pid = 1000 + sequence
    this.events = events
  }

  terminate(): void {
    this.terminated = true
  }

  kill(): void {
    this.killed = true
    this.end({ code: null, signal: 'SIGKILL' })
  }

  ready(): void {
    const endpoint = { host: '127.0.0.1', port: 10_000 + this.sequence }
    this.events.ready({ nodeId: this.sequence, kafka: endpoint, admin: endpoint })
  }

  end(exit: Partial<BrokerExit> = {}): void {
    this.events.exit({ code: 0, signal: null, lastError: null, ...exit })
  }

  crash(): void {
    this.end({ code: 1, lastError: 'the disk is full' })
  }
}

function setUp() {
  const clock = virtualClock()
  const processes: StillProcess[] = []
  const events: FleetEvent[] = []
  const fleet = new Fleet({
    clock,
    start: (sequence, processEvents) => {
      const process = new StillProcess(sequence, processEvents)
      processes.push(process)
      return process
    },
    onEvent: (event) => events.push(event),
  })
  const at = (sequence: number): StillProcess => processes[sequence - 1] as StillProcess
  const member = (sequence: number): FleetMember =>
    fleet.members.find((each) => each.sequence === sequence) as FleetMember
  const activeOnes = (): number[] => fleet.active.map(({ sequence }) => sequence)
  /** Starts `count` brokers and lets them serve. */
  const serving = (count: number): void => {
    fleet.setDesired(count)
    for (const process of processes) process.ready()
  }
  return { clock, fleet, processes, events, at, member, activeOnes, serving }
}

function loadOf(rest: Partial<BrokerLoad>): BrokerLoad {
  return {
    nodeId: 1,
    state: 'active',
    partitions: 0,
    bytesInPerSecond: 0,
    bytesOutPerSecond: 0,
    requestsPerSecond: 0,
    eventLoopUtilization: 0,
    walBacklogBytes: 0,
    saturation: 0.25,
    movesIn: 0,
    movesOut: 0,
    movesMsLast: 0,
    clusterPartitions: 12,
    controller: false,
    ...rest,
  }
}

describe('growing and shrinking', () => {
  test('as many processes as desired start at once and serve when they say so', () => {
    const { fleet, processes, activeOnes, at } = setUp()
    fleet.setDesired(3)
    expect(processes).toHaveLength(3)
    expect(activeOnes()).toEqual([])
    at(2).ready()
    expect(activeOnes()).toEqual([2])
  })

  test('shrinking drains the cheapest and nobody else', () => {
    const { fleet, at, member, serving, activeOnes } = setUp()
    serving(3)
    fleet.setLoad(member(1), loadOf({ partitions: 5 }))
    fleet.setLoad(member(2), loadOf({ partitions: 2 }))
    fleet.setLoad(member(3), loadOf({ partitions: 5 }))
    fleet.setDesired(2)
    expect([1, 2, 3].map((sequence) => at(sequence).terminated)).toEqual([false, true, false])
    expect(activeOnes()).toEqual([1, 3])
  })

  test('growing during a drain starts a new process at once and leaves the drain alone', () => {
    const { fleet, processes, at, serving, activeOnes } = setUp()
    serving(2)
    fleet.setDesired(1)
    expect(at(1).terminated).toBe(true)
    fleet.setDesired(2)
    expect(processes).toHaveLength(3)
    at(3).ready()
    at(1).end()
    expect(activeOnes()).toEqual([2, 3])
    expect(processes).toHaveLength(3)
  })

  test('a drain that takes too long is ended by force and is not called drained', async () => {
    const { fleet, clock, at, events, serving } = setUp()
    serving(2)
    fleet.setDesired(1)
    await clock.advanceBy(34_000)
    expect(at(1).killed).toBe(false)
    await clock.advanceBy(2000)
    expect(at(1).killed).toBe(true)
    expect(events.at(-1)).toMatchObject({ kind: 'ended', drained: false })
    expect(fleet.members).toHaveLength(1)
  })

  test('a broker that drains by itself is replaced before it is gone', () => {
    const { fleet, processes, member, activeOnes, serving, at } = setUp()
    serving(2)
    fleet.setLoad(member(1), loadOf({ state: 'draining' }))
    expect(activeOnes()).toEqual([2])
    expect(processes).toHaveLength(3)
    expect(at(1).terminated).toBe(false)
  })
})

describe('deaths', () => {
  test('a broker that dies is replaced by a new one at once', () => {
    const { fleet, processes, at, serving } = setUp()
    serving(2)
    at(1).crash()
    expect(processes.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect(fleet.members.map(({ sequence }) => sequence)).toEqual([2, 3])
  })

  test('the more deaths in a row, the longer the wait, up to 30 s', async () => {
    const { clock, processes, serving, events } = setUp()
    serving(1)
    for (let death = 0; death < 8; death++) {
      processes.at(-1)?.ready()
      processes.at(-1)?.crash()
      await clock.advanceBy(30_000)
    }
    const delays = events.flatMap((event) => (event.kind === 'retrying' ? [event.delayMs] : []))
    expect(delays).toEqual([0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  test('after a quiet time, a death is the first of a new row', async () => {
    const { clock, processes, serving, events } = setUp()
    serving(1)
    for (let death = 0; death < 4; death++) {
      processes.at(-1)?.ready()
      await clock.advanceBy(31_000)
      processes.at(-1)?.crash()
    }
    const delays = events.flatMap((event) => (event.kind === 'retrying' ? [event.delayMs] : []))
    expect(delays).toEqual([0, 0, 0, 0])
  })

  test('while starting fails, one process at a time is tried', async () => {
    const { fleet, clock, processes, serving, at } = setUp()
    serving(1)
    fleet.setDesired(5)
    for (let sequence = 2; sequence <= 5; sequence++) at(sequence).crash()
    // The wait after the last death is over; the one process that was tried says nothing.
    await clock.advanceBy(20_000)
    expect(fleet.members.length).toBe(2)
    processes.at(-1)?.ready()
    expect(fleet.members.length).toBe(3)
  })

  test('brokers that die before one ever served end the attempt, with the last error', async () => {
    const { fleet, clock, processes, events } = setUp()
    fleet.setDesired(1)
    for (let death = 0; death < 3; death++) {
      processes.at(-1)?.crash()
      await clock.advanceBy(5000)
    }
    const lastError = 'the disk is full'
    expect(events.at(-1)).toEqual({ kind: 'cannot-start', failures: 3, lastError })
    expect(processes).toHaveLength(3)
  })

  test('a broker that never says it serves is ended and replaced', async () => {
    const { fleet, clock, processes, at } = setUp()
    fleet.setDesired(1)
    await clock.advanceBy(61_000)
    expect(at(1).killed).toBe(true)
    expect(processes).toHaveLength(2)
  })

  test('a broker that stays silent for 30 s is ended and replaced', async () => {
    const { fleet, clock, processes, member, at, serving } = setUp()
    serving(1)
    await clock.advanceBy(29_000)
    fleet.setLoad(member(1), null)
    expect(at(1).killed).toBe(false)
    await clock.advanceBy(2000)
    fleet.setLoad(member(1), null)
    expect(at(1).killed).toBe(true)
    expect(processes).toHaveLength(2)
  })
})

describe('stopping', () => {
  test('drains all but the dearest, then that one', async () => {
    const { fleet, clock, at, member, serving } = setUp()
    serving(3)
    fleet.setLoad(member(2), loadOf({ partitions: 9 }))
    let stopped = false
    const stopping = fleet.stop().then(() => {
      stopped = true
    })
    expect([1, 2, 3].map((sequence) => at(sequence).terminated)).toEqual([true, false, true])
    at(1).end()
    at(3).end()
    await clock.advanceBy(0)
    expect(at(2).terminated).toBe(true)
    expect(stopped).toBe(false)
    at(2).end()
    await stopping
    expect(fleet.members).toEqual([])
  })

  test('is bounded, even if no broker ends by itself', async () => {
    const { fleet, clock, serving } = setUp()
    serving(3)
    await clock.run(fleet.stop(), clock.nowMs() + 71_000)
    expect(fleet.members).toEqual([])
  })

  test('starts nothing any more, whatever dies', async () => {
    const { fleet, clock, processes, serving, at } = setUp()
    serving(3)
    const stopping = fleet.stop()
    at(3).crash()
    at(1).crash()
    at(2).crash()
    fleet.setDesired(3)
    await clock.run(stopping)
    expect(processes).toHaveLength(3)
  })

  test('by force ends every process at once', () => {
    const { fleet, processes, serving } = setUp()
    serving(3)
    void fleet.stop()
    fleet.killAll()
    expect(processes.every(({ killed }) => killed)).toBe(true)
    expect(fleet.members).toEqual([])
  })
})
