import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { emptyImage } from '../../metadata/image.ts'
import type { FetchRequest } from '../protocol/messages/fetch.ts'
import { type Broker, ZERO_UUID } from './context.ts'
import { type FetchPlan, planFetch } from './fetch-request.ts'
import { FetchSessions } from './fetch-sessions.ts'

const ID = 'AAAAAAAAAAAAAAAAAAAAAg'
const NEW_ID = 'AAAAAAAAAAAAAAAAAAAAAw'

/** What a client says of a topic: by name up to v12, by id from v13 on. */
interface Named {
  readonly topic?: string
  readonly topicId?: string
}

/** A broker that knows a topic `t`, and a client with a session at it. */
class Setup {
  readonly image = emptyImage()
  readonly sessions: FetchSessions
  readonly broker: Broker

  constructor(slots = 10) {
    this.sessions = new FetchSessions(seededRandom(1), slots)
    const { image, sessions: fetchSessions } = this
    this.broker = { clock: virtualClock(), node: { image }, fetchSessions } as unknown as Broker
    this.create(ID)
  }

  create(topicId: string): void {
    this.image.topics.set(topicId, { topicId, name: 't', configs: {}, partitions: [] })
    this.image.topicIds.set('t', topicId)
  }

  delete(topicId: string): void {
    this.image.topics.delete(topicId)
    this.image.topicIds.delete('t')
  }

  plan(
    sessionId: number,
    sessionEpoch: number,
    wanted: readonly (Named & { partitions: readonly number[]; offset?: number })[] = [],
    forgotten: readonly (Named & { partitions: readonly number[] })[] = [],
  ): FetchPlan {
    const body = {
      sessionId,
      sessionEpoch,
      topics: wanted.map(({ partitions, offset = 0, ...named }) => ({
        ...named,
        partitions: partitions.map((partition) => ({
          partition,
          fetchOffset: offset,
          partitionMaxBytes: 100,
          currentLeaderEpoch: -1,
        })),
      })),
      forgottenTopicsData: forgotten,
    }
    return planFetch(this.broker, body as unknown as FetchRequest)
  }
}

function offsetsOf({ partitions }: FetchPlan): [number, number][] {
  return [...partitions.values()].map(({ partition, fetchOffset }) => [partition, fetchOffset])
}

describe.each<[string, Named]>([
  ['by name', { topic: 't' }],
  ['by id', { topicId: ID }],
])('a client that names topics %s', (_how, named) => {
  test('gets a session, changes it bit by bit, and ends it', () => {
    const setup = new Setup()
    const first = setup.plan(0, 0, [{ ...named, partitions: [0, 1, 2], offset: 5 }])
    expect(first).toMatchObject({ error: null, incremental: false })
    const id = first.session?.id ?? 0
    const second = setup.plan(
      id,
      1,
      [{ ...named, partitions: [1, 3], offset: 9 }],
      [{ ...named, partitions: [2, 7] }],
    )
    expect(second).toMatchObject({ error: null, incremental: true })
    expect(offsetsOf(second)).toEqual([
      [0, 5],
      [1, 9],
      [3, 9],
    ])
    expect(offsetsOf(setup.plan(id, 2))).toHaveLength(3)
    const last = setup.plan(id, -1, [{ ...named, partitions: [0], offset: 6 }])
    expect(last).toMatchObject({ error: null, session: null, incremental: false })
    expect(offsetsOf(last)).toEqual([[0, 6]])
    expect(setup.sessions.size).toBe(0)
  })

  test('forgets partitions of a topic that is gone: else it is told of them for ever', () => {
    const setup = new Setup()
    const id = setup.plan(0, 0, [{ ...named, partitions: [0] }]).session?.id ?? 0
    setup.delete(ID)
    expect(setup.plan(id, 1, [], [{ ...named, partitions: [0] }]).partitions.size).toBe(0)
  })

  test('is refused with a session that nobody knows, or an epoch that is not due', () => {
    const setup = new Setup()
    expect(setup.plan(77, 1)).toMatchObject({ error: 'FETCH_SESSION_ID_NOT_FOUND' })
    const id = setup.plan(0, 0, [{ ...named, partitions: [0] }]).session?.id ?? 0
    expect(setup.plan(id, 5)).toMatchObject({ error: 'INVALID_FETCH_SESSION_EPOCH' })
    expect(setup.plan(id, 1).error).toBeNull()
  })

  test('asks for a new session in place of its old one', () => {
    const setup = new Setup(1)
    const id = setup.plan(0, 0, [{ ...named, partitions: [0] }]).session?.id ?? 0
    const next = setup.plan(id, 0, [{ ...named, partitions: [1] }])
    expect(next.session).not.toBeNull()
    expect(setup.sessions.size).toBe(1)
    expect(setup.plan(id, 1).error).toBe('FETCH_SESSION_ID_NOT_FOUND')
  })
})

test('without a free slot, or without a wish for one, there is no session', () => {
  const setup = new Setup(1)
  expect(setup.plan(0, -1, [{ topic: 't', partitions: [0] }]).session).toBeNull()
  expect(setup.plan(0, 0, []).session).toBeNull()
  expect(setup.plan(0, 0, [{ topic: 't', partitions: [0] }]).session).not.toBeNull()
  const full = setup.plan(0, 0, [{ topic: 't', partitions: [0] }])
  expect([full.error, full.session, full.partitions.size]).toEqual([null, null, 1])
})

test('a session by name finds the topic that has the name now, and tells all of it anew', () => {
  const setup = new Setup()
  const first = setup.plan(0, 0, [{ topic: 't', partitions: [0] }])
  const id = first.session?.id ?? 0
  const [known] = [...first.partitions.values()]
  if (known === undefined) throw new Error('no partition')
  known.highWatermark = 12
  setup.delete(ID)
  expect([...setup.plan(id, 1).partitions.values()]).toMatchObject([{ topicId: ZERO_UUID }])
  setup.create(NEW_ID)
  expect([...setup.plan(id, 2).partitions.values()]).toMatchObject([
    { topicId: NEW_ID, highWatermark: -2 },
  ])
})

test('a session by id never takes another topic of the same name for it', () => {
  const setup = new Setup()
  const id = setup.plan(0, 0, [{ topicId: ID, partitions: [0] }]).session?.id ?? 0
  setup.delete(ID)
  setup.create(NEW_ID)
  expect([...setup.plan(id, 1).partitions.values()]).toMatchObject([{ topicId: ID }])
})

test('a topic whose name is the id of another one is another one', () => {
  const setup = new Setup()
  const plan = setup.plan(0, 0, [
    { topicId: ID, partitions: [0], offset: 1 },
    { topic: ID, partitions: [0], offset: 2 },
  ])
  expect(offsetsOf(plan)).toEqual([
    [0, 1],
    [0, 2],
  ])
})
