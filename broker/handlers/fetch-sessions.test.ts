import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../../base/random.ts'
import { FetchSessions } from './fetch-sessions.ts'

const EVICTABLE_AFTER_MS = 120_000
const EPOCH_MAX = 2 ** 31 - 1

function sessions(slots: number): FetchSessions {
  return new FetchSessions(seededRandom(1), slots)
}

describe('FetchSessions', () => {
  test('a session goes on with each request of its next epoch, and with no other', () => {
    const all = sessions(10)
    const session = all.create(new Map(), 0)
    const id = session?.id ?? 0
    expect(all.resume(id, 1, 1)).toBe(session)
    expect(all.resume(id, 1, 1)).toBe('INVALID_FETCH_SESSION_EPOCH')
    expect(all.resume(id, 3, 1)).toBe('INVALID_FETCH_SESSION_EPOCH')
    expect(all.resume(id, 2, 1)).toBe(session)
    expect(all.resume(id + 1, 3, 1)).toBe('FETCH_SESSION_ID_NOT_FOUND')
    all.drop(id)
    all.drop(id)
    expect(all.resume(id, 3, 1)).toBe('FETCH_SESSION_ID_NOT_FOUND')
    expect(all.size).toBe(0)
  })

  test('epochs go from the largest to 1: 0 asks for a new session', () => {
    const all = sessions(10)
    const session = all.create(new Map(), 0)
    if (session === null) throw new Error('no session')
    session.epoch = EPOCH_MAX
    expect(all.resume(session.id, EPOCH_MAX, 0)).toBe(session)
    expect(all.resume(session.id, 0, 0)).toBe('INVALID_FETCH_SESSION_EPOCH')
    expect(all.resume(session.id, 1, 0)).toBe(session)
  })

  test('ids are distinct and neither 0 nor negative', () => {
    const all = sessions(500)
    const ids = Array.from({ length: 500 }, () => all.create(new Map(), 0)?.id ?? 0)
    expect(new Set(ids).size).toBe(500)
    expect(Math.min(...ids)).toBeGreaterThan(0)
    expect(Math.max(...ids)).toBeLessThanOrEqual(EPOCH_MAX)
  })

  test('there are no more than slots; only one that nobody used for long makes room, the oldest', () => {
    const all = sessions(2)
    const first = all.create(new Map(), 0)
    const second = all.create(new Map(), 1_000)
    expect(all.create(new Map(), 2_000)).toBeNull()
    expect(all.resume(first?.id ?? 0, 1, 100_000)).toBe(first)
    expect(all.create(new Map(), 1_000 + EVICTABLE_AFTER_MS - 1)).toBeNull()
    const third = all.create(new Map(), 1_000 + EVICTABLE_AFTER_MS)
    expect(third).not.toBeNull()
    expect(all.resume(second?.id ?? 0, 1, 130_000)).toBe('FETCH_SESSION_ID_NOT_FOUND')
    expect(all.resume(first?.id ?? 0, 2, 130_000)).toBe(first)
    expect(all.size).toBe(2)
  })

  test('without slots there are none, and nobody is thrown out for nothing', () => {
    const all = sessions(0)
    expect(all.create(new Map(), 0)).toBeNull()
    expect(all.create(new Map(), 1_000_000)).toBeNull()
  })
})
