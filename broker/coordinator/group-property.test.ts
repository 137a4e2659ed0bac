import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { JoinOutcome, SyncOutcome } from './group-outcomes.ts'
import { heartbeat, leave } from './leave.ts'
import { GroupWorld, type Parked } from './testing/group-world.ts'

const nth = fc.nat(7)
const deed = fc.oneof(
  fc.record({
    type: fc.constant('join' as const),
    knowsIdRequired: fc.boolean(),
    instance: fc.option(fc.constantFrom('x', 'y'), { nil: null }),
    protocol: fc.constantFrom('range', 'sticky'),
  }),
  fc.record({
    type: fc.constant('rejoin' as const),
    nth,
    claims: fc.option(fc.constantFrom('x', 'y', 'z'), { nil: null }),
    protocol: fc.constantFrom('range', 'sticky'),
  }),
  fc.record({ type: fc.constant('sync' as const), nth }),
  fc.record({ type: fc.constant('lead' as const) }),
  fc.record({ type: fc.constant('beat' as const), nth }),
  fc.record({ type: fc.constant('leave' as const), nth }),
  fc.record({ type: fc.constant('save' as const), fails: fc.boolean() }),
  fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(100, 3_000, 9_000, 70_000) }),
)
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never

const both = ['range', 'sticky'].map((name) => ({ name, metadata: Buffer.alloc(0) }))

/** A group to which anything happens, with all requests that were ever sent to it. */
class Chaos {
  readonly world = new GroupWorld({ membersMax: 6 })
  readonly parked: (Parked<JoinOutcome> | Parked<SyncOutcome>)[] = []
  private generation = 0

  constructor() {
    this.world.savesAtOnce = false
  }

  async happen(deed: Deed): Promise<void> {
    const { world } = this
    const { group } = world
    const all = [...group.members.keys(), ...group.pendingJoins.keys()]
    const memberId = 'nth' in deed ? (all[deed.nth % Math.max(all.length, 1)] ?? 'nobody') : ''
    const instanceId = group.members.get(memberId)?.instanceId ?? null
    switch (deed.type) {
      case 'join': {
        const protocols = both.filter(({ name }) => name === 'range' || name === deed.protocol)
        const { knowsIdRequired, instance } = deed
        this.parked.push(world.join('', { knowsIdRequired, instanceId: instance, protocols }))
        return
      }
      case 'rejoin': {
        const protocols = both.filter(({ name }) => name === 'range' || name === deed.protocol)
        // A client may claim to be anybody.
        const claimed = deed.claims ?? instanceId
        this.parked.push(world.join(memberId, { instanceId: claimed, protocols }))
        return
      }
      case 'sync':
        this.parked.push(world.sync(memberId, { instanceId }))
        return
      case 'lead': {
        const leader = group.members.get(group.leaderId ?? '')?.instanceId ?? null
        this.parked.push(world.syncLeader({ instanceId: leader }))
        return
      }
      case 'beat':
        heartbeat(group, { memberId, instanceId, generation: group.generation })
        return
      case 'leave':
        leave(world, group, [
          { memberId, instanceId, reason: null },
          { memberId: '', instanceId: deed.nth === 0 ? 'x' : null, reason: null },
        ])
        return
      case 'save':
        world.saved(deed.fails ? 'too-large' : null)
        return
      case 'wait':
        await world.clock.advanceBy(deed.ms)
    }
  }

  check(): void {
    const { group } = this.world
    const members = [...group.members.values()]
    expect(group.awaitingJoinCount).toBe(members.filter(({ awaitsJoin }) => awaitsJoin).length)
    expect(group.generation).toBeGreaterThanOrEqual(this.generation)
    this.generation = group.generation
    const instances = members.flatMap(({ instanceId }) => instanceId ?? [])
    expect(new Set(group.staticMembers.keys())).toEqual(new Set(instances))
    for (const memberId of group.staticMembers.values()) {
      expect(group.members.has(memberId)).toBe(true)
    }
    if (group.state === 'Empty') expect(members).toEqual([])
    if (group.state === 'CompletingRebalance' || group.state === 'Stable') {
      expect(members.map(({ memberId }) => memberId)).toContain(group.leaderId)
      expect(members.every((each) => each.voteAmong(new Set([group.protocolName ?? ''])))).toBe(
        true,
      )
    }
    if (group.state === 'Stable') {
      expect(members.filter(({ awaitsSync }) => awaitsSync)).toEqual([])
    }
    for (const memberId of group.pendingSyncs) expect(group.members.has(memberId)).toBe(true)
  }

  /** Nobody does anything any more: time must bring an end to everything. */
  async end(): Promise<void> {
    const { world } = this
    for (let minutes = 0; minutes < 30; minutes++) {
      while (world.saves.length > 0) world.saved()
      await world.clock.advanceBy(60_000)
      this.check()
    }
    expect(this.parked.filter(({ outcome }) => outcome === null)).toEqual([])
    expect(world.group.state).toBe('Empty')
    expect(world.clock.pendingCount).toBe(0)
  }
}

test('whatever happens to a group, everybody is answered once, and an abandoned group ends empty', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 30, maxLength: 60 }), async (deeds) => {
      const chaos = new Chaos()
      for (const each of deeds) {
        await chaos.happen(each)
        chaos.check()
      }
      await chaos.end()
    }),
    { numRuns: 100 },
  )
}, 120_000)
