import { describe, expect, test } from '@jest/globals'
import { addressOf, addressOverrides, ConnectionQuotas } from './connection-quotas.ts'
import { limits } from './testing/test-server.ts'

describe('ConnectionQuotas', () => {
  test('counts by address and in all, and forgets who has ended', () => {
    const some = { connectionsMax: 5, perAddressMax: 2, addressOverrides: new Map([['b', 3]]) }
    const quotas = new ConnectionQuotas(limits(some), () => 0)
    const admitted = (address: string): boolean => quotas.admit(address).admitted
    expect(['a', 'a', 'a'].map(admitted)).toEqual([true, true, false])
    expect(['b', 'b', 'b', 'c'].map(admitted)).toEqual([true, true, true, false])
    quotas.ended('a')
    expect(['b', 'c', 'a'].map(admitted)).toEqual([false, true, false])
    for (const address of ['a', 'b', 'b', 'b', 'c']) quotas.ended(address)
    expect(quotas.count).toBe(0)
    expect(['a', 'a', 'a'].map(admitted)).toEqual([true, true, false])
  })

  test('an override may also be fewer, or none at all', () => {
    const some = { addressOverrides: new Map([['a', 0]]) }
    const quotas = new ConnectionQuotas(limits(some), () => 0)
    expect([quotas.admit('a').admitted, quotas.admit('b').admitted]).toEqual([false, true])
  })

  test('who comes faster than the rate waits for a turn, and nobody for longer than clients do', () => {
    let nowMs = 0
    const quotas = new ConnectionQuotas(limits({ perSecondMax: 10 }), () => nowMs)
    const delays = Array.from({ length: 200 }, () => quotas.admit('a')).map((admission) =>
      admission.admitted ? Math.round(admission.delayMs) : -1,
    )
    // A second's worth at once, then one each tenth of a second for ten seconds.
    expect(delays.slice(0, 10)).toEqual(Array(10).fill(0))
    expect(delays.slice(10, 110)).toEqual(Array.from({ length: 100 }, (_, at) => (at + 1) * 100))
    expect(delays.slice(110)).toEqual(Array(90).fill(-1))
    expect(quotas.count).toBe(110)
    // Refused ones did not use up anybody's turn.
    nowMs = 10_000
    expect(quotas.admit('a')).toEqual({ admitted: true, delayMs: 100 })
    nowMs = 60_000
    expect(quotas.admit('a')).toEqual({ admitted: true, delayMs: 0 })
  })

  test('a rate of nothing is not divided by', () => {
    const quotas = new ConnectionQuotas(limits({ perSecondMax: 0 }), () => 0)
    const admissions = Array.from({ length: 3 }, () => quotas.admit('a').admitted)
    expect(admissions).toEqual([true, false, false])
  })
})

describe('addresses', () => {
  test('an IPv4 client is the same on an IPv6 socket', () => {
    expect(addressOf('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(addressOf('10.0.0.1')).toBe('10.0.0.1')
    expect(addressOf('::1')).toBe('::1')
  })

  test('overrides are addresses with counts', () => {
    const overrides = addressOverrides('127.0.0.1:5, ::1:7,[fe80::1]:0')
    expect([...(overrides ?? [])]).toEqual([
      ['127.0.0.1', 5],
      ['::1', 7],
      ['fe80::1', 0],
    ])
    expect(addressOverrides('')?.size).toBe(0)
    for (const bad of ['localhost:5', '127.0.0.1', '127.0.0.1:-1', '127.0.0.1:x', ':5']) {
      expect(addressOverrides(bad)).toBeNull()
    }
  })
})
