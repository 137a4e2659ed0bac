import { describe, expect, test } from '@jest/globals'
import { faultsOfAcknowledged, faultsOfLog, faultsOfReading } from './ledger.ts'

function producer(name: string, values: readonly string[], idempotent = true) {
  const acked = values.map((value, offset) => {
    return { event: 'acked', value, partition: 0, offset } as const
  })
  return { acked, settings: { role: 'produce', bootstrap: '', name, idempotent } as const }
}

function log(...values: string[]) {
  return values.map((value, offset) => ({ partition: 0, offset, value }))
}

describe('what was acknowledged', () => {
  test('is there once: no fault, whatever else is there', () => {
    const faults = faultsOfAcknowledged(log('a-0', 'a-1', 'a-2'), [producer('a', ['a-0', 'a-1'])])
    expect(faults).toEqual([])
  })

  test('a record that is lost, and one that is elsewhere', () => {
    const faults = faultsOfAcknowledged(log('a-1'), [producer('a', ['a-0', 'a-1'])])
    expect(faults).toEqual(['lost, 1 times: a-0', 'not where it was said to be, 1 times: a-1'])
  })

  test('a record of an idempotent producer may not be there twice, of another it may', () => {
    const twice = log('a-0', 'a-0', 'b-0')
    expect(faultsOfAcknowledged(twice, [producer('a', ['a-0'])])).toEqual(['doubled, 1 times: a-0'])
    expect(faultsOfAcknowledged(twice, [producer('a', ['a-0'], false)])).toEqual([])
  })
})

describe('after all ended well', () => {
  test('nothing else may be there, and nothing twice', () => {
    const faults = faultsOfLog(log('a-0', 'a-0', 'x'), [producer('a', ['a-0'], false)])
    expect(faults).toEqual([
      'doubled, 1 times: a-0',
      'there without having been acknowledged, 1 times: x',
    ])
  })

  test('all is read, as it stands there', () => {
    const there = log('a-0', 'a-1')
    expect(faultsOfReading(there, [{ records: there }])).toEqual([])
    const wrong = [{ partition: 0, offset: 0, value: 'a-1' }]
    expect(faultsOfReading(there, [{ records: wrong }])).toEqual([
      'never read, 1 times: a-1',
      'read wrongly, 1 times: 0/0 a-1',
    ])
  })
})
