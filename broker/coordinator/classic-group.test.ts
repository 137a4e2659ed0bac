import { describe, expect, test } from '@jest/globals'
import type { GroupState } from './classic-group.ts'
import type { JoinRequest } from './group-outcomes.ts'
import { heartbeat, leave } from './leave.ts'
import { endGroup } from './rebalance.ts'
import { restoreGroup } from './restore-group.ts'
import { GroupWorld, REBALANCE_MS, SESSION_MS } from './testing/group-world.ts'

const INITIAL_MS = 3_000
/** Deadlines are as coarse as this. */
const TICK_MS = 50

function beat(world: GroupWorld, memberId: string, generation = world.group.generation) {
  return heartbeat(world.group, { memberId, instanceId: null, generation })
}

function leaves(world: GroupWorld, memberId: string, instanceId: string | null = null) {
  return leave(world, world.group, [{ memberId, instanceId, reason: null }])[0]
}

function protocols(...names: string[]): Pick<JoinRequest, 'protocols'> {
  return { protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })) }
}

/** A group with members a (the leader) and b in the given state. */
async function inState(state: GroupState): Promise<{ world: GroupWorld; a: string; b: string }> {
  const world = new GroupWorld()
  const { group } = world
  const [a, b] = (await world.stable([{}, {}])) as [string, string]
  if (state === 'PreparingRebalance') world.join(a)
  if (state === 'CompletingRebalance') {
    world.join(a)
    world.join(b)
  }
  if (state === 'Empty') for (const memberId of [a, b]) leaves(world, memberId)
  expect(group.state).toBe(state)
  return { world, a, b }
}

describe('what is answered in which state', () => {
  const table: [GroupState, string, string, string][] = [
    // state, heartbeat of a member, sync of a follower, join of a follower as it was
    ['Empty', 'unknown-member', 'unknown-member', 'unknown-member'],
    ['PreparingRebalance', 'rebalance-in-progress', 'rebalance-in-progress', 'completes'],
    ['CompletingRebalance', 'ok', 'parked', 'ok'],
    ['Stable', 'ok', 'ok', 'ok'],
  ]

  test.each(table)('%s: heartbeat %s, sync %s, join %s', async (state, beaten, synced, joined) => {
    const forBeat = await inState(state)
    expect(beat(forBeat.world, forBeat.b) ?? 'ok').toBe(beaten)
    const forSync = await inState(state)
    const sync = forSync.world.sync(forSync.b)
    expect(sync.outcome === null ? 'parked' : (sync.outcome.error ?? 'ok')).toBe(synced)
    const forJoin = await inState(state)
    const before = forJoin.world.group.generation
    const join = forJoin.world.join(forJoin.b)
    const isNext = forJoin.world.group.generation > before
    expect(isNext ? 'completes' : (join.outcome?.error ?? 'ok')).toBe(joined)
  })

  test.each(['PreparingRebalance', 'CompletingRebalance', 'Stable'] as const)(
    '%s: strangers, old generations, and other protocols are refused',
    async (state) => {
      const { world, b } = await inState(state)
      const { generation } = world.group
      expect(beat(world, 'stranger')).toBe('unknown-member')
      expect(beat(world, b, generation - 1)).toBe('illegal-generation')
      expect(world.sync('stranger').outcome?.error).toBe('unknown-member')
      expect(world.sync(b, { generation: 99 }).outcome?.error).toBe('illegal-generation')
      const otherType = world.sync(b, { protocolType: 'connect', protocolName: 'range' })
      expect(otherType.outcome?.error).toBe('inconsistent-protocol')
      expect(world.sync(b, { protocolName: 'sticky' }).outcome?.error).toBe('inconsistent-protocol')
      expect(world.join('stranger').outcome?.error).toBe('unknown-member')
      expect(world.join('', { protocolType: 'connect' }).outcome?.error).toBe(
        'inconsistent-protocol',
      )
      expect(world.join('', protocols('sticky')).outcome?.error).toBe('inconsistent-protocol')
      expect(leaves(world, 'stranger')).toBe('unknown-member')
    },
  )
})

describe('the initial rebalance', () => {
  test('waits for members to come, longer when more come, but no longer than they have patience', async () => {
    const world = new GroupWorld()
    const first = world.join('')
    for (let index = 0; index < 60; index++) {
      await world.clock.advanceBy(1_000)
      if (first.outcome !== null) break
      world.join('')
    }
    expect(first.outcome?.error).toBe(null)
    expect(first.outcome?.generation).toBe(1)
    expect(world.clock.nowMs()).toBeGreaterThanOrEqual(REBALANCE_MS)
    expect(world.clock.nowMs()).toBeLessThanOrEqual(REBALANCE_MS + INITIAL_MS)
    expect(first.outcome?.members).toHaveLength(world.group.members.size)
  })

  test('takes just its delay when nobody else comes', async () => {
    const world = new GroupWorld()
    const joined = world.join('')
    await world.clock.advanceBy(INITIAL_MS - TICK_MS)
    expect(joined.outcome).toBe(null)
    await world.clock.advanceBy(2 * TICK_MS)
    expect(joined.outcome).toMatchObject({ error: null, generation: 1, leaderId: 'c-1' })
  })

  test('of a member that leaves again makes an empty group', async () => {
    const world = new GroupWorld()
    const joined = world.join('')
    leaves(world, 'c-1')
    expect(joined.outcome?.error).toBe('unknown-member')
    await world.clock.advanceBy(INITIAL_MS + TICK_MS)
    expect(world.group.state).toBe('Empty')
  })
})

describe('a rebalance', () => {
  test('removes dynamic members that do not come back in time', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{}, {}])) as [string, string]
    const joined = world.join(a)
    for (let spent = 0; spent < REBALANCE_MS; spent += 5_000) {
      beat(world, b)
      await world.clock.advanceBy(5_000)
    }
    await world.clock.advanceBy(TICK_MS)
    expect(joined.outcome).toMatchObject({ error: null, generation: 2 })
    expect([...world.group.members.keys()]).toEqual([a])
  })

  test('keeps static members that do not come back, until their session ends', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([
      { instanceId: 'a', sessionMs: 200_000 },
      { instanceId: 'b', sessionMs: 200_000 },
    ])) as [string, string]
    world.join(b, { instanceId: 'b', sessionMs: 200_000, ...protocols('range', 'new') })
    await world.clock.advanceBy(REBALANCE_MS + TICK_MS)
    expect(world.group.state).toBe('CompletingRebalance')
    expect(new Set(world.group.members.keys())).toEqual(new Set([a, b]))
    // Who joined leads: the leader did not.
    expect(world.group.leaderId).toBe(b)
    world.syncLeader()
    await world.clock.advanceBy(200_000)
    expect(world.group.members.has(a)).toBe(false)
  })

  test('in which only static members are left, and none comes, waits for their sessions', async () => {
    const world = new GroupWorld()
    const options = { instanceId: 'a', sessionMs: 150_000 }
    const [a, b] = (await world.stable([options, {}])) as [string, string]
    leaves(world, b)
    await world.clock.advanceBy(REBALANCE_MS + TICK_MS)
    expect(world.group.state).toBe('PreparingRebalance')
    await world.clock.advanceBy(150_000)
    expect(world.group.members.has(a)).toBe(false)
    expect(world.group.state).toBe('Empty')
  })

  test('is at once complete when the last one that is missing leaves', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{}, {}])) as [string, string]
    const joined = world.join(a)
    expect(joined.outcome).toBe(null)
    leaves(world, b)
    expect(joined.outcome).toMatchObject({ error: null, generation: 2 })
  })

  test('removes members that never ask for their assignment', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{}, {}])) as [string, string]
    world.join(a)
    world.join(b)
    const syncs = world.syncLeader()
    await world.clock.advanceBy(0)
    expect(syncs.outcome?.error).toBe(null)
    for (let spent = 0; spent < REBALANCE_MS; spent += 5_000) {
      for (const memberId of [a, b]) beat(world, memberId)
      await world.clock.advanceBy(5_000)
    }
    await world.clock.advanceBy(TICK_MS)
    expect([...world.group.members.keys()]).toEqual([a])
    expect(world.group.state).toBe('PreparingRebalance')
  })

  test('sends those away who wait for an assignment that will never come', async () => {
    const { world, a, b } = await inState('CompletingRebalance')
    const waiting = world.sync(b)
    world.join('')
    expect(waiting.outcome?.error).toBe('rebalance-in-progress')
    expect(beat(world, a)).toBe('rebalance-in-progress')
  })
})

describe('an assignment', () => {
  test('reaches the members when it is durable, not before', async () => {
    const { world, a, b } = await inState('CompletingRebalance')
    world.savesAtOnce = false
    const syncs = [world.sync(b), world.syncLeader()]
    // A leader that repeats itself makes no second record.
    const again = world.syncLeader()
    expect(syncs[1]?.outcome?.error).toBe('rebalance-in-progress')
    expect(world.saves).toHaveLength(1)
    expect([syncs[0]?.outcome, again.outcome]).toEqual([null, null])
    world.saved()
    expect(world.group.state).toBe('Stable')
    expect(syncs[0]?.outcome?.assignment.toString()).toBe(b)
    expect(again.outcome?.assignment.toString()).toBe(a)
  })

  test('that cannot be saved makes the group try again', async () => {
    const { world, b } = await inState('CompletingRebalance')
    world.savesAtOnce = false
    const waiting = world.sync(b)
    world.syncLeader()
    world.saved('too-large')
    expect(waiting.outcome?.error).toBe('too-large')
    expect(world.group.state).toBe('PreparingRebalance')
  })

  test('of a generation that is over when it is durable is no assignment', async () => {
    const { world, a, b } = await inState('CompletingRebalance')
    world.savesAtOnce = false
    world.syncLeader()
    world.join('')
    world.saved()
    expect(world.group.state).toBe('PreparingRebalance')
    for (const memberId of [a, b]) world.join(memberId)
    expect(world.group.generation).toBe(3)
    expect(world.group.state).toBe('CompletingRebalance')
  })
})

describe('sessions', () => {
  test('end when no heartbeat comes, and with them the membership', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{}, {}])) as [string, string]
    for (let spent = 0; spent < 3 * SESSION_MS; spent += SESSION_MS / 2) {
      beat(world, a)
      await world.clock.advanceBy(SESSION_MS / 2)
    }
    expect(world.group.members.has(b)).toBe(false)
    expect(beat(world, a)).toBe('rebalance-in-progress')
  })

  test('of members that wait for us do not end', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{}, {}])) as [string, string]
    const waiting = world.join(a)
    for (let spent = 0; spent < 3 * SESSION_MS; spent += SESSION_MS / 2) {
      beat(world, b)
      await world.clock.advanceBy(SESSION_MS / 2)
    }
    expect(waiting.outcome).toBe(null)
    expect(world.group.members.has(a)).toBe(true)
  })

  test('of all members make the group empty', async () => {
    const world = new GroupWorld()
    await world.stable([{}, {}])
    await world.clock.advanceBy(SESSION_MS + REBALANCE_MS)
    expect(world.group.state).toBe('Empty')
    expect(world.group.saved).toMatchObject({ members: [], generation: 2, protocol: null })
  })
})

describe('a new member', () => {
  test('gets an id first, and holds a rebalance up only for its session', async () => {
    const world = new GroupWorld()
    const [a] = (await world.stable([{}])) as [string]
    const asked = world.join('', { knowsIdRequired: true })
    expect(asked.outcome).toMatchObject({ error: 'member-id-required', memberId: 'c-2' })
    expect(world.group.state).toBe('Stable')
    const joined = world.join(a)
    expect(joined.outcome).toBe(null)
    await world.clock.advanceBy(SESSION_MS + TICK_MS)
    expect(joined.outcome).toMatchObject({ error: null, generation: 2 })
    expect(world.join('c-2').outcome?.error).toBe('unknown-member')
  })

  test('joins with the id that it got', async () => {
    const world = new GroupWorld()
    world.join('', { knowsIdRequired: true })
    const joined = world.join('c-1', { knowsIdRequired: true })
    await world.clock.advanceBy(INITIAL_MS + TICK_MS)
    expect(joined.outcome).toMatchObject({ error: null, memberId: 'c-1' })
  })

  test('that never joins leaves a group behind that can be forgotten', async () => {
    const world = new GroupWorld()
    world.join('', { knowsIdRequired: true })
    expect(world.forgotten).toBe(0)
    await world.clock.advanceBy(SESSION_MS + TICK_MS)
    expect(world.forgotten).toBe(1)
  })

  test('has no place in a full group, while those who are in it have', async () => {
    const world = new GroupWorld({ membersMax: 2 })
    const [a] = (await world.stable([{}, {}])) as [string]
    expect(world.join('').outcome?.error).toBe('group-full')
    expect(world.join(a).outcome).toBe(null)
  })
})

describe('protocols', () => {
  const cases: [string[][], string][] = [
    [
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
      'a',
    ],
    [
      [
        ['a', 'b'],
        ['b', 'a'],
        ['b', 'a'],
      ],
      'b',
    ],
    [
      [
        ['a', 'b', 'c'],
        ['c', 'b'],
      ],
      'b',
    ],
    [[['a', 'b'], ['b']], 'b'],
  ]
  test.each(cases)('of members with %j the group speaks %s', async (wishes, selected) => {
    const world = new GroupWorld()
    await world.stable(wishes.map((names) => protocols(...names)))
    expect(world.group.protocolName).toBe(selected)
  })

  test('that change make a rebalance, and the leader hears of them', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([protocols('x'), protocols('x')])) as [string, string]
    const changed = { protocols: [{ name: 'x', metadata: Buffer.from('changed') }] }
    world.join(b, changed)
    expect(world.group.state).toBe('PreparingRebalance')
    const leader = world.join(a, protocols('x'))
    const told = leader.outcome?.members.find(({ memberId }) => memberId === b)
    expect(told?.metadata.toString()).toBe('changed')
  })
})

describe('a static member', () => {
  const a = { instanceId: 'a' }

  test('comes back in a stable group without a rebalance, with the old assignment', async () => {
    const world = new GroupWorld()
    const [before] = (await world.stable([a, {}])) as [string]
    world.savesAtOnce = false
    const back = world.join('', a)
    expect(back.outcome).toBe(null)
    world.saved()
    const { memberId } = back.outcome ?? { memberId: '' }
    // The leader is told not to assign anew, and still who the members are (KIP-814).
    expect(back.outcome).toMatchObject({ error: null, generation: 1, skipAssignment: true })
    expect(back.outcome?.members).toHaveLength(2)
    expect(world.group.state).toBe('Stable')
    expect(world.sync(memberId).outcome?.assignment.toString()).toBe(before)
    expect(heartbeat(world.group, { memberId: before, instanceId: 'a', generation: 1 })).toBe(
      'fenced-instance',
    )
  })

  test('of an old client is not told that it leads', async () => {
    const world = new GroupWorld()
    const [before] = (await world.stable([a, {}])) as [string]
    const back = world.join('', { ...a, knowsSkipAssignment: false })
    await world.clock.advanceBy(0)
    expect(back.outcome).toMatchObject({ leaderId: before, members: [], skipAssignment: false })
  })

  test('makes a rebalance when the group would speak another protocol with it', async () => {
    const world = new GroupWorld()
    await world.stable([{ ...a, ...protocols('x', 'y') }, protocols('x', 'y')])
    world.join('', { ...a, ...protocols('y') })
    expect(world.group.state).toBe('PreparingRebalance')
  })

  test('makes a rebalance when the leader may be assigning to its old id', async () => {
    const world = new GroupWorld()
    const ids = (await world.stable([{}, a])) as [string, string]
    world.join(ids[0])
    const waiting = world.join(ids[1], a)
    expect(waiting.outcome?.error).toBe(null)
    const parked = world.sync(ids[1], { instanceId: 'a' })
    world.join('', a)
    expect(parked.outcome?.error).toBe('fenced-instance')
    expect(world.group.state).toBe('PreparingRebalance')
  })

  test('is removed by its instance id alone', async () => {
    const world = new GroupWorld()
    await world.stable([a, {}])
    expect(leaves(world, '', 'nobody')).toBe('unknown-member')
    expect(leaves(world, 'c-99', 'a')).toBe('fenced-instance')
    expect(leaves(world, '', 'a')).toBe(null)
    expect(world.group.staticMembers.size).toBe(0)
  })
})

describe('a group that is loaded', () => {
  test('is stable as it was saved, and its members have a whole session to come back', async () => {
    const world = new GroupWorld()
    const [a, b] = (await world.stable([{ instanceId: 'a' }, {}])) as [string, string]
    const saved = world.group.saved
    if (saved === null) throw new Error('nothing was saved')
    const restored = restoreGroup(world, 'group', saved)
    expect(restored.state).toBe('Stable')
    expect(restored.generation).toBe(world.group.generation)
    expect(restored.leaderId).toBe(a)
    expect(restored.staticMembers.get('a')).toBe(a)
    expect(restored.members.get(b)?.assignment.toString()).toBe(b)
    const asked = { memberId: a, instanceId: 'a', generation: restored.generation }
    await world.clock.advanceBy(SESSION_MS - TICK_MS)
    expect(heartbeat(restored, asked)).toBe(null)
    await world.clock.advanceBy(2 * TICK_MS)
    expect(restored.members.has(b)).toBe(false)
    expect(restored.members.has(a)).toBe(true)
  })

  test('is over at this coordinator once it ends: all are answered, nothing fires any more', async () => {
    const { world, b } = await inState('PreparingRebalance')
    const waiting = world.join('')
    endGroup(world.group, 'not-coordinator', world.clock.wallMs())
    expect(waiting.outcome?.error).toBe('not-coordinator')
    expect(world.group.members.get(b)?.awaitsJoin).toBe(false)
    expect(world.clock.pendingCount).toBe(0)
  })
})
