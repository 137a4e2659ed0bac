import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { silentLogger } from '../../base/log.ts'
import { type VirtualClock, virtualClock } from '../../base/testing/virtual-clock.ts'
import { type EventInput, EventRecorder } from './events.ts'
import type { KubeObject } from './objects.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { testClient } from './testing/test-client.ts'
import { advanceUntil } from './testing/until.ts'

let server: FakeApiServer
let clock: VirtualClock
let recorder: EventRecorder

const input: EventInput = { type: 'Normal', reason: 'Drained', action: 'Drain', note: 'Broker 3.' }

function subject(name: string): KubeObject {
  const metadata = { namespace: 'a', name, uid: `uid-${name}`, resourceVersion: '7' }
  return { apiVersion: 'x.io/v1', kind: 'X', metadata }
}

function events(): KubeObject[] {
  return server.objects.list('/apis/events.k8s.io/v1/events', null)
}

function countOf(event: KubeObject | undefined): number {
  return (event?.series as { count: number } | undefined)?.count ?? 1
}

/** All that is recorded was written or given up. */
async function quiet(limitMs = 120_000): Promise<void> {
  const { written, dropped } = recorder.counts
  let before = written + dropped
  for (let passedMs = 0; passedMs < limitMs; passedMs += 10_000) {
    await advanceUntil(clock, () => false, { stepMs: 500, limitMs: 10_000 })
    const after = recorder.counts.written + recorder.counts.dropped
    if (after === before) return
    before = after
  }
}

beforeEach(async () => {
  server = await FakeApiServer.start()
  clock = virtualClock()
  recorder = new EventRecorder({
    client: testClient(server, clock),
    clock,
    log: silentLogger,
    reportingController: 'x.io/operator',
    reportingInstance: 'pod-1',
  })
})
afterEach(async () => {
  let isStopped = false
  const stopping = recorder.stop().then(() => {
    isStopped = true
  })
  expect(await advanceUntil(clock, () => isStopped, { limitMs: 10_000 })).toBe(true)
  await stopping
  expect(clock.pendingCount).toBe(0)
  await server.stop()
})

describe('events', () => {
  test('say what happened to which object, with all that the API server asks for', async () => {
    recorder.record(subject('s'), { ...input, note: `é${'ü'.repeat(2_000)}` })
    await quiet()
    const [event] = events()
    expect(event).toMatchObject({
      type: 'Normal',
      reason: 'Drained',
      action: 'Drain',
      reportingController: 'x.io/operator',
      reportingInstance: 'pod-1',
      regarding: { kind: 'X', namespace: 'a', name: 's', uid: 'uid-s' },
      metadata: { namespace: 'a' },
    })
    expect(event?.eventTime).toMatch(/\.\d{6}Z$/)
    const note = String(event?.note)
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024)
    expect(note).toMatch(/^éü{400,}…$/)
  })

  test('repetitions are one event with a count, in few writes; what differs is another event', async () => {
    for (let second = 0; second < 120; second++) {
      recorder.record(subject('s'), input)
      await advanceUntil(clock, () => false, { stepMs: 500, limitMs: 1_000 })
    }
    recorder.record(subject('s'), { ...input, note: 'Broker 4.' })
    recorder.record(subject('t'), input)
    await quiet()
    const counts = events().map(countOf)
    expect(counts).toHaveLength(3)
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(90)
    expect(server.writes.length).toBeLessThan(12)
  })

  test('writes stay below the rate, whatever happens to how many objects', async () => {
    for (let index = 0; index < 450; index++) recorder.record(subject(`s${index}`), input)
    await advanceUntil(clock, () => false, { stepMs: 100, limitMs: 10_000 })
    expect(server.writes.length).toBeGreaterThan(60)
    expect(server.writes.length).toBeLessThanOrEqual(102)
    await quiet()
    expect(events()).toHaveLength(450)
    for (let index = 0; index < 900; index++) recorder.record(subject(`u${index}`), input)
    expect(recorder.counts.dropped).toBeGreaterThan(300)
  })

  test('one object with ever new words has some events only', async () => {
    for (let index = 0; index < 100; index++) {
      recorder.record(subject('s'), { ...input, note: `number ${index}` })
    }
    await quiet()
    expect(events()).toHaveLength(25)
    expect(recorder.counts).toMatchObject({ recorded: 100, written: 25, dropped: 75 })
  })
})

describe('an API server in trouble', () => {
  test('an answer that is lost makes no second event', async () => {
    server.fail({ effect: 'lost', method: 'POST' })
    recorder.record(subject('s'), input)
    await quiet()
    expect(events()).toHaveLength(1)
    expect(recorder.counts).toMatchObject({ written: 1, dropped: 0 })
  })

  test('events that cannot be written are dropped after some tries, and later ones come through', async () => {
    server.fail({ effect: { status: 500 }, times: 3 })
    recorder.record(subject('s'), input)
    server.fail({ effect: { status: 403, reason: 'Forbidden' } })
    recorder.record(subject('t'), input)
    recorder.record(subject('u'), input)
    await quiet()
    expect(recorder.counts).toMatchObject({ written: 1, dropped: 2 })
    expect(events().map(({ regarding }) => (regarding as { name: string }).name)).toEqual(['u'])
  })

  test('a series whose event was deleted begins anew', async () => {
    recorder.record(subject('s'), input)
    await quiet()
    const [event] = events()
    server.objects.delete(
      {
        collection: '/apis/events.k8s.io/v1/events',
        namespace: 'a',
        name: event?.metadata.name ?? '',
        subresource: null,
      },
      {},
    )
    recorder.record(subject('s'), input)
    await quiet()
    expect(events().map(countOf)).toEqual([2])
  })

  test('stopping writes what waits, but not for ever', async () => {
    recorder.record(subject('s'), input)
    await recorder.stop()
    expect(events()).toHaveLength(1)
    recorder.record(subject('t'), input)
    expect(recorder.counts.recorded).toBe(1)
  })
})
