import { expect, test } from '@jest/globals'
import { ProducerIds } from './producer-ids.ts'
import { apis } from './protocol/api-keys.ts'
import { errorName } from './protocol/error-codes.ts'
import { type TestBroker, TestCluster } from './testing/harness.ts'

test('no id is given out twice, by any broker, however many ask at once', async () => {
  const cluster = await TestCluster.start(2)
  try {
    const allotted = await Promise.all(
      cluster.brokers.flatMap(({ broker }) => {
        return Array.from({ length: 2_500 }, () => broker.producerIds.allot())
      }),
    )
    expect(new Set(allotted).size).toBe(5_000)
    const next = cluster.brokers[0]?.broker.node.image.scalars.nextProducerId ?? 0
    expect(Math.max(...allotted)).toBeLessThan(next)
  } finally {
    cluster.stop()
  }
})

test('those who ask at once share one block, and a failed reservation is tried anew', async () => {
  let reservations = 0
  const ids = new ProducerIds({
    nodeId: 7,
    append: async () => {
      reservations++
      if (reservations === 1) throw new Error('the store is away')
      return { seq: 1, records: [{ type: 'producer-ids', nodeId: 7, nextProducerId: 3000 }] }
    },
  })
  const failed = await Promise.allSettled([ids.allot(), ids.allot()])
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(reservations).toBe(1)
  expect(await Promise.all([ids.allot(), ids.allot(), ids.allot()])).toEqual([2000, 2001, 2002])
  expect(reservations).toBe(2)
})

test('an idempotent producer gets a fresh id, a transactional one a refusal', async () => {
  const cluster = await TestCluster.start()
  try {
    const client = cluster.brokers[0] as TestBroker
    const ask = async (version: number, more: object = {}) => {
      const { errorCode, producerId, producerEpoch } = await client.call(
        apis.initProducerId,
        version,
        { transactionalId: null, transactionTimeoutMs: 1, ...more },
      )
      return { error: errorName(errorCode), producerId, producerEpoch }
    }
    for (let version = 0; version <= 5; version++) {
      expect(await ask(version)).toEqual({ error: 'NONE', producerId: version, producerEpoch: 0 })
    }
    const known = { producerId: 0, producerEpoch: 3 }
    expect(await ask(3, known)).toEqual({ error: 'NONE', producerId: 6, producerEpoch: 0 })
    expect((await ask(3, { producerId: 0 })).error).toBe('INVALID_REQUEST')
    expect(await ask(5, { transactionalId: 'mine' })).toEqual({
      error: 'UNSUPPORTED_VERSION',
      producerId: -1,
      producerEpoch: -1,
    })
  } finally {
    cluster.stop()
  }
})
