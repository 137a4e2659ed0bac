import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { AddressLimits, addressOverrides } from './address-limits.ts'
import { addressOf, ConnectionQuotas } from './connection-quotas.ts'
import { limits } from './testing/test-server.ts'

describe('ConnectionQuotas', () => {
  test('counts by address and in all, and forgets who has ended', () => {
    const some = { connectionsMax: 5, perAddressMax: 2, addressOverrides: new Map([['b', 3]]) }
    const quotas = new ConnectionQuotas(limits(some), () => 0)
    const admitted = (address: string): boolean => quotas.admit(address, 'plain').admitted
    expect(['a', 'a', 'a'].map(admitted)).toEqual([true, true, false])
    expect(['b', 'b', 'b', 'c'].map(admitted)).toEqual([true, true, true, false])
    quotas.ended('a', 'plain')
    expect(['b', 'c', 'a'].map(admitted)).toEqual([false, true, false])
    for (const address of ['a', 'b', 'b', 'b', 'c']) quotas.ended(address, 'plain')
    expect(quotas.count).toBe(0)
    expect(['a', 'a', 'a'].map(admitted)).toEqual([true, true, false])
  })

  test('an override may also be fewer, or none at all', () => {
    const some = { addressOverrides: new Map([['a', 0]]) }
    const quotas = new ConnectionQuotas(limits(some), () => 0)
    expect([quotas.admit('a', 'plain').admitted, quotas.admit('b', 'plain').admitted]).toEqual([
      false,
      true,
    ])
  })

  test('who comes faster than the rate waits for a turn, and nobody for longer than clients do', () => {
    let nowMs = 0
    const quotas = new ConnectionQuotas(limits({ perSecondMax: 10 }), () => nowMs)
    const delays = Array.from({ length: 200 }, () => quotas.admit('a', 'plain')).map((admission) =>
      admission.admitted ? Math.round(admission.delayMs) : -1,
    )
    // A second's worth at once, then one each tenth of a second for ten seconds.
    expect(delays.slice(0, 10)).toEqual(Array(10).fill(0))
    expect(delays.slice(10, 110)).toEqual(Array.from({ length: 100 }, (_, at) => (at + 1) * 100))
    expect(delays.slice(110)).toEqual(Array(90).fill(-1))
    expect(quotas.count).toBe(110)
    // Refused ones did not use up anybody's turn.
    nowMs = 10_000
    expect(quotas.admit('a', 'plain')).toEqual({ admitted: true, delayMs: 100 })
    nowMs = 60_000
    expect(quotas.admit('a', 'plain')).toEqual({ admitted: true, delayMs: 0 })
  })

  test('a rate of nothing is not divided by', () => {
    const quotas = new ConnectionQuotas(limits({ perSecondMax: 0 }), () => 0)
    const admissions = Array.from({ length: 3 }, () => quotas.admit('a', 'plain').admitted)
    expect(admissions).toEqual([true, false, false])
  })

  test('a listener has its own bounds, beside those of all', () => {
    const unbounded = Number.POSITIVE_INFINITY
    const listener = (name: string) =>
      name === 'inside'
        ? { connectionsMax: unbounded, perSecondMax: unbounded }
        : { connectionsMax: 2, perSecondMax: 1 }
    const quotas = new ConnectionQuotas(limits({ connectionsMax: 4, listener }), () => 0)
    expect(quotas.admit('a', 'outside')).toEqual({ admitted: true, delayMs: 0 })
    expect(quotas.admit('a', 'outside')).toEqual({ admitted: true, delayMs: 1_000 })
    expect(quotas.admit('a', 'outside')).toMatchObject({ admitted: false, limit: 2 })
    expect(quotas.admit('a', 'inside')).toEqual({ admitted: true, delayMs: 0 })
    expect(quotas.admit('a', 'inside')).toEqual({ admitted: true, delayMs: 0 })
    expect(quotas.admit('a', 'inside')).toMatchObject({ admitted: false, limit: 4 })
    quotas.ended('a', 'outside')
    expect(quotas.admit('a', 'outside')).toEqual({ admitted: true, delayMs: 2_000 })
  })
})

describe('addresses', () => {
  test('an IPv4 client is the same on an IPv6 socket', () => {
    expect(addressOf('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(addressOf('10.0.0.1')).toBe('10.0.0.1')
    expect(addressOf('::1')).toBe('::1')
  })

  test('overrides are hosts with counts', () => {
    expect(addressOverrides('127.0.0.1:5, ::1:7,[fe80::1]:0,Host:3')).toEqual([
      { host: '127.0.0.1', count: 5 },
      { host: '::1', count: 7 },
      { host: 'fe80::1', count: 0 },
      { host: 'host', count: 3 },
    ])
    expect(addressOverrides('')).toEqual([])
    for (const bad of ['127.0.0.1', '127.0.0.1:-1', '127.0.0.1:x', ':5']) {
      expect(addressOverrides(bad)).toBeNull()
    }
  })

  test('names among the overrides count for their addresses; what is wrong is told once', async () => {
    const told: string[] = []
    const addresses = new AddressLimits('10.0.0.1:3', (why) => told.push(why))
    expect([...addresses.of('10.0.0.1:3')]).toEqual([['10.0.0.1', 3]])
    const named = addresses.of('localhost:5,nowhere.invalid:6')
    while (named.size === 0 || told.length === 0) await pause(5)
    expect(named.get('127.0.0.1')).toBe(5)
    expect(told).toEqual([expect.stringContaining('nowhere.invalid is not found')])
    for (let look = 0; look < 2; look++) expect(addresses.of('x').get('127.0.0.1')).toBe(5)
    expect(told).toHaveLength(2)
    expect(() => new AddressLimits('x', () => {})).toThrow('is not understood')
  })
})
