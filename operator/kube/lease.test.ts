import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { type VirtualClock, virtualClock } from '../../base/testing/virtual-clock.ts'
import { LeaderElector } from './lease.ts'
import { kinds } from './objects.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { testClient } from './testing/test-client.ts'
import { advanceUntil, settle } from './testing/until.ts'

interface Candidate {
  readonly elector: LeaderElector
  elections: number
  losses: number
}

let server: FakeApiServer
let clock: VirtualClock
let candidates: Candidate[]

function candidate(identity: string, ownClock: VirtualClock = clock): Candidate {
  const made: Candidate = {
    elections: 0,
    losses: 0,
    elector: new LeaderElector({
      client: testClient(server, ownClock),
      clock: ownClock,
      random: seededRandom(candidates.length),
      log: silentLogger,
      name: { namespace: 'a', name: 'operator' },
      identity,
      onElected: () => void made.elections++,
      onLost: () => void made.losses++,
    }),
  }
  candidates.push(made)
  made.elector.start()
  return made
}

const spec = (): Record<string, unknown> | undefined =>
  server.find(kinds.lease, 'a', 'operator')?.spec as Record<string, unknown> | undefined
const leaders = (): number => candidates.filter(({ elector }) => elector.isLeader).length

/** Time goes by; at no moment may there be two leaders. */
async function pass(ms: number): Promise<void> {
  const both = await advanceUntil(clock, () => leaders() > 1, { limitMs: ms })
  expect(both).toBe(false)
}

beforeEach(async () => {
  server = await FakeApiServer.start()
  clock = virtualClock()
  candidates = []
})
afterEach(async () => {
  server.heal()
  await Promise.all(candidates.map(({ elector }) => elector.stop()))
  expect(clock.pendingCount).toBe(0)
  await server.stop()
})

describe('leader election', () => {
  test('one of three leads, and stays the leader', async () => {
    for (const identity of ['x', 'y', 'z']) candidate(identity)
    await pass(60_000)
    expect(leaders()).toBe(1)
    expect(candidates.map(({ elections }) => elections).sort()).toEqual([0, 0, 1])
    expect(spec()).toMatchObject({ leaseDurationSeconds: 15, leaseTransitions: 0 })
    expect(spec()?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  test('a lease that is given back goes to the next one at once', async () => {
    const first = candidate('x')
    await pass(1_000)
    const second = candidate('y')
    await pass(10_000)
    expect([first.elector.isLeader, second.elector.isLeader]).toEqual([true, false])
    await first.elector.stop()
    expect(spec()?.holderIdentity).toBe('')
    await pass(3_000)
    expect(second.elector.isLeader).toBe(true)
    expect(spec()).toMatchObject({ holderIdentity: 'y', leaseTransitions: 1 })
    expect(first.losses).toBe(0)
  })

  test('a silent holder is waited for since its last change was seen, whatever its times say', async () => {
    const longAgo = '2001-01-01T00:00:00.000000Z'
    server.put(kinds.lease, {
      metadata: { namespace: 'a', name: 'operator' },
      spec: { holderIdentity: 'dead', leaseDurationSeconds: 15, renewTime: longAgo },
    })
    const waiting = candidate('y')
    await pass(14_900)
    expect(waiting.elector.isLeader).toBe(false)
    await pass(4_000)
    expect(waiting.elector.isLeader).toBe(true)
  })

  test('a holder whose clock runs a year ahead is followed when it falls silent', async () => {
    server.put(kinds.lease, {
      metadata: { namespace: 'a', name: 'operator' },
      spec: { holderIdentity: 'dead', renewTime: '2099-01-01T00:00:00.000000Z' },
    })
    const waiting = candidate('y')
    await pass(19_000)
    expect(waiting.elector.isLeader).toBe(true)
  })

  test('a leader that cannot renew gives up before anybody else may lead', async () => {
    const first = candidate('x')
    await pass(3_000)
    server.fail({ effect: 'refused', times: 10_000 })
    await pass(9_000)
    expect(first.losses).toBe(0)
    await pass(3_000)
    expect(first).toMatchObject({ elections: 1, losses: 1 })
    expect(first.elector.isLeader).toBe(false)
    server.heal()
    const second = candidate('y')
    await pass(20_000)
    expect(second.elector.isLeader).toBe(true)
    expect(first.losses).toBe(1)
  })

  test('short trouble costs no lease, nor do renewals whose answers are lost', async () => {
    const first = candidate('x')
    await pass(3_000)
    server.fail({ effect: { status: 500 }, times: 2 })
    await pass(10_000)
    for (let round = 0; round < 3; round++) {
      server.fail({ effect: 'lost', method: 'PUT' })
      await pass(6_000)
    }
    expect(first.elector.isLeader).toBe(true)
    expect(first.losses).toBe(0)
  })

  test('a lease whose creation had no answer is recognised as our own', async () => {
    server.fail({ effect: 'lost', method: 'POST' })
    const first = candidate('x')
    await pass(6_000)
    expect(first).toMatchObject({ elections: 1, losses: 0 })
  })

  test('a leader that finds another one’s name in the record, or no record, is none', async () => {
    const first = candidate('x')
    await pass(3_000)
    const record = server.find(kinds.lease, 'a', 'operator')
    server.put(kinds.lease, {
      ...(record ?? { metadata: {} }),
      spec: { ...spec(), holderIdentity: 'thief' },
    })
    await pass(4_000)
    expect(first).toMatchObject({ elections: 1, losses: 1 })
    server.remove(kinds.lease, 'a', 'operator')
    const second = candidate('y')
    await pass(3_000)
    expect(second.elector.isLeader).toBe(true)
    server.remove(kinds.lease, 'a', 'operator')
    await pass(4_000)
    expect(second.losses).toBe(1)
  })

  test('a process that stood still knows that it leads no more, before any timer runs', async () => {
    const frozen = virtualClock()
    const first = candidate('x', frozen)
    await advanceUntil(frozen, () => first.elector.isLeader, { limitMs: 3_000 })
    const second = candidate('y')
    await advanceUntil(clock, () => second.elector.isLeader, { limitMs: 30_000 })
    expect(second.elector.isLeader).toBe(true)
    await frozen.advanceBy(20_000)
    await settle()
    expect(first).toMatchObject({ losses: 1 })
    expect(first.elector.isLeader).toBe(false)
    await first.elector.stop()
    expect(spec()?.holderIdentity).toBe('y')
    expect(frozen.pendingCount).toBe(0)
  })
})
