import { describe, expect, test } from '@jest/globals'
import { sleep } from '../base/clock.ts'
import { silentLogger } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { VirtualClock } from '../base/testing/virtual-clock.ts'
import { drainMicrotasks, virtualClock } from '../base/testing/virtual-clock.ts'
import { memoryStore } from '../object-store/memory.ts'
import type { ObjectStore } from '../object-store/store.ts'
import { StoreError } from '../object-store/store.ts'
import type { AppliedDelta } from './applied.ts'
import type { AppendResult } from './appender.ts'
import { AppendUnknown, LogStopped, ProposalTooLarge, RejectedProposal } from './errors.ts'
import { METADATA_LOG_PREFIX, metadataLogKey } from './keys.ts'
import { MetadataLog } from './log.ts'
import type { MetadataRecord } from './records.ts'
import { registration } from './testing/random-records.ts'

interface World {
  clock: VirtualClock
  store: ObjectStore
  open(options?: { store?: ObjectStore; limits?: { recordsMax: number; bytesMax: number } }):
    Promise<MetadataLog>
}

function world(): World {
  const clock = virtualClock()
  const store = memoryStore()
  let seed = 1
  return {
    clock,
    store,
    async open(options = {}) {
      const random = seededRandom(seed++)
      const log = new MetadataLog({ clock, random, logger: silentLogger, store, ...options })
      const clusterId = `cluster-${seed}`
      await clock.run(
        log.open(() => [{ type: 'cluster', clusterId, secret: 's', createdMs: clock.wallMs() }]),
      )
      return log
    },
  }
}

const set = (key: string, value = '1'): MetadataRecord => {
  return { type: 'config', scope: 'cluster', name: '', key, value }
}
const topic = (name: string): MetadataRecord => {
  return { type: 'topic-created', topicId: name, name, owners: [1], configs: {}, atMs: 1 }
}
const valueOf = (log: MetadataLog, key: string) => log.image.configs.get(`cluster\n\n${key}`)

/** A store whose method `name` is replaced by what `wrap` makes of it. */
function wrapped<K extends 'get' | 'list' | 'putIfAbsent'>(
  store: ObjectStore,
  name: K,
  wrap: (inner: ObjectStore[K]) => ObjectStore[K],
): ObjectStore {
  return { ...store, [name]: wrap(store[name]) }
}

describe('opening', () => {
  test('an empty bucket gets one cluster, however many open it at once', async () => {
    const { clock, store } = world()
    const logs = Array.from({ length: 5 }, (_, index) =>
      new MetadataLog({ clock, store, random: seededRandom(index), logger: silentLogger }),
    )
    await clock.run(
      Promise.all(
        logs.map((log, index) =>
          log.open(() => [{ type: 'cluster', clusterId: `c${index}`, secret: 's', createdMs: 1 }]),
        ),
      ),
    )
    expect(new Set(logs.map((log) => log.clusterId)).size).toBe(1)
    expect(await store.list({ prefix: METADATA_LOG_PREFIX })).toHaveLength(1)
  })

  test('without first records an empty bucket stays empty', async () => {
    const { clock, store } = world()
    const log = new MetadataLog({ clock, store, random: seededRandom(1), logger: silentLogger })
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

  test('a batch that this release cannot read stops the reader at it', async () => {
    const { clock, store, open } = world()
    const log = await open()
    await clock.run(log.append(() => [set('a')]))
    await store.putIfAbsent(metadataLogKey(3), [Buffer.alloc(100)])
    const confirmedAtMs = log.headConfirmedAtMs
    await clock.advanceBy(10)
    await expect(clock.run(log.catchUp())).rejects.toThrow(metadataLogKey(3))
    expect(log.seq).toBe(2)
    expect(log.headConfirmedAtMs).toBe(confirmedAtMs)
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
        log.append(() => [topic('a'), set('half')]),
        log.append((image) => {
          if (image.topicIds.has('a')) throw new RejectedProposal('topic exists')
          return [topic('a')]
        }),
        log.append(() => [set('half'), topic('a')]),
        log.append(() => [{ ...node, nodeId: 99 }]),
        log.append(() => null),
        log.append(() => [node]),
      ]),
    )
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled', 'fulfilled',
    ])
    const errors = outcomes.flatMap((outcome) => {
      return outcome.status === 'rejected' ? [outcome.reason.name] : []
    })
    expect(errors).toEqual(['RejectedProposal', 'MetadataInvariantError', 'InvariantError'])
    expect([...log.image.topics.keys()]).toEqual(['a'])
    expect(valueOf(log, 'half')).toBe('1')
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
    const nothing = await clock.run(first.append((image) => {
      return image.topicIds.get('a') === 'b' ? null : [set('stale')]
    }))
    expect(nothing).toEqual({ seq: 4, records: [] })
  })

  test('batches are bounded, and what does not fit waits for the next', async () => {
    const { clock, open } = world()
    const log = await open({ limits: { recordsMax: 3, bytesMax: 400 } })
    const long = 'x'.repeat(200)
    const results = await clock.run(
      Promise.all([
        log.append(() => [set('a'), set('b')]),
        log.append(() => [set('c'), set('d')]),
        log.append(() => null),
        log.append(() => [set('e', long)]),
        log.append(() => [set('f', long)]),
        log.append(() => ['1', '2', '3', '4'].map((key) => set(key))),
      ]),
    )
    expect(results.map(({ seq }) => seq)).toEqual([2, 3, 3, 4, 5, 6])
    const huge = log.append(() => [set('huge', 'x'.repeat(9_000_000)), set('g')])
    const small = log.append(() => [set('small')])
    await expect(clock.run(huge)).rejects.toBeInstanceOf(ProposalTooLarge)
    await clock.run(small)
    expect(valueOf(log, 'g')).toBeUndefined()
  })

  test('what the caller does to its records later changes nothing', async () => {
    const { clock, open } = world()
    const [log, other] = [await open(), await open()]
    const record = set('a')
    const appended = log.append(() => [record])
    await clock.run(appended)
    Object.assign(record, { value: 'changed' })
    await clock.run(other.catchUp())
    expect([valueOf(log, 'a'), valueOf(other, 'a')]).toEqual(['1', '1'])
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
    const refused = log.append(() => [set('a')])
    const idle = log.append(() => null)
    await expect(clock.run(refused)).rejects.toBeInstanceOf(AppendUnknown)
    expect((await clock.run(idle)).records).toEqual([])
    isClosed = false
    expect((await clock.run(log.append(() => [set('b')]))).seq).toBe(3)
    expect(valueOf(log, 'a')).toBe('1')
  })
})

describe('catching up', () => {
  test('a call never shares a read that began before it', async () => {
    const { clock, store, open } = world()
    const writer = await open()
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let isHeld = false
    const reader = await open({
      store: wrapped(store, 'get', (get) => async (key, range) => {
        const object = await get(key, range)
        if (isHeld) await held
        return object
      }),
    })
    isHeld = true
    const early = reader.catchUp().then(() => valueOf(reader, 'a'))
    await drainMicrotasks()
    await clock.run(writer.append(() => [set('a')]))
    const late = [reader.catchUp(), reader.catchUp()]
    isHeld = false
    release()
    expect(await clock.run(early)).toBeUndefined()
    await clock.run(Promise.all(late))
    expect(valueOf(reader, 'a')).toBe('1')
  })

  test('reads far behind in parallel, near the head one by one', async () => {
    const { clock, store, open } = world()
    const writer = await open()
    for (let index = 0; index < 200; index++) {
      await clock.run(writer.append(() => [set(`${index}`)]))
    }
    let inFlight = 0
    let inFlightMax = 0
    let gets = 0
    const reader = await open({
      store: wrapped(store, 'get', (get) => async (key, range) => {
        gets++
        inFlightMax = Math.max(inFlightMax, ++inFlight)
        await sleep(clock, 1)
        inFlight--
        return get(key, range)
      }),
    })
    expect(reader.seq).toBe(201)
    expect(inFlightMax).toBeGreaterThan(4)
    expect(inFlightMax).toBeLessThanOrEqual(16)
    gets = 0
    await clock.run(reader.catchUp())
    expect(gets).toBe(1)
  })

  test('subscribers hear every batch once, in order, whoever appended it', async () => {
    const { clock, open } = world()
    const [first, second] = [await open(), await open()]
    const heard: AppliedDelta[] = []
    const own: AppendResult[] = []
    const end = first.onApplied((delta) => {
      expect(first.seq).toBe(delta.seq)
      heard.push(delta)
    })
    first.onAppended((result) => own.push(result))
    for (let round = 0; round < 10; round++) {
      const propose = (): MetadataRecord[] => [set(`${round}`)]
      await clock.run(Promise.all([first.append(propose), second.append(propose)]))
    }
    await clock.run(first.catchUp())
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 2))
    expect(own).toHaveLength(10)
    for (const { seq, records } of own) {
      expect(heard.find((delta) => delta.seq === seq)?.records).toEqual(records)
    }
    end()
    await clock.run(first.append(() => [set('unheard')]))
    expect(heard).toHaveLength(20)
  })
})

describe('the tail', () => {
  test('polls, and reads at once when poked', async () => {
    const { clock, open } = world()
    const [writer, reader] = [await open(), await open()]
    reader.start()
    await clock.advanceBy(10)
    await clock.run(writer.append(() => [set('a')]))
    await clock.advanceBy(100)
    expect(valueOf(reader, 'a')).toBeUndefined()
    reader.poke()
    await drainMicrotasks()
    expect(valueOf(reader, 'a')).toBe('1')
    await clock.run(writer.append(() => [set('b')]))
    await clock.advanceBy(1_200)
    expect(valueOf(reader, 'b')).toBe('1')
    const confirmedAtMs = reader.headConfirmedAtMs
    expect(clock.nowMs() - confirmedAtMs).toBeLessThanOrEqual(1_200)
    await clock.run(reader.stop())
    await clock.advanceBy(10_000)
    expect(reader.headConfirmedAtMs).toBe(confirmedAtMs)
    expect(clock.pendingCount).toBe(0)
  })

  test('goes on after failures, and tells by headConfirmedAtMs that it is blind', async () => {
    const { clock, store, open } = world()
    const writer = await open()
    let isDown = false
    const reader = await open({
      store: wrapped(store, 'get', (get) => async (key, range) => {
        if (isDown) throw new StoreError('unavailable', key, 'down')
        return get(key, range)
      }),
    })
    reader.start()
    await clock.advanceBy(2_000)
    isDown = true
    const downAtMs = clock.nowMs()
    await clock.run(writer.append(() => [set('a')]))
    await clock.advanceBy(20_000)
    expect(reader.headConfirmedAtMs).toBeLessThanOrEqual(downAtMs)
    isDown = false
    await clock.advanceBy(1_200)
    expect(valueOf(reader, 'a')).toBe('1')
    expect(reader.headConfirmedAtMs).toBeGreaterThan(downAtMs + 20_000)
    await clock.run(reader.stop())
  })
})

describe('stopping', () => {
  test('ends everything, also while the store does not answer', async () => {
    const { clock, store, open } = world()
    let isDead = false
    const hang = new Promise<never>(() => {})
    const log = await open({
      store: {
        ...store,
        get: (key, range) => (isDead ? hang : store.get(key, range)),
        putIfAbsent: (key, body) => (isDead ? hang : store.putIfAbsent(key, body)),
      },
    })
    log.start()
    await clock.advanceBy(10)
    isDead = true
    const writing = log.append(() => [set('a')])
    await clock.advanceBy(5_000)
    const waiting = log.append(() => [set('b')])
    const reading = log.catchUp()
    const outcomes = Promise.allSettled([writing, waiting, reading])
    await clock.run(log.stop())
    const errors = (await clock.run(outcomes)).map((outcome) => {
      return outcome.status === 'rejected' ? outcome.reason.name : outcome.value
    })
    expect(errors).toEqual(['AppendUnknown', 'LogStopped', 'LogStopped'])
    await expect(log.append(() => [set('c')])).rejects.toBeInstanceOf(LogStopped)
    expect(clock.pendingCount).toBe(0)
  })
})
