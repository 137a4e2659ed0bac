import { describe, expect, test } from '@jest/globals'
import { StoreError } from '../object-store/store.ts'
import { encodeBatch, encodeRecords } from './batch.ts'
import { AppendUnknown, ProposalTooLarge, RejectedProposal } from './errors.ts'
import { METADATA_LOG_PREFIX, metadataLogKey } from './keys.ts'
import type { MetadataRecord } from './records.ts'
import { registration } from './testing/random-records.ts'
import { clusterRecord, setting, settingOf, world, wrapped } from './testing/world.ts'

function topic(name: string): MetadataRecord {
  return { type: 'topic-created', topicId: name, name, owners: [1], configs: {}, atMs: 1 }
}

describe('opening', () => {
  test('an empty bucket gets one cluster, however many open it at once', async () => {
    const { clock, store, make } = world()
    const logs = Array.from({ length: 5 }, () => make())
    const opening = logs.map((log, index) => log.open(() => [clusterRecord(`c${index}`)]))
    await clock.run(Promise.all(opening))
    expect(new Set(logs.map((log) => log.clusterId)).size).toBe(1)
    expect(await store.list({ prefix: METADATA_LOG_PREFIX })).toHaveLength(1)
  })

  test('without first records an empty bucket stays empty', async () => {
    const { clock, store, make } = world()
    const log = make()
    await clock.run(log.open())
    expect([log.seq, log.clusterId, await store.list({ prefix: '' })]).toEqual([0, null, []])
  })

  test('waits for a store in trouble, and says what cannot be waited for', async () => {
    const { store, open } = world()
    await open()
    let failures = 5
    const weak = wrapped(store, 'list', (list) => async (options) => {
      if (failures-- > 0) throw new StoreError('unavailable', options.prefix, 'try later')
      return list(options)
    })
    expect((await open({ store: weak })).seq).toBe(1)
    const closed = wrapped(store, 'list', () => async ({ prefix }) => {
      throw new StoreError('denied', prefix, 'no such right')
    })
    await expect(open({ store: closed })).rejects.toThrow('no such right')
  })

  const impossible: MetadataRecord[] = [setting('half'), { type: 'node-gone', nodeId: 77 }]
  const unknown = { nodeId: 0, seq: 3, nonce: Buffer.alloc(16) }
  test.each([
    ['that is not readable', [Buffer.alloc(100)]],
    ['that cannot be applied', encodeBatch(unknown, [encodeRecords(impossible)])],
  ])('a batch %s stops every reader at it', async (_what, body) => {
    const { clock, store, open } = world()
    const log = await open()
    await clock.run(log.append(() => [setting('a')]))
    await store.putIfAbsent(metadataLogKey(3), body)
    const confirmedAtMs = log.headConfirmedAtMs
    await clock.advanceBy(10)
    await expect(clock.run(log.catchUp())).rejects.toThrow(metadataLogKey(3))
    await expect(clock.run(log.append(() => [setting('b')]))).rejects.toThrow()
    expect([log.seq, settingOf(log, 'half')]).toEqual([2, undefined])
    expect(log.headConfirmedAtMs).toBe(confirmedAtMs)
    await expect(open()).rejects.toMatchObject({ kind: 'corrupt' })
  })
})

describe('append', () => {
  test('what is proposed together is one batch, each on the image of those before', async () => {
    const { clock, store, open } = world()
    const log = await open()
    const results = await clock.run(
      Promise.all([1, 2, 3].map(() => log.append((image) => [registration(image)]))),
    )
    expect(results.map(({ seq }) => seq)).toEqual([2, 2, 2])
    expect([...log.image.nodes.keys()]).toEqual([1, 2, 3])
    expect(await store.list({ prefix: METADATA_LOG_PREFIX })).toHaveLength(2)
  })

  test('a proposal that is refused takes nobody with it', async () => {
    const { clock, open } = world()
    const log = await open()
    const node: MetadataRecord = { type: 'node-draining', nodeId: 1, draining: true }
    const outcomes = await clock.run(
      Promise.allSettled([
        log.append((image) => [registration(image)]),
        log.append(() => [topic('a'), setting('half')]),
        log.append((image) => {
          if (image.topicIds.has('a')) throw new RejectedProposal('topic exists')
          return [topic('a')]
        }),
        log.append(() => [setting('half', 'refused'), topic('a')]),
        log.append(({ configs }) => {
          return configs.get('cluster\n\nhalf') === '1' ? null : [setting('trace')]
        }),
        log.append(() => [{ ...node, nodeId: 99 }]),
        log.append(() => null),
        log.append(() => [node]),
      ]),
    )
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    const errors = outcomes.flatMap((outcome) => {
      return outcome.status === 'rejected' ? [outcome.reason.name] : []
    })
    expect(errors).toEqual(['RejectedProposal', 'MetadataInvariantError', 'InvariantError'])
    expect([...log.image.topics.keys()]).toEqual(['a'])
    expect([settingOf(log, 'half'), settingOf(log, 'trace')]).toEqual(['1', undefined])
    expect(log.image.nodes.get(1)?.state).toBe('draining')
  })

  test('a loser evaluates again on the image of the winner', async () => {
    const { clock, open } = world()
    const [first, second] = [await open(), await open()]
    await clock.run(first.append((image) => [registration(image)]))
    const results = await clock.run(
      Promise.allSettled(
        [first, second].map((log) => {
          return log.append((image) => {
            if (image.topicIds.has('a')) throw new RejectedProposal('topic exists')
            return [topic('a')]
          })
        }),
      ),
    )
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('a refusal is never made from an old image', async () => {
    const { clock, open } = world()
    const [first, second] = [await open(), await open()]
    await clock.run(first.append((image) => [registration(image), topic('a')]))
    await clock.run(second.catchUp())
    await clock.run(first.append(() => [{ type: 'topic-deleted', topicId: 'a' }]))
    const result = await clock.run(
      second.append((image) => {
        if (image.topicIds.has('a')) throw new RejectedProposal('topic exists')
        return [{ ...topic('b'), name: 'a' } as MetadataRecord]
      }),
    )
    expect(result.seq).toBe(4)
    const nothing = await clock.run(
      first.append((image) => {
        return image.topicIds.get('a') === 'b' ? null : [setting('stale')]
      }),
    )
    expect(nothing).toEqual({ seq: 4, records: [] })
  })

  test('batches are bounded, and what does not fit waits for the next', async () => {
    const { clock, open } = world()
    const log = await open({ limits: { recordsMax: 3, bytesMax: 400 } })
    const long = 'x'.repeat(200)
    const results = await clock.run(
      Promise.all([
        log.append(() => [setting('a'), setting('b')]),
        log.append(() => [setting('c'), setting('d')]),
        log.append(() => null),
        log.append(() => [setting('e', long)]),
        log.append(() => [setting('f', long)]),
        log.append(() => ['1', '2', '3', '4'].map((key) => setting(key))),
      ]),
    )
    expect(results.map(({ seq }) => seq)).toEqual([2, 3, 3, 4, 5, 6])
    const huge = log.append(() => [setting('huge', 'x'.repeat(9_000_000)), setting('g')])
    const small = log.append(() => [setting('small')])
    await expect(clock.run(huge)).rejects.toBeInstanceOf(ProposalTooLarge)
    await clock.run(small)
    expect(settingOf(log, 'g')).toBeUndefined()
  })

  test('what the caller does to its records later changes nothing', async () => {
    const { clock, open } = world()
    const [log, other] = [await open(), await open()]
    const record = setting('a')
    const appended = log.append(() => [record])
    await clock.run(appended)
    Object.assign(record, { value: 'changed' })
    await clock.run(other.catchUp())
    expect([settingOf(log, 'a'), settingOf(other, 'a')]).toEqual(['1', '1'])
  })

  test('a refusing store leaves the outcome open, and the log goes on afterwards', async () => {
    const { clock, store, open } = world()
    let isClosed = false
    const log = await open({
      store: wrapped(store, 'putIfAbsent', (put) => async (key, body) => {
        // The worst case: it is written, and then the right to write is taken away.
        const result = await put(key, body)
        if (isClosed) throw new StoreError('denied', key, 'no such right')
        return result
      }),
    })
    isClosed = true
    const refused = log.append(() => [setting('a')])
    const idle = log.append(() => null)
    await expect(clock.run(refused)).rejects.toBeInstanceOf(AppendUnknown)
    expect((await clock.run(idle)).records).toEqual([])
    isClosed = false
    expect((await clock.run(log.append(() => [setting('b')]))).seq).toBe(3)
    expect(settingOf(log, 'a')).toBe('1')
  })
})
