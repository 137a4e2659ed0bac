import { describe, expect, test } from '@jest/globals'
import { sleep } from '../base/clock.ts'
import { drainMicrotasks } from '../base/testing/virtual-clock.ts'
import { StoreError } from '../object-store/store.ts'
import type { AppliedDelta } from './applied.ts'
import type { AppendResult } from './appender.ts'
import { LogStopped } from './errors.ts'
import type { MetadataRecord } from './records.ts'
import { setting, settingOf, world, wrapped } from './testing/world.ts'

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
    const early = reader.catchUp().then(() => settingOf(reader, 'a'))
    await drainMicrotasks()
    await clock.run(writer.append(() => [setting('a')]))
    const late = [reader.catchUp(), reader.catchUp()]
    isHeld = false
    release()
    expect(await clock.run(early)).toBeUndefined()
    await clock.run(Promise.all(late))
    expect(settingOf(reader, 'a')).toBe('1')
  })

  test('a key trimmed under a slow append is not the head either', async () => {
    const { clock, store, open } = world()
    const other = await open()
    let release: () => void = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let isHeld = false
    const log = await open({
      store: wrapped(store, 'list', (list) => async (options) => {
        const isFirst = isHeld
        isHeld = false
        const page = await list(options)
        if (isFirst) await held
        return page
      }),
    })
    // Batch 2 is written, and the boundary read; but the answer takes long.
    isHeld = true
    const appended = log.append(() => [setting('a')])
    await drainMicrotasks()
    await other.catchUp()
    await other.snapshot()
    await other.append(() => [setting('b')])
    await other.trim({ keepBatches: 0 })
    await clock.advanceBy(10)
    // Finds key 2 gone, and, by the time it has read the boundary, batch 2 applied by the append.
    const startedAtMs = clock.nowMs()
    const caughtUp = log.catchUp()
    release()
    await clock.run(Promise.all([appended, caughtUp]))
    expect(log.headConfirmedAtMs).toBe(startedAtMs)
    expect([log.seq, settingOf(log, 'b')]).toEqual([3, '1'])
  })

  test('reads far behind in parallel, near the head one by one', async () => {
    const { clock, store, open } = world()
    const writer = await open()
    for (let index = 0; index < 200; index++) {
      await clock.run(writer.append(() => [setting(`${index}`)]))
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
      const propose = (): MetadataRecord[] => [setting(`${round}`)]
      await clock.run(Promise.all([first.append(propose), second.append(propose)]))
    }
    await clock.run(first.catchUp())
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, index) => index + 2))
    expect(own).toHaveLength(10)
    for (const { seq, records } of own) {
      expect(heard.find((delta) => delta.seq === seq)?.records).toEqual(records)
    }
    end()
    await clock.run(first.append(() => [setting('unheard')]))
    expect(heard).toHaveLength(20)
  })
})

describe('the tail', () => {
  test('polls, and reads at once when poked', async () => {
    const { clock, open } = world()
    const [writer, reader] = [await open(), await open()]
    reader.start()
    await clock.advanceBy(10)
    await clock.run(writer.append(() => [setting('a')]))
    await clock.advanceBy(100)
    expect(settingOf(reader, 'a')).toBeUndefined()
    reader.poke()
    await drainMicrotasks()
    expect(settingOf(reader, 'a')).toBe('1')
    await clock.run(writer.append(() => [setting('b')]))
    await clock.advanceBy(1_200)
    expect(settingOf(reader, 'b')).toBe('1')
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
    await clock.run(writer.append(() => [setting('a')]))
    await clock.advanceBy(20_000)
    expect(reader.headConfirmedAtMs).toBeLessThanOrEqual(downAtMs)
    isDown = false
    await clock.advanceBy(1_200)
    expect(settingOf(reader, 'a')).toBe('1')
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
    const writing = log.append(() => [setting('a')])
    await clock.advanceBy(5_000)
    const waiting = log.append(() => [setting('b')])
    const reading = log.catchUp()
    const outcomes = Promise.allSettled([writing, waiting, reading])
    await clock.run(log.stop())
    const errors = (await clock.run(outcomes)).map((outcome) => {
      return outcome.status === 'rejected' ? outcome.reason.name : outcome.value
    })
    expect(errors).toEqual(['AppendUnknown', 'LogStopped', 'LogStopped'])
    await expect(log.append(() => [setting('c')])).rejects.toBeInstanceOf(LogStopped)
    expect(clock.pendingCount).toBe(0)
  })
})
