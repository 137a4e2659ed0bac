import { describe, expect, test } from '@jest/globals'
import { randomUuid, seededRandom } from '../../base/random.ts'
import { checkpointKey, walKey } from '../../metadata/keys.ts'
import { memoryStore } from '../../object-store/memory.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { type CheckpointEntry, encodeCheckpoint } from '../wal/checkpoint.ts'
import { type BatchMeta, encodeFence, LogObjectBuilder } from '../wal/log-object.ts'
import { decodeHotState, emptyHotState, encodeHotState, type HotState } from './hot-state.ts'
import { epochKey, type FoundState, scanNode } from './node-scan.ts'

const NODE = 3
const TOPIC = 'AAAAAAAAAAAAAAAAAAAAAg'
const WISH = epochKey(TOPIC, 0, 4)
const ADDRESS = { topicId: TOPIC, partition: 0, leaderEpoch: 4 }

function batch(baseOffset: number): BatchMeta {
  const sizeBytes = 70
  const lastOffset = baseOffset + 1
  const idempotent = { producerId: 8, producerEpoch: 0, baseSequence: baseOffset }
  return { baseOffset, lastOffset, sizeBytes, maxTimestampMs: 5, attributes: 0, ...idempotent }
}

type Put =
  | 'open'
  | 'close'
  | { readonly data: number }
  | { readonly state: 'close'; readonly end: number }

/** A log of one node, written by hand. */
class HandWritten {
  readonly store: ObjectStore = memoryStore()
  gets: string[] = []

  async put(seq: number, puts: readonly Put[], address = ADDRESS, padding = 0): Promise<void> {
    const identity = { nodeId: NODE, seq, nonce: Buffer.alloc(16, 1) }
    const builder = new LogObjectBuilder(identity)
    const random = seededRandom(seq + 1)
    for (let count = 0; count < padding; count++) {
      const other = { topicId: randomUuid(random), partition: 0, leaderEpoch: 0 }
      builder.addState('open', other, Buffer.alloc(1_000))
    }
    for (const put of puts) {
      if (put === 'open' || put === 'close') {
        builder.addState(put, address, encodeHotState(emptyHotState()))
      } else if ('data' in put) {
        const meta = batch(put.data)
        builder.addRun(address, [Buffer.alloc(meta.sizeBytes)], [meta])
      } else {
        const state = { ...emptyHotState(), endOffset: put.end }
        builder.addState(put.state, address, encodeHotState(state))
      }
    }
    await this.store.putIfAbsent(walKey(NODE, seq), builder.finish(identity))
  }

  async fence(seq: number): Promise<void> {
    const identity = { nodeId: 9, seq, nonce: Buffer.alloc(16, 2) }
    await this.store.putIfAbsent(walKey(NODE, seq), encodeFence(identity))
  }

  async checkpoint(seq: number, closed: boolean, state: Partial<HotState>): Promise<void> {
    const identity = { nodeId: NODE, seq, nonce: Buffer.alloc(16, 3) }
    const bytes = encodeHotState({ ...emptyHotState(), ...state })
    const entry: CheckpointEntry = { ...ADDRESS, closed, state: bytes }
    await this.store.putIfAbsent(checkpointKey(NODE, seq), encodeCheckpoint(identity, [entry]))
  }

  /** What a scan finds of the wish; `start-over` when it must be begun again. */
  async scan(sealedEnd: number | null, wish = WISH): Promise<FoundState | null | 'start-over'> {
    const store: ObjectStore = {
      ...this.store,
      get: (key, range) => {
        this.gets.push(key)
        return this.store.get(key, range)
      },
    }
    const result = await scanNode(store, {
      nodeId: NODE,
      sealedEnd,
      wishes: new Set([wish]),
      nowMs: 77,
    })
    return result.outcome === 'start-over' ? 'start-over' : (result.found.get(wish) ?? null)
  }

  async endOf(sealedEnd: number | null, wish = WISH): Promise<number | null | 'start-over'> {
    const found = await this.scan(sealedEnd, wish)
    return found === null || found === 'start-over' ? found : found.state.endOffset
  }
}

describe("a sealed node's log", () => {
  test('is read from its open entry to the sealed end, and not beyond', async () => {
    const log = new HandWritten()
    await log.put(0, ['open', { data: 0 }])
    await log.put(1, [{ data: 2 }])
    await log.fence(2)
    await log.put(3, [{ data: 4 }])
    expect(await log.scan(2)).toMatchObject({ closed: false, state: { endOffset: 4 } })
    expect(await log.endOf(1)).toBe(2)
    expect(await log.endOf(0)).toBeNull()
  })

  test('replayed producers count as seen now', async () => {
    const log = new HandWritten()
    await log.put(0, ['open', { data: 0 }])
    const found = await log.scan(1)
    if (found === null || found === 'start-over') throw new Error('not found')
    found.state.producers.expire(77, 100)
    expect(found.state.producers.check(8, 0, 0, 2).verdict).toBe('duplicate')
    found.state.producers.expire(78, 100)
    expect(found.state.producers.size).toBe(0)
  })

  test('begins with the newest checkpoint; nothing below it is read', async () => {
    const log = new HandWritten()
    await log.checkpoint(3, false, { endOffset: 6 })
    await log.checkpoint(1, false, { endOffset: 2 })
    await log.put(4, [{ data: 6 }])
    expect(await log.endOf(5)).toBe(8)
    expect(log.gets.filter((key) => key.startsWith('wal/'))).toEqual([walKey(NODE, 4)])
  })

  test('with a hole, or a fence where data is due, is not what the image says: read that again', async () => {
    const hole = new HandWritten()
    await hole.put(0, ['open'])
    await hole.put(2, [{ data: 0 }])
    expect(await hole.scan(3)).toBe('start-over')
    const fenced = new HandWritten()
    await fenced.put(0, ['open'])
    await fenced.fence(1)
    expect(await fenced.scan(2)).toBe('start-over')
  })

  test('only the epoch that is asked for counts, whatever else there is of the partition', async () => {
    const log = new HandWritten()
    await log.put(0, ['open', { data: 0 }, 'close'], { ...ADDRESS, leaderEpoch: 2 })
    await log.put(1, ['open', { data: 0 }])
    await log.put(2, [{ data: 2 }])
    await log.put(3, ['open'], { ...ADDRESS, leaderEpoch: 6 })
    expect(await log.scan(4, epochKey(TOPIC, 0, 2))).toMatchObject({ closed: true })
    expect(await log.endOf(4)).toBe(4)
    expect(await log.scan(4, epochKey(TOPIC, 0, 5))).toBeNull()
    expect(await log.scan(4, epochKey(TOPIC, 1, 4))).toBeNull()
  })

  test('an index larger than the first read is read whole', async () => {
    const log = new HandWritten()
    await log.put(0, ['open', { data: 0 }], ADDRESS, 200)
    expect(await log.endOf(1)).toBe(2)
  })

  test('an index that says it is longer than its object is corrupt, and not asked for without end', async () => {
    const log = new HandWritten()
    await log.put(0, ['open'])
    const key = walKey(NODE, 0)
    const bytes = (await log.store.get(key)) as Buffer
    bytes.writeUInt32BE(50_000_000, bytes.length - 16)
    await log.store.delete([key])
    await log.store.putIfAbsent(key, [bytes])
    await expect(log.scan(1)).rejects.toMatchObject({ kind: 'corrupt', key })
  })

  test('that breaks its own rules is refused: an owner that guesses loses data', async () => {
    const unopened = new HandWritten()
    await unopened.put(0, [{ data: 0 }])
    await expect(unopened.scan(1)).rejects.toThrow('begins with an open entry')
    const twice = new HandWritten()
    await twice.put(0, ['open', 'open'])
    await expect(twice.scan(1)).rejects.toThrow('opened once')
    const after = new HandWritten()
    await after.put(0, ['open', 'close', { data: 0 }])
    await expect(after.scan(1)).rejects.toThrow('follows its close')
    const gap = new HandWritten()
    await gap.put(0, ['open', { data: 5 }])
    await expect(gap.scan(1)).rejects.toThrow('end offset')
  })
})

describe("a living node's log", () => {
  test('gives closed states only', async () => {
    const log = new HandWritten()
    await log.put(0, ['open', { data: 0 }])
    expect(await log.scan(null)).toBeNull()
    await log.put(1, [{ state: 'close', end: 2 }])
    expect(await log.scan(null)).toMatchObject({ closed: true, state: { endOffset: 2 } })
  })

  test('ends at its first hole: what lies above may never count', async () => {
    const log = new HandWritten()
    await log.put(0, ['open'])
    await log.put(2, [{ state: 'close', end: 0 }])
    expect(await log.scan(null)).toBeNull()
    await log.put(1, [])
    expect(await log.scan(null)).toMatchObject({ closed: true })
  })

  test('with a fence in it is about to end somewhere else: the image will say', async () => {
    const log = new HandWritten()
    await log.put(0, ['open'])
    await log.fence(1)
    expect(await log.scan(null)).toBe('start-over')
  })

  test('a closed state in its checkpoint is found without reading on', async () => {
    const log = new HandWritten()
    await log.checkpoint(5, true, { endOffset: 40 })
    expect(await log.endOf(null)).toBe(40)
    expect(log.gets.filter((key) => key.startsWith('wal/'))).toEqual([])
  })

  test('a checkpoint that is deleted while it is looked for means a newer one: begin again', async () => {
    const log = new HandWritten()
    await log.checkpoint(5, true, { endOffset: 40 })
    const store: ObjectStore = { ...log.store, get: async () => null }
    const options = { nodeId: NODE, sealedEnd: null, wishes: new Set([WISH]), nowMs: 0 }
    expect(await scanNode(store, options)).toMatchObject({ outcome: 'start-over' })
  })
})

test('a state that was found is as it was written', async () => {
  const log = new HandWritten()
  await log.put(0, ['open', { data: 0 }])
  await log.put(1, [{ data: 2 }, { data: 4 }])
  const found = await log.scan(2)
  if (found === null || found === 'start-over') throw new Error('not found')
  const again = decodeHotState(encodeHotState(found.state))
  expect(again.epochs).toEqual([{ leaderEpoch: 4, startOffset: 0 }])
  expect([again.runs.at(0).seq, again.runs.at(1).seq, again.runs.at(2).seq]).toEqual([0, 1, 1])
  expect(again.runs.at(2).position).toBe(again.runs.at(1).position + 70)
})
